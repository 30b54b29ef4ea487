"""The command line: ``python -m skellib --help``."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.records import Metrics, RecordStore

# The libraries that compute are imported by the commands that need them, so that
# --help and a misspelt option answer at once.

# Some versions of Typer carry their own copy of Click: the base class of usage errors
# is found through Typer's own name for one of them.
UsageFault: Any = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Skeleton-based action recognition by SLnL-rFA: prepare data, train, and "
    "reproduce the paper and its book.",
)


# Options that several commands share.
DatasetOption = Annotated[
    str, typer.Option(help="synthetic, or one that was prepared.")
]
ProtocolOption = Annotated[
    str | None, typer.Option(help="The data set's first unless given.")
]
RootOption = Annotated[
    Path | None,
    typer.Option(help="Where packed data sets live; data/packed unless given."),
]
RecordsOption = Annotated[
    Path | None, typer.Option(help="Where the record goes; data/records unless given.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option(help="Folder of records; the profile's own unless given."),
]
CheckpointsOption = Annotated[
    Path | None,
    typer.Option(help="Where weights go; data/checkpoints unless given."),
]
ProfileOption = Annotated[str, typer.Option(help="quick, laptop or paper.")]
DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Unless given: synthetic in quick, else the paper's that were prepared. "
        "Repeatable."
    ),
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option(help="Runs of these tables: I to XI, or fig9. Repeatable."),
]
SeedsOption = Annotated[
    int | None,
    typer.Option(help="Seeds of each row; one in quick, else five.", min=1),
]
AcceleratorOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
PrecisionOption = Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="torch.compile the network.")
]
ThreadsOption = Annotated[
    int, typer.Option(help="Processor threads; 0: PyTorch's choice.", min=0)
]


def _value(text: str) -> Any:
    """A number, tuple or the like where ``text`` is one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _assignments(pairs: list[str], option: str) -> dict[str, Any]:
    """``["a.b=1"]`` as ``{"a.b": 1}``."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {pair}: write NAME=VALUE")
        values[name.strip()] = _value(text.strip())
    return values


def _store(profile: str, folder: Path | None) -> RecordStore:
    """The records in a folder, or the profile's own."""
    from skellib.records import RecordStore
    from skellib.runner import store_for

    return RecordStore(folder) if folder else store_for(profile)


def _scores(test: Metrics, clean: Metrics | None) -> str:
    """Accuracy on all test clips, and on those without a twin in training."""
    text = f"{100 * test.top1:.1f} % of {test.clips} test clips"
    if clean is not None:
        text += f", {100 * clean.top1:.1f} % of the {clean.clips} clean"
    return text


@app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(help="nucla, utd_mhad or sbu.")],
    source: Annotated[
        Path,
        typer.Option(
            help="The data set as downloaded: a folder, a zip, or a packed .npz."
        ),
    ],
    root: RootOption = None,
) -> None:
    """Read a data set's original files and write them packed, ready to train on."""
    from skellib.data import PackedDataset
    from skellib.data import prepare as prepare_dataset

    path = prepare_dataset(dataset, source, root)
    packed = PackedDataset.open(path)
    bodies = "1 body" if packed.bodies == 1 else f"up to {packed.bodies} bodies"
    print(
        f"{path}: {len(packed)} clips, {int(packed.lengths.sum())} frames, "
        f"{packed.num_classes} classes, {bodies} of {packed.layout.size} joints"
    )


@app.command()
def train(
    dataset: DatasetOption = "synthetic",
    profile: Annotated[
        str,
        typer.Option(
            help="quick: proves the path; laptop: a smaller network for a processor; "
            "paper: the paper's settings."
        ),
    ] = "quick",
    protocol: ProtocolOption = None,
    fold: Annotated[int, typer.Option(help="Where a protocol has several.")] = 0,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting, such as loss.gamma=0 or training.epochs=5. "
            "Repeatable.",
        ),
    ] = None,
    root: RootOption = None,
    records: StoreOption = None,
    checkpoints: CheckpointsOption = None,
    accelerator: AcceleratorOption = "auto",
    devices: Annotated[int, typer.Option(help="GPUs for this one run.", min=1)] = 1,
    nodes: Annotated[int, typer.Option(help="Machines for this one run.", min=1)] = 1,
    precision: PrecisionOption = "32-true",
    compile: CompileOption = False,
    threads: ThreadsOption = 0,
) -> None:
    """Train the final model, or a variant of it, and write the run's record.

    Killed and started again, it goes on from its last epoch. A run that has its
    record already is not trained again.
    """
    from skellib.config import final_model
    from skellib.data import load
    from skellib.training import Execution
    from skellib.training import train as train_run

    experiment = final_model(dataset, profile, protocol).replace(
        fold=fold, **_assignments(settings or [], "--set")
    )
    train_set, test_set = load(
        experiment.dataset, experiment.protocol, root, fold=experiment.fold
    )
    store = _store(profile, records)
    path = store.path(experiment, seed)
    known = path.is_file()
    # Of several processes that share the run, the first one speaks.
    leads = os.environ.get("LOCAL_RANK", "0") == "0"
    say = print if leads else (lambda *_: None)
    say(
        f"{dataset} {experiment.protocol}, profile {profile}, {experiment.key}, "
        f"seed {seed}: {len(train_set)} clips train, {len(test_set)} test"
    )
    record = train_run(
        experiment,
        seed,
        train_set,
        test_set,
        store=store,
        checkpoints=checkpoints,
        execution=Execution(
            accelerator=accelerator,
            devices=devices,
            nodes=nodes,
            precision=precision,
            compile=compile,
            threads=threads,
        ),
    )
    say(
        f"{'recorded before' if known else 'recorded'}: "
        f"{_scores(record.test, record.clean)}, {record.seconds:.0f} s; {path}"
    )


@app.command()
def baseline(
    dataset: DatasetOption = "synthetic",
    protocol: ProtocolOption = None,
    root: RootOption = None,
    records: RecordsOption = None,
) -> None:
    """Measure the nearest neighbour: what a network must beat to have learnt."""
    from skellib import baselines
    from skellib.data import default_protocol, load

    protocol = protocol or default_protocol(dataset)
    measured = baselines.measure(*load(dataset, protocol, root), protocol)
    path = baselines.write(measured, records)
    print(f"nearest neighbour: {_scores(measured.test, measured.clean)}; {path}")


@app.command()
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
) -> None:
    """Train what has no record, then execute the notebooks where the book shows them.

    Killed and started again, it goes on where it was. Several may work on one store.
    """
    from skellib.notebooks import NotebookError
    from skellib.reproduce import reproduce as run
    from skellib.runner import RunError

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
            out=out,
        )
    except (NotebookError, RunError) as error:
        print(f"skellib: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
def queue(
    profile: ProfileOption = "paper",
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
    threads: ThreadsOption = 0,
) -> None:
    """Print the runs that have no record, most valuable first, with their minutes.

    The minutes of profile paper are those of a GPU, this machine's or the one last
    recorded; with --run, and of the other profiles, those of this machine.
    """
    from skellib import runner
    from skellib.records import RecordStore
    from skellib.training import Execution

    own = runner.store_for(profile)
    store = RecordStore(records) if records else own
    asked = runner.runs(tables, datasets, profile, seeds, root)
    todo = runner.missing(runner.missing(asked, own), store)
    known = [*own, *(store if store.folder.resolve() != own.folder.resolve() else ())]
    if profile == "paper" and not run:
        estimates = runner.estimates_for_gpu(known, root)
    else:
        estimates = runner.Estimates(known, root=root)
    shown = todo if budget is None else runner.fitting(todo, estimates, budget)
    source = f"by {estimates.records} records" if estimates.records else "guessed"
    print(
        f"profile {profile}: {len(todo)} runs to do, {len(asked) - len(todo)} "
        f"recorded; minutes on {estimates.device}, {source}"
    )
    print("   # minutes      sum  run")
    total = 0.0
    for number, each in enumerate(shown, start=1):
        minutes = estimates.minutes(each)
        total += minutes
        print(f"{number:4d} {minutes:7.1f} {total:8.1f}  {each}")
    if budget is not None:
        print(f"{len(shown)} of {len(todo)} fit into {budget:g} minutes", flush=True)
    if not run:
        return
    try:
        done = runner.spend(
            todo,
            store,
            budget,
            estimates=estimates,
            execution=Execution(
                accelerator=accelerator,
                precision=precision,
                compile=compile,
                threads=threads,
            ),
            root=root,
            checkpoints=checkpoints,
        )
    except runner.RunError as error:
        print(f"skellib: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{len(done)} new records in {store.folder}")


@app.command()
def status(
    profile: Annotated[
        str | None, typer.Option(help="quick, laptop or paper; all unless given.")
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(help="The paper's unless given. Repeatable."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Runs that each row should have.", min=1)
    ] = 5,
    records: StoreOption = None,
) -> None:
    """Show which runs are recorded and missing, by table, and which files are stale.

    Ends with status 1 where a file among the records is not a usable record.
    """
    from skellib import tables
    from skellib.config import PROFILES

    stores = {}
    for each in [profile] if profile else PROFILES:
        store = _store(each, records)
        stores[store.folder] = store
        counts = tables.coverage(store, each, datasets, seeds)
        print(f"Profile {each}, {seeds} seeds a row; {store.folder}")
        print(tables.plain(counts), end="\n\n")
    spoilt = 0
    for folder, store in stores.items():
        usable, refused = tables.scan(store)
        dirty = sum(record.stamp.get("clean") is False for record in usable)
        print(f"{folder}: {len(usable)} records, {dirty} made from a changed tree")
        for record in tables.others(usable):
            print(f"in no table: {store.path(record.experiment, record.seed)}")
        for reason in refused:
            print(f"stale or spoilt: {reason}")
        spoilt += len(refused)
    if spoilt:
        raise typer.Exit(1)


@app.command()
def table(
    number: Annotated[str, typer.Argument(help="I to XI, or fig9.")],
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
    from skellib import tables

    profiles = [profile] if profile else ["laptop", "paper"]
    chosen = tables.named(number)
    if datasets is None and profile == "quick":
        datasets = ["synthetic"]
    columns = chosen.columns
    if datasets:
        columns = tuple(c for name in datasets for c in tables.columns(chosen, name))
    if not columns:
        raise InputError(
            f"Table {chosen.number} has no column on {', '.join(datasets or [])}"
        )
    store = _store(profiles[0], records)
    for column in columns:
        print(tables.report(chosen, column, store, profiles, clean), end="\n\n")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input is one line on standard error and status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = app(
            arguments or ["--help"], prog_name="skellib", standalone_mode=False
        )
    except InputError as error:
        print(f"skellib: {error}", file=sys.stderr)
        sys.exit(2)
    except UsageFault as error:
        print(f"skellib: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
