"""Test that two processes which share a batch train as one that has it alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = '''
import json, sys
import torch
from lightning.fabric import Fabric
from torch import nn
from torch.distributed.nn.functional import all_reduce
from skellib.batches import DeviceClips
from skellib.data import load
from skellib.experiment import final_model
from skellib.training import Execution, fit
from skellib.weights import build_model


class SharedNorm(nn.BatchNorm2d):
    """Normalise by the statistics of all processes' shares of a batch."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        moments = torch.stack([x.mean((0, 2, 3)), (x * x).mean((0, 2, 3))])
        if WORLD > 1:
            moments = all_reduce(moments) / WORLD
        mean, variance = moments[0], moments[1] - moments[0] ** 2
        count = WORLD * x.numel() // x.shape[1]
        with torch.no_grad():
            unbiased = variance * count / (count - 1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        mean, variance, weight, bias = (
            each.view(1, -1, 1, 1) for each in (mean, variance, self.weight, self.bias)
        )
        return (x - mean) / (variance + self.eps).sqrt() * weight + bias


WORLD, shared = int(sys.argv[1]), sys.argv[2] == "shared"
torch.set_num_threads(1)
experiment = final_model("synthetic", "quick").replace(**{
    "training.epochs": 3,
    "training.batch_size": 8,
    "preprocessing.frames": 8,
    "model.new_joints": 8,
})
train_set, test_set = load("synthetic")
train_set, test_set = train_set.subset(range(0, 384, 12)), test_set.subset(range(16))
network = build_model(experiment, train_set, seed=0)
for module in network.modules():
    if shared and type(module) is nn.BatchNorm2d:
        module.__class__ = SharedNorm
clips, test_clips = (
    DeviceClips(part, preprocessing=experiment.preprocessing)
    for part in (train_set, test_set)
)
execution = Execution("cpu", devices=WORLD, evaluate_every=1)
fabric = Fabric(accelerator="cpu", devices=WORLD, precision="64-true")
fabric.launch()
_, progress = fit(network, clips, test_clips, experiment, 0,
                  fabric=fabric, execution=execution)
if fabric.is_global_zero:
    keys = ("loss", "top1", "test_top1")
    print(json.dumps([[epoch[key] for key in keys] for epoch in progress.history]))
'''


def history(folder: Path, processes: int, norm: str) -> list[list[float]]:
    """Loss, accuracy and test accuracy of each epoch."""
    script = folder / "ddp.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, str(processes), norm],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """The global batch is the same: 8 clips, or 2 x 4.

    Batch normalisation is the exception: in a run, it sees the share of its process
    alone. Here it averages over both, so that all the rest must agree, up to the
    rounding of logits, which Fabric returns in float32.
    """
    one, two = (history(tmp_path, processes, "shared") for processes in (1, 2))
    assert len(one) == 3 and one[-1][0] < one[0][0]
    for mine, theirs in zip(two, one, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)


def test_the_normalisation_of_the_test_is_pytorchs(tmp_path: Path) -> None:
    ours, pytorchs = (history(tmp_path, 1, norm) for norm in ("shared", "own"))
    for mine, theirs in zip(ours, pytorchs, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
