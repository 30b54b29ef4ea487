"""Test that a variant is added by one function and one line, and trains."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skellib.data import load
from skellib.experiment import final_model
from skellib.losses import soft_margin_focal
from skellib.records import RecordStore
from skellib.training import Execution, train
from skellib.variants import FREQUENCY_ATTENTION, LOSSES, TRANSFORMS, Attention
from skellib.variants import Transform as TransformVariant

TINY = final_model("synthetic", "quick", "cross_subject").replace(
    **{
        "training.epochs": 1,
        "preprocessing.frames": 8,
        "model.channels": (4, 4, 4, 4, 6, 6),
        "model.new_joints": 8,
    }
)


def low_pass(attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Keep the lower half of the temporal frequencies, weighted by one network."""
    spectrum = torch.fft.rfft2(x) * attention.mask(x.mean(1, keepdim=True)).mean()
    spectrum[..., x.shape[2] // 4 : -x.shape[2] // 4, :] = 0
    return torch.fft.irfft2(spectrum, s=x.shape[-2:])


def one_convolution(channels: int, out_channels: int) -> nn.Module:
    return nn.Conv2d(channels, out_channels, 1, bias=False)


def hinge(logits, target, *, gamma, margin, reduction="mean"):
    return nn.functional.multi_margin_loss(logits, target, margin=margin)


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic", "cross_subject")
    return train_set.subset(range(0, len(train_set), 12)), test_set.subset(range(8))


@pytest.mark.parametrize(
    ("table", "setting", "variant"),
    [
        (
            FREQUENCY_ATTENTION,
            "model.frequency_attention",
            Attention(networks=("mask",), attend=low_pass, residual=True),
        ),
        (TRANSFORMS, "model.transform", TransformVariant(build=one_convolution)),
        (LOSSES, "loss.kind", hinge),
    ],
    ids=["frequency attention", "transform", "loss"],
)
def test_one_function_and_one_line(
    monkeypatch, data, tmp_path, table, setting, variant
):
    with pytest.raises(ValueError, match="'mine' is none of"):
        TINY.replace(**{setting: "mine"})
    monkeypatch.setitem(table, "mine", variant)
    mine = TINY.replace(**{setting: "mine"})
    assert mine.key != TINY.key
    record = train(
        mine,
        0,
        *data,
        store=RecordStore(tmp_path / "records"),
        checkpoints=tmp_path / "checkpoints",
        execution=Execution(accelerator="cpu", threads=1),
        progress=False,
    )
    assert record.history[0].loss > 0
    assert record.experiment == mine


def test_the_usual_loss_is_found_by_its_name():
    assert LOSSES.find("soft_margin_focal") is soft_margin_focal
