"""What the page on later methods concludes from their numbers."""

from __future__ import annotations

import re

import pytest

from skellib.reproduction.paper_tables import TABLES
from skellib.statistics import grim

CLIPS = 464


@pytest.fixture
def page(root) -> str:
    text = (root / "book" / "after_2019.md").read_text(encoding="utf-8")
    return " ".join(text.split())


def test_the_users_digits_are_shares_of_all_test_clips(page):
    found = re.search(r"digits: (.*?) % are (.*?) of 464", page)
    shares, clips = (re.findall(r"[\d.]+", each) for each in found.groups())
    assert len(shares) == len(clips) == 3
    for share, number in zip(shares, clips, strict=True):
        assert f"{100 * int(number) / CLIPS:.2f}" == share
        assert share in page.split("digits:")[0], "it is in the table"
    assert grim([float(each) for each in shares], CLIPS, digits=2) == [True] * 3


def test_steps_are_counted_in_clips(page):
    assert f"**One clip** is {100 / CLIPS:.2f} points" in page
    assert round((97.2 - 96.5) * CLIPS / 100) == 3
    assert "from 96.5 to 97.2 is three clips" in page
    assert round((96.5 - 95.0) * CLIPS / 100) == 7
    assert "95 % of its users is seven" in page


def test_the_papers_own_numbers_are_those_of_its_tables(page):
    nucla = TABLES["IV"].rows[-1].reported["N-UCLA"]
    ntu = TABLES["I"].rows[-1].reported
    rows = re.findall(r"\* - SLnL-rFA\+ML \S+ - ([\d.]+) - (\S+)", page)
    assert rows[0][0] == f"{nucla}" and rows[1] == (
        f"{ntu['NTU-CS']}",
        f"{ntu['NTU-CV']}",
    )
    sgn = re.search(r"\* - SGN \S+ - ([\d.]+)", page)[1]
    assert sgn == f"{TABLES['IV'].row('SGN').reported['N-UCLA']}"


def test_every_row_says_what_it_rests_on(page):
    rows = page.split("* - ")[1:]
    for row in rows:
        if "{cite:p}" in row.split(" - ")[0]:
            assert re.search(r"own word|quoted", row), row
