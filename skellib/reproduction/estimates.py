"""Estimate the time of runs from their operations and the speed of recorded runs."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch

from skellib.complexity import true_macs
from skellib.data import load
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.provenance import stamp
from skellib.records import RecordStore, RunRecord
from skellib.reproduction.plan import Run
from skellib.weights import build_model

GUESSED_RATE = {"cuda": 1e13, "cpu": 2e10}
"""Multiply-accumulates per second without any record.

For a data-centre GPU in single precision, and for two cores of a server CPU.
"""
RECENT_RUNS = 5
"""Number of similar runs that an estimate uses: the latest, since code gets faster."""


@cache
def count_macs(experiment: Experiment, root: Path | str | None = None) -> int:
    """Count the multiply-accumulates of a run, without running it.

    Args:
        experiment: the experiment.
        root: folder of packed data sets.

    Raises:
        InputError: if the data set has not been prepared.
    """
    train_set, test_set = load(
        experiment.dataset, experiment.protocol, root, fold=experiment.fold
    )
    frames, joints = experiment.preprocessing.frames, train_set.layout.size
    with torch.device("meta"):
        model = build_model(experiment, train_set, seed=0).eval()
        clip = torch.empty(1, train_set.channels, frames, joints, train_set.bodies)
    return true_macs(model, clip) * forward_passes(
        experiment, len(train_set), len(test_set)
    )


def forward_passes(experiment: Experiment, train_clips: int, test_clips: int) -> int:
    """Count the forward passes of clips that a run costs.

    A backward pass counts as two; evaluations before the last epoch are not counted.
    """
    return 3 * experiment.training.epochs * train_clips + test_clips


class Estimates:
    """Estimate the time of runs on one device.

    The speed is the median of the latest recorded runs on the device with the same data
    set and profile; without any, of those with the same profile; without any, of all;
    without any, it is a guess.

    Args:
        records: recorded runs; those on other devices are ignored.
        device: name of the device in the stamps of records; by default this machine's.
        accelerator: type of the device, ``"cuda"`` or ``"cpu"``; by default this
            machine's.
        root: folder of packed data sets.

    Attributes:
        records: number of records used.
    """

    def __init__(
        self,
        records: Iterable[RunRecord] = (),
        device: str | None = None,
        accelerator: str | None = None,
        root: Path | str | None = None,
    ) -> None:
        here = "cuda" if torch.cuda.is_available() else "cpu"
        self.accelerator = accelerator or here
        self.device = device or str(stamp()["device"])
        self.root = root
        self.records = 0
        self._timed: defaultdict[tuple[str, ...], deque[tuple[Experiment, float]]]
        self._timed = defaultdict(lambda: deque(maxlen=RECENT_RUNS))
        for record in sorted(records, key=lambda record: str(record.stamp.get("date"))):
            self.add_record(record)

    def add_record(self, record: RunRecord) -> None:
        """Add the time of a recorded run if it is from this device."""
        if record.stamp.get("device") == self.device:
            self.add(record.experiment, record.seconds)
            self.records += 1

    def add(self, experiment: Experiment, seconds: float) -> None:
        """Add the time of a run on this device."""
        for scope in _scopes(experiment):
            self._timed[scope].append((experiment, seconds))

    def has(self, experiment: Experiment) -> bool:
        """Return whether there is a time for the same data set and profile."""
        return _scopes(experiment)[0] in self._timed

    def minutes(self, run: Run) -> float:
        """Estimate the minutes that a run will take."""
        return count_macs(run.experiment, self.root) / self._rate(run.experiment) / 60

    def _rate(self, experiment: Experiment) -> float:
        """Return the multiply-accumulates per second."""
        for scope in _scopes(experiment):
            rates = []
            for other, seconds in self._timed.get(scope, ()):
                try:
                    rates.append(count_macs(other, self.root) / seconds)
                except InputError:  # its data set has not been prepared
                    continue
            if rates:
                return statistics.median(rates)
        return GUESSED_RATE[self.accelerator]


def _scopes(experiment: Experiment) -> tuple[tuple[str, ...], ...]:
    """Return the groups of runs to compare with, the most similar ones first."""
    return (experiment.dataset, experiment.profile), (experiment.profile,), ()


def estimate(run: Run, store: RecordStore, device: str | None = None) -> float:
    """Estimate the minutes that a run will take on a device; see :class:`Estimates`."""
    return Estimates(store, device).minutes(run)


def estimates_for_gpu(
    records: Iterable[RunRecord], root: Path | str | None = None
) -> Estimates:
    """Create estimates for this machine's GPU, or else the one recorded last."""
    records = list(records)
    if torch.cuda.is_available():
        return Estimates(records, root=root)
    gpus = [record.stamp for record in records if record.stamp.get("cuda")]
    last = max(gpus, key=lambda stamp: str(stamp.get("date")), default={})
    return Estimates(records, last.get("device", "a data-centre GPU"), "cuda", root)


def fit_to_budget(
    queue: Iterable[Run], estimates: Estimates, budget: float
) -> list[Run]:
    """Select the runs of a queue that fit into a time budget.

    A run that does not fit into the remaining time is skipped in favour of later ones.

    Args:
        queue: runs, most valuable first.
        estimates: estimates of their times.
        budget: minutes.
    """
    chosen, left = [], budget
    for run in queue:
        minutes = estimates.minutes(run)
        if minutes <= left:
            chosen.append(run)
            left -= minutes
    return chosen
