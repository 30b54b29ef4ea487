"""The benchmark of the hand-written parsers, and the page that quotes it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from benchmarks import readers_worth
from skellib.errors import InputError
from skellib.readers.interchange import pickles
from tests.fake_raw import ntu, utd_mhad


def test_the_page_quotes_the_committed_figures(root: Path) -> None:
    result = root / "benchmarks" / "results" / "readers_worth.json"
    found = json.loads(result.read_text("utf-8"))
    page = (root / "book" / "readers.md").read_text("utf-8")
    assert readers_worth.table(found) in page
    assert readers_worth.machine(found) in " ".join(page.split())


@pytest.mark.parametrize("name", readers_worth.hostile())
def test_hostile_pickles_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        pickles.load(readers_worth.hostile()[name])


def test_all_parsers_read_the_same(tmp_path: Path) -> None:
    (path,) = ntu.write(tmp_path / "ntu", clips=1, frames=(5, 9))
    fast, slow = readers_worth.fast_ntu(path), readers_worth.numpy_ntu(path)
    assert fast.shape == slow.shape and (fast == slow).all()
    (path,) = utd_mhad.write(tmp_path / "utd", clips=1)
    assert (readers_worth.skellib_mat(path) == readers_worth.scipy_mat(path)).all()


def test_a_crash_costs_one_outcome() -> None:
    def crash() -> str:
        os.kill(os.getpid(), signal.SIGKILL)

    works = [lambda: "read", crash, lambda: "refused"]
    found = [what for what, _ in readers_worth.run(works)]
    assert found == ["read", "crash (SIGKILL)", "refused"]
