"""The level from the text to the chosen preparation."""

from __future__ import annotations

import math

import pytest

from skellib.reproduction.levels import levels
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import UCLA
from tests.reproduction.test_tables import make_record, store  # noqa: F401


def test_levels_follow_the_steps_of_each_network_and_profile(store):  # noqa: F811
    text, plain, rotated = (
        OWN_TABLES[table].row(label)
        for table, label in (
            ("Author habits", "Baseline0, the text"),
            ("No dropout", "Baseline0, as recorded"),
            ("No dropout", "Baseline0, rotated"),
        )
    )
    assert levels(store).empty
    for row, profile, accuracies in (
        (text, "full", [0.5]),
        (plain, "full", [0.6]),
        (plain, "laptop", [0.7, 0.8]),  # there, it is the text as well
        (rotated, "laptop", [0.9]),
    ):
        for seed, accuracy in enumerate(accuracies):
            store.put(make_record(row.experiment(UCLA, profile), seed, accuracy))
    found = levels(store)
    assert found[["profile", "step"]].to_numpy().tolist() == [
        ["full", "the text"],
        ["full", "without dropout"],
        ["laptop", "without dropout"],
        ["laptop", "rotated clips"],
    ]
    assert found["mean"].tolist() == pytest.approx([50, 60, 75, 90])
    assert found["n"].tolist() == [1, 1, 2, 1]
    assert found["sd"][2] == pytest.approx(10 / math.sqrt(2))
    assert set(found["network"]) == {"Baseline0"} and set(found["paper"]) == {89.6}


def test_a_step_may_have_runs_of_another_edition_than_the_others(store):  # noqa: F811
    plain = OWN_TABLES["No dropout"].row("Baseline0, as recorded")
    chosen = OWN_TABLES["Chosen preparation"].row("No Trans. (Baseline0)")
    for seed in (0, 1):
        former = plain.experiment(UCLA, "laptop").first_edition
        store.put(make_record(former, seed, 0.7))
    store.put(make_record(chosen.experiment(UCLA, "laptop"), 0, 0.8))
    found = levels(store)
    assert found["step"].tolist() == ["without dropout", "chosen preparation"]
    assert found["mean"].tolist() == pytest.approx([70, 80])
