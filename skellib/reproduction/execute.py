"""Train what has no record: in this process, or by Dask in several."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from skellib.data import load
from skellib.errors import InputError
from skellib.records import RecordStore, RunRecord
from skellib.reproduction.estimates import Estimates
from skellib.reproduction.locks import run_lock
from skellib.reproduction.plan import Run, missing, recorded
from skellib.training import Execution, train

POLL_SECONDS = 1.0
# PyTorch's generators and thread counts belong to a whole process.
_one_at_a_time = threading.Lock()


class RunError(RuntimeError):
    """Some runs failed; the message says how many, and which was the first and why."""


Outcome = RunRecord | Exception | None
"""Of a run: its record, why it failed, or None if another process is at it."""

Executor = Callable[[Sequence[Run]], Iterator[tuple[Run, Outcome]]]


def ensure_records(
    runs: Sequence[Run],
    store: RecordStore | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    devices: int | None = None,
    execution: Execution | None = None,
    root: Path | str | None = None,
    checkpoints: Path | str | None = None,
    progress: bool = True,
) -> list[RunRecord]:
    """The records of runs; those that have none are trained.

    One worker trains in this process; several, or a scheduler, need Dask distributed
    (the extra ``cluster``). A worker that dies costs what it did since its run's last
    checkpoint: another goes on from there. A run that another runner holds is waited
    for. A run that fails does not stop the others.

    Args:
        runs: from :func:`skellib.reproduction.plan.runs`, say.
        store: where the records go; the project's unless given.
        workers: processes of this machine, each with one run at a time.
        scheduler: address of a Dask cluster to use instead, whose workers see the same
            folders. Give them one thread each: each carries out one run at a time.
        devices: how many GPUs of this machine the workers share; all unless given.
        execution: precision and the like; its threads are those of each worker.
        root: folder of packed data sets.
        checkpoints: folder of checkpoints and weights.
        progress: print a line for each run, with its estimate, and the total.

    Returns:
        A record for each of ``runs``, in their order.

    Raises:
        InputError: for a record that is damaged or foreign, before any training.
        RunError: at the end, if runs failed.
    """
    store = store or RecordStore()
    way = RunContext(store, checkpoints, root, execution or Execution())
    waiting = missing(dict.fromkeys(runs), store)
    if waiting:
        with _carrier(way, workers, scheduler, devices) as (carry_out, at_once):
            report = Report(waiting, Estimates(store, root=root), at_once, progress)
            report.start(len(set(runs)) - len(waiting))
            failures = _until_done(waiting, carry_out, report)
        report.stop()
        _raise(failures, len(waiting))
    records = [recorded(run, store) for run in runs]
    return [record for record in records if record is not None]


def run_within_budget(
    queue: Sequence[Run],
    store: RecordStore,
    budget: float | None = None,
    *,
    estimates: Estimates,
    execution: Execution | None = None,
    root: Path | str | None = None,
    checkpoints: Path | str | None = None,
) -> list[RunRecord]:
    """Carry out the best of a queue that fits into some minutes, one after another.

    Each time it takes the first run of the queue whose estimate is no more than what
    is left. Each record is written the moment its run is done, and makes the next
    estimates better. On a GPU that no record tells of, two trial epochs come first.
    Runs that another runner holds or has done are passed over: to fill a GPU, start
    several.

    Args:
        queue: most valuable first.
        store: where the records go.
        budget: minutes; no end unless given.
        estimates: of the device at hand; learns from the runs.
        execution, root, checkpoints: as in :func:`ensure`.

    Returns:
        The new records.

    Raises:
        InputError: for a record that is damaged or foreign.
        RunError: at the end, if runs failed.
    """
    began = time.monotonic()
    way = RunContext(store, checkpoints, root, execution or Execution())
    waiting, made = missing(queue, store), []
    failures: dict[Run, Exception] = {}

    def left() -> float:
        spent = (time.monotonic() - began) / 60
        return float("inf") if budget is None else budget - spent

    while waiting and left() > 0:
        first = waiting[0].experiment
        if estimates.accelerator == "cuda" and not estimates.knows(first):
            way.try_out(waiting[0], estimates)
        remaining = left()
        fits = (run for run in waiting if estimates.minutes(run) <= remaining)
        run = next(fits, None)
        if run is None:
            break
        waiting.remove(run)
        known = recorded(run, store)
        if known is not None:  # by another runner, meanwhile
            estimates.learn(known)
            continue
        expected = estimates.minutes(run)
        for _, outcome in _here(way, [run]):
            if outcome is None:
                continue
            if isinstance(outcome, RunRecord):
                estimates.learn(outcome)
                made.append(outcome)
            else:
                failures[run] = outcome
            print(_line(run, outcome, expected), flush=True)
    _raise(failures, len(made) + len(failures))
    return made


@dataclass(frozen=True)
class RunContext:
    """Where and how runs are carried out; it travels to the workers."""

    store: RecordStore
    checkpoints: Path | str | None = None
    root: Path | str | None = None
    execution: Execution = Execution()
    gpus: tuple[str, ...] = ()

    def carry_out(self, run: Run) -> RunRecord | None:
        """Train a run unless it is recorded; None if another process is at it."""
        record = self.store.path(run.experiment, run.seed)
        with _one_at_a_time, run_lock(record) as mine:
            if not mine:
                return None
            done = recorded(run, self.store)
            return done or self._train(run, self.store, self.checkpoints)

    def _train(
        self, run: Run, store: RecordStore, checkpoints: Path | str | None
    ) -> RunRecord:
        experiment = run.experiment
        return train(
            experiment,
            run.seed,
            *load(
                experiment.dataset,
                experiment.protocol,
                self.root,
                fold=experiment.fold,
            ),
            store=store,
            checkpoints=checkpoints,
            execution=self.execution,
            progress=False,
        )

    def on_worker(self, run: Run) -> RunRecord | None:
        """As :meth:`carry_out`, in a worker of a local cluster and on its GPU."""
        if self.gpus:
            from distributed import get_worker

            # Before CUDA starts in this process, and the same for all of its runs.
            gpu = self.gpus[int(get_worker().name) % len(self.gpus)]
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        return self.carry_out(run)

    def try_out(self, run: Run, estimates: Estimates) -> None:
        """Time an epoch of a run, after one that warms up, and keep nothing of it."""
        epoch = run.experiment.replace(**{"training.epochs": 1})
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                record = self._train(Run(epoch, 0), RecordStore(folder), folder)
        estimates.note(record.experiment, record.seconds)


class Report:
    """A line for each run that ends, and the total.

    Args:
        runs: that are to be carried out.
        estimates: of their times; learns from those that end.
        at_once: how many go on at the same time.
        shown: print the lines.
    """

    def __init__(
        self, runs: Sequence[Run], estimates: Estimates, at_once: int, shown: bool
    ) -> None:
        self.estimates, self.at_once, self.shown = estimates, at_once, shown
        self.minutes = {run: estimates.minutes(run) if shown else 0.0 for run in runs}
        self.total, self.done = len(runs), 0
        self.began = time.monotonic()

    def _print(self, text: str) -> None:
        if self.shown:
            print(text, flush=True)

    def left(self) -> float:
        """Minutes until all are done."""
        return sum(self.minutes.values()) / self.at_once

    def start(self, recorded: int) -> None:
        """Say what is to come."""
        self._print(
            f"{self.total} runs to train, {recorded} recorded: about "
            f"{self.left():.1f} min, {self.at_once} at a time, on "
            f"{self.estimates.device}"
        )

    def end(self, run: Run, outcome: RunRecord | Exception) -> None:
        """Say how a run ended."""
        self.done += 1
        expected = self.minutes.pop(run)
        number = f"[{self.done:{len(str(self.total))}d}/{self.total}]"
        line = _line(run, outcome, expected)
        self._print(f"{number} {line}; {self.left():.1f} min left")

    def stop(self) -> None:
        """Say how long everything took."""
        took = (time.monotonic() - self.began) / 60
        self._print(f"{self.done} runs in {took:.1f} min")


def _line(run: Run, outcome: RunRecord | Exception, expected: float) -> str:
    """How a run ended, in words."""
    if isinstance(outcome, Exception):
        return f"{run}  FAILED  {_reason(outcome)}"
    return (
        f"{run}  {100 * outcome.test.top1:.1f} %  "
        f"{outcome.seconds / 60:.1f} min (estimated {expected:.1f})"
    )


def _reason(error: Exception) -> str:
    name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return name + (str(error).strip() or "no message").splitlines()[0]


def _raise(failures: dict[Run, Exception], total: int) -> None:
    """Raise for the first of the failures, if there is one."""
    for run, error in failures.items():
        raise RunError(
            f"{len(failures)} of {total} runs failed; first: {run}: {_reason(error)}"
        ) from error


def _until_done(
    waiting: Sequence[Run], carry_out: Executor, report: Report
) -> dict[Run, Exception]:
    """Carry out all runs, waiting for those that others hold; the ones that failed."""
    failures: dict[Run, Exception] = {}
    while waiting:
        held = []
        for run, outcome in carry_out(waiting):
            if outcome is None:
                held.append(run)
                continue
            if isinstance(outcome, Exception):
                failures[run] = outcome
            report.end(run, outcome)
        if len(held) == len(waiting):
            time.sleep(POLL_SECONDS)
        waiting = held
    return failures


@contextmanager
def _carrier(
    way: RunContext, workers: int, scheduler: str | None, devices: int | None
) -> Iterator[tuple[Executor, int]]:
    """What carries out runs, and how many at the same time."""
    if scheduler is None and workers == 1:
        yield partial(_here, way), 1
        return
    with _client(workers, scheduler) as client:
        if scheduler is None:
            share = max(1, torch.get_num_threads() // workers)
            threads = way.execution.threads or share
            execution = replace(way.execution, threads=threads)
            way = replace(way, execution=execution, gpus=_gpus(devices))
        yield partial(_by_dask, way, client), max(1, len(client.nthreads()))


def _here(way: RunContext, runs: Sequence[Run]) -> Iterator[tuple[Run, Outcome]]:
    for run in runs:
        outcome: Outcome
        try:
            outcome = way.carry_out(run)
        except Exception as error:
            outcome = error
        yield run, outcome


def _by_dask(
    way: RunContext, client: Any, runs: Sequence[Run]
) -> Iterator[tuple[Run, Outcome]]:
    from distributed import as_completed

    # Not pure: a run that another runner held is asked for again.
    futures = {
        client.submit(way.on_worker, run, pure=False, priority=-place): run
        for place, run in enumerate(runs)
    }
    for future in as_completed(futures, loop=client.loop):
        run = futures[future]
        outcome: Outcome
        try:
            outcome = future.result()
        except Exception as error:
            outcome = error
        if isinstance(outcome, RunRecord) and recorded(run, way.store) is None:
            way.store.put(outcome)  # the worker sees other folders than this process
        yield run, outcome


def _gpus(devices: int | None) -> tuple[str, ...]:
    """The GPUs that workers share out, by the names that CUDA knows them by."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        visible = ",".join(map(str, range(torch.cuda.device_count())))
    return tuple(filter(None, visible.split(",")))[:devices]


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of a cluster at an address, or of one of this machine's."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "several runs at once need Dask: pip install 'skellib[cluster]', "
            "or take one worker and no scheduler"
        ) from None
    if scheduler:
        try:
            client = Client(scheduler, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"scheduler {scheduler}: {_reason(error)}") from None
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
