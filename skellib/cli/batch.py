"""Commands on many runs: the reproduction and what it has so far."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from skellib.cli.options import (
    TABLE_NAMES,
    AcceleratorOption,
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


def reproduce(
    profile: ProfileOption = "quick",
    datasets: DatasetsOption = None,
    tables: TablesOption = None,
    seeds: SeedsOption = None,
    training: Annotated[
        bool | None,
        typer.Option(
            "--train/--no-train",
            help="Train before the notebooks. Unless given: not where --notebooks "
            "selects some, and in quick only for --tables; a quick notebook trains "
            "what it shows.",
            show_default=False,
        ),
    ] = None,
    notebooks: Annotated[
        list[str] | None,
        typer.Option(help="Some notebooks, by name or number. Repeatable."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Runs, and then notebooks, at the same time.", min=1)
    ] = 2,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask cluster that carries out the runs."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            help="GPUs that the workers share, a run on each; all unless given.", min=1
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of executed copies; book/executed/PROFILE unless given."
        ),
    ] = None,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
    compile: CompileOption = False,
    graphs: GraphsOption = False,
    threads: ThreadsOption = 0,
) -> None:
    """Train what has no record, then execute the notebooks where the book shows them.

    Killed and started again, it goes on where it was. Several may work on one store.
    """
    from skellib.reproduction.execute import RunError
    from skellib.reproduction.notebooks import NotebookError
    from skellib.reproduction.reproduce import reproduce as run

    try:
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
            execution=execution_of(accelerator, precision, compile, graphs, threads),
            out=out,
        )
    except (NotebookError, RunError) as error:
        print(f"skellib: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def queue(
    profile: ProfileOption = "full",
    datasets: DatasetsOption = None,
    tables: TablesOption = None,
    seeds: SeedsOption = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Minutes: only the best that fits into them.", min=0),
    ] = None,
    run: Annotated[
        bool,
        typer.Option(
            "--run",
            help="Carry the runs out here, one after another. Start it several times "
            "to have as many at once.",
        ),
    ] = False,
    root: RootOption = None,
    records: Annotated[
        Path | None,
        typer.Option(
            help="Where new records go; the profile's own folder unless given. "
            "Records of either count as done."
        ),
    ] = None,
    checkpoints: CheckpointsOption = None,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
    compile: CompileOption = False,
    graphs: GraphsOption = False,
    threads: ThreadsOption = 0,
) -> None:
    """Print the runs that have no record, most valuable first, with their minutes.

    The minutes of profile full are those of a GPU, this machine's or the one last
    recorded; with --run, and of the other profiles, those of this machine.
    """
    from skellib.records import RecordStore
    from skellib.reproduction import estimates, execute, plan

    own = plan.store_for(profile)
    store = RecordStore(records) if records else own
    asked = plan.runs(tables, datasets, profile, seeds, root)
    todo = plan.missing(plan.missing(asked, own), store)
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
    print("   # minutes      sum  run")
    total = 0.0
    for number, each in enumerate(shown, start=1):
        minutes = timed.minutes(each)
        total += minutes
        print(f"{number:4d} {minutes:7.1f} {total:8.1f}  {each}")
    if budget is not None:
        print(f"{len(shown)} of {len(todo)} fit into {budget:g} minutes", flush=True)
    if not run:
        return
    try:
        done = execute.run_within_budget(
            todo,
            store,
            budget,
            estimates=timed,
            execution=execution_of(accelerator, precision, compile, graphs, threads),
            root=root,
            checkpoints=checkpoints,
        )
    except execute.RunError as error:
        print(f"skellib: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{len(done)} new records in {store.folder}")


def status(
    profile: Annotated[
        str | None, typer.Option(help="quick, laptop or paper; all unless given.")
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(help="Those of the tables unless given. Repeatable."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Runs that each row should have.", min=1)
    ] = 5,
    records: StoreOption = None,
) -> None:
    """Show which runs are recorded and missing, by table, and which files are stale.

    Ends with status 1 where a file among the records is not a usable record.
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
    spoilt = 0
    for folder, store in stores.items():
        usable, refused = coverage.scan(store)
        dirty = sum(record.stamp.get("clean") is False for record in usable)
        print(f"{folder}: {len(usable)} records, {dirty} made from a changed tree")
        for record in coverage.orphan_records(usable):
            print(f"in no table: {store.path(record.experiment, record.seed)}")
        for reason in refused:
            print(f"stale or spoilt: {reason}")
        spoilt += len(refused)
    if spoilt:
        raise typer.Exit(1)


def table(
    number: Annotated[str, typer.Argument(help=f"{TABLE_NAMES}.")],
    profile: Annotated[
        str | None,
        typer.Option(help="quick, laptop or paper; the last two unless given."),
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            help="The table's own, for quick the synthetic one, unless given. "
            "Repeatable."
        ),
    ] = None,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Only test clips without a twin in training."),
    ] = False,
    records: StoreOption = None,
) -> None:
    """Show a table of the paper beside what is recorded, row by row."""
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
