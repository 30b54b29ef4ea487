"""Commands for many runs: reproduce, queue, status and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skellib.cli.options import (
    TABLE_NAMES,
    AcceleratorOption,
    CheckpointEveryOption,
    CheckpointsOption,
    CompileOption,
    DatasetsOption,
    GraphsOption,
    PrecisionOption,
    ProfileOption,
    RootOption,
    SeedsOption,
    StoreOption,
    TablesOption,
    ThreadsOption,
    execution_of,
    store_of,
)
from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.reproduction.estimates import Estimates
    from skellib.reproduction.plan import Run


def reproduce(
    profile: ProfileOption = "quick",
    datasets: DatasetsOption = None,
    tables: TablesOption = None,
    seeds: SeedsOption = None,
    training: Annotated[
        bool | None,
        typer.Option(
            "--train/--no-train",
            help="Train before the notebooks are executed. Default: not with "
            "--notebooks, and for quick only with --tables, since a quick notebook "
            "trains what it shows.",
            show_default=False,
        ),
    ] = None,
    notebooks: Annotated[
        list[str] | None,
        typer.Option(help="Only these notebooks, by name or number. Repeatable."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Number of concurrent runs, and notebooks.", min=1)
    ] = 2,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask cluster for the runs."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            help="Number of GPUs that the workers share. Default: all.", min=1
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of executed notebooks. Default: book/executed/PROFILE."
        ),
    ] = None,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
    compile: CompileOption = False,
    graphs: GraphsOption = False,
    threads: ThreadsOption = 0,
    checkpoint_every: CheckpointEveryOption = 1,
) -> None:
    """Train the runs that have no record, then execute the notebooks of the book.

    If it is interrupted, the same command resumes it. Several processes can share the
    same folder of records.
    """
    from skellib.reproduction.reproduce import reproduce as run

    run(
        profile,
        datasets=datasets,
        tables=tables,
        seeds=seeds,
        training=training,
        notebooks=notebooks,
        workers=workers,
        scheduler=scheduler,
        devices=devices,
        execution=execution_of(
            accelerator,
            precision,
            compile,
            graphs,
            threads,
            checkpoint_every=checkpoint_every,
        ),
        out=out,
    )


def queue(
    profile: ProfileOption = "full",
    datasets: DatasetsOption = None,
    tables: TablesOption = None,
    seeds: SeedsOption = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Minutes: only the first runs that fit.", min=0),
    ] = None,
    run: Annotated[
        bool,
        typer.Option(
            "--run",
            help="Train the runs on this machine, one after another. To train several "
            "at once, give --streams or start the command several times.",
        ),
    ] = False,
    streams: Annotated[
        int,
        typer.Option(
            help="Number of runs at once in this process, each on a CUDA stream of its "
            "own; several need --graphs.",
            min=1,
        ),
    ] = 1,
    concurrent_runs: Annotated[
        int,
        typer.Option(
            help="How many such commands share the device, for the records.", min=1
        ),
    ] = 1,
    root: RootOption = None,
    records: Annotated[
        Path | None,
        typer.Option(
            help="Folder of new records. Default: that of the profile. Runs with a "
            "record in either are done."
        ),
    ] = None,
    checkpoints: CheckpointsOption = None,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
    compile: CompileOption = False,
    graphs: GraphsOption = False,
    threads: ThreadsOption = 0,
    checkpoint_every: CheckpointEveryOption = 1,
) -> None:
    """Print the runs that have no record, most valuable first, with estimated minutes.

    Minutes are for this machine; without --run, those of profile full are for a GPU,
    this machine's or the one recorded last.
    """
    from skellib.records import RecordStore
    from skellib.reproduction import estimates, execute, plan

    own = plan.store_for(profile)
    store = RecordStore(records) if records else own
    asked = plan.runs(tables, datasets, profile, seeds, root)
    todo = plan.missing(plan.missing(asked, own, root), store, root)
    known = [*own, *(store if store.folder.resolve() != own.folder.resolve() else ())]
    if profile == "full" and not run:
        timed = estimates.estimates_for_gpu(known, root)
    else:
        timed = estimates.Estimates(known, root=root)
    shown = todo if budget is None else estimates.fit_to_budget(todo, timed, budget)
    source = f"by {timed.records} records" if timed.records else "guessed"
    print(
        f"profile {profile}: {len(todo)} runs to do, {len(asked) - len(todo)} "
        f"recorded; minutes on {timed.device}, {source}"
    )
    _print_queue(shown, timed)
    if budget is not None:
        print(f"{len(shown)} of {len(todo)} fit into {budget:g} minutes", flush=True)
    if not run:
        return
    done = execute.run_within_budget(
        todo,
        store,
        budget,
        estimates=timed,
        execution=execution_of(
            accelerator,
            precision,
            compile,
            graphs,
            threads,
            concurrent_runs=concurrent_runs,
            checkpoint_every=checkpoint_every,
        ),
        root=root,
        checkpoints=checkpoints,
        streams=streams,
    )
    print(f"{len(done)} new records in {store.folder}")


def _print_queue(runs: Sequence[Run], estimates: Estimates) -> None:
    """Print a line for each run, with its minutes and the sum so far."""
    print("   # minutes      sum  run")
    total = 0.0
    for number, run in enumerate(runs, start=1):
        minutes = estimates.minutes(run)
        total += minutes
        print(f"{number:4d} {minutes:7.1f} {total:8.1f}  {run}")


def status(
    profile: Annotated[
        str | None, typer.Option(help="quick, laptop or full. Default: all.")
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(help="Default: those of the tables. Repeatable."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Number of runs that each row should have.", min=1)
    ] = 5,
    records: StoreOption = None,
) -> None:
    """Show the recorded and the missing runs of each table, and invalid records.

    The exit status is 1 if a file in the folder of records is not a valid record.
    """
    from skellib.experiment import PROFILES
    from skellib.reproduction import coverage, render

    stores = {}
    for each in [profile] if profile else PROFILES:
        store = store_of(each, records)
        stores[store.folder] = store
        counts = coverage.coverage(store, each, datasets, seeds)
        print(f"Profile {each}, {seeds} seeds a row; {store.folder}")
        print(render.plain(counts), end="\n\n")
    invalid = 0
    for folder, store in stores.items():
        usable, refused = coverage.scan(store)
        dirty = sum(record.stamp.get("clean") is False for record in usable)
        print(f"{folder}: {len(usable)} records, {dirty} made with uncommitted changes")
        for record in coverage.orphan_records(usable):
            print(f"in no table: {store.path(record.experiment, record.seed)}")
        for reason in refused:
            print(f"outdated or invalid: {reason}")
        invalid += len(refused)
    if invalid:
        raise typer.Exit(1)


def table(
    number: Annotated[str, typer.Argument(help=f"{TABLE_NAMES}.")],
    profile: Annotated[
        str | None,
        typer.Option(help="quick, laptop or full. Default: laptop and full."),
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            help="Default: those of the table, or synthetic for quick. Repeatable."
        ),
    ] = None,
    clean: Annotated[
        bool,
        typer.Option(
            "--clean", help="Without test clips that have a duplicate in training."
        ),
    ] = False,
    records: StoreOption = None,
) -> None:
    """Show a table of the paper with the recorded results, row by row."""
    from skellib.reproduction import render, results

    profiles = [profile] if profile else ["laptop", "full"]
    chosen = results.get_table(number)
    if datasets is None and profile == "quick":
        datasets = ["synthetic"]
    columns = chosen.columns
    if datasets:
        found = (results.columns_on(chosen, name) for name in datasets)
        columns = tuple(column for each in found for column in each)
    if not columns:
        raise InputError(
            f"Table {chosen.number} has no column on {', '.join(datasets or [])}"
        )
    store = store_of(profiles[0], records)
    for column in columns:
        print(render.plain_column(chosen, column, store, profiles, clean), end="\n\n")
