"""Our network and its peers side by side: operations, latency, training, memory.

    python -m benchmarks.peers [--rounds 5] [--batch 4] [--device cpu] [--threads 1]

Each round times every network once, so that a disturbance of the machine strikes all of
them; the medians over the rounds are written. Networks are of the paper's size on NTU
RGB+D (2 bodies, 64 frames) and of profile laptop on N-UCLA (1 body, 32 frames), with
random weights and clips. Memory is what a training step adds to the process or device.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.full_size import Memory
from skellib.complexity import count
from skellib.data import PackedDataset
from skellib.layouts import LAYOUTS
from skellib.losses import objective
from skellib.provenance import stamp
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import NTU_CV, TABLES, UCLA, Row
from skellib.weights import build_model

RESULTS = Path(__file__).parent / "results" / "peers.json"
SIZES = {
    "NTU RGB+D": (NTU_CV, "full", LAYOUTS["ntu25"], 2, 60),
    "N-UCLA, laptop": (UCLA, "laptop", LAYOUTS["kinect20"], 1, 10),
}
ROWS: tuple[Row, ...] = (
    *(row for row in TABLES["XI"].rows if row.ours),
    *(OWN_TABLES["Peers"].row(name) for name in ("HCN", "ST-GCN", "AGCN", "CTR-GCN")),
)


class Case:
    """A network of one size with a batch of random clips.

    Args:
        size: name in ``SIZES``.
        row: row of a table, whose experiment it is.
        batch: clips per training step.
        device: device of the network.
    """

    def __init__(self, size: str, row: Row, batch: int, device: str) -> None:
        column, profile, layout, bodies, classes = SIZES[size]
        experiment = row.experiment(column, profile)
        clip = np.ones((2, bodies, layout.size, 3), dtype=np.float32)
        dataset = PackedDataset.from_clips(
            [clip],
            label=[0],
            subject=[0],
            name=["random"],
            layout=layout,
            classes=tuple(map(str, range(classes))),
            key=experiment.dataset,
            source="random numbers",
        )
        self.device = torch.device(device)
        self.model = build_model(experiment, dataset, seed=0).to(self.device)
        self.loss = partial(objective, **experiment.loss.model_dump())
        shape = (3, experiment.preprocessing.frames, layout.size, bodies)
        self.x = torch.randn(batch, *shape, device=self.device)
        self.y = torch.randint(classes, (batch,), device=self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def step(self) -> None:
        """Train on the batch once."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.model.train()(self.x), self.y).backward()
        self.optimizer.step()

    def infer(self) -> None:
        """Classify one clip."""
        with torch.inference_mode():
            self.model.eval()(self.x[:1])

    def milliseconds(self, work: Callable[[], None]) -> float:
        """Time one call by the clock."""
        self._wait()
        begin = time.perf_counter()
        work()
        self._wait()
        return 1e3 * (time.perf_counter() - begin)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def memory(size: str, number: int, batch: int, device: str, threads: int) -> float:
    """Measure the MiB that two training steps add at most, in a fresh process."""
    torch.set_num_threads(threads)
    case = Case(size, ROWS[number], batch, device)
    if case.device.type == "cuda":
        before = torch.cuda.memory_allocated(case.device)
        torch.cuda.reset_peak_memory_stats(case.device)
        case.step()
        case.step()
        return (torch.cuda.max_memory_allocated(case.device) - before) / 2**20
    watch = Memory()
    watch.look()
    before = watch.peak["RssAnon"]
    watch.start()
    case.step()
    case.step()
    watch.done.set()
    watch.join()
    return (watch.peak["RssAnon"] - before) / 2**10


def measure(size: str, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Measure all networks of a size."""
    cases = {row.label: Case(size, row, given.batch, given.device) for row in ROWS}
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(given.rounds + 1):
        for name, case in cases.items():
            for what, work in (("latency", case.infer), ("step", case.step)):
                taken = case.milliseconds(work)
                if turn:  # the first round warms up
                    times.setdefault((name, what), []).append(taken)
    found = {}
    for number, (name, case) in enumerate(cases.items()):
        cost = count(case.model, case.x[:1])
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            task = (size, number, given.batch, given.device, given.threads)
            peak = pool.apply(memory, task)
        found[name] = {
            "parameters": cost.parameters,
            "operations": cost.operations,
            "macs": cost.macs,
            "latency_ms": round(median(times[name, "latency"]), 2),
            "training_ms_per_clip": round(median(times[name, "step"]) / given.batch, 2),
            "training_memory_mib": round(peak),
        }
        print(size, name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    report: dict[str, Any] = {
        "sizes": {},
        "rounds": given.rounds,
        "batch": given.batch,
        "threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "stamp": stamp(),
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    for size in given.sizes:
        report["sizes"][size] = measure(size, given)
        given.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
