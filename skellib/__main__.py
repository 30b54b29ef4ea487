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
    from skellib.records import Metrics

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
    records: RecordsOption = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(help="Where weights go; data/checkpoints unless given."),
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    devices: Annotated[int, typer.Option(help="GPUs for this one run.", min=1)] = 1,
    nodes: Annotated[int, typer.Option(help="Machines for this one run.", min=1)] = 1,
    precision: Annotated[
        str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")
    ] = "32-true",
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile the network.")
    ] = False,
    threads: Annotated[
        int, typer.Option(help="Processor threads; 0: PyTorch's choice.", min=0)
    ] = 0,
) -> None:
    """Train the final model, or a variant of it, and write the run's record.

    Killed and started again, it goes on from its last epoch. A run that has its
    record already is not trained again.
    """
    from skellib.config import final_model
    from skellib.data import load
    from skellib.records import RecordStore
    from skellib.training import Execution
    from skellib.training import train as train_run

    experiment = final_model(dataset, profile, protocol).replace(
        fold=fold, **_assignments(settings or [], "--set")
    )
    train_set, test_set = load(
        experiment.dataset, experiment.protocol, root, fold=experiment.fold
    )
    store = RecordStore(records)
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
    profile: Annotated[str, typer.Option(help="quick, laptop or paper.")] = "quick",
    datasets: Annotated[
        list[str] | None,
        typer.Option(help="For the notebooks that ask. Repeatable."),
    ] = None,
    notebooks: Annotated[
        list[str] | None,
        typer.Option(help="Some notebooks, by name or number. Repeatable."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Notebooks at the same time.", min=1)
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of executed copies; book/executed/PROFILE unless given."
        ),
    ] = None,
) -> None:
    """Execute the book's notebooks headlessly, where the book then shows them."""
    from skellib.notebooks import NotebookError
    from skellib.reproduce import reproduce as run

    parameters = {"datasets": datasets} if datasets else {}
    try:
        run(profile, notebooks=notebooks, workers=workers, out=out, **parameters)
    except NotebookError as error:
        print(f"skellib: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


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
