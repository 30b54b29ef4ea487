"""Exhibits: what Figs. 1 and 8 need of trained networks, and weights that are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from skellib import evaluation, preprocessing, weights
from skellib.batches import DeviceClips
from skellib.data import load
from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.inference import Predictor
from skellib.records import RecordStore
from skellib.reproduction import exhibits, results

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pair():
    train, test = load("synthetic")
    return train.subset(np.arange(0, len(train), 4)), test.subset(
        np.arange(0, len(test), 3)
    )


@pytest.fixture(scope="module")
def network(pair):
    torch.manual_seed(0)
    experiment = final_model("synthetic", "quick")
    return weights.build_model(experiment, pair[0], seed=0).eval(), experiment


def test_a_centroid_is_the_frequency_where_the_energy_is():
    means = torch.zeros(2, 8, 5)
    means[0, 3] = 1.0
    means[1, 0], means[1, 4] = 1.0, 3.0
    means[:, 5:] = 9.0  # negative frequencies do not count
    assert exhibits.centroids(means).tolist() == [3.0, 3.0]


def test_class_means_and_the_nearest_by_hand():
    maps = torch.tensor([[[0.0, 0.0]], [[2.0, 0.0]], [[10.0, 4.0]]])
    label = torch.tensor([0, 0, 1])
    means = exhibits.class_means(maps, label, 2)
    assert means.tolist() == [[[1.0, 0.0]], [[10.0, 4.0]]]
    probe = torch.tensor([[[1.0, 9.0]], [[9.0, 0.0]]])
    assert exhibits.nearest_mean(means, probe).tolist() == [0, 1]
    # Along time, the two are 5.0 and 4.5 on average, nearest to 7.0; along joints not.
    assert exhibits.nearest_mean(means, probe, "time").tolist() == [1, 1]


def test_the_frequency_exhibit_is_that_of_its_parts(pair, network, tmp_path):
    model, experiment = network
    made = exhibits.FrequencyExhibit.make({("final", 0): network}, pair[0], *pair)
    train, test = pair
    crop = experiment.preprocessing
    maps = evaluation.frequency_maps(model, DeviceClips(train), crop)
    expected = maps[torch.from_numpy(train.label) == 3].mean(0)
    assert torch.allclose(torch.tensor(made.train[3]), expected, atol=1e-4)
    assert set(made.correct) == {"map", "time", "joints", "network"}
    answer = evaluation.predict(model, DeviceClips(test), crop)["fused"].argmax(1)
    assert made.correct["network"] == (answer.numpy() == test.label).mean()
    assert made.centroids().shape == (train.num_classes,)
    path = exhibits.write(made, tmp_path)
    assert exhibits.read("frequency", "synthetic", "quick", tmp_path) == made
    assert exhibits.read("embedding", "synthetic", "quick", tmp_path) is None
    path.write_text("[]")
    with pytest.raises(InputError, match="not an exhibit"):
        exhibits.read("frequency", "synthetic", "quick", tmp_path)


def test_the_embedding_exhibit(pair, network):
    made = exhibits.EmbeddingExhibit.make({("CE", 0): network}, pair[0], *pair)
    assert np.array(made.points["CE"]).shape == (len(pair[1]), 2)
    assert made.label == pair[1].label.tolist()
    assert made.keys == {"CE": network[1].key}
    assert made.spread["CE"]["ratio"] > 0


def test_the_networks_are_rows_of_their_tables():
    for kind, exhibit in exhibits.EXHIBITS.items():
        assert exhibit.kind == kind
        made = exhibit.experiments("synthetic", "quick")
        assert list(made) == list(exhibit.networks)
        for label in exhibit.networks.values():
            assert results.get_table(exhibit.table).row(label).ours
    with pytest.raises(InputError, match="'turn' is none of frequency, embedding, "):
        exhibits.get_exhibit("turn")
    with pytest.raises(InputError, match="table IV has no ntu"):
        exhibits.FrequencyExhibit.experiments("ntu", "laptop")


def test_spread_by_hand():
    features = torch.tensor([[0.0, 0.0], [0.0, 2.0], [6.0, 0.0], [6.0, 2.0]])
    found = evaluation.class_separation(features, torch.tensor([0, 0, 1, 1]))
    assert found["within"] == pytest.approx(1.0)
    assert found["between"] == pytest.approx(3.0)
    assert found["ratio"] == pytest.approx(3.0)
    # One clip: 2 to its own class, (6 + sqrt(40)) / 2 to the other.
    other = (6 + 40**0.5) / 2
    assert found["silhouette"] == pytest.approx(1 - 2 / other)
    scaled = evaluation.class_separation(7 * features, torch.tensor([0, 0, 1, 1]))
    assert scaled["ratio"] == pytest.approx(found["ratio"])


def test_weights_are_found_here_first_then_among_those_kept(
    pair, network, tmp_path, monkeypatch
):
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    model, experiment = network
    assert weights.find_weights(experiment, 0) is None
    kept = weights.released_weights_path(experiment, 0)
    weights.save_weights(model, kept, experiment, 0, pair[0])
    assert weights.find_weights(experiment, 0) == kept
    own = weights.weights_path(experiment, 0)
    weights.save_weights(model, own, experiment, 0, pair[0])
    assert weights.find_weights(experiment, 0) == own


def test_half_precision_answers_as_the_whole(pair, network, tmp_path):
    import copy

    model, experiment = network
    path = tmp_path / "half.safetensors"
    half = copy.deepcopy(model).half()
    weights.save_weights(half, path, experiment, 0, pair[0])
    whole = tmp_path / "whole.safetensors"
    weights.save_weights(model, whole, experiment, 0, pair[0])
    assert path.stat().st_size < 0.6 * whole.stat().st_size
    read = weights.load_model(path)[0]
    assert all(p.dtype == torch.float32 for p in read.parameters())
    clips, crop = DeviceClips(pair[1]), experiment.preprocessing
    a, b = (evaluation.predict(m, clips, crop)["fused"] for m in (model, read))
    assert torch.allclose(a, b, atol=2e-2)


KEPT = sorted((ROOT / "data" / "weights").glob("*/*.safetensors"))


def test_a_network_is_kept():
    assert KEPT
    assert sum(path.stat().st_size for path in KEPT) < 20 * 2**20


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_weights_are_those_of_a_record_and_answer(path):
    predictor = Predictor(path)
    experiment = predictor.experiment
    seed = int(path.stem.rpartition("seed")[2])
    assert path == weights.released_weights_path(experiment, seed)
    if experiment.profile != "quick":  # quick runs are no results and have no records
        assert RecordStore(ROOT / "data" / "records").get(experiment, seed) is not None
    size = predictor.layout.size
    answer = predictor.probabilities(np.ones((5, 1, size, 3), np.float32))
    assert answer.shape == (len(predictor.classes),)
    assert answer.sum() == pytest.approx(1, abs=1e-5)


def test_the_kept_network_repeats_its_record(shared, tmp_path):
    from skellib.readers import prepare

    prepare("nucla", shared / "nucla.npz", tmp_path, progress=False)
    path = next(p for p in KEPT if p.parent.name == "nucla")
    predictor = Predictor(path)
    pair = load("nucla", predictor.experiment.protocol, tmp_path)
    again, clean = predictor.evaluate(*pair)
    seed = int(path.stem.rpartition("seed")[2])
    record = RecordStore(ROOT / "data" / "records").get(predictor.experiment, seed)
    # Half precision may move a clip that lies on the border.
    assert again.top1 == pytest.approx(record.test.top1, abs=2.5 / 464)
    assert clean.top1 == pytest.approx(record.clean.top1, abs=2.5 / 369)


def test_a_tilt_is_what_the_bodies_were_rotated_by(pair):
    train, _ = pair
    straight = exhibits.tilt(train)
    assert set(straight) == set(train.view.tolist())
    joints = torch.tensor(train.joints)
    for angle in (5.0, -12.0):
        turned = preprocessing.rotate(joints, angle, axis=0).numpy()
        leaning = exhibits.tilt(dataclasses.replace(train, joints=turned))
        for camera, before in straight.items():
            # A positive turn moves the head away from the camera.
            assert leaning[camera] == pytest.approx(before - angle, abs=0.02)


def test_networks_classify_rotated_clips(pair, network, tmp_path):
    model, experiment = network
    train, test = pair
    made = exhibits.RotationExhibit.make({("row", 3): network}, train, train, test)
    for name, degrees in exhibits.ROTATIONS.items():
        found = made.top1["row"][3][name]
        assert len(found) == len(degrees)
        for angle in (0, max(degrees)):
            joints = torch.tensor(test.joints)
            turned = preprocessing.rotate(joints, angle, exhibits.AXES[name]).numpy()
            clips = DeviceClips(dataclasses.replace(test, joints=turned))
            # To turn about the body's centre is to turn before the centring.
            crop = experiment.preprocessing
            answers = evaluation.predict(model, clips, crop)["fused"].argmax(1)
            right = (answers == clips.label).double().mean().item()
            assert found[degrees.index(angle)] == pytest.approx(right, abs=0.021)
    assert (made.seed, made.keys) == (3, {"row": experiment.key})
    pitch = made.top1["row"][3]["pitch"]
    first, zero = (exhibits.ROTATIONS["pitch"].index(a) for a in (-10, 0))
    assert made.gains("pitch", -10) == [100 * (pitch[first] - pitch[zero])]
    assert made.gains("yaw", 0, clean=True) == [0]
    exhibits.write(made, tmp_path)
    assert exhibits.read("rotation", made.dataset, made.profile, tmp_path) == made


def test_a_layout_without_a_head_has_no_tilt(pair):
    train, _ = pair
    names = tuple("top" if n == "head" else n for n in train.layout.joints)
    other = dataclasses.replace(train.layout, joints=names)
    with pytest.raises(InputError, match="no head"):
        exhibits.tilt(dataclasses.replace(train, layout=other))
