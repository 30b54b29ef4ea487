"""What each component costs of a training step, by PyTorch's profiler.

Operations of the forward pass belong to the module or the scope that they are in, those
of the backward pass to the component of the operation whose gradient they compute.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from skellib.batches import DeviceClips
from skellib.data import load
from skellib.experiment import Experiment
from skellib.losses import objective
from skellib.models import FrequencyAttention, NonLocal, TransformNetwork
from skellib.training import Execution
from skellib.weights import build_model

MODULES = {
    NonLocal: "attention",
    FrequencyAttention: "frequency attention",
    TransformNetwork: "transform",
}
OPERATIONS = {"conv": "convolutions", "batch_norm": "normalisation"}
REST = "activation, dropout, pooling, sums"
COMPONENTS = (
    *("attention", "convolutions", "frequency attention", "transform"),
    *("normalisation", REST, "loss", "optimiser", "batch making"),
)
_SCOPE, _BACKWARD = "component: ", "autograd::engine::evaluate_function: "


def _scope(name: str) -> AbstractContextManager[Any]:
    return record_function(_SCOPE + name)


def _label(network: nn.Module) -> None:
    """Make modules name their component to the profiler."""
    for module in network.modules():
        name = MODULES.get(type(module))
        if name is None:
            continue
        open_scopes: list[Any] = []

        def enter(*_: Any, name: str = name, scopes: list[Any] = open_scopes) -> None:
            scopes.append(_scope(name))
            scopes[-1].__enter__()

        def leave(*_: Any, scopes: list[Any] = open_scopes) -> None:
            scopes.pop().__exit__(None, None, None)

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)


def _component(event: Any, by_number: dict[int, str]) -> str:
    """Find the component of an event in its ancestors."""
    found = None
    while event is not None:
        if event.name.startswith(_BACKWARD):
            return by_number.get(event.sequence_nr, REST)
        if event.name.startswith(_SCOPE):  # the outermost one counts
            return event.name.removeprefix(_SCOPE)
        for part, name in OPERATIONS.items():
            if part in event.name:
                found = name
        event = event.cpu_parent
    return found or REST


def milliseconds(
    experiment: Experiment, batch_size: int, steps: int = 3
) -> dict[str, float]:
    """Profile training steps on synthetic clips in this process, in float32.

    Args:
        experiment: what to train.
        batch_size: clips per batch.
        steps: number of steps, after one to warm up.

    Returns:
        Milliseconds per step, by component.
    """
    train_set, _ = load("synthetic")
    clips = DeviceClips(train_set, "cpu", experiment.preprocessing)
    network = build_model(experiment, train_set, seed=0)
    network.to(memory_format=Execution("cpu").memory_format(torch.device("cpu")))
    adam = torch.optim.Adam(network.parameters(), fused=True)
    _label(network)
    batches = clips.training(batch_size, seed=0, epoch=0)

    def step() -> None:
        with _scope("batch making"):
            x, y = next(batches)
        adam.zero_grad(set_to_none=True)
        logits = network(x)
        with _scope("loss"):
            loss = objective(logits, y, **experiment.loss.model_dump())
        loss.backward()
        with _scope("optimiser"):
            adam.step()

    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step()
    events = sorted(profiler.events(), key=lambda event: event.time_range.start)
    by_number: dict[int, str] = {}
    for event in events:  # the last event with a number is the one that has a gradient
        if event.sequence_nr >= 0 and not event.name.startswith(_BACKWARD):
            by_number[event.sequence_nr] = _component(event, by_number)
    spent: Counter[str] = Counter()
    for event in events:
        spent[_component(event, by_number)] += event.self_cpu_time_total / 1e3 / steps
    return {name: round(spent[name], 3) for name in COMPONENTS}
