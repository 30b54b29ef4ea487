"""Test that the benchmarks compare the same mathematics, and that they run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import components, full_size, gpu, naive, scale, speed
from skellib.batches import DeviceClips
from skellib.data import load
from skellib.losses import objective
from skellib.weights import build_model


def small(network):
    """A case of the profile quick, without dropout, with its clips."""
    case = speed.Case("quick", network, 4, 1)
    train_set, _ = load("synthetic")
    return case.experiment, train_set.subset(range(4))


@pytest.mark.parametrize("network", speed.NETWORKS)
def test_the_naive_network_computes_the_same(network):
    experiment, clips = small(network)
    ours = build_model(experiment, clips, seed=0).double()
    for name, weight in ours.named_parameters():
        if name.endswith("w.weight"):  # zero at first, which would hide the rest
            torch.nn.init.normal_(weight, std=0.1)
    frames, joints = experiment.preprocessing.frames, clips.layout.size
    theirs = naive.Network(
        clips.num_classes, 3, joints, 1, frames, experiment.model
    ).double()
    theirs.load_state_dict(ours.state_dict())
    x, y = next(
        DeviceClips(clips).training(4, experiment.preprocessing, seed=0, epoch=0)
    )
    for model in (ours, theirs):
        objective(model(x.double()), y, **experiment.loss.model_dump()).backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    torch.testing.assert_close(ours.eval()(x.double()), theirs.eval()(x.double()))


def test_the_naive_batches_are_the_same():
    _, clips = small("raw")
    (x, _), *_ = DeviceClips(clips).inference(4)
    for number, length in enumerate(clips.lengths.tolist()):
        kept = round(0.95 * length)
        one = naive.sample(clips.clip(number), (length - kept) // 2, kept, 64)
        torch.testing.assert_close(one, x[number], rtol=1e-4, atol=1e-5)
    made = list(naive.batches(clips, 2, 8, np.random.default_rng(0)))
    assert [x.shape for x, _ in made] == [(2, 3, 8, 20, 1)] * 2
    assert sorted(torch.cat([y for _, y in made]).tolist()) == sorted(clips.label)


def test_components_of_the_final_model():
    experiment, _ = small("final")
    found = components.milliseconds(experiment, batch_size=4, steps=1)
    assert tuple(found) == components.COMPONENTS
    assert all(value > 0 for value in found.values())
    experiment, _ = small("raw")
    found = components.milliseconds(experiment, batch_size=4, steps=1)
    assert found["attention"] == 0 and found["convolutions"] > found["loss"]


def test_workers_take_turns():
    ways = {"naive": speed.ROOT, "float32": speed.ROOT}
    rows = speed.compare(speed.REHEARSAL[0], 1, 1, ways)
    assert [row["variant"] for row in rows] == list(ways)
    assert rows[0]["train_times"] == rows[0]["infer_times"] == 1
    assert all(row["train_ms"] > 0 and row["mib"] > 100 for row in rows)


def test_the_cost_grows_with_the_batch():
    (points,) = scale.measure(1, "quick", {"training.batch_size": (2, 4)}).values()
    assert points[1]["gmacs"] == pytest.approx(2 * points[0]["gmacs"], rel=0.01)
    assert all(point["ms"] > 0 for point in points)


def test_the_floor_is_the_operations_over_the_rate():
    (rate,), (train, infer) = speed.floors(speed.REHEARSAL, [1])
    assert train["gmacs"] == pytest.approx(3 * infer["gmacs"], rel=0.01)
    seconds = 2 * train["gmacs"] / rate["float32_gflops"]
    assert train["float32_ms"] == pytest.approx(1e3 * seconds, rel=0.01)


def test_the_gpu_benchmark_is_rehearsed(capsys):
    found = gpu.measure(gpu.REHEARSAL)
    (start,) = found["start_up"].values()
    assert {"import torch", "first step", "capture"} <= start["parts"].keys()
    assert [row["way"] for row in found["steps"]] == list(gpu.REHEARSAL.ways)
    assert all(row["ms"] > 0 and row["floor_ms"] > 0 for row in found["steps"])
    assert [row["streams"] for row in found["runs"]] == [1, 2]
    assert "runs a minute" in capsys.readouterr().out
    json.dumps(found)


def test_the_full_size_benchmark_at_a_small_size(tmp_path):
    output = tmp_path / "out.json"
    full_size.main(["--clips=300", "--steps=1", f"--output={output}"])
    found = json.loads(output.read_text("utf-8"))
    assert sum(found["counts"]["cross_subject"]) == found["clips"] == 300
    assert found["loader"]["clips_a_second"] > 0
    assert found["training"]["steps"] == 1


def test_committed_figures_are_whole(root):
    path = root / "benchmarks" / "results" / "speed.json"
    if not path.is_file():
        pytest.skip("`make bench` has not been run")
    found = json.loads(path.read_text("utf-8"))
    cases = {(row["profile"], row["network"], row["threads"]) for row in found["rows"]}
    assert {case[:2] for case in cases} == {(c.profile, c.network) for c in speed.CASES}
    assert {row["variant"] for row in found["rows"]} == set(speed.VARIANTS)
    assert all(
        share < 0.05 for part in found["data_path"] for share in part["share"].values()
    )
    assert speed.tables(found)
