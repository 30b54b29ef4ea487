"""Fake raw files: each format is read back by its reader, and is reproducible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skellib import data, readers
from skellib.data import PackedDataset, split
from tests.fake_raw import kinetics, nucla, sbu, sysu, utd_mhad
from tests.fake_raw.common import perform

WRITERS = {
    "kinetics": kinetics.write,
    "sysu": sysu.write,
    "nucla": nucla.write,
    "nucla frames": nucla.write_frames,
    "utd_mhad": utd_mhad.write,
    "sbu": sbu.write,
}
each = pytest.mark.parametrize("name", WRITERS)


def read(name: str, folder: Path, **arguments: int) -> PackedDataset:
    WRITERS[name](folder, **arguments)
    return readers.READERS[name.split()[0]](folder)


@each
def test_the_reader_takes_it(name: str, tmp_path: Path) -> None:
    packed = read(name, tmp_path, clips=5)
    assert len(packed) == len(set(packed.label)) == 5
    assert (packed.lengths >= 10).all()
    assert (packed.duplicate_of == -1).all()


@each
def test_it_is_the_same_each_time(name: str, tmp_path: Path) -> None:
    one, two, other = (tmp_path / folder for folder in ("one", "two", "other"))
    paths = WRITERS[name](one, clips=2, seed=1)
    assert paths and all(path.is_file() for path in paths)
    again = WRITERS[name](two, clips=2, seed=1)
    assert [path.relative_to(one) for path in paths] == [
        path.relative_to(two) for path in again
    ]
    for a, b in zip(paths, again, strict=True):
        assert a.read_bytes() == b.read_bytes()
    assert paths[0].read_bytes() not in [
        path.read_bytes() for path in WRITERS[name](other, clips=2, seed=2)
    ]


@each
def test_prepare_takes_it(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "raw", clips=3)
    key = name.split()[0]
    prepared = readers.prepare(
        key, tmp_path / "raw", root=tmp_path, workers=1, progress=False
    )
    opened = data.open_dataset(key, root=tmp_path)
    opened.verify()
    assert prepared.clips == len(opened) == 3
    assert prepared.skipped == ()
    assert opened.fingerprint == readers.READERS[key](tmp_path / "raw").fingerprint


@pytest.mark.parametrize(
    ("name", "clips", "protocol"),
    [
        ("kinetics", 24, "train_val"),
        ("sysu", 48, "cross_subject"),
        ("sysu", 48, "same_subject"),
        ("nucla", 60, "cross_view"),
        ("nucla", 60, "validation"),
        ("nucla", 60, "camera_1_2"),
        ("utd_mhad", 108, "cross_subject"),
        ("sbu", 168, "five_fold"),
    ],
)
def test_a_protocol_splits_every_class(
    name: str, clips: int, protocol: str, tmp_path: Path
) -> None:
    packed = read(name, tmp_path, clips=clips)
    train, test = split(packed, protocol)
    assert set(packed.label[train]) == set(packed.label[test]) == set(packed.label)


def test_the_bodies_stand_upright(tmp_path: Path) -> None:
    """Check that the head is above the feet by about a person's height."""
    for name, head, foot, height in (
        ("kinetics", 0, 10, (0.2, 0.9)),
        ("sysu", 3, 15, (1.0, 2.0)),
        ("nucla", 3, 15, (1.0, 2.0)),
        ("utd_mhad", 0, 15, (1.0, 2.0)),
        ("sbu", 0, 11, (0.4, 1.1)),
    ):
        packed = read(name, tmp_path / name, clips=1)
        axis, sign = packed.layout.up
        body = packed.clip(0)[:, 0]
        seen = body[:, [head, foot]].any(axis=2).all(axis=1)
        tall = sign * (body[seen, head, axis] - body[seen, foot, axis])
        assert height[0] < np.median(tall) < height[1], name


def test_two_persons_face_each_other(tmp_path: Path) -> None:
    packed = read("sbu", tmp_path, clips=1)
    apart = packed.clip(0)[:, 1, 2, 0] - packed.clip(0)[:, 0, 2, 0]
    assert (np.abs(apart) > 0.1).all()


def test_a_performance_is_a_class_of_its_own() -> None:
    again = perform(3, 1, 1, seed=4)
    np.testing.assert_array_equal(perform(3, 1, 1, seed=4), again)
    assert perform(15, 1, 1, seed=4).shape[0] == (len(again) + 1) // 2  # twice as fast
    for other in (perform(4, 1, 1), perform(3, 2, 1), perform(3, 1, 1, view=2)):
        assert other.shape != again.shape or not np.allclose(other, again)
