"""Test metrics computed by hand, and that evaluation has no side effects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from skellib.batches import DeviceClips
from skellib.data import load
from skellib.evaluation import features, frequency_maps, predict, score
from skellib.models import SLnLRFA
from skellib.settings import PreprocessingConfig


@pytest.fixture(scope="module")
def clips():
    train, _ = load("synthetic")
    return DeviceClips(train.subset(np.arange(0, 70)))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SLnLRFA(
        num_classes=12,
        joints=20,
        frames=8,
        new_joints=8,
        coordinate_systems=2,
        channels=(4, 4, 4, 4, 6, 6),
    )


def test_score_by_hand():
    logits = torch.tensor(
        [
            [9.0, 1, 2, 3, 4, 5, 6],
            [1.0, 9, 2, 3, 4, 5, 6],
            [9.0, 8, 2, 3, 4, 5, 6],
            [6.0, 5, 4, 3, 2, 1, 0],
        ]
    )
    label = torch.tensor([0, 1, 1, 6])
    metrics = score(logits, label, cross_entropy)
    assert metrics.clips == 4
    assert metrics.top1 == 0.5
    assert (
        metrics.top5 == 0.75
    )  # only the class of the last clip is not in the top five
    assert metrics.per_class[:2] == [1.0, 0.5] and metrics.per_class[6] == 0.0
    assert metrics.per_class[2] is None
    assert metrics.confusion[1][:2] == [1, 1] and metrics.confusion[6][0] == 1
    assert metrics.loss == pytest.approx(cross_entropy(logits, label).item())
    kept = score(logits, label, cross_entropy, np.array([True, True, False, False]))
    assert (kept.clips, kept.top1) == (2, 1.0)


def test_no_top5_with_few_classes():
    logits = torch.eye(3)
    assert score(logits, torch.arange(3), cross_entropy).top5 is None


def test_the_mean_is_over_clips_not_over_batches(model, clips):
    """Batches of different sizes are weighted by their numbers of clips."""
    crop = PreprocessingConfig(frames=8)
    one = predict(model, clips, crop, batch_size=64)["fused"]  # 64 + 6
    other = predict(model, clips, crop, batch_size=70)["fused"]
    assert len(one) == 70
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_dropout_is_off_and_the_mode_restored(model, clips):
    model.train()
    first = predict(model, clips, PreprocessingConfig(frames=8))["fused"]
    assert model.training
    assert torch.equal(
        first, predict(model, clips, PreprocessingConfig(frames=8))["fused"]
    )
    assert not first.requires_grad


def test_features_and_frequency_maps(model, clips):
    crop = PreprocessingConfig(frames=8)
    found = features(model, clips, crop)
    assert found["fused"].shape == (70, 12) and found["position"].shape == (70, 6)
    model.eval()
    logits = model.classifiers["fused"](found["fused"])
    torch.testing.assert_close(logits, predict(model, clips, crop)["fused"])
    maps = frequency_maps(model, clips, crop)
    assert maps.shape == (70, 8, 8)
    x, _ = next(clips.inference(1, crop))
    spectrum = torch.fft.fft2(model.streams["position"].transformed(x)[0].double())
    expected = torch.log1p(spectrum.abs()).mean(0).float()
    torch.testing.assert_close(maps[0], expected, rtol=1e-4, atol=1e-4)
