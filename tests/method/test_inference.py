"""Test inference on single clips: the same numbers as evaluation; invalid clips."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from skellib.batches import DeviceClips
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.evaluation import predict
from skellib.experiment import final_model
from skellib.inference import Predictor
from skellib.layouts import LAYOUTS, Layout
from skellib.readers import nucla, utd_mhad
from skellib.readers.single_clip import clip_paths, read_clip
from skellib.records import RecordStore
from skellib.training import Execution, train
from skellib.weights import weights_path
from tests.fake_raw import nucla as nucla_files

PUPPET = Layout(
    name="custom puppet",
    joints=("hips", "head", "left hand", "right hand"),
    bones=((0, 1), (1, 2), (1, 3)),
    center=((0, 1.0),),
    pairs=((2, 3),),
    up=(1, -1),
    dims=2,
)
CLASSES = ("still", "wave", "bow")


def puppets(bodies: int) -> PackedDataset:
    """Make 24 clips of three classes by two subjects, with x, y and a score."""
    rng = np.random.default_rng(0)
    clips = []
    for i in range(24):
        clip = rng.normal(size=(5 + i % 4, bodies, 4, 3)).astype(np.float32)
        clip[:, :, 2, 1] += (i % 3) * np.arange(len(clip))[:, None]
        clips.append(clip)
    return PackedDataset.from_clips(
        clips,
        label=np.arange(24) % 3,
        subject=np.arange(24) // 12,
        name=[f"p{i}" for i in range(24)],
        layout=PUPPET,
        classes=CLASSES,
        key="puppets",
        source="made here",
    )


@pytest.fixture(scope="module", params=[1, 3], ids="{} bodies".format)
def trained(request, tmp_path_factory):
    """Return the weights of a small run, its test set, and its record."""
    folder = tmp_path_factory.mktemp("run")
    packed = puppets(request.param)
    experiment = final_model("puppets", "quick", "cross_subject").replace(
        **{
            "training.epochs": 2,
            "preprocessing.frames": 8,
            "model.channels": (4, 4, 4, 4, 6, 6),
            "model.new_joints": 6,
        }
    )
    sets = packed.subset(range(12)), packed.subset(range(12, 24))
    record = train(
        experiment,
        0,
        *sets,
        store=RecordStore(folder),
        checkpoints=folder,
        execution=Execution(accelerator="cpu", threads=1),
        progress=False,
    )
    return weights_path(experiment, 0, folder), sets, record


def test_as_evaluation_says(trained) -> None:
    weights, (_, test_set), _ = trained
    predictor = Predictor(weights)
    clips = DeviceClips(test_set)
    logits = predict(predictor.model, clips, predictor.experiment.preprocessing)[
        "fused"
    ]
    expected = logits.double().softmax(1).numpy()
    found = predictor.all_probabilities([test_set.clip(i) for i in range(12)])
    assert np.array_equal(found, expected)
    one = predictor.probabilities(test_set.clip(5))
    assert one == pytest.approx(expected[5], abs=1e-6)
    assert one.sum() == pytest.approx(1, abs=1e-12)
    assert predictor.classes == CLASSES and predictor.layout == PUPPET


def test_evaluate_gives_the_records_metrics(trained) -> None:
    weights, sets, record = trained
    test, clean = Predictor(weights).evaluate(*sets)
    assert test == record.test and clean is None


def test_a_single_frame_will_do(trained) -> None:
    weights, (_, test_set), _ = trained
    predictor = Predictor(weights)
    found = predictor.probabilities(test_set.clip(0)[:1])
    assert found.shape == (3,) and np.isfinite(found).all()


def test_fewer_bodies_are_filled_up(trained) -> None:
    weights, (_, test_set), _ = trained
    predictor = Predictor(weights)
    clip = np.array(test_set.clip(0))
    clip[:, 1:] = 0
    full = predictor.probabilities(clip)
    assert np.array_equal(predictor.probabilities(clip[:, :1]), full)
    assert np.array_equal(predictor.probabilities(clip[:, 0]), full)
    assert np.array_equal(predictor.probabilities(clip.astype(float)), full)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda clip: np.repeat(clip, 4, axis=1),
            r"bodies, but the network was trained on",
        ),
        (lambda clip: clip[:, :, :3], r"4 joints, 3 channels\) of layout 'custom pup"),
        (lambda clip: clip[..., :2], "3 channels"),
        (lambda clip: clip[0, 0], "not numbers"),
        (lambda clip: clip[:0], "no frame"),
        (lambda clip: clip * np.nan, "not finite"),
        (lambda clip: clip.astype(float) + 1e300, "not finite"),
        (lambda clip: clip.astype(str), "not numbers"),
        (lambda clip: clip * [0, 0, 1], "nobody in any frame"),
        (lambda clip: clip * 1e25, "logits are not finite; are the joints in the uni"),
    ],
)
def test_a_clip_of_another_form_is_refused(trained, change, message) -> None:
    weights, (_, test_set), _ = trained
    clip = change(np.array(test_set.clip(0)))
    with pytest.raises(InputError, match=message) as error:
        Predictor(weights).all_probabilities([clip], ["mine.npy"])
    assert "mine.npy" in str(error.value)


def test_bodies_that_are_never_there_are_no_bodies(trained) -> None:
    weights, (_, test_set), _ = trained
    clip = np.array(test_set.clip(0))
    more = np.pad(clip, ((0, 0), (0, 2), (0, 0), (0, 0)))
    predictor = Predictor(weights)
    assert np.array_equal(predictor.probabilities(more), predictor.probabilities(clip))


def test_other_data_is_refused(trained) -> None:
    weights, (train_set, test_set), _ = trained
    other = puppets(2)
    with pytest.raises(InputError, match="its bodies are not those of data set pupp"):
        Predictor(weights).evaluate(other, other)
    turned = replace(test_set, layout=replace(PUPPET, up=(1, 1)))
    with pytest.raises(InputError, match="its axes are not those"):
        Predictor(weights).evaluate(train_set, turned)
    renamed = replace(test_set, classes=("a", "b", "c"))
    with pytest.raises(InputError, match="its classes are not those"):
        Predictor(weights).evaluate(train_set, renamed)


def test_weights_that_are_none(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Predictor(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"layout": json.dumps({})})
    with pytest.raises(InputError, match="not a network of skellib"):
        Predictor(path)


# --- reading one clip ----------------------------------------------------------------


def test_a_clip_from_npy_and_csv(tmp_path) -> None:
    clip = np.arange(1.0, 17).reshape(2, 1, 4, 2)
    np.save(tmp_path / "c.npy", clip)
    assert np.array_equal(read_clip(tmp_path / "c.npy", PUPPET), clip)
    names = [f"{joint}.{axis}" for joint in PUPPET.joints for axis in "xy"]
    lines = [",".join(names), *(",".join(map(str, row)) for row in clip.reshape(2, -1))]
    (tmp_path / "c.csv").write_text("\n".join(lines))
    assert np.array_equal(read_clip(tmp_path / "c.csv", PUPPET), clip)


@pytest.mark.parametrize("name", ["a1_s1_t1_skeleton.mat", "whatever.mat"])
def test_a_clip_in_the_format_of_a_release(tmp_path, name) -> None:
    from scipy.io import savemat

    frames = np.random.default_rng(0).normal(size=(20, 3, 7))
    savemat(tmp_path / name, {"d_skel": frames})
    clip = read_clip(tmp_path / name, LAYOUTS["utd20"], utd_mhad.FORMATS)
    assert np.array_equal(clip[:, 0], frames.transpose(2, 0, 1))


def test_joints_are_put_in_order_by_name(tmp_path) -> None:
    from scipy.io import savemat

    kinect, utd = LAYOUTS["kinect20"], LAYOUTS["utd20"]
    frames = np.random.default_rng(0).normal(size=(20, 3, 7))
    savemat(tmp_path / "a.mat", {"d_skel": frames})
    np.save(tmp_path / "a.npy", frames.transpose(2, 0, 1))
    files = read_clip(tmp_path / "a.mat", kinect, utd_mhad.FORMATS)[:, 0]
    array = read_clip(tmp_path / "a.npy", kinect, own=utd)
    for clip in (files, array):
        for j, name in enumerate(kinect.joints):
            np.testing.assert_array_equal(clip[:, j].T, frames[utd.joints.index(name)])
    assert np.array_equal(
        read_clip(tmp_path / "a.npy", kinect), frames.transpose(2, 0, 1)
    )
    columns = [f"{joint}.{axis}" for joint in utd.joints for axis in "xyz"]
    rows = pd.DataFrame(frames.transpose(2, 0, 1).reshape(7, -1), columns=columns)
    rows.to_csv(tmp_path / "a.csv", index=False)
    table = read_clip(tmp_path / "a.csv", kinect, own=utd)[:, 0]
    np.testing.assert_allclose(table, files, rtol=1e-12)
    for layout, message in (
        (LAYOUTS["ntu25"], "its skeleton 'utd20' has no 'base of the spine', but the"),
        (replace(kinect, up=(1, -1)), "has other axes, but the network was trained on"),
    ):
        for path in (tmp_path / "a.mat", tmp_path / "a.npy"):
            with pytest.raises(InputError, match=message):
                read_clip(path, layout, utd_mhad.FORMATS, own=utd)
    np.save(tmp_path / "a.npy", frames[:19].transpose(2, 0, 1))
    with pytest.raises(InputError, match=r"a\.npy: \(7, 19, 3\), not .* 20 joints"):
        read_clip(tmp_path / "a.npy", kinect, own=utd)


def test_clips_in_folders(tmp_path) -> None:
    for name in ("b10.csv", "b2.CSV", "a/c.npy", "clips.csv", "layout.json", "x.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = clip_paths([tmp_path / "none.npy", tmp_path])
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["none.npy", "a/c.npy", "b2.CSV", "b10.csv"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: a folder without a file that ends"):
        clip_paths([tmp_path / "empty"])


def test_a_clip_may_be_a_folder_of_frames(tmp_path) -> None:
    nucla_files.write_frames(tmp_path, clips=2)
    folders = sorted({path.parent for path in tmp_path.rglob("*.txt")})
    whole = nucla.read(tmp_path)
    found = clip_paths([tmp_path], nucla.FORMATS)
    assert found == folders
    other = folders[0].rename(tmp_path / "my take")
    clip = read_clip(other, LAYOUTS["kinect20"], nucla.FORMATS)
    assert any(np.array_equal(np.float32(clip), whole.clip(i)) for i in range(2))


def test_a_file_that_is_no_clip(tmp_path) -> None:
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "hostile-was-here"), "w"))

    np.save(tmp_path / "c.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    for name, content in (("a.npy", b"no"), ("b.txt", b"no"), ("c.npy", None)):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_clip(path, PUPPET)
    assert not (tmp_path / "hostile-was-here").exists()
    with pytest.raises(InputError, match=r"none\.npy: no such file"):
        read_clip(tmp_path / "none.npy", PUPPET)
    with pytest.raises(InputError, match=r"ends in \.npy or \.csv or \.mat"):
        read_clip(tmp_path / "b.txt", PUPPET, utd_mhad.FORMATS)
