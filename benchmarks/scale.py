"""The cost of a training step against frames, joints, batch and SLnL blocks.

Beside each time stands the number of operations by the model of
:mod:`skellib.complexity`, which estimates of whole runs go by. Part of
``python -m benchmarks.speed``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.machine import in_turns
from skellib.batches import DeviceClips
from skellib.complexity import true_macs
from skellib.data import load
from skellib.experiment import Experiment, final_model
from skellib.training import Execution
from skellib.weights import build_model

SWEEPS: dict[str, tuple[Any, ...]] = {
    "preprocessing.frames": (16, 32, 48, 64),
    "model.new_joints": (12, 24, 36, 48),
    "training.batch_size": (4, 8, 16, 32),
    "model.slnl_blocks": (0, 1, 2, 3, 4, 5, 6),
}
"""Values of each setting; the others stay as in :func:`base`."""


def base(profile: str = "laptop") -> Experiment:
    """Return the experiment that each sweep changes in one setting."""
    return final_model("synthetic", profile).replace(**{"training.batch_size": 8})


def training_step(experiment: Experiment) -> tuple[Callable[[], None], int]:
    """Build a training step of a new network, and count its multiply-accumulates.

    A backward pass counts as two forward passes.
    """
    train_set, _ = load("synthetic")
    batch, execution = experiment.training.batch_size, Execution("cpu")
    clips = DeviceClips(train_set.subset(range(batch)), "cpu", experiment.preprocessing)
    ((x, y),) = clips.training(batch, seed=0, epoch=0)
    network = build_model(experiment, train_set, seed=0)
    macs = 3 * batch * true_macs(network.eval(), x[:1])
    fabric = execution.fabric()
    network.train().to(memory_format=execution.memory_format(fabric.device))
    adam = torch.optim.Adam(network.parameters(), fused=True)
    model, adam = fabric.setup(network, adam)
    step = execution.step(fabric, model, experiment.loss)

    def work() -> None:
        adam.zero_grad(set_to_none=True)
        step(x, y)
        adam.step()

    return work, macs


def measure(
    rounds: int = 3, profile: str = "laptop", sweeps: dict[str, Any] = SWEEPS
) -> dict[str, list[dict[str, float]]]:
    """Time all sweeps in turns, in this process.

    Returns:
        By setting, for each value: ``value``, ``ms`` and ``gmacs`` of a training step.
    """
    asked = {
        (setting, value): base(profile).replace(**{setting: value})
        for setting, values in sweeps.items()
        for value in values
    }
    steps = {key: training_step(each) for key, each in asked.items()}
    seconds = in_turns({key: step for key, (step, _) in steps.items()}, rounds)
    found: dict[str, list[dict[str, float]]] = {setting: [] for setting in sweeps}
    for (setting, value), times in seconds.items():
        found[setting].append(
            {
                "value": value,
                "ms": round(1e3 * statistics.median(times), 2),
                "gmacs": round(steps[setting, value][1] / 1e9, 4),
            }
        )
    return found
