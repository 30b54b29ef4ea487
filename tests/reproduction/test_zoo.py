"""The networks that are kept in the repository, and their records."""

from __future__ import annotations

import numpy as np
import pytest

from skellib.records import RecordStore
from skellib.reproduction import zoo
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import TABLES

LABELS = {row.label for t in (*TABLES.values(), *OWN_TABLES.values()) for row in t.rows}


@pytest.fixture(scope="module")
def networks():
    return zoo.kept(RecordStore())


def test_each_kept_network_is_small_named_and_recorded(networks):
    assert networks
    for each in networks:
        assert each.path.stat().st_size < 2e6, each.path
        assert each.path.name == f"{each.predictor.experiment.key}-seed{each.seed}" + (
            ".safetensors"
        )
        assert each.name in LABELS or each.name.startswith("final model, ")
        if each.predictor.experiment.profile != "quick":
            assert each.record is not None, each.path
            assert len(each.predictor.classes) == len(each.record.test.per_class)


def test_each_kept_network_classifies_a_clip(networks):
    for each in networks:
        shares = each.predictor.probabilities(zoo.example_clip(each.predictor, 20))
        assert shares.shape == (len(each.predictor.classes),)
        assert np.isfinite(shares).all() and shares.sum() == pytest.approx(1, abs=1e-5)


def test_the_summary_has_a_line_for_each(networks):
    table = zoo.summary(networks)
    assert len(table) == len(networks) and table["file"].is_unique
    for each, (_, line) in zip(networks, table.iterrows(), strict=True):
        expected = "" if each.record is None else f"{100 * each.record.test.top1:.1f}"
        assert line["accuracy (%)"] == expected
