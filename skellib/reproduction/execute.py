"""Train the runs that have no record, in this process or by Dask in several."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from skellib.data import load
from skellib.errors import InputError, TaskError
from skellib.processes import end_with_parent
from skellib.records import RecordStore, RunRecord
from skellib.reproduction.estimates import Estimates
from skellib.reproduction.locks import run_lock
from skellib.reproduction.plan import Run, missing, recorded
from skellib.training import Execution, isolated_rng, train

POLL_SECONDS = 1.0
"""Seconds between checks on runs that other processes are training."""

# PyTorch's random generators and thread count are global: one run at a time.
_process_lock = threading.Lock()


class RunError(TaskError):
    """Report that runs failed: how many, and the first one with its reason."""


Outcome = RunRecord | Exception | None
"""Result of a run: its record, its error, or None if another process is training it."""

Executor = Callable[[Sequence[Run]], Iterator[tuple[Run, Outcome]]]
"""Function that executes runs and yields the outcome of each as it ends."""


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
    """Return the records of runs; train those that have none.

    One worker trains in this process; several workers, or a scheduler, require Dask
    distributed (the extra ``cluster``). If a worker dies, another resumes its run from
    the last checkpoint. Runs that another process is training are waited for. A run
    that fails does not stop the others.

    Args:
        runs: runs, for example from :func:`skellib.reproduction.plan.runs`.
        store: where to write the records; by default the project's ``data/records``.
        workers: number of processes on this machine, each with one run at a time.
        scheduler: address of a Dask cluster to use instead. Its workers must see the
            same folders and have one thread each, to train one run at a time.
        devices: number of GPUs on this machine that the workers share; by default all.
        execution: execution settings of each run.
        root: folder of packed data sets.
        checkpoints: folder of checkpoints and weights.
        progress: whether to print a line for each run, with its estimate, and a total.

    Returns:
        The records of ``runs``, in the same order.

    Raises:
        InputError: if a record is damaged or belongs to another run or to other data;
            nothing is trained then.
        RunError: at the end, if runs failed.
    """
    store = store or RecordStore()
    context = RunContext(store, checkpoints, root, execution or Execution())
    pending = missing(dict.fromkeys(runs), store, root)
    if pending:
        with _executor(context, workers, scheduler, devices) as (executor, parallel):
            report = Report(pending, Estimates(store, root=root), parallel, progress)
            report.start(len(set(runs)) - len(pending))
            failures = _run_all(pending, executor, report)
        report.stop()
        _raise_failures(failures, len(pending))
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
    streams: int = 1,
) -> list[RunRecord]:
    """Train the runs of a queue that fit into a time budget.

    The next run is always the first of the queue whose estimate fits into the remaining
    time. Its record is written as soon as it ends, and improves the later estimates. On
    a GPU without any record, two trial epochs are timed first. Runs that another
    process is training or has recorded are skipped, so that several processes can share
    a GPU.

    Args:
        queue: runs, most valuable first.
        store: where to write the records.
        budget: minutes; by default unlimited.
        estimates: estimates for this device, updated after each run.
        execution, root, checkpoints: as in :func:`ensure_records`.
        streams: number of runs at the same time, each in a thread and on a CUDA stream
            of its own. Their dropout masks come from one generator, so that these
            depend on timing.

    Returns:
        The new records.

    Raises:
        InputError: if a record is damaged or belongs to another run, or several streams
            are to be used without CUDA graphs.
        RunError: at the end, if runs failed.
    """
    execution = execution or Execution()
    if streams > 1:
        if not execution.graphs:
            raise InputError("several streams need --graphs")
        shared = streams * execution.concurrent_runs
        execution = replace(execution, concurrent_runs=shared)
    context = RunContext(store, checkpoints, root, execution, streams=streams)
    spending = _Spending(missing(queue, store, root), budget, estimates, context)
    if streams == 1:
        spending.work()
    else:
        with isolated_rng(0, execution.threads), ThreadPoolExecutor(streams) as pool:
            for worker in [pool.submit(spending.work) for _ in range(streams)]:
                worker.result()
    new, failures = spending.new, spending.failures
    _raise_failures(failures, len(new) + len(failures))
    return new


class _Spending:
    """Spend a time budget on a queue of runs, in one or several threads.

    Args:
        pending: runs, most valuable first; those that were started are removed.
        budget: minutes; None for unlimited.
        estimates: estimates for this device, updated after each run.
        context: how to train.

    Attributes:
        new: the new records.
        failures: errors by run.
    """

    def __init__(
        self,
        pending: list[Run],
        budget: float | None,
        estimates: Estimates,
        context: RunContext,
    ) -> None:
        self.pending, self.estimates, self.context = pending, estimates, context
        minutes = float("inf") if budget is None else budget
        self.end = time.monotonic() / 60 + minutes
        self.new: list[RunRecord] = []
        self.failures: dict[Run, Exception] = {}
        self.turn = threading.Lock()

    def work(self) -> None:
        """Train the next run that fits, until none does."""
        with _cuda_stream() if self.context.streams > 1 else nullcontext():
            while True:
                with self.turn:
                    run = self._next()
                    if run is None:
                        return
                    expected = self.estimates.minutes(run)
                ((_, outcome),) = _run_here(self.context, [run])
                with self.turn:
                    self._note(run, outcome, expected)

    def _next(self) -> Run | None:
        """Take the next run to train out of the queue; return None if none fits."""
        while self.pending and self._remaining() > 0:
            first = self.pending[0].experiment
            if self.estimates.accelerator == "cuda" and not self.estimates.has(first):
                self.context.time_trial(self.pending[0], self.estimates)
            run = _first_that_fits(self.pending, self.estimates, self._remaining())
            if run is None:
                return None
            self.pending.remove(run)
            known = recorded(run, self.context.store)
            if known is None:
                return run
            # Another process has trained it in the meantime.
            self.estimates.add_record(known)
        return None

    def _remaining(self) -> float:
        """Return the remaining minutes."""
        return self.end - time.monotonic() / 60

    def _note(self, run: Run, outcome: Outcome, expected: float) -> None:
        """Note how a run ended, and print it, unless another process trains it."""
        if outcome is None:
            return
        if isinstance(outcome, RunRecord):
            self.estimates.add_record(outcome)
            self.new.append(outcome)
        else:
            self.failures[run] = outcome
        print(_result_line(run, outcome, expected), flush=True)


def _cuda_stream() -> AbstractContextManager[Any]:
    """Use a CUDA stream of its own in this thread; do nothing without a GPU."""
    if not torch.cuda.is_available():
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream())


def _first_that_fits(
    pending: Sequence[Run], estimates: Estimates, minutes: float
) -> Run | None:
    """Return the first run whose estimate fits into some minutes, None if none does."""
    return next((run for run in pending if estimates.minutes(run) <= minutes), None)


@dataclass(frozen=True)
class RunContext:
    """Hold the folders and execution settings of runs; it is sent to each worker.

    Attributes:
        store: where to write the records.
        checkpoints: folder of checkpoints and weights.
        root: folder of packed data sets.
        execution: execution settings of each run.
        gpus: identifiers of the GPUs that the workers share.
        streams: number of runs that this process trains at the same time.
    """

    store: RecordStore
    checkpoints: Path | str | None = None
    root: Path | str | None = None
    execution: Execution = Execution()
    gpus: tuple[str, ...] = ()
    streams: int = 1

    def train(self, run: Run) -> RunRecord | None:
        """Train a run unless it has a record; return None if another process does."""
        record = self.store.path(run.experiment, run.seed)
        alone = _process_lock if self.streams == 1 else nullcontext()
        with alone, run_lock(record) as acquired:
            if not acquired:
                return None
            known = recorded(run, self.store)
            return known or self._train(run, self.store, self.checkpoints)

    def _train(
        self, run: Run, store: RecordStore, checkpoints: Path | str | None
    ) -> RunRecord:
        """Train a run and write its record to a store."""
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

    def train_on_worker(self, run: Run) -> RunRecord | None:
        """Train a run as :meth:`train` does, in a Dask worker on its GPU."""
        if self.gpus:
            from distributed import get_worker

            # Before CUDA is initialised in this process; the same for all its runs.
            gpu = self.gpus[int(get_worker().name) % len(self.gpus)]
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        return self.train(run)

    def time_trial(self, run: Run, estimates: Estimates) -> None:
        """Time one epoch of a run, after one to warm up; keep no record of either."""
        epoch = run.experiment.replace(**{"training.epochs": 1})
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                record = self._train(Run(epoch, 0), RecordStore(folder), folder)
        estimates.add(record.experiment, record.seconds)


class Report:
    """Print a line for each run that ends, and a total.

    Args:
        runs: runs to train.
        estimates: estimates of their times.
        parallel: number of runs at the same time.
        shown: whether to print.
    """

    def __init__(
        self, runs: Sequence[Run], estimates: Estimates, parallel: int, shown: bool
    ) -> None:
        self.estimates, self.parallel, self.shown = estimates, parallel, shown
        self.minutes = {run: estimates.minutes(run) if shown else 0.0 for run in runs}
        self.total, self.done = len(runs), 0
        self.started = time.monotonic()

    def _print(self, text: str) -> None:
        if self.shown:
            print(text, flush=True)

    def remaining(self) -> float:
        """Estimate the minutes until all runs have ended."""
        return sum(self.minutes.values()) / self.parallel

    def start(self, recorded: int) -> None:
        """Print the number of runs and the estimated time."""
        self._print(
            f"{self.total} runs to train, {recorded} recorded: about "
            f"{self.remaining():.1f} min, {self.parallel} at a time, on "
            f"{self.estimates.device}"
        )

    def end(self, run: Run, outcome: RunRecord | Exception) -> None:
        """Print how a run ended."""
        self.done += 1
        expected = self.minutes.pop(run)
        number = f"[{self.done:{len(str(self.total))}d}/{self.total}]"
        line = _result_line(run, outcome, expected)
        self._print(f"{number} {line}; {self.remaining():.1f} min left")

    def stop(self) -> None:
        """Print the total time."""
        took = (time.monotonic() - self.started) / 60
        self._print(f"{self.done} runs in {took:.1f} min")


def _result_line(run: Run, outcome: RunRecord | Exception, expected: float) -> str:
    """Describe how a run ended; ``expected`` is the estimate in minutes."""
    if isinstance(outcome, Exception):
        return f"{run}  FAILED  {_reason(outcome)}"
    return (
        f"{run}  {100 * outcome.test.top1:.1f} %  "
        f"{outcome.seconds / 60:.1f} min (estimated {expected:.1f})"
    )


def _reason(error: Exception) -> str:
    """Return the first line of an error's message, with its type."""
    name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return name + (str(error).strip() or "no message").splitlines()[0]


def _raise_failures(failures: dict[Run, Exception], total: int) -> None:
    """Raise a RunError if there are failures."""
    for run, error in failures.items():
        raise RunError(
            f"{len(failures)} of {total} runs failed; first: {run}: {_reason(error)}"
        ) from error


def _run_all(
    pending: Sequence[Run], executor: Executor, report: Report
) -> dict[Run, Exception]:
    """Execute all runs, wait for those of other processes; return the failures."""
    failures: dict[Run, Exception] = {}
    while pending:
        locked = []
        for run, outcome in executor(pending):
            if outcome is None:
                locked.append(run)
                continue
            if isinstance(outcome, Exception):
                failures[run] = outcome
            report.end(run, outcome)
        if len(locked) == len(pending):
            time.sleep(POLL_SECONDS)
        pending = locked
    return failures


@contextmanager
def _executor(
    context: RunContext, workers: int, scheduler: str | None, devices: int | None
) -> Iterator[tuple[Executor, int]]:
    """Yield an executor, and the number of runs that it trains at the same time."""
    if scheduler is None and workers == 1:
        yield partial(_run_here, context), 1
        return
    with _client(workers, scheduler) as client:
        if scheduler is None:
            context = _shared(context, workers, _gpus(devices))
        yield partial(_run_by_dask, context, client), max(1, len(client.nthreads()))


def _shared(context: RunContext, workers: int, gpus: tuple[str, ...]) -> RunContext:
    """Divide the threads and the GPUs of this machine between several workers."""
    threads = context.execution.threads or max(1, torch.get_num_threads() // workers)
    execution = replace(
        context.execution,
        threads=threads,
        concurrent_runs=-(-workers // max(1, len(gpus))),
    )
    return replace(context, execution=execution, gpus=gpus)


def _run_here(
    context: RunContext, runs: Sequence[Run]
) -> Iterator[tuple[Run, Outcome]]:
    """Execute runs one after another in this process."""
    for run in runs:
        outcome: Outcome
        try:
            outcome = context.train(run)
        except Exception as error:
            outcome = error
        yield run, outcome


def _run_by_dask(
    context: RunContext, client: Any, runs: Sequence[Run]
) -> Iterator[tuple[Run, Outcome]]:
    """Execute runs on the workers of a Dask cluster."""
    from distributed import as_completed

    # Not pure: a run that another process was training is submitted again.
    futures = {
        client.submit(context.train_on_worker, run, pure=False, priority=-place): run
        for place, run in enumerate(runs)
    }
    for future in as_completed(futures, loop=client.loop):
        run = futures[future]
        outcome: Outcome
        try:
            outcome = future.result()
        except Exception as error:
            outcome = error
        if isinstance(outcome, RunRecord) and recorded(run, context.store) is None:
            context.store.put(outcome)  # the worker has written to another folder
        yield run, outcome


def _gpus(devices: int | None) -> tuple[str, ...]:
    """List the GPUs for the workers, as identified in CUDA_VISIBLE_DEVICES."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        visible = ",".join(map(str, range(torch.cuda.device_count())))
    return tuple(filter(None, visible.split(",")))[:devices]


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """Connect to a Dask cluster, or start one on this machine."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "several runs at once require Dask: pip install 'skellib[cluster]', "
            "or use one worker and no scheduler"
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
        client.run(end_with_parent)
        yield client
