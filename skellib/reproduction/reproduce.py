"""The whole reproduction as a batch: train what is missing, execute the notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skellib.errors import InputError
from skellib.experiment import PROFILES
from skellib.paths import project_root
from skellib.reproduction.execute import ensure_records
from skellib.reproduction.notebooks import execute_all
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
    """Train what has no record, then leave executed notebooks where the book looks.

    Killed and started again, it goes on where it was.

    Args:
        profile: ``"quick"``, ``"laptop"`` or ``"full"``.
        datasets, tables, seeds: which runs, as in
            :func:`skellib.reproduction.plan.runs`; data sets and seeds go to the
            notebooks as well.
        training: whether to train before the notebooks. Unless given, not where only
            some of them are executed, and in ``quick`` only for ``tables``: each
            ``quick`` notebook trains the rows that it shows, where it has to.
        notebooks: some of them, by name or number; all unless given.
        workers: runs, and then notebooks, at the same time.
        scheduler, devices, execution: where the runs go and in what precision and the
            like, as in :func:`skellib.reproduction.execute.ensure_records`.
        out: folder of the executed copies; ``book/executed/<profile>`` unless given.
        parameters: further parameters of the notebooks.

    Returns:
        The folder of the executed copies.

    Raises:
        InputError: for an unknown profile, table, data set, notebook or parameter, or
            a record that is damaged or foreign.
        RunError: if a run fails; the notebooks are then not executed.
        NotebookError: if a notebook fails.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    folder = Path(out or project_root() / "book" / "executed" / profile)
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
