"""Data cards: what is measured, what is told, and the committed cards themselves."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from skellib import readers
from skellib.__main__ import main
from skellib.data import PackedDataset, open_dataset
from skellib.data.protocols import PROTOCOLS
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.paths import packed_path
from skellib.readers.cards import INFO, STEPS, DataCard, card, card_path, read

MEASURED = ("nucla", "utd_mhad", "sbu", "synthetic")


def clip(frames: int, start: float = 1.0) -> np.ndarray:
    """Return two moving bodies of 15 joints, nowhere zero."""
    values = start + np.arange(frames * 2 * 15 * 3, dtype=np.float32) / 1000
    return values.reshape(frames, 2, 15, 3)


@pytest.fixture
def packed() -> PackedDataset:
    clips = [clip(4), clip(6, 2.0), clip(6, -9.0), clip(4)]
    clips[1][0, 0, 3] = 0  # one joint of the first body
    clips[1][2:, 1] = 0  # the second body leaves: no missing joints
    clips[2][5] = 0  # nobody
    return PackedDataset.from_clips(
        clips, label=[0, 0, 2, 2], subject=[1, 2, 2, 2], view=[1, 1, 2, 2],
        name=list("abcd"), layout=LAYOUTS["sbu15"], classes=["x", "y", "z"],
        key="small", source="made up",
    )  # fmt: skip


def test_what_is_counted(packed) -> None:
    made = card(packed)
    assert (made.clips, made.frames, made.layout) == (4, 20, "sbu15")
    assert made.subjects == [(1, 1), (2, 3)]
    assert made.views == [(1, 2), (2, 2)]
    found = [(c.name, c.clips, c.median_frames) for c in made.classes]
    assert found == [("x", 2, 5.0), ("y", 0, None), ("z", 2, 5.0)]
    assert made.bodies == [1, 4, 15]
    bodies = 4 + 2 * 15  # present, over all frames
    assert made.missing == [round(float(j == 3) / bodies, 8) for j in range(15)]
    assert (made.missing_frames, made.missing_clips) == (1, 1)
    assert made.duplicates["exact"] == 1
    assert sum(made.nearest) in (0, 2)  # clips of five frames at least
    assert made.protocols == [] or all(p.train + p.test == 4 for p in made.protocols)


def test_lengths_and_extent(packed) -> None:
    made = card(packed, compare=False)
    assert made.typical is None and made.nearest == []
    lengths = made.lengths
    assert (lengths.min, lengths.median, lengths.mean, lengths.max) == (4, 5, 5, 6)
    assert sum(lengths.counts) == 4 and len(lengths.edges) == len(lengths.counts) + 1
    values = packed.joints[(packed.joints != 0).any(-1)].astype(float)
    for axis, column in zip(made.extent, values.T, strict=True):
        expected = column.min(), column.mean(), column.max()
        assert (axis.min, axis.mean, axis.max) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("high", [1, 23, 24, 25, 300])
def test_every_clip_is_in_the_histogram(high) -> None:
    lengths = np.unique(np.linspace(1, high, 40).astype(int))
    clips = [clip(n, 1.0 + n) for n in lengths]
    n = len(clips)
    packed = PackedDataset.from_clips(
        clips, label=[0] * n, subject=[1] * n, name=[str(i) for i in range(n)],
        layout=LAYOUTS["sbu15"], classes=["x"], key="small", source="made up",
    )  # fmt: skip
    made = card(packed, compare=False).lengths
    assert sum(made.counts) == n and len(made.counts) <= 24


def test_a_set_without_any_joint() -> None:
    packed = PackedDataset.from_clips(
        [np.zeros((3, 2, 15, 3))], label=[0], subject=[1], name=["a"],
        layout=LAYOUTS["sbu15"], classes=["x"], key="small", source="made up",
    )  # fmt: skip
    made = card(packed)
    assert made.bodies == [3, 0, 0] and made.extent == []
    assert set(made.missing) == {0.0}
    assert DataCard.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("name", MEASURED)
def test_the_committed_cards(name) -> None:
    made = read(name)
    assert made is not None and made.key == name
    assert sum(c.clips for c in made.classes) == made.clips
    assert sum(n for _, n in made.subjects) == made.clips
    assert sum(n for _, n in made.views) == made.clips
    assert sum(made.lengths.counts) == made.clips
    assert sum(made.bodies) == made.frames
    assert len(made.nearest) == STEPS
    assert len(made.missing) == LAYOUTS[made.layout].size
    assert {p.name for p in made.protocols} >= {
        "nucla": {"cross_view"},
        "utd_mhad": {"cross_subject"},
        "sbu": {"five_fold"},
        "synthetic": {"cross_view", "cross_subject"},
    }[name]
    assert card_path(name).stat().st_size < 20_000


def test_the_synthetic_set_is_what_its_card_says() -> None:
    made, committed = card(open_dataset("synthetic"), compare=False), read("synthetic")
    assert committed is not None
    told = made.model_dump(exclude={"typical", "nearest", "fingerprint"})
    assert committed.model_dump(include=set(told)) == told


def test_the_published_counts() -> None:
    nucla, utd, sbu = (read(name) for name in MEASURED[:3])
    assert nucla and utd and sbu
    (cross_view,) = (p for p in nucla.protocols if p.name == "cross_view")
    assert (cross_view.train, cross_view.test) == (1020, 464)
    assert cross_view.leaked == {"exact": 95}
    untwinned = {p.name: p for p in nucla.protocols if p.name.endswith("_untwinned")}
    assert len(untwinned) == 4
    assert not any("exact" in p.leaked for p in untwinned.values())
    whole = untwinned["cross_view_untwinned"]
    assert (whole.train, whole.test) == (1020 - 95, 464)
    assert nucla.duplicates["overlap"] == 16
    assert [c.median_frames for c in nucla.classes][6:8] == [85, 54]
    assert (utd.clips, utd.protocols[0].train) == (861, 431)
    assert utd.duplicates["overlap"] == 9
    assert (sbu.clips, sbu.frames, sbu.bodies[2]) == (282, 6822, 6822)


@pytest.mark.parametrize("name", ["nucla", "utd_mhad", "sbu"])
def test_a_prepared_set_is_what_its_card_says(name) -> None:
    if not packed_path(name).is_file():
        pytest.skip(f"{name} is not prepared here")
    made, committed = card(open_dataset(name), compare=False), read(name)
    assert committed is not None
    told = made.model_dump(
        include={"clips", "frames", "subjects", "lengths", "missing", "bodies"}
    )
    assert committed.model_dump(include=set(told)) == told


def test_a_reader_module_is_all_that_a_data_set_needs() -> None:
    assert tuple(readers.READERS) == tuple(readers.FORMATS) == readers.DATASETS
    assert set(INFO) == {*readers.DATASETS, "synthetic"} == set(PROTOCOLS)
    for name, formats in readers.FORMATS.items():
        assert {each.key for each in formats} == {name}


def test_the_facts_agree_with_the_readme(root) -> None:
    readme = (root / "data" / "README.md").read_text(encoding="utf-8")
    for name, facts in INFO.items():
        assert re.search(rf"^## {name}\b", readme, re.M), name
        for home in facts.home:
            assert home in readme, home
        assert bool(facts.prepare) == (name != "synthetic")
        assert facts.prepare.startswith(f"prepare {name} --source ") or not facts.home


def test_a_spoilt_card_is_refused_by_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    assert read("nucla") is None
    path = card_path("nucla")
    path.parent.mkdir(parents=True)
    path.write_text('{"key": "nucla"}')
    with pytest.raises(InputError, match=r"nucla\.json: not a data card.*skellib card"):
        read("nucla")


def test_the_command(tmp_path, capfd) -> None:
    out = tmp_path / "made.json"
    with pytest.raises(SystemExit) as stopped:
        main(["card", "synthetic", "--no-compare", "--out", str(out)])
    assert stopped.value.code == 0
    printed = capfd.readouterr().out
    assert "576, 28248 frames" in printed and "1 in 28248 frames" in printed
    assert DataCard.model_validate(json.loads(out.read_text())).key == "synthetic"
    with pytest.raises(SystemExit) as stopped:
        main(["card", "nucla", "--root", str(tmp_path)])
    assert stopped.value.code == 2
    assert "skellib prepare nucla" in capfd.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        main(["card", "synthetic", "--no-compare", "--out", f"{tmp_path}/file/a.json"])
    assert stopped.value.code == 2
    assert "cannot be written" in capfd.readouterr().err
