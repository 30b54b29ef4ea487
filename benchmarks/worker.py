"""Train one network in a process of its own, an epoch for each line of the input.

    python benchmarks/worker.py FUNCTION CASE

``FUNCTION`` is one of this module, ``CASE`` is JSON. After each epoch the process
answers with a line of JSON: seconds per training step, seconds per inference of one
batch, and the most memory held so far. skellib is imported from ``PYTHONPATH``, which
may be that of another edition.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

NEVER = 10**9


class Parent:
    """The process that asks for epochs and is told how long they took.

    Args:
        steps: training steps of an epoch.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.evaluated = steps, 0.0
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever a library prints is no answer

    def wait(self) -> None:
        """Wait until an epoch is asked for; exit if none is any more."""
        if not sys.stdin.readline():
            raise SystemExit
        self.began = time.perf_counter()

    def tell(self) -> None:
        """Tell the times of the epoch that has ended."""
        now = time.perf_counter()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        answer = {
            "train": (self.evaluated - self.began) / self.steps,
            "infer": now - self.evaluated,
            "mib": memory,
        }
        print(json.dumps(answer), file=self.out, flush=True)

    def watched(self, inference: Callable[..., Any]) -> Callable[..., Any]:
        """Note when the test clips are asked for: training ends, inference begins."""

        @wraps(inference)
        def noted(*args: Any, **options: Any) -> Any:
            self.evaluated = time.perf_counter()
            return inference(*args, **options)

        return noted


def clips_of(case: dict[str, Any]) -> tuple[Any, Any]:
    """Return synthetic clips for the steps of an epoch, and a batch of test clips."""
    from skellib.data import load

    train_set, test_set = load("synthetic")
    some = range(case["batch"] * case["steps"])
    return train_set.subset(some), test_set.subset(range(case["batch"]))


def experiment_of(case: dict[str, Any]) -> Any:
    """Return the experiment of a case, whose names of settings are this edition's."""
    try:  # the first edition's module first: another skellib may be installed
        from skellib.config import final_model  # type: ignore[import-not-found]
    except ImportError:
        from skellib.experiment import final_model
    return final_model("synthetic", case["profile"]).replace(**case["changes"])


def current(case: dict[str, Any], parent: Parent) -> None:
    """Train by :func:`skellib.training.fit`, as every run does."""
    from skellib.batches import DeviceClips
    from skellib.training import Execution, _build_network, fit

    experiment, (train_set, test_set) = experiment_of(case), clips_of(case)
    execution = Execution(
        "cpu", evaluate_every=1, checkpoint_every=0, **case["options"]
    )
    fabric = execution.fabric()
    network = _build_network(experiment, 0, train_set, fabric, execution)
    clips, test_clips = (
        DeviceClips(part, "cpu", experiment.preprocessing)
        for part in (train_set, test_set)
    )
    test_clips.inference = parent.watched(test_clips.inference)  # type: ignore[method-assign]

    def report(epoch: Any, seconds: float) -> None:
        parent.tell()
        parent.wait()

    parent.wait()
    fit(
        network,
        clips,
        test_clips,
        experiment,
        0,
        fabric=fabric,
        execution=execution,
        report=report,
    )


def first_edition(case: dict[str, Any], parent: Parent) -> None:
    """Train by the loop of commit 3ec800f."""
    from skellib.training import Execution, _Run  # type: ignore[attr-defined]

    execution = Execution("cpu", evaluate_every=1, **case["options"])
    run = _Run(experiment_of(case), 0, *clips_of(case), execution, None)
    run.test_clips.inference = parent.watched(run.test_clips.inference)
    for epoch in range(NEVER):
        parent.wait()
        run.epoch(epoch, last=False)
        parent.tell()


def naive(case: dict[str, Any], parent: Parent) -> None:
    """Train as a straightforward script does, see :mod:`benchmarks.naive`."""
    import numpy as np
    import torch

    from benchmarks.naive import Network, batches
    from skellib.losses import objective

    experiment, (train_set, test_set) = experiment_of(case), clips_of(case)
    frames, size = experiment.preprocessing.frames, train_set.layout.size
    torch.manual_seed(0)
    network = Network(train_set.num_classes, 3, size, 1, frames, experiment.model)
    settings, rng = experiment.training, np.random.default_rng(0)
    adam = torch.optim.Adam(
        network.parameters(),
        settings.learning_rate,
        weight_decay=settings.weight_decay,
        foreach=False,
    )
    while True:
        parent.wait()
        network.train()
        for x, y in batches(train_set, case["batch"], frames, rng):
            loss = objective(network(x), y, **experiment.loss.model_dump())
            adam.zero_grad()
            loss.backward()
            adam.step()
            loss.item()  # to print it
        parent.evaluated = time.perf_counter()
        network.eval()
        with torch.no_grad():
            for x, _ in batches(test_set, case["batch"], frames, rng):
                network(x)["fused"].argmax(1)
        parent.tell()


FUNCTIONS = {"current": current, "first_edition": first_edition, "naive": naive}


def main(function: str, case: str) -> None:
    import torch

    found = json.loads(case)
    torch.set_num_threads(found["threads"])
    FUNCTIONS[function](found, Parent(found["steps"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
