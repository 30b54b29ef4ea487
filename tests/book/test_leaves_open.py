"""Numbers on the page "What the paper leaves open" are computed, not typed."""

from __future__ import annotations

import json
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP

import pytest

from skellib.reproduction.paper_tables import TABLES
from skellib.statistics import grim, grim_smallest

CLIPS = 464


@pytest.fixture
def page(root):
    text = (root / "book" / "leaves_open.md").read_text(encoding="utf-8")
    section = text.split("## The printed numbers cannot be single runs")[1]
    return " ".join(section.split("\n## ")[0].split())


@pytest.fixture
def printed():
    """The distinct numbers of the paper's own networks on N-UCLA."""
    return sorted(
        {
            row.reported[column.name]
            for table in TABLES.values()
            for column in table.columns
            for row in table.rows
            if column.dataset == "nucla" and row.ours and column.name in row.reported
        }
    )


def test_printed_numbers_that_no_single_run_has(page, printed):
    possible = grim(printed, CLIPS)
    never = [value for value, can in zip(printed, possible, strict=True) if not can]
    assert f"{len(printed)} distinct accuracies" in page
    assert f"{len(never)} of them are no such fraction: " in page
    assert f": {', '.join(map(str, never))}. The other {sum(possible)} are" in page
    share = sum(grim([tenth / 10 for tenth in range(1001)], CLIPS)) / 1001
    assert f"since {100 * share:.0f} % of all numbers" in page
    assert round(share * len(printed)) == sum(possible)  # as many as chance would give
    assert f"which is {100 / CLIPS:.2f} points" in page


def test_clips_of_the_twin_free_protocol(root):
    card = json.loads((root / "data" / "cards" / "nucla.json").read_text("utf-8"))
    (found,) = (p for p in card["protocols"] if p["name"] == "cross_view_untwinned")
    page = " ".join((root / "book" / "leaves_open.md").read_text("utf-8").split())
    assert f"{found['train']} clips train, and all {found['test']}, of all ten" in page


def test_averages_that_would_explain_them(page, printed):
    rounded, cut = grim_smallest(printed), grim_smallest(printed, rounding=ROUND_DOWN)
    assert f"none of fewer than {rounded} clips gives all {len(printed)} ({cut}" in page
    full, rest = divmod(CLIPS, 32)
    assert 32 % rest == 0  # so that all batches' accuracies are multiples of 1/32
    assert f"it is a multiple of 1/{32 * (full + 1)}." in page
    for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN):
        assert not all(grim(printed, 32 * (full + 1), rounding=rounding))
        assert not all(grim(printed, 2 * CLIPS, rounding=rounding))
        assert all(grim(printed, 3 * CLIPS, rounding=rounding))
