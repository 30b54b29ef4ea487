"""How fast a GPU trains: milliseconds a step, runs a minute, the parts of start-up.

    python -m benchmarks.gpu [--dataset nucla] [--rehearse]

Everything that a GPU alone can tell, in one command of a few minutes. Steps are those
of whole epochs as :func:`skellib.training.fit` runs them, batches and optimiser
included, in each way to execute them; the loss of the last epoch tells whether a way
drifts from float32. Runs a minute are those of the queue, ``queue --run --streams N``:
two lengths of training tell an epoch from the start-up, and a run is as long as the
paper's. ``--rehearse`` does the same with a tiny network, on a CPU if there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe, machine, matmul_rate
from benchmarks.speed import NETWORKS, data_path
from skellib.batches import DeviceClips
from skellib.complexity import true_macs
from skellib.data import load
from skellib.experiment import Experiment, final_model
from skellib.records import Epoch, RecordStore
from skellib.reproduction.estimates import Estimates
from skellib.reproduction.execute import run_within_budget
from skellib.reproduction.plan import Run
from skellib.training import Execution, _build_network, fit, isolated_rng

RESULTS = Path(__file__).parent / "results" / "gpu.json"
TARGETS = {"final": 12.0, "local": 4.0, "raw": 2.0}
"""Milliseconds a captured step of 32 clips on an H200 that were aimed at."""
BEFORE = {"final": 19.8, "local": 7.0, "raw": 3.7}
"""What they took in the first edition: captured, bf16."""
WAYS = {
    "float32": {},
    "bf16": {"precision": "bf16-mixed"},
    "bf16 captured": {"precision": "bf16-mixed", "graphs": True},
    "bf16 captured compiled": {
        "precision": "bf16-mixed",
        "graphs": True,
        "compile": True,
    },
}
FASTEST = "bf16 captured"


@dataclass(frozen=True)
class Plan:
    """What to measure: on a GPU, or in a rehearsal.

    Attributes:
        dataset, profile: as for :func:`skellib.experiment.final_model`.
        ways: names in ``WAYS``.
        networks: names in ``NETWORKS``.
        epochs: epochs of which the steps are timed, after three to warm up.
        streams: numbers of runs at once.
        lengths: epochs of the short and the long runs.
    """

    dataset: str
    profile: str = "full"
    ways: Sequence[str] = tuple(WAYS)
    networks: Sequence[str] = tuple(NETWORKS)
    epochs: int = 4
    streams: Sequence[int] = (1, 2, 4, 8)
    lengths: tuple[int, int] = (4, 12)

    def experiment(self, network: str, **settings: Any) -> Experiment:
        changes = {k: v for k, v in NETWORKS[network].items() if v is not None}
        return final_model(self.dataset, self.profile).replace(**changes, **settings)


REHEARSAL = Plan(
    "synthetic", "quick", ("float32", FASTEST), ("raw",), 1, (1, 2), (1, 2)
)


def _execution(way: str) -> Execution:
    """Return the execution of a way on the GPU, or on the CPU in a rehearsal."""
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return Execution(
        accelerator, evaluate_every=5, checkpoint_every=0, threads=1, **WAYS[way]
    )


def step(plan: Plan, network: str, way: str) -> dict[str, Any]:
    """Time the steps of whole epochs, without the evaluation."""
    epochs = 3 + plan.epochs + 1  # evaluation ends the last one
    experiment = plan.experiment(network, **{"training.epochs": epochs})
    train_set, test_set = load(experiment.dataset, experiment.protocol)
    execution, ends = replace(_execution(way), evaluate_every=10**9), []

    def report(epoch: Epoch, seconds: float) -> None:
        ends.append(seconds)
        losses.append(epoch.loss)

    losses: list[float] = []
    with isolated_rng(0, execution.threads):
        fabric = execution.fabric()
        built = _build_network(experiment, 0, train_set, fabric, execution)
        clips, test_clips = (
            DeviceClips(part, fabric.device, experiment.preprocessing)
            for part in (train_set, test_set.subset(range(64)))
        )
        fit(
            built,
            clips,
            test_clips,
            experiment,
            0,
            fabric=fabric,
            execution=execution,
            report=report,
        )
    steps = -(-len(train_set) // experiment.training.batch_size)
    each = [b - a for a, b in zip(ends[2:-2], ends[3:-1])]
    return {
        "network": network,
        "way": way,
        "ms": round(1e3 * statistics.median(each) / steps, 3),
        "warm_up_s": round(ends[2], 2),
        "loss": round(losses[-1], 4),
        "mib": (
            torch.cuda.max_memory_allocated() // 2**20
            if fabric.device.type == "cuda"
            else None
        ),
    }


def runs_a_minute(plan: Plan, network: str, streams: int) -> dict[str, Any]:
    """Train as many runs at once, short and long ones; extrapolate to whole runs."""
    seconds = []
    for epochs in plan.lengths:
        experiment = plan.experiment(network, **{"training.epochs": epochs})
        runs = [Run(experiment, seed, network) for seed in range(streams)]
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            done = run_within_budget(
                runs,
                RecordStore(folder),
                estimates=Estimates([], accelerator="cpu"),  # no trial epochs
                execution=_execution(FASTEST),
                checkpoints=folder,
                streams=streams,
            )
            seconds.append(time.perf_counter() - begin)
        assert len(done) == streams
    short, long = plan.lengths
    epoch = (seconds[1] - seconds[0]) / (long - short)
    start = max(0.0, seconds[0] - short * epoch)
    whole = plan.experiment(network).training.epochs
    return {
        "network": network,
        "streams": streams,
        "epoch_s": round(epoch, 3),
        "start_s": round(start, 2),
        "runs_a_minute": round(60 * streams / (start + whole * epoch), 3),
    }


def start_up(plan: Plan, compiled: bool) -> dict[str, Any]:
    """Time the parts of start-up in a fresh process."""
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    command = [sys.executable, "-m", "benchmarks.start_up"]
    command += [accelerator, plan.dataset, plan.profile, *["--compile"] * compiled]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    parts = json.loads(done.stdout.splitlines()[-1])
    return {"parts": parts, "all_s": round(time.perf_counter() - begin, 2)}


def floor(plan: Plan, network: str, rate: float) -> float:
    """Return the milliseconds of a step's operations at the rate of large products."""
    experiment = plan.experiment(network)
    train_set, _ = load(experiment.dataset, experiment.protocol)
    frames, batch = experiment.preprocessing.frames, experiment.training.batch_size
    shape = (1, train_set.channels, frames, train_set.layout.size, train_set.bodies)
    execution = Execution("cpu")
    built = _build_network(experiment, 0, train_set, execution.fabric(), execution)
    return round(
        1e3 * 6 * batch * true_macs(built.eval(), torch.zeros(shape)) / rate, 3
    )


def measure(plan: Plan) -> dict[str, Any]:
    """Run all measurements; print each as soon as it is there."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rate = matmul_rate(torch.bfloat16, device, 8192 if device == "cuda" else 512)
    found: dict[str, Any] = {
        "machine": machine(),
        "dataset": plan.dataset,
        "profile": plan.profile,
        "bf16_tflops": round(rate / 1e12, 3),
        "steps": [],
        "runs": [],
    }
    print(describe(found["machine"]), flush=True)
    found["start_up"] = {
        name: start_up(plan, compiled)
        for name, compiled in (("captured", False), ("captured, compiled", True))
        if not compiled or any("compiled" in way for way in plan.ways)
    }
    print(json.dumps(found["start_up"]), flush=True)
    found["data_path"] = data_path(plan.profile, device)
    made = found["data_path"]["ms"]["and rotate"] + found["data_path"]["ms"]["velocity"]
    print(f"a batch of 32, rotated, with velocity: {made:.2f} ms", flush=True)
    for network in plan.networks:
        least = floor(plan, network, rate)
        for way in plan.ways:
            try:
                row = step(plan, network, way) | {"floor_ms": least}
            except Exception as error:  # one way may lack what it needs here
                row = {"network": network, "way": way, "failed": str(error)[:300]}
            found["steps"].append(row)
            print(_step_line(row), flush=True)
        for streams in plan.streams:
            found["runs"].append(runs_a_minute(plan, network, streams))
            print(_runs_line(found["runs"][-1]), flush=True)
    return found


def _step_line(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"{row['network']}, {row['way']}: failed: {row['failed']}"
    name = row["network"]
    return (
        f"{name}, {row['way']}: {row['ms']:.2f} ms a step (aim {TARGETS[name]:g}, "
        f"first edition {BEFORE[name]:g} on an H200, floor {row['floor_ms']:.2f}), "
        f"{row['warm_up_s']:.1f} s for three epochs with warm-up, "
        f"loss {row['loss']:.4f}, {row['mib']} MiB"
    )


def _runs_line(row: dict[str, Any]) -> str:
    return (
        f"{row['network']}, {row['streams']} at once: {row['runs_a_minute']:.2f} runs "
        f"a minute; start {row['start_s']:.1f} s, then {row['epoch_s']:.2f} s an epoch"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--rehearse", action="store_true", help="a tiny network; writes nothing"
    )
    given = parser.parse_args(arguments)
    if given.rehearse:
        measure(REHEARSAL)
        return
    if not torch.cuda.is_available():
        raise SystemExit("no GPU: CUDA is not available; try --rehearse")
    found = measure(Plan(given.dataset))
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
