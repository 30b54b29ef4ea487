"""How long a run will take: its true operations at the rate of recorded runs."""

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

# Multiply-accumulates a second where no record says better: a data-centre GPU in
# single precision, and two cores of a server's processor.
GUESSED_RATE = {"cuda": 1e13, "cpu": 2e10}
# Of the recorded runs that are alike, the last ones count: code gets faster.
REMEMBERED = 5


@cache
def work(experiment: Experiment, root: Path | str | None = None) -> int:
    """Multiply-accumulates of a run, a backward pass counted as two forward ones.

    Nothing is computed but shapes.

    Raises:
        InputError: if the data set is not here.
    """
    train_set, test_set = load(
        experiment.dataset, experiment.protocol, root, fold=experiment.fold
    )
    frames, joints = experiment.preprocessing.frames, train_set.layout.size
    with torch.device("meta"):
        model = build_model(experiment, train_set, seed=0).eval()
        clip = torch.empty(1, train_set.channels, frames, joints, train_set.bodies)
    passes = 3 * experiment.training.epochs * len(train_set) + len(test_set)
    return true_macs(model, clip) * passes


class Estimates:
    """Estimates of run times on one device.

    The rate is the median of the last recorded runs of the same data set and profile
    on the device; where there is none, of the same profile; then of all; then a guess.

    Args:
        records: to learn from; those of other devices are passed over.
        device: its name in the records' stamps; this machine's unless given.
        accelerator: ``"cuda"`` or ``"cpu"``, what the device is; this machine's unless
            given.
        root: folder of packed data sets.
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
        self._timed = defaultdict(lambda: deque(maxlen=REMEMBERED))
        for record in sorted(records, key=lambda record: str(record.stamp.get("date"))):
            self.learn(record)

    def learn(self, record: RunRecord) -> None:
        """Take a record into account, if it is of this device."""
        if record.stamp.get("device") == self.device:
            self.note(record.experiment, record.seconds)
            self.records += 1

    def note(self, experiment: Experiment, seconds: float) -> None:
        """Take into account that an experiment took so long on the device."""
        for scope in _scopes(experiment):
            self._timed[scope].append((experiment, seconds))

    def knows(self, experiment: Experiment) -> bool:
        """Whether one of the same data set and profile was timed on the device."""
        return _scopes(experiment)[0] in self._timed

    def minutes(self, run: Run) -> float:
        """How long a run will take."""
        return work(run.experiment, self.root) / self._rate(run.experiment) / 60

    def _rate(self, experiment: Experiment) -> float:
        """Multiply-accumulates a second."""
        for scope in _scopes(experiment):
            rates = []
            for other, seconds in self._timed.get(scope, ()):
                try:
                    rates.append(work(other, self.root) / seconds)
                except InputError:  # its data set is not here
                    continue
            if rates:
                return statistics.median(rates)
        return GUESSED_RATE[self.accelerator]


def _scopes(experiment: Experiment) -> tuple[tuple[str, ...], ...]:
    """What a run's rate may be taken from: the most alike first, then everything."""
    return (experiment.dataset, experiment.profile), (experiment.profile,), ()


def estimate(run: Run, store: RecordStore, device: str | None = None) -> float:
    """Minutes that a run will take on a device; see :class:`Estimates`."""
    return Estimates(store, device).minutes(run)


def estimates_for_gpu(
    records: Iterable[RunRecord], root: Path | str | None = None
) -> Estimates:
    """For this machine's GPU, else for the one that was last recorded, else for any."""
    records = list(records)
    if torch.cuda.is_available():
        return Estimates(records, root=root)
    gpus = [record.stamp for record in records if record.stamp.get("cuda")]
    last = max(gpus, key=lambda stamp: str(stamp.get("date")), default={})
    return Estimates(records, last.get("device", "a data-centre GPU"), "cuda", root)


def fit_to_budget(
    queue: Iterable[Run], estimates: Estimates, budget: float
) -> list[Run]:
    """The first runs of a queue, one after another, whose estimates fit the minutes.

    A run that no longer fits is passed over for later ones that do.
    """
    chosen, left = [], budget
    for run in queue:
        minutes = estimates.minutes(run)
        if minutes <= left:
            chosen.append(run)
            left -= minutes
    return chosen
