"""Test the gradients of a step, and when a step is captured and replayed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import torch
from lightning.fabric import Fabric

from skellib import steps
from skellib.data import load
from skellib.experiment import final_model
from skellib.losses import objective
from skellib.models import SLnLRFA
from skellib.records import RecordStore
from skellib.steps import ByShape, CapturedStep, Step
from skellib.training import Execution, train

SETTINGS = {"gamma": 2.0, "margin": 0.6, "mutual_weight": 0.1}


def network():
    torch.manual_seed(0)
    return SLnLRFA(
        num_classes=3,
        joints=5,
        frames=8,
        new_joints=4,
        coordinate_systems=2,
        channels=(4, 4),
        slnl_blocks=1,
        kernels=3,
        dropout=0.0,
    )


def batches(sizes=(4, 4, 4, 2) * 5):
    generator = torch.Generator().manual_seed(1)
    for size in sizes:
        x = torch.randn(size, 3, 8, 5, 1, generator=generator)
        yield x, torch.randint(3, (size,), generator=generator)


def trained(kind):
    """Return weights, statistics and losses after some batches of two sizes."""
    fabric = Fabric(accelerator="cpu", devices=1)
    optimizer = torch.optim.Adam((module := network()).parameters(), lr=0.01)
    model, optimizer = fabric.setup(module, optimizer)
    step, losses = kind(fabric, model, SETTINGS), []
    for x, y in batches():
        optimizer.zero_grad(set_to_none=True)
        loss, logits = step(x, y)
        assert logits.shape == (len(y), 3)
        assert not loss.requires_grad and not logits.requires_grad
        optimizer.step()
        losses.append(loss.item())
    return module.state_dict(), losses


def test_a_step_leaves_the_gradients_of_the_objective():
    fabric, module = Fabric(accelerator="cpu", devices=1), network()
    x, y = next(batches())
    loss, logits = Step(fabric, fabric.setup(module), SETTINGS)(x, y)
    other = network()
    answers = other(x)
    expected = objective(answers, y, **SETTINGS)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(logits, answers["fused"].detach())
    for mine, theirs in zip(module.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_each_shape_is_called_eagerly_at_first_and_then_captured():
    called, captured = [], []

    def eager(x, y):
        called.append(x.shape)
        return x.sum() + y

    def capture(x, y):
        captured.append(x.shape)
        return lambda x, y: x.sum() + y + 100

    passes = ByShape(eager, capture)
    large, small = torch.ones(4, 2), torch.ones(3, 2)
    sizes = [large, large, small, large, large, small, large, small, small]
    found = [float(passes(x, torch.tensor(i))) for i, x in enumerate(sizes)]
    assert passes.WARM_UP == 3
    assert found == [8, 9, 8, 11, 112, 11, 114, 13, 114]
    assert called == [large.shape] * 2 + [small.shape, large.shape, *[small.shape] * 2]
    assert captured == [large.shape, small.shape]


def test_one_thread_at_a_time_launches_or_captures():
    inside, most = [], []

    def slow(x):
        inside.append(x)
        time.sleep(0.002)
        most.append(len(inside))
        inside.pop()
        return x

    passes = [ByShape(slow, lambda x: slow) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda i: passes[i % 3](torch.ones(2)), range(18)))
    assert most == [1] * 18


def test_threads_share_the_mark_of_a_backward_pass():
    """Fabric refuses a backward pass that it did not mark, in half precision."""

    def losses(module):
        fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
        step = Step(fabric, fabric.setup(module), SETTINGS)
        return [step(x, y)[0].item() for x, y in batches((4,) * 10)]

    networks = [network() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(losses, networks))
    assert found == [losses(network())] * 3


class ImitatedGraph:
    """Replay a step as a CUDA graph does, in the memory used during capture.

    CUDA does not execute what it captures. This imitation does, and undoes the effects.
    """

    made: ClassVar = []

    def __init__(self, function, *inputs):
        self.static, self.replays = [each.clone() for each in inputs], 0
        self.step = function.__self__
        before = {k: v.clone() for k, v in self.step.model.state_dict().items()}
        self.result = function(*self.static)
        # Batch normalisation's statistics moved when the pass was computed.
        self.step.model.load_state_dict(before)
        self.gradients = [p.grad for p in self.step.parameters]
        self.made.append(self)

    def __call__(self, *inputs):
        self.replays += 1
        for place, value in zip(self.static, inputs, strict=True):
            place.copy_(value)
        for parameter in self.step.parameters:
            parameter.grad = None
        found = Step.__call__(self.step, *self.static)
        for kept, new in zip(self.result, found, strict=True):
            kept.copy_(new)
        for kept, parameter in zip(self.gradients, self.step.parameters, strict=True):
            kept.copy_(parameter.grad)
            parameter.grad = None
        return self.result


def test_a_captured_step_trains_as_the_plain_one(monkeypatch):
    monkeypatch.setattr(steps, "capture", ImitatedGraph)
    monkeypatch.setattr(steps, "aside", lambda function, *inputs: function(*inputs))
    plain, captured = trained(Step), trained(CapturedStep)
    # 15 batches of one size and 5 of the other, of which 3 each are eager.
    assert [graph.replays for graph in ImitatedGraph.made] == [12, 2]
    assert captured[1] == plain[1]
    for name, value in plain[0].items():
        assert torch.equal(captured[0][name], value), name


def test_graphs_are_without_effect_on_a_processor(tmp_path):
    experiment = final_model("synthetic", "quick").replace(**{"training.epochs": 1})
    runs = [
        train(
            experiment,
            0,
            *load("synthetic"),
            store=RecordStore(tmp_path / str(graphs)),
            checkpoints=tmp_path / str(graphs),
            execution=Execution("cpu", graphs=graphs, threads=1),
            progress=False,
        )
        for graphs in (False, True)
    ]
    assert runs[0].history == runs[1].history and runs[0].test == runs[1].test
