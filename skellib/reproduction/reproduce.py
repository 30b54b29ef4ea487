"""Run the whole reproduction: train missing runs, then execute the notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skellib.experiment import check_profile
from skellib.paths import check_writable, project_root
from skellib.reproduction.execute import ensure_records
from skellib.reproduction.notebooks import execute_all, select
from skellib.reproduction.plan import runs, store_for
from skellib.training import Execution


def reproduce(
    profile: str = "quick",
    *,
    datasets: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
    seeds: int | None = None,
    training: bool | None = None,
    notebooks: Sequence[str] | None = None,
    workers: int = 2,
    scheduler: str | None = None,
    devices: int | None = None,
    execution: Execution | None = None,
    out: Path | str | None = None,
    **parameters: Any,
) -> Path:
    """Train the runs that have no record, then execute the notebooks of the book.

    If it is interrupted, calling it again resumes it.

    Args:
        profile: ``"quick"``, ``"laptop"`` or ``"full"``.
        datasets, tables, seeds: runs to train, as in
            :func:`skellib.reproduction.plan.runs`. Data sets and seeds are also passed
            to the notebooks.
        training: whether to train before the notebooks are executed. By default not if
            ``notebooks`` is given, and for ``quick`` only if ``tables`` is given, since
            a ``quick`` notebook trains what it shows.
        notebooks: notebooks to execute, by name or number; by default all.
        workers: number of concurrent runs, and then of concurrent notebooks.
        scheduler, devices, execution: as in
            :func:`skellib.reproduction.execute.ensure_records`.
        out: folder of the executed notebooks; by default ``book/executed/<profile>``.
        parameters: further parameters of the notebooks.

    Returns:
        The folder of the executed notebooks.

    Raises:
        InputError: if a profile, table, data set, notebook or parameter is unknown, or
            a record is damaged or belongs to another run.
        RunError: if a run fails; the notebooks are not executed then.
        NotebookError: if a notebook fails.
    """
    check_profile(profile)
    folder = Path(out or project_root() / "book" / "executed" / profile)
    select(notebooks)
    if datasets or tables:  # before the notebooks spend minutes without these
        runs(tables, datasets, profile, seeds)
    check_writable(folder / "executed.ipynb")
    if training is None:
        training = notebooks is None and (profile != "quick" or tables is not None)
    if training:
        ensure_records(
            runs(tables, datasets, profile, seeds),
            store_for(profile),
            workers=workers,
            scheduler=scheduler,
            devices=devices,
            execution=execution,
        )
    if datasets:
        parameters["datasets"] = list(datasets)
    if seeds:
        parameters["seeds"] = list(range(seeds))
    execute_all(profile, folder, notebooks, workers, **parameters)
    return folder
