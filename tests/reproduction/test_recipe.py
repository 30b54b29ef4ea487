"""The recipe: which steps are kept, and ensembles of streams."""

from __future__ import annotations

import numpy as np
import pytest

from skellib.records import RecordStore, TestLogits
from skellib.reproduction import recipe
from skellib.reproduction.own_tables import CHOSEN_STEPS, RECIPE, RECIPE_STEPS, STREAMS
from tests.reproduction.test_tables import make_record, store  # noqa: F401


def put(store, label, column, accuracies):  # noqa: F811
    experiment = RECIPE.row(label).experiment(column, "laptop")
    for seed, accuracy in enumerate(accuracies):
        store.put(make_record(experiment, seed, accuracy))


def test_steps_with_a_gain_on_the_mean_of_both_splits_are_kept(store):  # noqa: F811
    first, second = RECIPE.columns
    assert recipe.choose(store) is None
    for column in RECIPE.columns:
        put(store, "Joints", column, [0.8, 0.7])
        for label in RECIPE_STEPS:
            put(store, label, column, [0.8, 0.7])
    assert recipe.choose(store) == ()
    put(store, "Averaged weights", first, [0.9, 0.8])  # 10 points more
    put(store, "Averaged weights", second, [0.76, 0.66])  # 4 less
    put(store, "Label smoothing", first, [0.79, 0.71])
    put(store, "Label smoothing", second, [0.72, 0.76])  # 1 less
    gains = recipe.step_gains(store)
    assert gains.loc["Averaged weights"].tolist() == pytest.approx([10, -4, 3])
    assert gains.loc["Label smoothing"].tolist() == pytest.approx([0, -1, -0.5])
    assert recipe.choose(store) == ("Averaged weights",)


def test_the_steps_are_those_that_the_committed_records_choose():
    assert recipe.choose(RecordStore()) == CHOSEN_STEPS


def test_an_ensemble_can_be_right_where_each_stream_is_wrong(store):  # noqa: F811
    """Three clips of four classes; each stream is sure of two, and unsure of one."""
    label = np.array([0, 1, 2])
    for stream, unsure in zip(STREAMS, range(3), strict=True):
        logits = np.zeros((3, 4))
        logits[range(3), label] = 4.0
        logits[unsure] = 0
        logits[unsure, 3] = 0.1
        for column in RECIPE.columns:
            record = make_record(
                RECIPE.row(stream).experiment(column, "laptop"), 0, 0.5
            )
            kept = TestLogits.of(logits, label, np.zeros(3, bool))
            store.put(record.model_copy(update={"test_logits": kept}))
    found = recipe.ensembles(RECIPE, store)
    for column in RECIPE.columns:
        means = found[column.name]["mean"].tolist()
        assert means == pytest.approx([200 / 3, 100, 100])
        assert found[column.name]["n"].tolist() == [1, 1, 1]
    assert found.index[1] == "Joints + bones"
