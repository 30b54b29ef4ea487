"""The committed records agree with each other where they must."""

from __future__ import annotations

import pytest

from skellib.paths import project_root
from skellib.records import RecordStore
from skellib.reproduction import exhibits, preparation, render
from skellib.reproduction.design import choose
from skellib.reproduction.own_tables import (
    CANDIDATES,
    CHOSEN,
    CHOSEN_PREPARATION,
    CHOSEN_ROTATION,
    OWN_TABLES,
    SCREENED,
    SCREENED_FIRST,
)
from skellib.reproduction.paper_tables import TABLES, UCLA

STORE = RecordStore(project_root() / "data" / "records")
INITIALISATION = OWN_TABLES["Initialisation"]


@pytest.mark.parametrize("seed", range(3))
def test_transforms_by_the_runs_own_seed_are_the_run_itself(seed):
    """Two trainings, made days apart, of what must be one network."""
    plain = TABLES["VI"].row("CE (Baseline1)").experiment(UCLA, "laptop").first_edition
    same = INITIALISATION.row(f"Transforms initialised by seed {seed}").experiment(
        UCLA, "laptop"
    )
    one, other = STORE.get(plain, seed), STORE.get(same.first_edition, seed)
    assert one.key != other.key
    assert one.test == other.test and one.clean == other.clean
    assert one.history == other.history


def test_without_a_rotation_networks_score_as_their_records_say():
    shown = exhibits.read("rotation", "nucla", "laptop")
    experiments = shown.experiments("nucla", "laptop")
    assert set(shown.top1) == set(experiments)
    for row, keyed in experiments.items():
        experiment = keyed.first_edition
        assert shown.keys[row] == experiment.key
        for seed, found in shown.top1[row].items():
            record = STORE.get(experiment, seed)
            for axis, degrees in shown.degrees.items():
                at = degrees.index(0)
                assert found[axis][at] == pytest.approx(record.test.top1, abs=1e-5)
                clean = shown.clean[row][seed][axis][at]
                assert clean == pytest.approx(record.clean.top1, abs=1e-5)


def test_the_rotation_tried_on_camera_3_is_that_which_the_other_cameras_chose():
    choice = OWN_TABLES["Rotated clips"]
    levels = render.mean_accuracy(choice, STORE, "laptop")["mean"]
    assert levels.notna().all()
    chosen = choice.row(levels.idxmax()).changes
    assert CHOSEN_ROTATION.items() <= chosen.items()


def test_the_preparations_are_those_which_the_screening_chose():
    first, both = preparation.first_half(STORE), preparation.screening(STORE)
    assert first is not None and both is not None and both.interactions
    assert choose(first) == SCREENED_FIRST
    assert choose(both) == SCREENED
    table = preparation.interaction_table(both)
    assert table["interactions"].str.split(", ").explode().nunique() == 55
    sizes = table["together (points)"].str.replace("−", "-").astype(float).abs()
    assert sizes.is_monotonic_decreasing


def test_the_preparation_of_camera_3_is_that_which_the_confirmation_chose():
    assert preparation.confirmed(STORE) == CHOSEN
    expected = SCREENED_FIRST if CHOSEN is None else CANDIDATES[CHOSEN]
    assert expected == CHOSEN_PREPARATION
