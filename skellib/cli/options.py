"""Options and helpers that several commands share."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.records import Metrics, RecordStore
    from skellib.training import Execution

TABLE_NAMES = (
    'I to XI, fig9, "other data", "other splits", "initialisation", '
    '"rotated clips", "rotated, camera 3", "no dropout", "open choices"'
)

DatasetOption = Annotated[
    str, typer.Option(help="synthetic, or one that was prepared.")
]
ProtocolOption = Annotated[
    str | None, typer.Option(help="The data set's first unless given.")
]
FoldOption = Annotated[int, typer.Option(help="Where a protocol has several.")]
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
        help="Unless given: synthetic in quick, else those of the tables that were "
        "prepared. Repeatable."
    ),
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option(help=f"Runs of these tables: {TABLE_NAMES}. Repeatable."),
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
GraphsOption = Annotated[
    bool, typer.Option("--graphs", help="Capture each step as one CUDA graph.")
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


def assignments(pairs: list[str], option: str) -> dict[str, Any]:
    """``["a.b=1"]`` as ``{"a.b": 1}``."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {pair}: write NAME=VALUE")
        values[name.strip()] = _value(text.strip())
    return values


def protocol_of(dataset: str, protocol: str | None, root: Path | None) -> str:
    """The protocol that was asked for, or the data set's first."""
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
) -> Execution:
    """How runs are carried out, by the options of that name."""
    from skellib.training import Execution

    return Execution(
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        precision=precision,
        compile=compile,
        graphs=graphs,
        threads=threads,
    )


def store_of(profile: str, folder: Path | None) -> RecordStore:
    """The records in a folder, or the profile's own."""
    from skellib.records import RecordStore
    from skellib.reproduction.plan import store_for

    return RecordStore(folder) if folder else store_for(profile)


def scores(test: Metrics, clean: Metrics | None) -> str:
    """Accuracy on all test clips, and on those without a twin in training."""
    text = f"{100 * test.top1:.1f} % of {test.clips} test clips"
    if clean is not None:
        text += f", {100 * clean.top1:.1f} % of the {clean.clips} clean"
    return text
