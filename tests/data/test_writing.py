"""Writing packed files clip by clip: the same bytes as from memory, little of it."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skellib.data import PackedDataset
from skellib.data.writing import ClipStream, write
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.paths import atomic_write
from tests.streams import in_memory

LAYOUT = LAYOUTS["sbu15"]


def stream_of(clips: list[np.ndarray], /, **changes) -> ClipStream:
    n = len(clips)
    stream = ClipStream(
        clips=lambda: iter(clips),
        label=np.arange(n) % 3,
        subject=np.arange(n),
        name=[f"clip{i}" for i in range(n)],
        layout=LAYOUT,
        classes=("x", "y", "z"),
        key="toy",
        source="a test",
        extras={"take": list(range(n)), "tag": ["é"] * n},
    )
    return replace(stream, **changes)


def clips_of(*lengths: int, bodies: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(t, bodies, 15, 3)) for t in lengths]


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    bodies=st.integers(1, 3),
    half=st.booleans(),
    copy=st.booleans(),
)
def test_the_file_is_that_of_the_set_in_memory(
    tmp_path_factory, lengths, bodies, half, copy
) -> None:
    folder = tmp_path_factory.mktemp("packed")
    dtype = "float16" if half else "float32"
    clips = clips_of(*lengths, bodies=bodies)
    stream = stream_of([*clips, clips[0]] if copy else clips)
    streamed = write(folder / "a.npz", stream, dtype)
    whole = in_memory(stream, np.dtype(dtype))
    assert streamed.read_bytes() == whole.save(folder / "b.npz").read_bytes()
    opened = PackedDataset.open(streamed)
    opened.verify()
    assert opened.fingerprint == whole.fingerprint
    assert opened.joints.dtype == dtype
    if copy:
        assert opened.duplicate_of[-1] == 0
    assert sorted(p.name for p in folder.iterdir()) == ["a.npz", "b.npz"]


def test_the_bytes_are_those_that_numpy_writes(tmp_path: Path) -> None:
    path = write(tmp_path / "set.npz", stream_of(clips_of(3, 2)))
    with np.load(path, allow_pickle=False) as data:
        by_numpy = io.BytesIO()
        np.savez(by_numpy, **dict(data))
    assert path.read_bytes() == by_numpy.getvalue()


def test_a_set_streams_itself(tmp_path: Path) -> None:
    whole = in_memory(stream_of(clips_of(3, 2, 4)))
    part = whole.subset([2, 0])
    path = part.save(tmp_path / "part.npz")
    opened = PackedDataset.open(path)
    opened.verify()
    assert opened.name.tolist() == ["clip2", "clip0"]
    assert opened.index.tolist() == [0, 1]
    np.testing.assert_array_equal(opened.clip(0), whole.clip(2))
    assert whole.stream().extras is whole.extras


def test_memory_is_of_a_few_clips(tmp_path: Path) -> None:
    def clips() -> Iterator[np.ndarray]:
        for i in range(60):
            yield np.full((10_000, 1, 15, 3), i, dtype=np.float32)  # 1.8 MB

    names = [str(i) for i in range(60)]
    stream = stream_of(
        [], clips=clips, name=names, label=[0] * 60, subject=[0] * 60, extras={}
    )
    tracemalloc.start()
    path = write(tmp_path / "set.npz", stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 100e6
    assert peak < 25e6


def failing() -> Iterator[np.ndarray]:
    yield from clips_of(3)
    raise InputError("raw.txt: line 7: spoilt")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clips": lambda: iter(())}, "there is no clip"),
        ({"clips": failing}, r"raw\.txt: line 7"),
        ({"name": ["a"]}, "'name': 1 entries for more clips"),
        ({"name": ["a", "b", "c"]}, "'name': 3 entries for 2 clips"),
        ({"label": [0, 9]}, "'label'"),
        ({"subject": [0]}, "'subject'"),
        ({"view": [0.5, 1.5]}, "'view'"),
        ({"extras": {"take": [1]}}, "'take'"),
        ({"layout": LAYOUTS["kinect20"]}, "clip clip0: field 'joints'"),
    ],
)
def test_what_does_not_agree_leaves_the_old_file(tmp_path, changes, words) -> None:
    path = write(tmp_path / "set.npz", stream_of(clips_of(2)))
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        write(path, stream_of(clips_of(3, 2), **changes))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["set.npz"]


def test_clips_that_differ_in_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clip clip1: .*only the frames may differ"):
        write(tmp_path / "set.npz", stream_of([*clips_of(2), *clips_of(2, bodies=2)]))
    with pytest.raises(InputError, match="clip clip0: field 'joints'"):
        write(tmp_path / "set.npz", stream_of([np.zeros((2, 15, 3))]))


def test_values_beyond_the_type(tmp_path: Path) -> None:
    clips = clips_of(3, 4)
    clips[1][2, 0, 5, 1] = 70_000
    write(tmp_path / "set.npz", stream_of(clips))
    with pytest.raises(
        InputError, match="clip1: field 'joints', frame 2: .*too large for float16"
    ):
        write(tmp_path / "set.npz", stream_of(clips), "float16")
    clips[1][1, 0, 5, 1] = np.nan
    with pytest.raises(InputError, match="joints', frame 1: not finite$"):
        write(tmp_path / "set.npz", stream_of(clips))
    for dtype in ("float64", "int16", "nonsense"):
        with pytest.raises(InputError, match="none of float32, float16"):
            write(tmp_path / "set.npz", stream_of(clips), dtype)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "set.npz", stream_of(clips_of(2)))


def test_a_replacement_is_whole_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("old")
    stopped = atomic_write(path)
    stopped.__enter__().write(b"ne")
    assert not stopped.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert path.read_text() == "old"
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
