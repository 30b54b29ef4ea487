"""Work out what the whole paper costs on GPUs, from the times of recorded runs.

The time of a run is modelled as a time per multiply-accumulate, a time per training
step and a time per run, fitted to the records of a GPU. The data sets need not be
there: their sizes are known.
"""

from __future__ import annotations

import heapq
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import nnls
from torch import nn

from skellib.complexity import Complexity, count, true_macs
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.layouts import LAYOUTS
from skellib.models import SLnLRFA
from skellib.paths import project_root
from skellib.peers.agcn import AdaptiveConvolution
from skellib.records import RunRecord
from skellib.reproduction.estimates import forward_passes
from skellib.reproduction.paper_tables import PAPER_DATASETS, TABLES
from skellib.reproduction.results import fold_experiments
from skellib.settings import ModelConfig


@dataclass(frozen=True)
class DataSize:
    """Hold the sizes of a data set that decide what a run on it costs.

    Attributes:
        train_clips, test_clips: numbers of clips.
        classes, joints, bodies, channels: shape of a clip and of the answer.
    """

    train_clips: int
    test_clips: int
    classes: int
    joints: int
    bodies: int = 1
    channels: int = 3


SIZES = {
    ("ntu", "cross_subject"): DataSize(40_091, 16_487, 60, 25, bodies=2),
    ("ntu", "cross_view"): DataSize(37_646, 18_932, 60, 25, bodies=2),
    ("kinetics", "train_val"): DataSize(240_000, 20_000, 400, 18, bodies=2),
    ("sysu", "cross_subject"): DataSize(240, 240, 12, 20),
    ("sysu", "same_subject"): DataSize(240, 240, 12, 20),
    ("nucla", "cross_view"): DataSize(1020, 464, 10, 20),
}
"""Sizes of the paper's data sets (Section IV-A), by data set and protocol."""


@cache
def clip_macs(config: ModelConfig, frames: int, size: DataSize) -> int:
    """Count the multiply-accumulates of one forward pass of one clip."""
    with torch.device("meta"):
        network = SLnLRFA(
            num_classes=size.classes,
            in_channels=size.channels,
            joints=size.joints,
            bodies=size.bodies,
            frames=frames,
            config=config,
        )
        clip = torch.empty(1, size.channels, frames, size.joints, size.bodies)
    return true_macs(network.eval(), clip)


def quantities(experiment: Experiment, size: DataSize) -> tuple[float, int, int]:
    """Count what a run consists of.

    Returns:
        Multiply-accumulates; training steps; and 1, for the run itself.
    """
    training = experiment.training
    passes = forward_passes(experiment, size.train_clips, size.test_clips)
    steps = training.epochs * -(-size.train_clips // training.batch_size)
    macs = clip_macs(experiment.model, experiment.preprocessing.frames, size)
    return macs * passes, steps, 1


@dataclass(frozen=True)
class CostModel:
    """Estimate the time that a run occupies a GPU.

    Attributes:
        device: name of the GPU.
        per_mac, per_step, per_run: seconds of the GPU.
        error: median relative error of the estimates of the runs that it was fitted to.
        runs: number of these runs.
    """

    device: str
    per_mac: float
    per_step: float
    per_run: float
    error: float
    runs: int

    def seconds(self, experiment: Experiment, size: DataSize) -> float:
        """Estimate the seconds that a run occupies a GPU which it has for itself."""
        macs, steps, runs = quantities(experiment, size)
        return self.per_mac * macs + self.per_step * steps + self.per_run * runs


def fit(records: Iterable[RunRecord]) -> CostModel:
    """Fit a cost model to the latest recorded GPU's runs of the paper's networks.

    Runs that shared the GPU with others count with their share of the time. Relative
    errors are minimised, and no time is negative.

    Args:
        records: recorded runs; those on CPUs and on other GPUs are ignored.

    Raises:
        InputError: if no run on a GPU is recorded.
    """
    known = [r for r in records if r.stamp.get("cuda") and size_of(r)]
    if not known:
        raise InputError("no run on a GPU is recorded; `make gpu-run` trains some")
    last = max(known, key=lambda record: str(record.stamp.get("date")))
    known = [r for r in known if r.stamp["device"] == last.stamp["device"]]
    seconds = np.array(
        [r.seconds / r.execution.get("concurrent_runs", 1) for r in known]
    )
    columns = np.array(
        [quantities(r.experiment, size) for r in known if (size := size_of(r))]
    )
    scale = columns.max(axis=0)  # multiply-accumulates are many: keep it well posed
    relative = columns / scale / seconds[:, None]
    found, _ = nnls(relative, np.ones(len(known)))
    error = statistics.median(abs(relative @ found - 1).tolist())
    mac, step, run = (found / scale).tolist()
    return CostModel(str(last.stamp["device"]), mac, step, run, error, len(known))


def size_of(record: RunRecord) -> DataSize | None:
    """Return the size of a record's data.

    None if the paper does not use the data set, or if the network is another one.
    """
    dataset = record.experiment.dataset
    size = next((size for (name, _), size in SIZES.items() if name == dataset), None)
    if size is None or record.experiment.network.settings is not None:
        return None
    counts = {side: record.data[side] for side in ("train_clips", "test_clips")}
    return replace(size, **counts)


def paper_experiments() -> list[Experiment]:
    """List the different experiments of the paper's tables and of its Fig. 9."""
    found: dict[str, Experiment] = {}
    for table in TABLES.values():
        for column in table.columns:
            for row in (row for row in table.rows if row.ours):
                for experiment in fold_experiments(row, column, "full"):
                    found.setdefault(experiment.key, experiment)
    return list(found.values())


def makespan(seconds: Sequence[float], gpus: int) -> float:
    """Compute when the last of some runs ends, one run per GPU, the longest first."""
    free = [0.0] * gpus
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def whole_paper(
    model: CostModel, seeds: int = 1, gpus: Sequence[int] = (1, 8, 64)
) -> pd.DataFrame:
    """Tabulate what the paper's runs cost, by data set and together.

    Args:
        model: cost model of a GPU.
        seeds: seeds of each experiment.
        gpus: numbers of GPUs.

    Returns:
        By data set: epochs of a run, number of runs, days of one GPU, hours of the
        longest run, and hours until all are done on so many GPUs, one run on each at a
        time.
    """
    by_dataset: dict[str, list[float]] = {name: [] for name in PAPER_DATASETS}
    epochs: dict[str, int] = {}
    for each in paper_experiments():
        seconds = model.seconds(each, SIZES[each.dataset, each.protocol])
        by_dataset[each.dataset] += [seconds] * seeds
        epochs[each.dataset] = each.training.epochs
    by_dataset["together"] = [s for part in by_dataset.values() for s in part]
    rows = {
        name: {
            "epochs": str(epochs.get(name, "")),
            "runs": len(seconds),
            "days of one GPU": sum(seconds) / 86400,
            "longest run (h)": max(seconds) / 3600,
            **{f"on {n} (h)": makespan(seconds, n) / 3600 for n in gpus},
        }
        for name, seconds in by_dataset.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def benchmark(name: str) -> dict[str, Any]:
    """Read the result of a benchmark, ``benchmarks/results/<name>.json``.

    Raises:
        InputError: if it has not been run.
    """
    path = project_root() / "benchmarks" / "results" / f"{name}.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; run `python -m benchmarks.{name}`")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def peer_cost(peer: type[nn.Module]) -> Complexity:
    """Count the cost of a peer on a clip of NTU RGB+D: two bodies, 64 frames.

    Returns:
        The cost. As in Table XI, the parameters are those of layers; the learnt graphs
        of AGCN belong to none.
    """
    with torch.device("meta"):
        network = peer(num_classes=60, layout=LAYOUTS["ntu25"])
        found = count(network, torch.empty(1, 3, 64, 25, 2))
    graphs = [m.learnt for m in network.modules() if isinstance(m, AdaptiveConvolution)]
    layers = found.parameters - sum(graph.numel() for graph in graphs)
    return Complexity(layers, found.operations, found.macs)
