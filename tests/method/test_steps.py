"""Test the gradients of a step, and the memory of a captured step."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from lightning.fabric import Fabric

from skellib.data import load
from skellib.experiment import final_model
from skellib.losses import objective
from skellib.models import SLnLRFA
from skellib.records import RecordStore
from skellib.steps import CapturedStep, Step
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


def batches(sizes=(4, 4, 4, 4, 4, 2) * 2):
    generator = torch.Generator().manual_seed(1)
    for size in sizes:
        x = torch.randn(size, 3, 8, 5, 1, generator=generator)
        yield x, torch.randint(3, (size,), generator=generator)


def trained(kind, prepare=lambda step: None):
    """Return weights, statistics and losses after some batches of two sizes."""
    fabric = Fabric(accelerator="cpu", devices=1)
    optimizer = torch.optim.Adam((module := network()).parameters(), lr=0.01)
    model, optimizer = fabric.setup(module, optimizer)
    step, losses = kind(fabric, model, SETTINGS), []
    prepare(step)
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


class ImitatedGraph:
    """Replay a step as a CUDA graph does, in the memory used during capture.

    CUDA does not execute what it captures. This imitation does, and undoes the effects.
    """

    step: CapturedStep
    replays = 0

    def __enter__(self):
        self.before = {
            k: v.clone() for k, v in self.step.model.state_dict().items()
        }  # batch normalisation's statistics move when a pass is computed

    def __exit__(self, *_):
        self.step.model.load_state_dict(self.before)

    def replay(self):
        step, self.replays = self.step, self.replays + 1
        for parameter in step.parameters:
            parameter.grad = None
        found = Step.__call__(step, step.x, step.y)
        for kept, new in zip(step.result, found, strict=True):
            kept.copy_(new)
        for kept, parameter in zip(step.gradients, step.parameters, strict=True):
            kept.copy_(parameter.grad)
            parameter.grad = None


def test_a_captured_step_trains_as_the_plain_one(monkeypatch):
    graph = ImitatedGraph()
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda given: given)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda given: nullcontext())
    plain = trained(Step)
    captured = trained(CapturedStep, lambda step: setattr(graph, "step", step))
    assert graph.replays == 10 - CapturedStep.WARM_UP  # of ten batches of one size
    assert captured[1] == plain[1]
    for name, value in plain[0].items():
        assert torch.equal(captured[0][name], value), name


def with_and_without_graphs(folder, experiment, **options):
    """Return the records of two runs that differ only in the execution."""
    return [
        train(
            experiment,
            0,
            *load("synthetic"),
            store=RecordStore(folder / str(graphs)),
            checkpoints=folder / str(graphs),
            execution=Execution(graphs=graphs, **options),
            progress=False,
        )
        for graphs in (False, True)
    ]


def test_graphs_are_without_effect_on_a_processor(tmp_path):
    experiment = final_model("synthetic", "quick").replace(**{"training.epochs": 1})
    runs = with_and_without_graphs(tmp_path, experiment, accelerator="cpu", threads=1)
    assert runs[0].history == runs[1].history and runs[0].test == runs[1].test


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_captured_training_on_a_gpu(tmp_path, precision):
    experiment = final_model("synthetic", "quick").replace(
        **{"training.epochs": 3, "model.dropout": 0.1}
    )
    runs = with_and_without_graphs(
        tmp_path, experiment, accelerator="cuda", precision=precision
    )
    first, last = ([r.history[i].loss for r in runs] for i in (0, -1))
    assert first[1] == pytest.approx(
        first[0], rel=0.05
    )  # kernels may sum in another order
    assert last[1] == pytest.approx(last[0], rel=0.2) and last[1] < first[1]
