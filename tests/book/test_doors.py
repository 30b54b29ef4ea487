"""The ways out of the book: citation, Colab, Binder, times of a GPU, its pages."""

from __future__ import annotations

import json
from pathlib import Path

import accessible
import doors
import icons
import pytest
import run_times
import yaml

from skellib.errors import InputError
from skellib.reproduction import colab

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_is_that_of_the_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert doors.bibtex(cited["preferred-citation"]).splitlines() == [
        "@article{hu2019,",
        "  author = {Hu, Guyue and Cui, Bo and Yu, Shan},",
        f"  title = {{{cited['preferred-citation']['title']}}},",
        "  journal = {IEEE Transactions on Multimedia},",
        "  year = {2019},",
        "  doi = {10.1109/TMM.2019.2953325},",
        "}",
    ]
    software = doors.bibtex(cited)
    assert software.startswith("@software{skellib,")
    assert f"version = {{{cited['version']}}}" in software


def test_colab_installs_before_the_first_import(tmp_path: Path) -> None:
    written = colab.write(tmp_path, "https://host/owner/name")
    sources = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert [path.name for path in written] == [path.name for path in sources]
    for path, source in zip(written, sources):
        title, install, *rest = json.loads(path.read_text("utf-8"))["cells"]
        assert [title, *rest] == json.loads(source.read_text("utf-8"))["cells"]
        assert "--depth 1 https://host/owner/name /content/book" in install["source"]
        assert install["source"].endswith("%pip install -q -e .")


def test_colab_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SKELLIB_REPOSITORY"):
        colab.write(tmp_path, "")


def test_binder_installs_the_versions_that_were_run() -> None:
    lines = (ROOT / "binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert {"-c ../constraints.txt", "-e .[notebooks]"} <= set(lines)


def run(seconds: float, profile: str = "full", parameters: int = 9_400_000) -> dict:
    return {
        "experiment": {
            "dataset": "nucla",
            "profile": profile,
            "training": {"epochs": 60},
        },
        "execution": {"precision": "bf16-mixed", "graphs": True, "concurrent_runs": 2},
        "stamp": {"device": "A GPU"},
        "parameters": parameters,
        "seconds": seconds,
    }


def test_times_are_medians_of_the_same_kind_of_run() -> None:
    records = [
        run(9.6),
        run(30),
        run(20.2),
        run(5, parameters=300_000),
        run(1, "quick"),
    ]
    found = run_times.rows(records, "full")
    assert [(row[1], row[2], row[-1]) for row in found] == [
        ("0.3 M parameters", "1", "5 (5 to 5)"),
        ("9.4 M parameters", "3", "20 (10 to 30)"),
    ]
    same = ["60", "A GPU", "bf16-mixed, CUDA graphs", "2"]
    assert all(row[0] == "`nucla`" and row[3:-1] == same for row in found)


def test_only_icons_that_are_used_stay() -> None:
    sun, up, moon = (
        f'{name}:[512,512,["{other}"],"f0","M0 0"],'
        for name, other in (("sun", "day"), ('"arrow-up"', 9650), ("moon", "night"))
    )
    script = f"var icons={{{sun}{up}{moon}}};"
    kept, left_out = icons.keep_used(script, {"day", "arrow-up"})
    assert left_out == 1
    assert kept == f"var icons={{{sun}{up}}};"


def test_pages_are_repaired() -> None:
    page = '<summary>\n <span class="toctree-toggle"></span></summary><ul><li>a</li>'
    assert 'aria-label="Pages of this part"' in accessible.repaired(page)
    nested = "<ul><li>a</li>\n<ul><li>b</li></ul>\n<li>c</li></ul>"
    assert accessible.with_nested_lists(nested) == (
        "<ul><li>a<ul><li>b</li></ul></li>\n\n<li>c</li></ul>"
    )
