"""Formats of other projects: known answers, round trips, and files that are refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skellib.data import PackedDataset, load, writing
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers import interchange, prepare
from skellib.readers.interchange import pickles
from skellib.readers.source_format import SourceFormat

NTU = LAYOUTS["ntu25"]
NAMES = ["S001C002P003R001A005", "S001C001P008R002A001", "S017C003P003R001A060"]
NTU_FORMAT = SourceFormat(
    key="ntu",
    classes=tuple(f"action {i}" for i in range(1, 61)),
    layout=NTU,
    bodies=2,
    name=r"S(?P<setup>\d{3})C(?P<view>\d{3})P(?P<subject>\d{3})"
    r"R(?P<replication>\d{3})A(?P<code>\d{3})",
    ending=".skeleton",
    example="S001C001P001R001A001",
    allowed={"code": tuple(range(1, 61))},
)


def clips_of(*lengths: int, shape=(2, 25, 3), seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(t, *shape)).astype(np.float32) for t in lengths]


def pack(clips: list[np.ndarray], **changes) -> PackedDataset:
    n = len(clips)
    arguments = {
        "label": np.arange(n) % 3,
        "subject": np.arange(n) + 1,
        "name": [f"clip{i}" for i in range(n)],
        "layout": NTU,
        "classes": ("x", "y", "z"),
        "key": "mine",
        "source": "made here",
        "extras": {"split": np.arange(n) % 2},
    }
    return PackedDataset.from_clips(clips, **{**arguments, **changes})


def unpack(path: Path, key: str = "mine", source_format: SourceFormat | None = None):
    """Convert a file to a packed data set."""
    target = path.parent / "packed" / f"{path.name}.packed.npz"
    writing.write(target, interchange.stream(path, key, source_format))
    return PackedDataset.open(target)


def padded(clips: list[np.ndarray], frames: int) -> np.ndarray:
    block = np.zeros((len(clips), frames, *clips[0].shape[1:]), np.float32)
    for row, clip in zip(block, clips):
        row[: len(clip)] = clip
    return block


def write_ctrgcn(path: Path, train, test, frames=9, compress=False, **changes) -> Path:
    """Write n x T x 150 and one-hot float64 labels, as CTR-GCN's own script does."""
    arrays = {
        "x_train": padded(train, frames).reshape(len(train), frames, -1),
        "y_train": np.eye(60)[np.arange(len(train))],
        "x_test": padded(test, frames).reshape(len(test), frames, -1),
        "y_test": np.eye(60)[np.arange(len(test)) + 7],
        **changes,
    }
    save = np.savez_compressed if compress else np.savez
    save(path, **{field: each for field, each in arrays.items() if each is not None})
    return path


def write_stgcn(folder: Path, split: str, clips, names, labels, frames=9) -> Path:
    folder.mkdir(exist_ok=True)
    data = padded(clips, frames).transpose(0, 4, 1, 3, 2)
    np.save(folder / f"{split}_data.npy", np.ascontiguousarray(data))
    (folder / f"{split}_label.pkl").write_bytes(pickle.dumps((names, labels)))
    return folder


def annotation(name: str, clip: np.ndarray, label=0, **changes) -> dict:
    fields = {
        "frame_dir": name,
        "label": label,
        "keypoint": np.ascontiguousarray(clip.swapaxes(0, 1)),
        "total_frames": len(clip),
        **changes,
    }
    return {field: value for field, value in fields.items() if value is not None}


def write_pyskl(path: Path, annotations, split=None) -> Path:
    content = {"split": split or {}, "annotations": annotations}
    path.write_bytes(pickle.dumps(content, 4))
    return path


# CTR-GCN


@pytest.mark.parametrize("compress", [False, True])
def test_ctrgcn_is_read(tmp_path: Path, compress: bool) -> None:
    train, test = clips_of(4, 9, 1), clips_of(3, 2, seed=1)
    train[0][:, 1] = 0  # one person
    train[1][4] = 0  # nobody, in the middle
    path = write_ctrgcn(tmp_path / "NTU60_CS.npz", train, test, compress=compress)
    assert interchange.recognise(path) == "ctrgcn"
    packed = unpack(path, "ntu", NTU_FORMAT)
    for i, clip in enumerate([*train, *test]):
        assert np.array_equal(packed.clip(i), clip)
    assert packed.label.tolist() == [0, 1, 2, 7, 8]
    assert packed.extras["split"].tolist() == [0, 0, 0, 1, 1]
    assert packed.name.tolist()[2:4] == ["train 00002", "test 00000"]
    assert packed.subject.tolist() == packed.view.tolist() == [0] * 5
    assert packed.classes == NTU_FORMAT.classes
    assert packed.layout == NTU
    assert packed.key == "ntu"


def test_ctrgcn_of_one_part_and_other_skeletons(tmp_path: Path) -> None:
    clip = clips_of(5, shape=(1, 20, 3))
    path = write_ctrgcn(tmp_path / "a.npz", clip, clip, x_test=None, y_test=None)
    packed = unpack(path)
    assert packed.joints.shape == (5, 1, 20, 3)
    assert packed.layout == LAYOUTS["kinect20"]
    assert packed.classes[59] == "class 59"
    assert packed.extras["split"].tolist() == [0]
    labels = np.array([3])  # not one-hot, as some write them
    write_ctrgcn(path, clip, clip, y_train=labels, x_test=None, y_test=None)
    assert unpack(path).label.tolist() == [3]
    assert len(unpack(path).classes) == 4


def test_a_clip_of_nothing_keeps_a_frame(tmp_path: Path) -> None:
    clips = [np.zeros((3, 2, 25, 3), np.float32), *clips_of(2)]
    packed = unpack(write_ctrgcn(tmp_path / "a.npz", clips, clips))
    assert packed.lengths.tolist() == [1, 2, 1, 2]
    assert not packed.clip(0).any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_train": None}, "neither an npz of CTR-GCN's|'y_train': missing"),
        ({"y_train": np.eye(60)[:1]}, "'y_train': 1 labels for 2 clips"),
        ({"y_train": np.ones((2, 60))}, "'y_train': 'a row that is not one-hot'"),
        (
            {"y_train": np.full((2, 60), np.nan)},
            "'y_train': 'a row that is not one-hot'",
        ),
        (
            {"y_train": np.eye(60)[:, ::-1][:2] * 0.5},
            "'y_train': 'a row that is not one-hot'",
        ),
        (
            {"y_train": np.array([-1, 0]), "y_test": np.array([0, 0])},
            "clip train 00000: field 'y_train': -1 is not a class",
        ),
        ({"y_train": np.array(["a", "b"])}, "'y_train': <U1"),
        ({"y_train": np.array([{}, {}])}, "'y_train': an array of Python objects"),
        ({"y_test": np.eye(50)[:2]}, "'x_test': other bodies, joints or classes"),
        ({"x_test": np.zeros((2, 9, 75))}, "'x_test': other bodies"),
        ({"x_train": np.zeros((2, 9, 149))}, "'x_train': float64"),
        ({"x_train": np.zeros((2, 9, 150), int)}, "'x_train': int64"),
        ({"x_train": np.zeros((2, 150))}, "'x_train': float64"),
        ({"x_train": np.asfortranarray(np.zeros((2, 9, 150)))}, "'x_train'.*C order"),
        ({"x_train": np.zeros((2, 0, 150))}, "'x_train': 0 frames"),
        (
            {"x_train": np.full((2, 9, 150), np.inf)},
            "clip train 00000: field 'x': frame 0",
        ),
        ({"x_train": np.array([{}, {}])}, "'x_train': an array of Python objects"),
    ],
)
def test_ctrgcn_that_does_not_agree_is_refused(tmp_path, changes, words) -> None:
    clips = clips_of(4, 9)
    path = write_ctrgcn(tmp_path / "a.npz", clips, clips, **changes)
    with pytest.raises(InputError, match=rf"a\.npz.*({words})"):
        unpack(path)


@pytest.mark.parametrize("compress", [False, True])
def test_ctrgcn_cut_or_spoilt_is_refused(tmp_path: Path, compress: bool) -> None:
    clips = clips_of(4, 9)
    path = write_ctrgcn(tmp_path / "a.npz", clips, clips, compress=compress)
    content = path.read_bytes()
    for size in range(0, len(content), 997):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"a\.npz"):
            unpack(path)
    spoilt = bytearray(content)
    spoilt[700] ^= 255  # among the numbers: the check sum tells
    path.write_bytes(spoilt)
    with pytest.raises(InputError, match=r"a\.npz.*'x'|'x_train'"):
        unpack(path)


def test_a_member_that_lies_about_its_shape_is_refused(tmp_path: Path) -> None:
    path = write_ctrgcn(tmp_path / "a.npz", clips_of(4), clips_of(4))
    honest, lie = b"(1, 9, 150), }      ", b"(9999999, 9, 150), }"
    content = path.read_bytes()
    assert honest in content
    path.write_bytes(content.replace(honest, lie))
    with pytest.raises(InputError, match=r"a\.npz: field 'x_train': damaged"):
        unpack(path)


# ST-GCN


def test_stgcn_is_read(tmp_path: Path) -> None:
    clips = clips_of(4, 9, 1)
    folder = tmp_path / "xsub"
    with_ending = [f"{name}.skeleton" for name in NAMES]
    write_stgcn(folder, "train", clips[:2], with_ending[:2], [4, 0])
    write_stgcn(folder, "val", clips[2:], with_ending[2:], [59])
    sources = [folder, folder / "train_data.npy", folder / "val_label.pkl"]
    for source in sources:
        assert interchange.recognise(source) == "stgcn"
        packed = unpack(source, "ntu", NTU_FORMAT)
        for i, clip in enumerate(clips):
            assert np.array_equal(packed.clip(i), clip)
        assert packed.name.tolist() == NAMES
        assert packed.label.tolist() == [4, 0, 59]
        assert packed.subject.tolist() == [3, 8, 3]
        assert packed.view.tolist() == [2, 1, 3]
        assert packed.extras["setup"].tolist() == [1, 1, 17]
        assert packed.extras["replication"].tolist() == [1, 2, 1]
        assert packed.extras["split"].tolist() == [0, 0, 1]
        assert packed.classes == NTU_FORMAT.classes


def test_stgcn_of_kinetics(tmp_path: Path) -> None:
    clips = clips_of(4, 9, shape=(2, 18, 3))
    folder = write_stgcn(tmp_path / "k", "val", clips, ["-0Beu.json", "kkw"], [1, 399])
    packed = unpack(folder, "kinetics")
    assert packed.layout == LAYOUTS["openpose18"]
    assert packed.name.tolist() == ["-0Beu", "kkw"]
    assert packed.extras["split"].tolist() == [1, 1]
    assert len(packed.classes) == 400


def test_stgcn_of_2s_agcn(tmp_path: Path) -> None:
    """Read data of another name; of two, the file that is given."""
    folder = write_stgcn(tmp_path / "a", "train", clips_of(2), ["a"], [0])
    (folder / "train_data.npy").rename(folder / "train_data_joint.npy")
    assert unpack(folder).lengths.tolist() == [2]
    write_stgcn(folder, "train", clips_of(5), ["a"], [0])
    assert unpack(folder).lengths.tolist() == [5]
    assert unpack(folder / "train_data_joint.npy").lengths.tolist() == [2]


def test_stgcn_that_does_not_agree_is_refused(tmp_path: Path) -> None:
    folder = write_stgcn(tmp_path / "a", "train", clips_of(4, 3), ["a", "b"], [0, 1])
    labels, data = folder / "train_label.pkl", folder / "train_data.npy"
    good = labels.read_bytes()
    for value, words in [
        ((["a", "b"], [0]), r"train_label\.pkl: 2 names, but 1 labels"),
        ((["a"], [0]), r"train_data\.npy: 2 clips, but train_label\.pkl names 1"),
        ((["a", "a"], [0, 1]), "'sample_name': a is there twice"),
        ((["a", 3], [0, 1]), "clip number 1: field 'sample_name': 3 is not a name"),
        ((["a", "b"], [0, "1"]), "clip b: field 'label': '1' is not a class"),
        ((["a", "b"], [0, -1]), "clip b: field 'label': -1 is not a class"),
        ((["a", "b"], [0, True]), "clip b: field 'label': True is not a class"),
        (["a", "b", "c"], r"train_label\.pkl: not the names and the labels"),
        ((1, 2), r"train_label\.pkl: not the names and the labels"),
        ((["a", "b"], Path("/")), r"train_label\.pkl: asks for pathlib"),
    ]:
        labels.write_bytes(pickle.dumps(value))
        with pytest.raises(InputError, match=words):
            unpack(folder)
    labels.unlink()
    assert interchange.recognise(folder) is None
    with pytest.raises(InputError, match=r"train_data\.npy: no train_label\.pkl"):
        unpack(data)
    labels.write_bytes(good)
    assert len(unpack(folder)) == 2
    for array, words in [
        (np.zeros((2, 3, 9, 25, 2), int), "int64"),
        (np.zeros((2, 3, 9, 25)), "not floats"),
        (np.zeros((2, 4, 9, 25, 2)), "4 channels"),
        (np.zeros((2, 3, 9, 24, 2)), "24 joints, not known; give --layout"),
        (np.zeros((2, 3, 9, 25, 40)), "40 bodies"),
        (np.full((2, 3, 9, 25, 2), np.nan), "clip a: field 'data': frame 0"),
        (np.array([{}, {}]), "not a readable npy file"),
    ]:
        np.save(data, array)
        with pytest.raises(InputError, match=rf"train_data\.npy.*{words}"):
            unpack(folder)
    data.write_bytes(data.read_bytes()[:50])
    with pytest.raises(InputError, match="truncated"):
        unpack(folder)


# PYSKL


def test_pyskl_is_read(tmp_path: Path) -> None:
    clips = clips_of(4, 3, 1)
    single = clips[1][:, :1]
    path = write_pyskl(
        tmp_path / "ntu60_3danno.pkl",
        [
            annotation(NAMES[0], clips[0], 4),
            annotation(NAMES[1], single.astype(np.float16), np.int64(0)),
            annotation(NAMES[2], clips[2].astype(np.float64), 59),
        ],
        {
            "xsub_train": NAMES[:2],
            "xsub_val": NAMES[2:],
            "xview_train": [NAMES[2]],
            "xview_val": [NAMES[0], "S009C001P001R001A001"],
            "whatever": ["x"],
        },
    )
    assert interchange.recognise(path) == "pyskl"
    packed = unpack(path, "ntu", NTU_FORMAT)
    assert np.array_equal(packed.clip(0), clips[0])
    assert np.array_equal(packed.clip(1)[:, :1], single.astype(np.float16))
    assert not packed.clip(1)[:, 1].any()
    assert np.array_equal(packed.clip(2), clips[2])
    assert packed.name.tolist() == NAMES
    assert packed.subject.tolist() == [3, 8, 3]
    assert packed.view.tolist() == [2, 1, 3]
    assert packed.extras["split.xsub"].tolist() == [0, 0, 1]
    assert packed.extras["split.xview"].tolist() == [1, -1, 0]
    assert packed.extras["split"].tolist() == [0, 0, 1]
    assert set(packed.extras) >= {"setup", "replication"}
    assert interchange.stream(path, "ntu", NTU_FORMAT).notes == (
        "skeleton: ntu25, the data set's",
        "split: a name has no clip: 'S009C001P001R001A001'",
    )
    assert packed.layout == NTU
    assert packed.classes == NTU_FORMAT.classes


def test_pyskl_in_two_dimensions(tmp_path: Path) -> None:
    clips = clips_of(4, 3, shape=(1, 17, 3))
    path = write_pyskl(
        tmp_path / "a.pkl",
        [
            annotation(
                name,
                clip[..., :2],
                keypoint_score=clip[..., 2].swapaxes(0, 1).copy(),
                img_shape=(1080, 1920),
            )
            for name, clip in zip("ab", clips)
        ],
        {"train1": ["a"], "test1": ["b"], "train2": ["b"], "test2": ["a"]},
    )
    packed = unpack(path)
    for i, clip in enumerate(clips):
        assert np.array_equal(packed.clip(i), clip)
    assert packed.layout == LAYOUTS["coco17"]
    assert packed.extras["height"].tolist() == [1080, 1080]
    assert packed.extras["width"].tolist() == [1920, 1920]
    assert packed.extras["split"].tolist() == packed.extras["split.1"].tolist()
    assert packed.extras["split.2"].tolist() == [1, 0]


def test_pyskl_without_scores_and_without_splits(tmp_path: Path) -> None:
    (clip,) = clips_of(4, shape=(1, 25, 2))
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([annotation("a", clip, 2)]))
    packed = unpack(path)
    assert np.array_equal(packed.clip(0), clip)
    assert packed.layout == LAYOUTS["body25"]
    packed = unpack(path, "ntu", NTU_FORMAT)
    assert packed.layout.dims == 2  # the image's: not NTU's own three dimensions
    assert packed.layout.bones == NTU.bones
    assert packed.layout.up == (1, -1)
    packed = unpack(path)
    assert packed.extras == {}
    assert packed.classes == ("class 0", "class 1", "class 2")


GOOD = clips_of(4)[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"split": {}}, "'annotations': missing"),
        ({"annotations": []}, "'annotations': no list of clips"),
        ({"annotations": {"a": 1}}, "'annotations': no list of clips"),
        ({"annotations": [3]}, "'annotations': number 0 is no dictionary"),
        ((["a"], [0]), "'annotations': number 0 is no dictionary"),
        (3, "'annotations': no list of clips"),
        ([annotation("a", GOOD), annotation("a", GOOD)], "'frame_dir': a is there tw"),
        (
            [annotation("a", GOOD, frame_dir=None)],
            "clip number 0: field 'frame_dir': None",
        ),
        ([annotation("a", GOOD, label=None)], "clip a: field 'label': None"),
        (
            [annotation("a", GOOD, label=1.5)],
            "clip a: field 'label': 1.5 is not a class",
        ),
        (
            [annotation("a", GOOD, label=10**9999)],
            "clip a: field 'label': a huge number",
        ),
        ([annotation("a", GOOD, label=[1])], "clip a: field 'label': a list is not"),
        ([annotation("a", GOOD, keypoint=None)], "'keypoint': missing"),
        (
            [annotation("a", GOOD, keypoint=None, raw_file="kp/a.pkl")],
            "'keypoint': missing: the clips are in files of their own",
        ),
        ([annotation("a", GOOD, keypoint=[[1]])], "'keypoint': not an array"),
        ([annotation("a", GOOD, keypoint=GOOD[0])], "'keypoint': float32"),
        ([annotation("a", GOOD, keypoint=GOOD.astype(int))], "'keypoint': int64"),
        ([annotation("a", GOOD[..., :1])], "'keypoint': 1 channels"),
        ([annotation("a", GOOD[:, :0])], "clip a: nobody in any frame"),
        ([annotation("a", GOOD[:0])], "'keypoint': 0 frames"),
        ([annotation("a", GOOD[:, :, :7])], "7 joints in space, not known"),
        ([annotation("a", GOOD * np.inf)], "clip a: field 'keypoint': frame 0"),
        ([annotation("a", GOOD, total_frames=5)], "'total_frames': 5, but keypoint"),
        ([annotation("a", GOOD, total_frames=np.ones(2))], "'total_frames': a ndarray"),
        (
            [annotation("a", GOOD), annotation("b", GOOD[:, :, :20])],
            "clip b: field 'keypoint': 20 joints and 3 channels, but a has 25 and 3",
        ),
        (
            [annotation("a", GOOD[..., :2], keypoint_score=np.zeros((1, 4, 25)))],
            "'keypoint_score'",
        ),
        (
            [annotation("a", GOOD[..., :2], img_shape="large")],
            "'img_shape': not .height, width.",
        ),
        (
            {"annotations": [annotation("a", GOOD)], "split": ["a"]},
            "'split': no dictionary",
        ),
        (
            {"annotations": [annotation("a", GOOD)], "split": {"train": [1]}},
            "'split': train holds 1, not a name",
        ),
        (
            {
                "annotations": [annotation("a", GOOD)],
                "split": {"train": ["a"], "val": ["a"]},
            },
            "'split': 'a' is both a training and a test clip",
        ),
        ([annotation("a", GOOD, label=np.array({}))], "asks for"),
        (Path("/"), "asks for pathlib"),
    ],
)
def test_pyskl_that_does_not_agree_is_refused(tmp_path, content, words) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=rf"a\.pkl.*{words}"):
        unpack(path)


def test_values_without_end_do_not_stall_a_message(tmp_path: Path) -> None:
    endless: list = []
    for _ in range(45):
        endless = [endless, endless]  # 2**45 lists if it were written out
    path = tmp_path / "a.pkl"
    for field in ("label", "total_frames", "frame_dir", "img_shape", "keypoint"):
        changed = {**annotation("a", GOOD[..., :2]), field: endless}
        path.write_bytes(pickle.dumps([changed]))
        with pytest.raises(InputError, match=r"a\.pkl"):
            unpack(path)


@settings(max_examples=300, deadline=None)
@given(
    which=st.integers(0, 3),
    place=st.floats(-1, 1, exclude_max=True),
    patch=st.binary(min_size=1, max_size=8),
)
def test_spoilt_files_raise_nothing_else(tmp_path_factory, which, place, patch) -> None:
    """Damage the beginning and the end too, where the headers are."""
    folder = tmp_path_factory.mktemp("spoilt")
    (clip,) = clips_of(2, shape=(1, 15, 3))
    write_ctrgcn(folder / "a.npz", [clip], [clip], 2, x_test=None, y_test=None)
    write_stgcn(folder, "train", [clip], ["a"], [0])
    write_pyskl(folder / "a.pkl", [annotation("a", clip)], {"train": ["a"]})
    path = folder / ("a.npz", "train_data.npy", "train_label.pkl", "a.pkl")[which]
    content = bytearray(path.read_bytes())
    at = int(place * len(content)) if which == 3 else int(place * 150) % len(content)
    content[at : at + len(patch)] = patch
    path.write_bytes(content)
    problem = str(folder)
    try:
        list(interchange.stream(path, "mine").clips())
    except InputError as error:
        problem = str(error)
    assert str(folder) in problem
    assert "\n" not in problem


def test_a_zip_that_python_cannot_read_is_refused(tmp_path: Path) -> None:
    path = write_ctrgcn(tmp_path / "a.npz", clips_of(2), clips_of(2))
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    for place, value in [(6, 99), (8, 1), (10, 77)]:  # version, encrypted, method
        spoilt = bytearray(content)
        spoilt[directory + place] = value
        path.write_bytes(spoilt)
        with pytest.raises(InputError, match=r"a\.npz"):
            list(interchange.stream(path, "mine").clips())


# What the names say


def test_a_name_that_contradicts_its_label_is_refused(tmp_path: Path) -> None:
    path = write_pyskl(tmp_path / "a.pkl", [annotation(NAMES[0], GOOD, 3)])
    for source_format in (NTU_FORMAT, None):
        with pytest.raises(InputError, match="its label is 3, but its name says 4"):
            unpack(path, "ntu", source_format)


def test_clips_of_ntu_120_need_another_name(tmp_path: Path) -> None:
    name = "S018C001P042R001A120"
    path = write_pyskl(tmp_path / "a.pkl", [annotation(name, GOOD, 119)])
    with pytest.raises(InputError, match="prepare the file under another name"):
        unpack(path, "ntu", NTU_FORMAT)
    packed = unpack(path, "ntu120")
    assert packed.subject.tolist() == [42]
    assert packed.extras["setup"].tolist() == [18]
    assert len(packed.classes) == 120


def test_a_data_sets_own_names_are_understood(tmp_path: Path) -> None:
    source_format = SourceFormat(
        key="nucla",
        classes=("one", "two"),
        layout=LAYOUTS["utd20"],
        bodies=1,
        name=r"a(?P<code>\d\d)_s(?P<subject>\d\d)_v(?P<view>\d\d)",
        ending=".json",
        example="a01_s01_v01",
        allowed={"code": (1, 9)},
    )
    (clip,) = clips_of(2, shape=(1, 20, 3))
    path = write_pyskl(tmp_path / "a.pkl", [annotation("a09_s04_v02", clip, 1)])
    packed = unpack(path, "nucla", source_format)
    assert (packed.subject[0], packed.view[0]) == (4, 2)
    assert packed.layout.name == "utd20"  # that of the data set, of the same size
    assert packed.classes == ("one", "two")


# Which format it is


def test_other_files_are_not_recognised(tmp_path: Path) -> None:
    packed = pack(clips_of(2)).save(tmp_path / "packed.npz")
    text = tmp_path / "text.pkl"
    text.write_text("hello")
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        archive.writestr("S001.skeleton", "1")
    half = tmp_path / "half.npz"
    half.write_bytes(packed.read_bytes()[:100])
    for path in (packed, text, half, tmp_path, tmp_path / "raw.zip", tmp_path / "no"):
        assert interchange.recognise(path) is None
        with pytest.raises(InputError, match="none of an .npz of CTR-GCN's"):
            interchange.stream(path, "mine")


# Round trips


def make_clips(layout: str, channels: int):
    """Draw lists of clips whose last frames are not empty."""
    size = LAYOUTS[layout].size
    return st.integers(1, 2).flatmap(
        lambda bodies: st.lists(
            st.integers(1, 5).flatmap(
                lambda t: hnp.arrays(
                    np.float32,
                    (t, bodies, size, channels),
                    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
                    fill=st.just(np.float32(0)),
                ).map(ended)
            ),
            min_size=2,
            max_size=5,
        )
    )


def ended(clip: np.ndarray) -> np.ndarray:
    clip[-1, 0, 0, 0] = 1
    return clip


def assert_written_and_read(dataset: PackedDataset, path: Path, form: str) -> None:
    sides = interchange.write(dataset, path, form, "given")
    assert sides == (int(sum(dataset.extras["split"] == 0)), len(dataset) - sides[0])
    assert interchange.recognise(path) == form
    found = unpack(path)
    order = np.arange(len(dataset))
    if form != "pyskl":
        order = np.argsort(dataset.extras["split"], kind="stable")
        assert found.extras["split"].tolist() == sorted(dataset.extras["split"])
    for i, j in enumerate(order):
        bodies = dataset.bodies
        assert found.clip(i)[:, :bodies].tobytes() == dataset.clip(j).tobytes()
        assert not found.clip(i)[:, bodies:].any()
        assert found.label[i] == dataset.label[j]
        assert form == "ctrgcn" or found.name[i] == dataset.name[j]
    assert found.layout == dataset.layout
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        {path.name, "packed"}
    )


@pytest.mark.parametrize("form", interchange.FORMATS)
@settings(max_examples=25, deadline=None)
@given(clips=make_clips("ntu25", 3))
def test_round_trip(tmp_path_factory, form: str, clips) -> None:
    name = {"ctrgcn": "a.npz", "stgcn": "a", "pyskl": "a.pkl"}[form]
    path = tmp_path_factory.mktemp("round") / "deeper" / name
    assert_written_and_read(pack(clips), path, form)


@pytest.mark.parametrize("form", ["stgcn", "pyskl"])
@settings(max_examples=15, deadline=None)
@given(clips=make_clips("coco17", 3))
def test_round_trip_in_two_dimensions(tmp_path_factory, form: str, clips) -> None:
    path = (
        tmp_path_factory.mktemp("round") / "deeper" / f"a{'.pkl' * (form != 'stgcn')}"
    )
    assert_written_and_read(pack(clips, layout=LAYOUTS["coco17"]), path, form)


def test_what_is_written_is_what_others_expect(tmp_path: Path) -> None:
    """Read by NumPy and Python alone, as the other projects do."""
    clips = clips_of(4, 2, 3)
    dataset = pack(clips, extras={"split": [0, 1, 0]})
    interchange.write(dataset, tmp_path / "a.npz", "ctrgcn", "given")
    with np.load(tmp_path / "a.npz") as data:
        assert data["x_train"].shape == (2, 4, 150)
        assert data["x_train"].dtype == np.float32
        both = data["x_train"].reshape(2, 4, 2, 25, 3)
        assert np.array_equal(both[0], clips[0])
        assert np.array_equal(both[1, :3], clips[2])
        assert not both[1, 3:].any()
        assert np.argmax(data["y_train"], axis=1).tolist() == [0, 2]
        assert data["y_test"].tolist() == [[0, 1, 0]]
    interchange.write(dataset, tmp_path / "b", "stgcn", "given")
    block = np.load(tmp_path / "b" / "train_data.npy")
    assert block.shape == (2, 3, 4, 25, 2)
    assert np.array_equal(block[1, :, :3], clips[2].transpose(3, 0, 2, 1))
    with open(tmp_path / "b" / "val_label.pkl", "rb") as file:
        assert pickle.load(file) == (["clip1"], [1])
    interchange.write(dataset, tmp_path / "c.pkl", "pyskl", "given")
    with open(tmp_path / "c.pkl", "rb") as file:
        content = pickle.load(file)
    assert content["split"] == {
        "given_train": ["clip0", "clip2"],
        "given_val": ["clip1"],
    }
    first = content["annotations"][0]
    assert first["frame_dir"] == "clip0"
    assert (first["label"], first["total_frames"]) == (0, 4)
    assert np.array_equal(first["keypoint"], clips[0].swapaxes(0, 1))


def test_splits_are_called_as_pyskl_calls_them(tmp_path: Path) -> None:
    dataset = pack(clips_of(1, 1, 1), key="utd_mhad")
    interchange.write(dataset, tmp_path / "a.pkl", "pyskl")
    content = pickles.load(tmp_path / "a.pkl")
    assert content["split"] == {
        "xsub_train": ["clip0", "clip2"],
        "xsub_val": ["clip1"],
    }


def test_two_dimensional_annotations_have_what_pyskl_needs(tmp_path: Path) -> None:
    clips = clips_of(2, 2, shape=(1, 17, 2))
    clips[0][1, 0, 3] = 0
    sizes = {"split": [0, 1], "height": [480, 0], "width": [640, 0]}
    dataset = pack(clips, layout=LAYOUTS["coco17"], extras=sizes)
    interchange.write(dataset, tmp_path / "a.pkl", "pyskl", "given")
    first, second = pickles.load(tmp_path / "a.pkl")["annotations"]
    assert first["img_shape"] == first["original_shape"] == (480, 640)
    assert second["img_shape"] == (1, 1)
    assert first["keypoint"].shape == (1, 2, 17, 2)
    assert first["keypoint_score"].shape == (1, 2, 17)
    assert first["keypoint_score"].sum() == 33  # of 34 joints one is missing


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    three = pack(clips_of(2, 2, shape=(3, 25, 3)))
    with pytest.raises(InputError, match="mine: 3 bodies and 3 channels"):
        interchange.write(three, tmp_path / "a.npz", "ctrgcn", "given")
    with pytest.raises(
        InputError, match=r"'json': unknown; known are ctrgcn, stgcn, p"
    ):
        interchange.write(three, tmp_path / "a.npz", "json", "given")
    with pytest.raises(InputError, match="protocol 'cross_moon'"):
        interchange.write(three, tmp_path / "a", "stgcn", "cross_moon")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        interchange.write(three, tmp_path / "file" / "a", "stgcn", "given")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_memory_is_that_of_a_few_clips(tmp_path: Path) -> None:
    """Convert 400 clips of 60 kB, hence 24 MB of numbers, in all three formats."""
    clip = clips_of(100)[0]
    dataset = pack([clip + i for i in range(400)])
    for form, name in (("ctrgcn", "a.npz"), ("stgcn", "a"), ("pyskl", "a.pkl")):
        path = tmp_path / name
        tracemalloc.start()
        if form != "pyskl":
            interchange.write(dataset, path, form, "given")
        _, written = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        if form == "pyskl":
            interchange.write(dataset, path, form, "given")
        tracemalloc.start()
        count = sum(1 for _ in interchange.stream(path, "mine").clips())
        _, read = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 400
        assert written < 4e6
        assert read < 4e6


def test_prepared_and_loaded_by_the_files_own_split(tmp_path: Path) -> None:
    clips = clips_of(4, 2, 3)
    train, test = clips[:2], clips[2:]
    source = write_ctrgcn(tmp_path / "NTU60_CS.npz", train, test)
    made = prepare("ntu_cs", source, tmp_path / "root", progress=False)
    assert made.clips == 3
    parts = load("ntu_cs", root=tmp_path / "root")
    assert [part.name.tolist() for part in parts] == [
        ["train 00000", "train 00001"],
        ["test 00000"],
    ]
    assert np.array_equal(parts[1].clip(0), clips[2])


def test_the_command_line(tmp_path: Path, root: Path) -> None:
    kept = tmp_path / "packed"
    pack(clips_of(3, 2, 2), key="mine").save(kept / "mine.npz")

    def skellib(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "skellib", *arguments, "--root", str(kept)]
        return subprocess.run(command, cwd=root, capture_output=True, text=True)

    out = tmp_path / "out" / "mine.pkl"
    done = skellib("export", "mine", "--format", "pyskl", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: 2 clips train, 1 test\n"
    assert interchange.recognise(out) == "pyskl"
    done = skellib("export", "mine", "--format", "xml", "--out", str(out))
    assert (done.returncode, done.stdout) == (2, "")
    assert "format 'xml': unknown" in done.stderr
