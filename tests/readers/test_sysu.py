"""SYSU 3D HOI: MATLAB clips in folders of their subjects, and bad input."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from skellib.data import split
from skellib.errors import InputError
from skellib.readers import sysu, utd_mhad
from tests.fake_raw import sysu as fake

CLIP = np.random.default_rng(0).normal(size=(20, 3, 5)).round(4)


def mat(**variables) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return buffer.getvalue()


def put(folder: Path, content: bytes, person: str = "anna", video: int = 3) -> Path:
    path = folder / person / f"video{video}" / "sklWorld.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def outcome(path: Path) -> np.ndarray | str:
    """Return a clip, or the message of an InputError."""
    try:
        return sysu.FORMATS[0].read_clip(path)
    except InputError as error:
        return str(error)


def test_a_clip_and_what_its_path_says(tmp_path: Path) -> None:
    put(tmp_path / "SYSU3DAction" / "3DvideoNorm", mat(SW=CLIP, other=np.ones(3)))
    packed = sysu.read(tmp_path)
    assert packed.name.tolist() == ["anna/video3"]
    assert [packed.classes[k] for k in packed.label] == ["calling with a phone"]
    assert (packed.key, packed.num_classes, packed.layout.name) == (
        *("sysu", 12),
        "kinect20",
    )
    expected = CLIP.transpose(2, 0, 1)[:, None].astype(np.float32)
    np.testing.assert_array_equal(packed.clip(0), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_any_kind_of_number_and_a_single_frame(tmp_path: Path, dtype: type) -> None:
    one = (10 * CLIP[:, :, 0]).astype(dtype)
    packed = sysu.read(put(tmp_path, mat(SW=one)).parents[2])
    np.testing.assert_array_equal(packed.clip(0)[0, 0], one.astype(np.float32))


@pytest.mark.parametrize(
    ("folders", "subjects"),
    [
        (("s2", "s10", "s1"), {"s2": 2, "s10": 10, "s1": 1}),
        (("p007", "x12y"), {"p007": 7, "x12y": 12}),
        (("bo", "anna", "cai"), {"anna": 1, "bo": 2, "cai": 3}),
        (("s1", "anna"), {"anna": 1, "s1": 2}),  # not every folder has a number
        (("a1", "b1"), {"a1": 1, "b1": 2}),  # not one of its own
        (("a1_2", "a1_10"), {"a1_2": 1, "a1_10": 2}),
        (("s0", "s1"), {"s0": 1, "s1": 2}),  # 0 stands for nobody
    ],
)
def test_subjects_from_the_folders(tmp_path: Path, folders, subjects) -> None:
    for folder in folders:
        for video in (1, 2):
            put(tmp_path, mat(SW=CLIP), folder, video)
    packed = sysu.read(tmp_path)
    for name, subject in zip(packed.name, packed.subject, strict=True):
        assert subjects[name.split("/")[0]] == subject


def test_fake_files_splits_into_halves(tmp_path: Path) -> None:
    fake.write(tmp_path, clips=48)
    packed = sysu.read(tmp_path)
    assert np.bincount(packed.subject).tolist() == [0, 12, 12, 12, 12]
    for protocol in ("cross_subject", "same_subject"):
        train, test = split(packed, protocol, fold=29)
        assert (len(train), len(test)) == (24, 24)


def bomb(size: int) -> bytes:
    """Return a small file with one element that decompresses to many zeros."""
    packed = zlib.compress(struct.pack("<II", 14, size) + bytes(size), 9)
    return mat(SW=CLIP)[:128] + struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"hello", "not a readable MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(126) + b"IM", "of MATLAB 7.3; save it with -v7"),
        (mat(SW=CLIP)[:-20], "not a readable MATLAB file"),
        (mat(SW=CLIP)[:200], "not a readable MATLAB file"),
        (mat(SW=CLIP)[:128], "'SW': missing"),
        (mat(other=CLIP), "'SW': missing"),
        (mat(SW=CLIP) + mat(SW=CLIP)[128:], "'SW': there twice"),
        (mat(SW=CLIP[:19]), r"'SW': double \(19, 3, 5\), not numbers \(20 joints, 3"),
        (mat(SW=CLIP.transpose(2, 0, 1)), r"'SW': double \(5, 20, 3\)"),
        (mat(SW=CLIP[:, :, :0]), r"'SW': double \(20, 3, 0\)"),
        (mat(SW=1j * CLIP), "'SW': complex double"),
        (mat(SW="text"), "'SW': char"),
        (mat(SW={"a": CLIP}), "'SW': struct"),
        (mat(SW=np.array([[CLIP, 1.0]], dtype=object)), "'SW': cell"),
        (mat(SW=np.where(CLIP > 2, np.nan, CLIP)), "'SW': frame [0-4] has a value"),
        (bomb(65 * 2**20), "more than 67108864 bytes when unpacked"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, words: str) -> None:
    path = put(tmp_path, content)
    with pytest.raises(InputError, match=rf"sklWorld\.mat: .*{words}"):
        sysu.FORMATS[0].read_clip(path)


def test_classes_that_do_not_exist(tmp_path: Path) -> None:
    put(tmp_path, mat(SW=CLIP), video=13)
    with pytest.raises(InputError, match=r"video13.*'code'.*13 is none of 1"):
        sysu.read(tmp_path)


def by_hand(order: str, stored: str, code: int) -> bytes:
    """Encode CLIP times ten, rounded, in a byte order and a small integer type."""
    numbers = np.round(10 * CLIP).astype(order + stored)

    def element(kind: int, content: bytes) -> bytes:
        tag = struct.pack(f"{order}II", kind, len(content))
        return tag + content + bytes(-len(content) % 8)

    name = struct.pack(f"{order}I4s", 2 << 16 | 1, b"SW")  # a small element
    array = (
        element(6, struct.pack(f"{order}II", 6, 0))
        + element(5, struct.pack(f"{order}3i", *numbers.shape))
        + name
        + element(code, numbers.tobytes(order="F"))
    )
    mark = b"\0\1IM" if order == "<" else b"\1\0MI"
    return b"by hand".ljust(124) + mark + element(14, array)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("stored", "code"), [("i1", 1), ("i2", 3), ("f4", 7)])
def test_either_byte_order_and_small_types(tmp_path, order, stored, code) -> None:
    path = put(tmp_path, by_hand(order, stored, code))
    expected = np.round(10 * CLIP).transpose(2, 0, 1)[:, None]
    np.testing.assert_array_equal(sysu.FORMATS[0].read_clip(path), expected)
    if (order, stored) == ("<", "i2"):
        np.testing.assert_array_equal(loadmat(path)["SW"], np.round(10 * CLIP))


def test_the_same_as_scipy_on_real_files(shared: Path) -> None:
    paths = sorted((shared / "raw-samples" / "utd_mhad").glob("*.mat"))
    assert paths
    for path in paths:
        expected = loadmat(path)["d_skel"].transpose(2, 0, 1)[:, None]
        np.testing.assert_array_equal(utd_mhad.FORMATS[0].read_clip(path), expected)


GOOD = mat(SW=CLIP)
PLAIN = io.BytesIO()
savemat(PLAIN, {"SW": CLIP}, do_compression=False)


@settings(max_examples=200, deadline=None)
@given(
    content=st.sampled_from((GOOD, PLAIN.getvalue())),
    place=st.floats(0, 1),
    piece=st.binary(max_size=8),
    cut=st.booleans(),
)
def test_damaged_bytes(tmp_path_factory, content, place, piece, cut) -> None:
    start = int(place * len(content))
    rest = content[start:] if cut else content[start + len(piece) :]
    path = put(tmp_path_factory.mktemp("fuzz"), content[:start] + piece + rest)
    found = outcome(path)
    if isinstance(found, str):
        assert "\n" not in found and found.startswith(str(path))
    else:
        assert found.shape[1:] == (1, 20, 3) and np.isfinite(found).all()
