"""The search for duplicates finds what was planted, and nothing where nothing was."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skellib.__main__ import main
from skellib.data import PackedDataset, load, synthetic
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers.duplicates import (
    KINDS,
    NEAR,
    SHARED,
    DuplicateReport,
    _mirrored,
    _shared_frames,
    _shifted,
    find,
)

KINECT = LAYOUTS["kinect20"]
SET = load("synthetic")[0].subset(np.arange(0, 384, 4))  # 96 clips, all different


def pack(clips, layout=KINECT, dtype=np.float32) -> PackedDataset:
    """Pack clips of one class, named by their numbers."""
    n = len(clips)
    return PackedDataset.from_clips(
        clips, label=[0] * n, subject=[1] * n, name=[f"c{i}" for i in range(n)],
        layout=layout, classes=["one"], key="planted", source="planted", dtype=dtype,
    )  # fmt: skip


def planted(change, number=8) -> tuple[DuplicateReport, list[int]]:
    """Search for altered copies of the first clips; return report and their numbers."""
    rng = np.random.default_rng(0)
    clips = [change(np.array(SET.clip(i)), rng) for i in range(number)]
    return find(SET, pack(clips)), list(range(number))


CHANGES = {
    "exact": ("exact", lambda c, rng: c),
    "moved": ("moved", lambda c, rng: c + np.float32([0.5, 0, 1])),
    "the first three frames cut": ("overlap", lambda c, rng: c[3:]),
    "the second half only": ("overlap", lambda c, rng: c[len(c) // 2 :]),
    "cut and moved": ("near", lambda c, rng: c[1:-1] + np.float32([0.5, 0, 1])),
    "noise of 2 mm": ("near", lambda c, rng: c + rng.normal(0, 0.002, c.shape)),
    "scaled": ("near", lambda c, rng: 1.2 * c),
    "at half the speed": ("near", lambda c, rng: np.repeat(c, 2, 0) * 0.999),
    "half precision": ("near", lambda c, rng: c.astype(np.float16)),
    "mirrored": ("mirrored", lambda c, rng: _mirrored(c, KINECT)),
    "mirrored and moved": ("mirrored", lambda c, rng: _mirrored(c, KINECT) + 0.3),
}


@pytest.mark.parametrize(("kind", "change"), CHANGES.values(), ids=list(CHANGES))
def test_what_was_planted_is_found(kind, change) -> None:
    report, expected = planted(change)
    assert report.leaked() == report.leaked([kind]) == expected
    assert all(pair.across for pair in report.pairs)
    for pair in report.pairs:
        assert pair.names == (SET.name[pair.index[1]], f"c{pair.index[1]}")
        assert pair.sides == ("train", "test")
        assert pair.kind == kind


def test_what_is_different_is_not_found() -> None:
    report = find(*load("synthetic"))
    assert report.pairs == []
    assert min(report.nearest) > NEAR
    assert np.median(report.nearest) == pytest.approx(1, abs=1e-3)
    assert len(report.nearest) == 576


def test_a_turned_clip_is_not_found() -> None:
    """Check a limitation that the documentation states."""
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=np.float32)
    report, _ = planted(lambda c, rng: c @ turn)
    assert report.pairs == []


def test_within_a_side_and_all_pairs_of_a_group() -> None:
    one, two, three = (np.array(SET.clip(i)) for i in range(3))
    report = find(pack([one, two, one, three, one]))
    assert [p.index for p in report.pairs] == [(0, 2), (0, 4), (2, 4)]
    assert {p.kind for p in report.pairs} == {"exact"}
    assert [p.frames for p in report.pairs] == [len(one)] * 3
    assert not any(p.across for p in report.pairs)
    assert report.leaked() == [] and report.test_clips == 0
    assert report.count("exact", across=False) == 3


def test_a_subset_is_searched_by_its_own_clips() -> None:
    one, two = np.array(SET.clip(0)), np.array(SET.clip(1))
    packed = pack([one, two, one, one])
    report = find(packed.subset([1, 3]), packed.subset([0]))
    (pair,) = report.pairs
    assert pair.index == (3, 0) and pair.across
    assert report.by_class() == {"one": 1}


def test_clips_without_a_body_and_repeated_frames_say_nothing() -> None:
    nobody, still = np.zeros((8, 1, 20, 3)), np.array(SET.clip(0))
    frozen = np.repeat(still[:1], 9, 0)
    absent = np.concatenate([np.zeros((6, 1, 20, 3)), np.array(SET.clip(1))])
    more = np.concatenate([np.zeros((6, 1, 20, 3)), np.array(SET.clip(2))])
    # One frame in common, however often it is repeated, and frames with nobody.
    report = find(pack([nobody, nobody, still, frozen, absent, more]))
    assert report.count("overlap", False) == report.count("exact", False) == 0


def test_a_clip_of_one_frame_overlaps_by_it() -> None:
    clip = np.array(SET.clip(0))
    report = find(pack([clip, clip[5:6], clip[5:7]]))
    found = {p.index: (p.kind, p.frames) for p in report.pairs}
    assert found[0, 1] == ("overlap", 1) and found[0, 2] == ("overlap", 2)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_shared_frames_against_sets(data) -> None:
    """Compare with brute force: the distinct common frames of every two clips."""
    frame = st.integers(0, 5)  # of which 0 is a frame without joints
    drawn = data.draw(st.lists(st.lists(frame, min_size=1, max_size=8), min_size=2))
    clips = [np.array(c, dtype=np.float32)[:, None, None, None] for c in drawn]
    expected = {}
    for (a, one), (b, two) in combinations(enumerate(drawn), 2):
        common = len((set(one) & set(two)) - {0})
        if common and common >= min(SHARED, len(one), len(two)):
            expected[a, b] = common
    if len(drawn) < 60:
        assert _shared_frames(clips) == expected


@pytest.mark.parametrize("shift", [0, 2, -3])
def test_shifted_against_a_loop(shift) -> None:
    """Compare with the definition, evaluated at every shift in float64."""
    rng = np.random.default_rng(1)
    whole = np.cumsum(rng.normal(size=(30, 1, 20, 3)), 0)
    one, two = (
        whole[3:25],
        whole[3 + shift : 27 + shift] + rng.normal(size=(1, 1, 1, 3)),
    )
    two = two + rng.normal(scale=0.05, size=two.shape)
    best = np.inf
    for s in range(-len(two), len(one)):
        a = one[max(s, 0) : len(two) + s]
        b = two[max(-s, 0) : max(-s, 0) + len(a)]
        a = a[: len(b)]
        if len(a) < 0.8 * min(len(one), len(two)):
            continue
        gap = (a - a.mean((0, 1, 2))) - (b - b.mean((0, 1, 2)))
        best = min(best, np.sqrt((gap**2).sum() / ((a - a.mean((0, 1, 2))) ** 2).sum()))
    assert _shifted(one, two, KINECT) == pytest.approx(best, rel=1e-3)


def test_mirroring_twice_is_the_clip() -> None:
    for layout in LAYOUTS.values():
        clip = np.random.default_rng(0).normal(size=(4, 2, layout.size, 3))
        image = _mirrored(clip, layout)
        assert not np.array_equal(image, clip)
        assert np.array_equal(_mirrored(image, layout), clip)
    left, right = KINECT.joints.index("left hand"), KINECT.joints.index("right hand")
    clip = np.random.default_rng(0).normal(size=(2, 1, 20, 3))
    assert np.array_equal(_mirrored(clip, KINECT)[:, :, left, 0], -clip[:, :, right, 0])


def test_two_bodies_half_precision_and_missing_joints() -> None:
    both = synthetic.generate(layout="ntu25", bodies=2).subset(np.arange(0, 576, 12))
    clips = [np.array(both.clip(i)) for i in range(len(both))]
    rng = np.random.default_rng(0)
    copy = clips[7] + rng.normal(0, 0.002, clips[7].shape) * (clips[7] != 0)
    copy[3:6, 0, 4] = 0  # a joint lost
    packed = pack([*clips, copy, clips[9]], LAYOUTS["ntu25"], np.float16)
    found = {p.index: p.kind for p in find(packed).pairs}
    n = len(clips)
    assert found == {(7, n): "near", (9, n + 1): "exact"}


def test_only_the_same_numbers() -> None:
    rng = np.random.default_rng(0)
    clips = [np.array(SET.clip(i)) for i in range(6)]
    clips += [clips[0], clips[1] + rng.normal(0, 0.001, clips[1].shape)]
    report = find(pack(clips), compare=False)
    assert [p.kind for p in report.pairs] == ["exact"]
    assert report.typical is None and report.nearest == []


def test_degenerate_sets() -> None:
    one = np.array(SET.clip(0))
    assert find(pack([one])).pairs == []
    assert find(pack([one[:2], one[4:6]])).pairs == []
    flat = np.ones((9, 1, 20, 3))
    assert {p.kind for p in find(pack([flat, flat, 2 * flat])).pairs} >= {"exact"}


def test_skeletons_of_two_kinds_are_refused() -> None:
    other = pack([np.ones((3, 1, 25, 3))], LAYOUTS["ntu25"])
    with pytest.raises(InputError, match="kinect20.*ntu25"):
        find(SET, other)


def test_the_report_survives_json() -> None:
    report, _ = planted(CHANGES["noise of 2 mm"][1], 3)
    assert DuplicateReport.model_validate_json(report.model_dump_json()) == report


def test_the_command_prints_a_table_and_writes_json(tmp_path, capfd) -> None:
    out = tmp_path / "found.json"
    with pytest.raises(SystemExit) as stopped:
        main(["duplicates", "synthetic", "--no-compare", "--out", str(out)])
    assert stopped.value.code == 0
    printed = capfd.readouterr().out
    assert "384 training clips, 192 test clips" in printed
    assert all(kind in printed for kind in KINDS)
    assert json.loads(out.read_text())["pairs"] == []


def test_nucla(shared, tmp_path) -> None:
    """Find the 95 leaked test clips, and the 16 pairs that share frames."""
    from skellib.data import split
    from skellib.readers import nucla

    packed = nucla.read(shared / "nucla.npz")
    train, test = (packed.subset(side) for side in split(packed, "cross_view"))
    report = find(train, test, compare=False)
    assert report.by_class() == {"pick up with two hands": 50, "drop trash": 45}
    assert report.count("exact", across=True) == 95
    assert report.count("overlap", across=False) == 16
    assert report.count("overlap", across=True) == 0
    copies = {p.index[1]: p.index[0] for p in report.pairs if p.kind == "exact"}
    assert all(packed.duplicate_of[i] == j for i, j in copies.items())
