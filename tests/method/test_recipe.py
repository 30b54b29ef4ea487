"""Test what a modern recipe adds: modalities, smoothing, averages, crops, ensembles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from skellib.batches import DeviceClips
from skellib.data import load
from skellib.errors import InputError
from skellib.evaluation import predict
from skellib.experiment import final_model
from skellib.layouts import LAYOUTS
from skellib.losses import objective, soft_margin_focal
from skellib.preprocessing import bones, central_crop, modality, spread_crops, velocity
from skellib.records import RecordStore, TestLogits, ensemble
from skellib.training import Execution, fit, train
from skellib.variants import MODALITIES
from skellib.weights import build_model, load_model, weights_path

CPU = Execution(accelerator="cpu", threads=1)
BASE = final_model("synthetic", "quick", "cross_subject").replace(
    **{"training.epochs": 2, "model.channels": (4, 4, 4, 4, 6, 6)}
)
CHANGES = {
    "preprocessing.modality": "bone",
    "preprocessing.test_crops": 3,
    "loss.label_smoothing": 0.1,
    "training.ema_decay": 0.5,
}


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic", "cross_subject")
    return train_set.subset(range(0, len(train_set), 12)), test_set.subset(range(24))


def run(experiment, data, folder, seed=0):
    return train(
        experiment,
        seed,
        *data,
        store=RecordStore(folder / "records"),
        checkpoints=folder,
        execution=CPU,
        progress=False,
    )


@pytest.mark.parametrize(("setting", "value"), CHANGES.items())
def test_each_setting_changes_the_key(setting, value):
    assert BASE.replace(**{setting: value}).key != BASE.key


def test_all_together_are_trained_and_recorded(data, tmp_path):
    everything = BASE.replace(**CHANGES)
    record = run(everything, data, tmp_path)
    assert record.experiment == everything
    model = load_model(weights_path(everything, 0, tmp_path))[0]
    clips = DeviceClips(data[1], preprocessing=everything.preprocessing)
    again = predict(model, clips)["fused"].softmax(1).numpy()
    kept = torch.from_numpy(record.test_logits.array()).softmax(1).numpy()
    assert np.allclose(kept, again, atol=1e-3)


# --- modality ------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_bones_against_a_loop(layout):
    x = torch.randn(2, 3, 4, layout.size, 2)
    x[0, :, 1, 5] = 0  # not tracked
    x[1, ..., 1] = 0  # an absent body
    expected = torch.zeros_like(x)
    expected[:, layout.dims :] = x[:, layout.dims :]
    for parent, child in layout.bones:
        for b, t, m in np.ndindex(2, 4, 2):
            ends = x[b, : layout.dims, t, [parent, child], m]
            if ends[:, 0].any() and ends[:, 1].any():
                expected[b, : layout.dims, t, child, m] = ends[:, 1] - ends[:, 0]
    assert torch.equal(bones(x, layout), expected)


def test_adding_the_bones_along_the_tree_gives_the_joints_again():
    layout, x = LAYOUTS["ntu25"], torch.randn(2, 3, 4, 25, 1, dtype=torch.float64)
    joints = bones(x, layout)
    root = layout.bones[0][0]
    joints[:, :, :, root] = x[:, :, :, root]
    for parent, child in layout.bones:
        joints[:, :, :, child] += joints[:, :, :, parent]
    torch.testing.assert_close(joints, x)


def test_each_modality_by_its_definition():
    layout, x = LAYOUTS["kinect20"], torch.randn(2, 3, 5, 20, 1)
    by_hand = {
        "joint": x,
        "bone": bones(x, layout),
        "motion": velocity(x),
        "bone_motion": bones(velocity(x), layout),
    }
    assert by_hand.keys() == MODALITIES.keys()
    for kind, expected in by_hand.items():
        torch.testing.assert_close(modality(x, layout, kind), expected)


@pytest.mark.parametrize("kind", MODALITIES)
def test_batches_are_converted_last(data, kind):
    """After crop and rotation, in training and at inference."""
    turned = BASE.preprocessing.model_copy(update={"max_yaw": 30.0})
    clips, layout = DeviceClips(data[0]), data[0].layout
    chosen = turned.model_copy(update={"modality": kind})
    for make in (
        lambda p: clips.training(8, p, seed=0, epoch=0),
        lambda p: clips.inference(8, p),
    ):
        for (x, y), (other, label) in zip(make(turned), make(chosen), strict=True):
            assert torch.equal(modality(x, layout, kind), other)
            assert torch.equal(y, label)


# --- ensembles -----------------------------------------------------------------------


def test_ensemble_by_hand(data, tmp_path):
    one, other = (run(BASE, data, tmp_path, seed) for seed in (0, 1))
    mean = sum(
        np.exp(z) / np.exp(z).sum(1, keepdims=True)
        for z in (each.test_logits.array().astype(float) for each in (one, other))
    )
    found = ensemble([one, other])
    assert np.array_equal(found.array().argmax(1), mean.argmax(1))
    probabilities = np.exp(found.array())
    probabilities /= probabilities.sum(1, keepdims=True)
    assert np.allclose(probabilities, mean / 2, atol=2e-3)
    label = np.array(one.test_logits.label)
    assert found.accuracy() == (mean.argmax(1) == label).mean()
    assert ensemble([one]).accuracy() == one.test.top1


def test_ensembles_that_cannot_be(data, tmp_path):
    record = run(BASE, data, tmp_path)
    kept = record.test_logits
    relabelled = kept.model_copy(update={"label": [y + 1 for y in kept.label]})
    for records in (
        [],
        [record, record.model_copy(update={"test_logits": None})],
        [record, record.model_copy(update={"test_logits": relabelled})],
    ):
        with pytest.raises(InputError, match="not runs with the logits of the same"):
            ensemble(records)


def test_an_ensemble_of_certain_runs_has_no_infinite_logit():
    logits = np.array([[0.0, -6e4], [-6e4, 0.0]])
    kept = TestLogits.of(logits, np.array([0, 1]), np.array([False, True]))

    class Record:
        test_logits, key, seed = kept, "k", 0

    found = ensemble([Record(), Record()])
    assert np.isfinite(found.array()).all() and found.leaked == [1]


# --- label smoothing -----------------------------------------------------------------


@given(st.floats(0.01, 0.9), st.integers(2, 7))
@settings(deadline=None, max_examples=20)
def test_smoothed_cross_entropy_is_pytorchs(smoothing, classes):
    generator = torch.Generator().manual_seed(classes)
    z = torch.randn(5, classes, generator=generator, dtype=torch.float64)
    y = torch.randint(classes, (5,), generator=generator)
    mine = objective(
        {"fused": z}, y, gamma=0, margin=0, mutual_weight=0, label_smoothing=smoothing
    )
    theirs = functional.cross_entropy(z, y, label_smoothing=smoothing)
    torch.testing.assert_close(mine, theirs)


def test_smoothed_soft_margin_focal_loss_against_a_loop():
    z, y = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    expected = 0.8 * soft_margin_focal(z, y)
    for wrong in range(3):
        expected += 0.2 / 3 * soft_margin_focal(z, torch.full_like(y, wrong))
    found = objective({"fused": z}, y, mutual_weight=0, label_smoothing=0.2)
    torch.testing.assert_close(found, expected)


# --- averaged weights ----------------------------------------------------------------


def test_moving_average_by_hand(data, monkeypatch):
    """Half the old average and half the new weights after each step, from the first."""
    averaged = BASE.replace(
        **{"training.ema_decay": 0.5, "training.epochs": 1, "training.batch_size": 4}
    )
    clips = DeviceClips(data[0], preprocessing=BASE.preprocessing)
    network = build_model(averaged, data[0], seed=0)
    name = "classifiers.fused.weight"
    path = []
    step = torch.optim.Adam.step

    def noted(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        path.append(network.get_parameter(name).detach().clone())
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    logits, _ = fit(network, clips, clips, averaged, 0, execution=CPU)
    expected = path[0]
    for weights in path[1:]:
        expected = (expected + weights) / 2
    assert len(path) > 2
    torch.testing.assert_close(network.get_parameter(name).detach(), expected)
    assert torch.equal(predict(network, clips)["fused"], logits)


def test_averaging_leaves_the_training_alone(data, tmp_path):
    plain = run(BASE, data, tmp_path)
    other = run(BASE.replace(**{"training.ema_decay": 0.9}), data, tmp_path)
    assert [e.loss for e in other.history] == [e.loss for e in plain.history]
    assert other.test_logits != plain.test_logits


@pytest.mark.parametrize("change", [{}, {"training.ema_decay": 0.9}])
def test_an_interrupted_run_resumes_with_its_average(data, tmp_path, change):
    chosen = BASE.replace(**{"training.epochs": 3, **change})
    whole = run(chosen, data, tmp_path / "whole")
    put = RecordStore.put

    class Killed(Exception):
        pass

    def killed(*args):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skellib.training._check_finite", killed_after(2, Killed))
        with pytest.raises(Killed):
            run(chosen, data, tmp_path / "parts")
        patch.setattr("skellib.training._check_finite", lambda *args: None)
        patch.setattr(RecordStore, "put", killed)  # and once more, after the last epoch
        with pytest.raises(Killed):
            run(chosen, data, tmp_path / "parts")
        patch.setattr(RecordStore, "put", put)
        resumed = run(chosen, data, tmp_path / "parts")
    assert resumed.test_logits == whole.test_logits
    assert resumed.history == whole.history


def killed_after(epochs, error):
    """Make a check of an epoch's loss that raises in the epoch after some."""

    def check(done, *args):
        if done.epoch > epochs:
            raise error

    return check


# --- test-time crops -----------------------------------------------------------------


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
    st.floats(0.1, 1),
    st.sampled_from(["kept", "cut"]),
    st.integers(1, 6),
)
@settings(deadline=None)
def test_crops_are_spread_over_the_clip(lengths, ratio, rounding, count):
    lengths = torch.tensor(lengths)
    crops = spread_crops(lengths, ratio, rounding, count)
    offset, kept = central_crop(lengths, ratio, rounding)
    assert len(crops) == count
    assert all(torch.equal(each[1], kept) for each in crops)
    starts = torch.stack([each[0] for each in crops])
    if count == 1:
        assert torch.equal(starts[0], offset)
    else:
        assert not starts[0].any() and torch.equal(starts[-1], lengths - kept)
        steps = starts.diff(dim=0)
        assert (steps.amax(0) - steps.amin(0) <= 1).all()


def test_logits_of_several_crops_are_averaged(data):
    network = build_model(BASE, data[0], seed=0).eval()
    three = BASE.preprocessing.model_copy(
        update={"test_crops": 3, "test_crop_ratio": 0.6}
    )
    clips = DeviceClips(data[1], preprocessing=three)
    found = predict(network, clips)["fused"]
    with torch.no_grad():
        each = [
            torch.cat([network(x)["fused"] for x, _ in clips.inference(64, None, k)])
            for k in range(3)
        ]
    assert not torch.allclose(each[0], each[2])
    torch.testing.assert_close(found, sum(each) / 3)
