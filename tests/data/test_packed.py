"""PackedDataset: the round trip, subsets, duplicates, and files that are refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy

from skellib.data import PackedDataset
from skellib.data.packed import find_duplicates
from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout

TWO = Layout(
    name="custom two",
    joints=("a", "b"),
    bones=((0, 1),),
    center=((0, 1.0),),
    pairs=(),
    up=(1, 1),
    dims=3,
)


def pack(clips: list[np.ndarray], **changes) -> PackedDataset:
    n = len(clips)
    arguments = {
        "label": np.arange(n) % 3,
        "subject": np.arange(n) + 1,
        "name": [f"clip{i}" for i in range(n)],
        "layout": TWO,
        "classes": ("x", "y", "z"),
        "key": "test",
        "source": "made here",
    }
    return PackedDataset.from_clips(clips, **{**arguments, **changes})


def clips_of(*lengths: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(t, 1, 2, 3)).astype(np.float32) for t in lengths]


values = st.floats(-100, 100, width=16)
clip_lists = st.integers(1, 3).flatmap(
    lambda bodies: st.lists(
        st.integers(1, 5).flatmap(
            lambda t: hnp.arrays(np.float32, (t, bodies, 2, 3), elements=values)
        ),
        min_size=1,
        max_size=6,
    )
)


@settings(max_examples=40, deadline=None)
@given(clips=clip_lists, half=st.booleans(), data=st.data())
def test_round_trip(tmp_path_factory, clips, half, data) -> None:
    n = len(clips)
    dtype = np.float16 if half else np.float32
    numbers = st.lists(st.integers(-(2**40), 2**40), min_size=n, max_size=n)
    packed = pack(
        clips,
        dtype=dtype,
        view=data.draw(numbers),
        extras={"trial": np.array(data.draw(numbers)), "tag": ["é"] * n},
    )
    path = packed.save(tmp_path_factory.mktemp("packed") / "set.npz")
    opened = PackedDataset.open(path)
    for i, clip in enumerate(clips):
        assert np.array_equal(opened.clip(i), clip.astype(dtype))
    for field in ("starts", "lengths", "label", "subject", "view", "name", "index"):
        found, expected = getattr(opened, field), getattr(packed, field)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert np.array_equal(opened.duplicate_of, packed.duplicate_of)
    assert set(opened.extras) == {"trial", "tag"}
    assert np.array_equal(opened.extras["trial"], packed.extras["trial"])
    for field in ("layout", "classes", "key", "source", "fingerprint"):
        assert getattr(opened, field) == getattr(packed, field)
    opened.verify()


def test_opening_maps_the_joints_read_only(tmp_path: Path) -> None:
    path = pack(clips_of(3, 2)).save(tmp_path / "set.npz")
    joints = PackedDataset.open(path).joints
    assert isinstance(joints.base, np.memmap)
    assert joints.flags.aligned
    assert not joints.flags.writeable
    assert not pack(clips_of(3)).joints.flags.writeable


def test_any_numpy_user_can_read_the_file(tmp_path: Path) -> None:
    packed = pack(clips_of(3, 2), extras={"trial": [7, 8]})
    with np.load(packed.save(tmp_path / "set.npz"), allow_pickle=False) as data:
        assert data.files[0] == "joints"
        assert np.array_equal(data["joints"], packed.joints)
        assert data["lengths"].tolist() == [3, 2]
        assert data["extra.trial"].tolist() == [7, 8]
        meta = json.loads(str(data["meta"]))
    assert meta["layout"]["joints"] == ["a", "b"]
    assert meta["classes"] == ["x", "y", "z"]
    assert meta["fingerprint"] == packed.fingerprint


def test_saving_the_same_set_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    a = pack(clips_of(3, 2)).save(tmp_path / "a.npz")
    b = pack(clips_of(3, 2)).save(tmp_path / "deeper" / "b.npz")
    assert a.read_bytes() == b.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "deeper"]


def test_the_properties(tmp_path: Path) -> None:
    packed = pack([np.ones((4, 2, 2, 3))])
    assert (len(packed), packed.bodies, packed.channels) == (1, 2, 3)
    assert packed.num_classes == 3
    assert packed.clip(-1).shape == (4, 2, 2, 3)


def test_the_fingerprint_is_of_the_contents() -> None:
    base = pack(clips_of(3, 2))
    assert pack(clips_of(3, 2)).fingerprint == base.fingerprint
    moved = clips_of(3, 2)
    moved[1][0, 0, 0, 0] += 1
    for other in (
        pack(moved),
        pack(clips_of(3, 2), label=[1, 0]),
        pack(clips_of(3, 2), name=["a", "b"]),
        pack(clips_of(3, 2), classes=("x", "y", "w")),
        pack(clips_of(3, 2), extras={"trial": [1, 2]}),
        pack(clips_of(2, 3)),
    ):
        assert other.fingerprint != base.fingerprint


def test_duplicates_name_the_earliest_copy() -> None:
    a, b, c = clips_of(3, 3, 2)
    shorter = a[:2]
    packed = pack([a, b, a.copy(), c, b.copy(), a.copy(), shorter])
    assert packed.duplicate_of.tolist() == [-1, -1, 0, -1, 1, 0, -1]
    assert find_duplicates([]).shape == (0,)


def test_a_subset_shares_the_joints_and_keeps_the_numbers() -> None:
    packed = pack(clips_of(3, 2, 4, 1), extras={"trial": [5, 6, 7, 8]})
    subset = packed.subset([3, 1])
    assert np.shares_memory(subset.joints, packed.joints)
    assert subset.index.tolist() == [3, 1]
    assert subset.name.tolist() == ["clip3", "clip1"]
    assert subset.extras["trial"].tolist() == [8, 6]
    assert np.array_equal(subset.clip(0), packed.clip(3))
    assert subset.subset([1]).index.tolist() == [1]
    assert subset.fingerprint == packed.fingerprint
    assert len(packed.subset([])) == 0
    by_mask = packed.subset(np.array([True, False, False, True]))
    assert by_mask.index.tolist() == [0, 3]
    with pytest.raises(IndexError):
        packed.subset([4])


def test_a_subset_is_saved_as_a_set_of_its_own(tmp_path: Path) -> None:
    a, b = clips_of(3, 2)
    subset = pack([b, a, a.copy()]).subset([1, 2])
    opened = PackedDataset.open(subset.save(tmp_path / "subset.npz"))
    assert len(opened.joints) == 6
    assert opened.index.tolist() == [0, 1]
    assert opened.duplicate_of.tolist() == [-1, 0]
    opened.verify()
    with pytest.raises(InputError, match="subset"):
        subset.verify()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": [0, 3]}, "label"),
        ({"label": [-1, 0]}, "label"),
        ({"label": [0.5, 1]}, "label"),
        ({"label": [0]}, "label"),
        ({"subject": [1, 2, 3]}, "subject"),
        ({"name": ["one"]}, "name"),
        ({"extras": {"trial": [1]}}, "trial"),
        ({"extras": {"trial": [object(), 1]}}, "trial"),
        ({"layout": LAYOUTS["kinect20"]}, "joints"),
    ],
)
def test_parts_that_do_not_agree_are_refused(changes, words) -> None:
    with pytest.raises(InputError, match=rf"test: .*field '{words}'"):
        pack(clips_of(3, 2), **changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_values_that_are_not_finite_are_refused(value) -> None:
    clips = clips_of(3, 2)
    clips[1][1, 0, 0, 0] = value  # 1e6 is beyond float16
    with pytest.raises(InputError, match=r"clip clip1: field 'joints', frame 1"):
        pack(clips, dtype=np.float16)


def test_clips_of_different_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="clip1"):
        pack([np.zeros((3, 1, 2, 3)), np.zeros((3, 2, 2, 3))])
    with pytest.raises(InputError, match="clip0"):
        pack([np.zeros((0, 1, 2, 3))])
    with pytest.raises(InputError, match="channels"):
        pack([np.zeros((3, 1, 2, 2))])
    with pytest.raises(InputError, match="no clip"):
        pack([])


def members(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as data:
        return dict(data)


def broken_meta(**changes) -> dict[str, np.ndarray]:
    meta = json.loads(pack(clips_of(3, 2))._contents().meta.to_json("0"))
    return {"meta": np.array(json.dumps({**meta, **changes}))}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joints": np.zeros((5, 1, 2, 3))}, "'joints'.*float64"),
        ({"joints": np.zeros((5, 1, 3, 3), np.float32)}, "'joints'.*shape"),
        ({"joints": np.zeros((5, 2, 3), np.float32)}, "'joints'.*shape"),
        ({"joints": np.zeros((0, 1, 2, 3), np.float32)}, "'joints'.*shape"),
        ({"joints": np.asfortranarray(np.ones((5, 1, 2, 3), "f4"))}, "C order"),
        ({"joints": None}, "'joints': missing"),
        ({"lengths": np.array([3, 3])}, "'lengths'.*5"),
        ({"lengths": np.array([5, 0])}, "'lengths'"),
        ({"lengths": np.array([5])}, "entry for each of the 1 clips"),
        ({"label": np.array([0, 3])}, "'label'.*0..2"),
        ({"label": np.array([0.0, 1.0])}, "'label'"),
        ({"view": None}, "'view': missing"),
        ({"name": np.array([1, 2])}, "'name'"),
        ({"duplicate_of": np.array([1, -1])}, "'duplicate_of'"),
        ({"duplicate_of": np.array([-1, -2])}, "'duplicate_of'"),
        ({"meta": None}, "'meta': missing.*prepare"),
        ({"meta": np.array("not json")}, "'meta'"),
        ({"meta": np.array(["{}"])}, "'meta'"),
        (broken_meta(format=99), "format version 99"),
        (broken_meta(layout={"name": "kinect20"}), "layout"),
    ],
)
def test_a_file_whose_fields_do_not_agree_is_refused(tmp_path, changes, words) -> None:
    path = pack(clips_of(3, 2)).save(tmp_path / "set.npz")
    arrays = {**members(path), **changes}
    np.savez(path, **{field: a for field, a in arrays.items() if a is not None})
    with pytest.raises(InputError, match=rf"set\.npz.*{words}"):
        PackedDataset.open(path)


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    path = pack(clips_of(3, 2)).save(tmp_path / "set.npz")
    np.savez_compressed(path, **members(path))
    with pytest.raises(InputError, match=r"set\.npz: field 'joints': compressed"):
        PackedDataset.open(path)


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    path = pack(clips_of(3, 2)).save(tmp_path / "set.npz")
    np.savez(path, **{**members(path), "extra.trial": np.array([{}, {}])})
    with pytest.raises(InputError, match=r"set\.npz"):
        PackedDataset.open(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = pack(clips_of(3, 2)).save(tmp_path / "set.npz").read_bytes()
    for size in range(0, len(content), 97):
        cut = tmp_path / "cut.npz"
        cut.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"cut\.npz"):
            PackedDataset.open(cut)


@settings(max_examples=150, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_spoilt_byte_is_refused_or_found_by_verify(
    tmp_path_factory, position, byte
) -> None:
    packed = pack(clips_of(3, 2))
    path = packed.save(tmp_path_factory.mktemp("spoilt") / "set.npz")
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= byte
    path.write_bytes(content)
    try:
        opened = PackedDataset.open(path)
        opened.verify()
    except InputError:
        return
    assert opened.fingerprint == packed.fingerprint
    assert np.array_equal(opened.joints, packed.joints)
    assert np.array_equal(opened.label, packed.label)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        PackedDataset.open(tmp_path / "none.npz")
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(InputError, match=r"text\.npz: not a packed"):
        PackedDataset.open(text)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match=r"other\.npz"):
        PackedDataset.open(tmp_path / "other.npz")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(clips_of(3, 2)).save(tmp_path / "set.npz")
    before = path.read_bytes()

    def full(*args, **kwargs) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(npy, "write_array", full)
    with pytest.raises(InputError, match=r"set\.npz: cannot be written \(No space"):
        pack(clips_of(4)).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["set.npz"]


def test_the_fingerprint_is_of_the_data_not_of_where_they_came_from():
    here, there = (pack(clips_of(3, 2), source=name) for name in ("a.zip", "b/a.zip"))
    assert here.fingerprint == there.fingerprint
    assert here.source != there.source
