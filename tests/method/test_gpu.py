"""Test what only a GPU can show: CUDA graphs, bfloat16 at the paper's size, streams.

    python -m pytest tests/method/test_gpu.py

takes a minute or two on a data-centre GPU; without one, every test is skipped.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from skellib.batches import DeviceClips
from skellib.data import load
from skellib.evaluation import predict
from skellib.experiment import final_model
from skellib.models import NonLocal
from skellib.records import RecordStore
from skellib.reproduction.estimates import Estimates
from skellib.reproduction.execute import run_within_budget
from skellib.reproduction.plan import Run
from skellib.training import Execution, fit, train
from skellib.weights import build_model

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: CUDA is not available"
)

BF16 = torch.bfloat16
WAYS = {
    "float32": {},
    "float32, captured": {"graphs": True},
    "bf16": {"precision": "bf16-mixed"},
    "bf16, captured": {"precision": "bf16-mixed", "graphs": True},
}


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic")
    # 11 batches of 32 and one of 22; the test clips are 2 batches of 64 and one of 32.
    return train_set.subset(range(374)), test_set.subset(range(160))


def test_attention_never_takes_cudnns_kernel():
    """Its gradient is not finite for unscaled products in bfloat16."""
    module = NonLocal(64, 64, embed_channels=64).cuda()
    torch.nn.init.normal_(module.w.weight)
    x = torch.randn(8, 64, 64, 64, device="cuda", requires_grad=True)
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=activities) as profiler, torch.autocast("cuda", BF16):
        module(x).float().square().mean().backward()
    names = {event.name for event in profiler.events()}
    own = [name for name in names if "cudnn" in name]
    assert not [name for name in own if "sdpa" in name or "attention" in name]
    assert any("scaled_dot_product" in name for name in names)
    assert x.grad.isfinite().all()


def losses(experiment, data, folder, **options):
    record = train(
        experiment,
        0,
        *data,
        store=RecordStore(folder),
        checkpoints=folder,
        execution=Execution("cuda", evaluate_every=1, checkpoint_every=0, **options),
        progress=False,
    )
    return [epoch.loss for epoch in record.history]


@pytest.fixture(scope="module")
def paper_size(data, tmp_path_factory):
    """Losses by way to train, of the final model with its SLnL blocks, for 5 epochs."""
    experiment = final_model("synthetic", "full").replace(**{"training.epochs": 5})
    return {
        name: losses(experiment, data, tmp_path_factory.mktemp("way"), **options)
        for name, options in WAYS.items()
    }


@pytest.mark.parametrize("way", [name for name in WAYS if name != "float32"])
def test_each_way_to_train_follows_float32(paper_size, way):
    """cuDNN's attention kernel gives NaN here; see :mod:`skellib.models.nonlocal_`."""
    reference, found = paper_size["float32"], paper_size[way]
    assert all(map(math.isfinite, found))
    assert found[0] == pytest.approx(reference[0], rel=0.05)  # dropout masks differ
    assert found[-1] == pytest.approx(reference[-1], rel=0.2)
    assert found[-1] < found[0]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_captured_training_without_dropout_equals_eager(data, tmp_path, precision):
    experiment = final_model("synthetic", "quick").replace(**{"training.epochs": 5})
    eager, captured = (
        losses(
            experiment, data, tmp_path / str(graphs), precision=precision, graphs=graphs
        )
        for graphs in (False, True)
    )
    # Kernels may sum in another order, which training amplifies.
    assert captured[0] == pytest.approx(eager[0], rel=0.01)
    assert captured[-1] == pytest.approx(eager[-1], rel=0.1)


def test_captured_evaluation_sees_the_latest_weights(data):
    experiment = final_model("synthetic", "quick").replace(**{"training.epochs": 5})
    train_set, test_set = data
    network = build_model(experiment, train_set, seed=0)
    clips, test_clips = (
        DeviceClips(part, "cuda", experiment.preprocessing) for part in data
    )
    execution = Execution("cuda", graphs=True, evaluate_every=1)
    logits, _ = fit(network, clips, test_clips, experiment, 0, execution=execution)
    eager = predict(network, test_clips)["fused"]
    torch.testing.assert_close(logits, eager, rtol=1e-3, atol=1e-3)


def test_runs_on_streams_of_their_own_train_as_alone(data, tmp_path):
    experiment = final_model("synthetic", "quick").replace(**{"training.epochs": 5})
    runs = [Run(experiment, seed) for seed in range(4)]
    made = {
        streams: run_within_budget(
            runs,
            RecordStore(tmp_path / str(streams)),
            estimates=Estimates([], accelerator="cpu"),  # no trial epochs
            execution=Execution("cuda", graphs=True, checkpoint_every=0),
            checkpoints=tmp_path / str(streams),
            streams=streams,
        )
        for streams in (1, 2)
    }
    alone, together = (
        {record.seed: record.history[-1].loss for record in records}
        for records in made.values()
    )
    assert together == pytest.approx(alone, rel=0.1)
    assert {record.execution["concurrent_runs"] for record in made[2]} == {2}
