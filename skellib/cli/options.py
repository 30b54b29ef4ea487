"""Options and helpers shared by several commands."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.data import PackedDataset
    from skellib.experiment import Experiment
    from skellib.records import Metrics, RecordStore
    from skellib.training import Execution
    from skellib.weights import Trained

TABLE_NAMES = (
    'I to XI, fig9, "other data", "other splits", "initialisation", "rotated '
    'clips", "rotated, camera 3", "no dropout", "author habits", "open choices", '
    '"screening", "screening folded over", "confirmation", "chosen preparation", '
    '"dropout", "aligned", "rhythm", "recipe", "best", "peers", "parts, hcn", '
    '"parts, st-gcn", "parts, ctr-gcn"'
)

DatasetOption = Annotated[
    str, typer.Option(help="synthetic, or the name of a prepared data set.")
]
ProtocolOption = Annotated[
    str | None, typer.Option(help="Default: the first protocol of the data set.")
]
FoldOption = Annotated[
    int, typer.Option(help="Number of the fold, for a protocol with several.", min=0)
]
RootOption = Annotated[
    Path | None,
    typer.Option(help="Folder of packed data sets. Default: data/packed."),
]
RecordsOption = Annotated[
    Path | None, typer.Option(help="Folder of the record. Default: data/records.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option(help="Folder of records. Default: that of the profile."),
]
CheckpointsOption = Annotated[
    Path | None,
    typer.Option(help="Folder of checkpoints and weights. Default: data/checkpoints."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Setting of the run, as for `train`. Repeatable.",
    ),
]
ProfileOption = Annotated[str, typer.Option(help="quick, laptop or full.")]
DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Default: synthetic for quick, otherwise the data sets of the tables that "
        "were prepared. Repeatable."
    ),
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option(help=f"Only runs of these tables: {TABLE_NAMES}. Repeatable."),
]
SeedsOption = Annotated[
    int | None,
    typer.Option(help="Seeds per row. Default: one for quick, otherwise five.", min=1),
]
AcceleratorOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Compile the network by torch.compile.")
]
GraphsOption = Annotated[
    bool, typer.Option("--graphs", help="Run each batch as one CUDA graph.")
]
ThreadsOption = Annotated[
    int, typer.Option(help="CPU threads; 0 leaves the choice to PyTorch.", min=0)
]
CheckpointEveryOption = Annotated[
    int, typer.Option(help="Epochs between checkpoints; 0 for none.", min=0)
]


def _parse_value(text: str) -> Any:
    """Parse a Python literal such as a number or tuple; return other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


_OPTIONS = ("dataset", "protocol", "fold", "profile", "seed")  # no settings


def assignments(pairs: list[str] | None) -> dict[str, Any]:
    """Parse the settings of --set: ``["a.b=1"]`` becomes ``{"a.b": 1}``."""
    values = {}
    for pair in pairs or ():
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise InputError(f"--set {pair}: write NAME=VALUE")
        if name in values:
            raise InputError(f"--set {name}: given twice")
        if name in _OPTIONS:
            raise InputError(f"--set {name}: is an option of its own, --{name}")
        values[name] = _parse_value(text)
    return values


def protocol_of(dataset: str, protocol: str | None, root: Path | None) -> str:
    """Return the given protocol, or else the default of the data set."""
    from skellib.data import PROTOCOLS, default_of, open_dataset

    if protocol is not None:
        return protocol
    if dataset in PROTOCOLS:
        return PROTOCOLS[dataset][0]
    return default_of(open_dataset(dataset, root))


def execution_of(
    accelerator: str,
    precision: str,
    compile: bool,
    graphs: bool,
    threads: int,
    devices: int = 1,
    nodes: int = 1,
    concurrent_runs: int = 1,
    checkpoint_every: int = 1,
) -> Execution:
    """Build the execution settings from the options of the same names."""
    from skellib.training import Execution

    return Execution(
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        precision=precision,
        compile=compile,
        graphs=graphs,
        threads=threads,
        concurrent_runs=concurrent_runs,
        checkpoint_every=checkpoint_every,
    )


def store_of(profile: str, folder: Path | None) -> RecordStore:
    """Open the records in a folder, or else those of the profile."""
    from skellib.records import RecordStore
    from skellib.reproduction.plan import store_for

    return RecordStore(folder) if folder else store_for(profile)


def trained_weights(
    experiment: Experiment, seed: int, checkpoints: Path | None
) -> Path:
    """Find the weights of a run: trained on this machine, or else released ones.

    Raises:
        InputError: if there are none; the message says how to train them.
    """
    from skellib.weights import find_weights, weights_path

    path = find_weights(experiment, seed, checkpoints)
    if path is None:
        raise InputError(
            f"{weights_path(experiment, seed, checkpoints)}: no such file; train it "
            f"with `{train_command(experiment, seed)}`, or give --checkpoint"
        )
    return path


def train_command(experiment: Experiment, seed: int) -> str:
    """Return the command that trains a run."""
    from skellib.experiment import final_model

    known = {n: getattr(experiment, n) for n in ("dataset", "profile", "protocol")}
    words = [f"--{name}={value}" for name, value in known.items()]
    words += [f"--fold={experiment.fold}"] * (experiment.fold > 0)
    words += [f"--seed={seed}"] * (seed > 0)
    default = final_model(**known).model_dump()
    for section, settings in experiment.model_dump().items():
        if isinstance(settings, dict):
            words += [
                f"--set={section}.{name}={value}"
                for name, value in settings.items()
                if value != default[section][name]
            ]
    return shlex.join(["python", "-m", "skellib", "train", *words])


def check_trained_on(path: Path, trained: Trained, dataset: PackedDataset) -> None:
    """Make sure that weights were not trained on other data under the same name.

    Raises:
        InputError: if they were.
    """
    if trained.saw_other_data(dataset):
        raise InputError(
            f"{path}: trained on other data under the name {dataset.key!r}; train "
            "again with --anew"
        )


def print_summary(dataset: PackedDataset) -> None:
    """Print what `prepare` found in a data set: what it left out, decided, missed."""
    for line in dataset.summary:
        print(f"  {line}")


def scores(test: Metrics, clean: Metrics | None) -> str:
    """Format the accuracy on all test clips, and on those that are not leaked."""
    text = f"{100 * test.top1:.1f} % of {test.clips} test clips"
    if clean is not None:
        text += f", {100 * clean.top1:.1f} % of the {clean.clips} clean"
    return text
