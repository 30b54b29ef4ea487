"""One bad clip of many is left out and listed, in every form of data; so is nobody."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from skellib import readers
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from tests.fake_raw import kinetics, nucla, sbu, sysu, utd_mhad
from tests.fake_raw.common import write_mat

LACK = "the name of a clip that is not there"


def clips(shape=(2, 25, 3), count=5) -> list[np.ndarray]:
    """Make clips (T, M, N, C) of 4 to 8 frames."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4 + i, *shape)).astype("f4") for i in range(count)]


def write_pyskl(path: Path, given: list[np.ndarray]) -> Path:
    annotations = [
        {
            "frame_dir": f"v{i}",
            "label": i % 2,
            "total_frames": len(clip),
            "keypoint": clip.swapaxes(0, 1),
        }
        for i, clip in enumerate(given)
    ]
    split = {"x_train": ["v0", "v1", LACK], "x_val": ["v3", "v4"], "y_train": ["v4"]}
    split |= {"y_val": ["v0", "v1", "v2", "v3"]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return path


def padded(given: list[np.ndarray]) -> np.ndarray:
    block = np.zeros((len(given), max(map(len, given)), *given[0].shape[1:]), "f4")
    for row, clip in zip(block, given):
        row[: len(clip)] = clip
    return block


def write_stgcn(path: Path, given: list[np.ndarray]) -> Path:
    path.mkdir()
    for split, part in (("train", range(3)), ("val", range(3, 5))):
        data = padded([given[i] for i in part]).transpose(0, 4, 1, 3, 2)
        np.save(path / f"{split}_data.npy", data)
        labels = [f"v{i}" for i in part], [i % 2 for i in part]
        (path / f"{split}_label.pkl").write_bytes(pickle.dumps(labels))
    return path


def write_ctrgcn(path: Path, given: list[np.ndarray]) -> Path:
    block, label = padded(given), np.eye(2)[np.arange(len(given)) % 2]
    block = block.reshape(*block.shape[:2], -1)
    path = path.with_suffix(".npz")
    np.savez(
        path, x_train=block[:3], y_train=label[:3], x_test=block[3:], y_test=label[3:]
    )
    return path


WRITE = {"a.pkl": write_pyskl, "a": write_stgcn, "a.npz": write_ctrgcn}


def not_a_number(clip: np.ndarray) -> np.ndarray:
    clip[2, 0, 3] = np.nan
    return clip


def signalling(clip: np.ndarray) -> np.ndarray:
    clip.view("u4")[2, 0, 3] = 0x7F800001  # a NaN that NumPy's `any` warns of
    return clip


def nobody(clip: np.ndarray) -> np.ndarray:
    return 0 * clip


def too_large(clip: np.ndarray) -> np.ndarray:
    return 1e6 * clip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            not_a_number,
            "frame 2 has a value that is not finite; a joint that was not tracked is 0",
        ),
        (
            signalling,
            "frame 2 has a value that is not finite; a joint that was not tracked is 0",
        ),
        (nobody, "nobody in any frame"),
        (too_large, "field 'joints', frame 0: not finite, or too large for float16"),
    ],
)
def test_one_clip_of_another_projects_file(tmp_path, name, spoil, reason) -> None:
    given = clips()
    given[1] = spoil(given[1])
    source = WRITE[name](tmp_path / name, given)
    root, dtype = tmp_path / "packed", "float16"
    made = readers.prepare("mine", source, root, dtype=dtype, progress=False)
    (fault,) = made.skipped
    assert (made.clips, made.bad) == (4, 1)
    assert fault.where.startswith(str(tmp_path / "a")) and ": clip " in fault.where
    assert fault.reason.endswith(reason)
    assert str(fault) in (root / "mine.skipped.txt").read_text()
    packed = PackedDataset.open(made.path)
    assert packed.label.tolist() == [0, 0, 1, 0]
    for i, kept in enumerate((0, 2, 3, 4)):
        np.testing.assert_array_equal(packed.clip(i), given[kept].astype("f2"))
    assert packed.summary[0].startswith("left out: 1 of 5: ")
    with pytest.raises(InputError, match=fault.reason.partition(":")[0]):
        readers.prepare("mine", source, root, dtype=dtype, strict=True, progress=False)


@pytest.mark.parametrize("name", WRITE)
def test_no_clip_at_all_is_an_error(tmp_path, name) -> None:
    source = WRITE[name](tmp_path / name, [0 * clip for clip in clips()])
    with pytest.raises(InputError, match="no clip of 5 can be used; the first: .*nobo"):
        readers.prepare("mine", source, tmp_path / "packed", progress=False)
    assert not list(tmp_path.glob("packed/*"))


def test_annotations_of_pyskl_that_do_not_agree(tmp_path) -> None:
    path = write_pyskl(tmp_path / "a.pkl", clips(count=6))
    content = pickle.loads(path.read_bytes())
    first, second, third, fourth, *_ = content["annotations"]
    first["total_frames"] += 1
    second["label"] = "b"
    third["keypoint"] = third["keypoint"][:, :, :20]
    fourth["keypoint"] = fourth["keypoint"][:0]
    path.write_bytes(pickle.dumps(content))
    made = readers.prepare("mine", path, tmp_path / "packed", progress=False)
    assert [(each.where[-2:], each.reason) for each in made.skipped] == [
        ("v0", "field 'total_frames': 5, but keypoint has 4"),
        ("v1", "field 'label': 'b' is not a class, an integer from 0 to 9999"),
        ("v2", "field 'keypoint': 20 joints and 3 channels, but v4 has 25 and 3"),
        ("v3", "nobody in any frame"),
    ]


def test_a_row_that_is_not_one_hot(tmp_path) -> None:
    path = write_ctrgcn(tmp_path / "a.npz", clips())
    arrays = dict(np.load(path))
    arrays["y_test"][1] = 1
    np.savez(path, **arrays)
    made = readers.prepare("mine", path, tmp_path / "packed", progress=False)
    (fault,) = made.skipped
    assert fault.where.endswith("clip test 00001") and "one-hot" in fault.reason


def test_one_clip_of_a_data_set_in_an_npz(tmp_path) -> None:
    folder = tmp_path / "raw"
    nucla.write(folder, clips=6)
    whole = readers.READERS["nucla"](folder)
    arrays = {f: getattr(whole, f) for f in ("lengths", "label", "subject", "view")}
    joints = whole.joints[:, 0].copy()
    joints[whole.starts[2] + 1, 3] = np.inf
    joints[whole.starts[4] : whole.starts[5]] = 0
    np.savez(
        tmp_path / "nucla.npz",
        joints=joints,
        name=whole.name,
        episode=whole.extras["episode"],
        **arrays,
    )
    made = readers.prepare(
        "nucla", tmp_path / "nucla.npz", tmp_path / "packed", progress=False
    )
    assert [each.where.rpartition(" ")[2] for each in made.skipped] == [
        whole.name[2],
        whole.name[4],
    ]
    packed = PackedDataset.open(made.path)
    assert packed.name.tolist() == whole.name[[0, 1, 3, 5]].tolist()
    np.testing.assert_array_equal(packed.clip(3), whole.clip(5))


# Nobody, in whatever form a release can say it.


def nobody_in_nucla(folder: Path) -> Path:
    path = nucla.write(folder, clips=6)[0]
    content = json.loads(path.read_text())
    content["skeletons"] = (0 * np.array(content["skeletons"])).tolist()
    path.write_text(json.dumps(content))
    return path


def nobody_in_kinetics(folder: Path) -> Path:
    """Persons with scores, but all of them in the corner of the image."""
    path = kinetics.write(folder, clips=6)[0]
    content = json.loads(path.read_text())
    for frame in content["data"]:
        for person in frame["skeleton"]:
            person["pose"] = [0.0] * 36
    path.write_text(json.dumps(content))
    return path


def nobody_in_sbu(folder: Path) -> Path:
    path = sbu.write(folder, clips=6)[0]
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text(
        "".join(",".join([n, *["0"] * len(rest)]) + "\n" for n, *rest in lines)
    )
    return path


def nobody_in_utd_mhad(folder: Path) -> Path:
    path = utd_mhad.write(folder, clips=6)[0]
    write_mat(path, d_skel=np.zeros((20, 3, 5)))
    return path


def nobody_in_sysu(folder: Path) -> Path:
    path = sysu.write(folder, clips=6)[0]
    write_mat(path, SW=np.zeros((20, 3, 5)))
    return path


@pytest.mark.parametrize(
    ("key", "write"),
    [
        ("nucla", nobody_in_nucla),
        ("kinetics", nobody_in_kinetics),
        ("sbu", nobody_in_sbu),
        ("utd_mhad", nobody_in_utd_mhad),
        ("sysu", nobody_in_sysu),
    ],
)
def test_a_clip_in_which_nobody_ever_is(tmp_path, key, write) -> None:
    path = write(tmp_path / "raw")
    made = readers.prepare(key, tmp_path / "raw", tmp_path, workers=1, progress=False)
    assert made.clips == 5
    assert made.skipped[0] == (str(path), "nobody in any frame")
    packed = PackedDataset.open(made.path)
    assert packed.summary[0].startswith(f"left out: {len(made.skipped)} of")
    assert "nobody in any frame" in packed.summary[0]


# A file under the name of another data set.


def test_another_number_of_classes_under_a_known_name_is_refused(tmp_path) -> None:
    block = np.ones((2, 4, 150), "f4")
    label = np.eye(120)[:2]
    path = tmp_path / "NTU120_CSub.npz"
    np.savez(path, x_train=block, y_train=label, x_test=block, y_test=label)
    with pytest.raises(InputError, match=r"CSub\.npz: 120 classes, but ntu has 60"):
        readers.prepare("ntu", path, tmp_path / "packed", progress=False)
    folder = write_stgcn(tmp_path / "a", clips())
    labels = ["v3", "v4"], [59, 60]
    (folder / "val_label.pkl").write_bytes(pickle.dumps(labels))
    with pytest.raises(InputError, match="61 classes, but ntu has 60"):
        readers.prepare("ntu", folder, tmp_path / "packed", progress=False)
    assert readers.prepare("mine", folder, tmp_path, progress=False).clips == 5


# The skeleton and the split of another project's file.


def test_the_skeleton_is_guessed_or_given(tmp_path) -> None:
    def prepared(shape, **options) -> PackedDataset:
        path = write_pyskl(tmp_path / "a.pkl", clips(shape))
        made = readers.prepare("mine", path, tmp_path, progress=False, **options)
        return PackedDataset.open(made.path)

    for shape, name in {
        (1, 25, 3): "ntu25",
        (1, 25, 2): "body25",
        (1, 17, 2): "coco17",
        (1, 18, 2): "openpose18",
        (1, 33, 3): "mediapipe33",
        (1, 32, 3): "azure_kinect32",
        (1, 33, 2): "custom mediapipe33 in the image",
    }.items():
        packed = prepared(shape)
        assert packed.layout.name == name
        guess = f"guessed from its {shape[1]} joints; --layout takes another"
        assert f"skeleton: {name}, {guess}" in packed.summary
    ntu = prepared((1, 25, 2), layout=LAYOUTS["ntu25"])
    assert ntu.layout.name == "custom ntu25 in the image"
    assert prepared((1, 20, 3), layout=LAYOUTS["utd20"]).layout.joints[0] == "head"
    with pytest.raises(InputError, match="17 joints in space, not known; give --layo"):
        prepared((1, 17, 3))  # may be Human3.6M's: COCO's have x, y and a score
    with pytest.raises(InputError, match="25 joints, layout 'coco17' has 17"):
        prepared((1, 25, 3), layout=LAYOUTS["coco17"])
    path = write_pyskl(tmp_path / "a.pkl", clips())
    with pytest.raises(InputError, match="ntu: has its own skeleton, ntu25"):
        readers.prepare("ntu", path, tmp_path, layout=LAYOUTS["body25"])


def test_a_layout_may_have_any_number_of_joints(tmp_path) -> None:
    layout = LAYOUTS["sbu15"]
    path = write_ctrgcn(tmp_path / "a.npz", clips((2, 7, 3)))
    with pytest.raises(InputError, match="15 or 17 or 18.* --layout gives others"):
        readers.prepare("mine", path, tmp_path, progress=False)
    seven = layout.from_dict(
        {
            **layout.to_dict(),
            "name": "custom seven",
            "joints": [str(j) for j in range(7)],
            "bones": [[j, j + 1] for j in range(6)],
            "center": [[0, 1]],
            "pairs": [],
        }
    )
    made = readers.prepare("mine", path, tmp_path, layout=seven, progress=False)
    assert PackedDataset.open(made.path).layout == seven


def test_names_of_the_split_that_no_clip_has_are_listed(tmp_path) -> None:
    path = write_pyskl(tmp_path / "a.pkl", clips())
    made = readers.prepare("mine", path, tmp_path, progress=False)
    summary = PackedDataset.open(made.path).summary
    assert f"split: a name has no clip: '{LACK}'" in summary
