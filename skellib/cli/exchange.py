"""Commands that hand data sets to other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skellib.cli.options import ProtocolOption, RootOption


def export(
    dataset: Annotated[
        str, typer.Argument(help="synthetic, or one that was prepared.")
    ],
    form: Annotated[str, typer.Option("--format", help="ctrgcn, stgcn or pyskl.")],
    out: Annotated[
        Path,
        typer.Option(help="The .npz or .pkl to write; for stgcn a folder."),
    ],
    protocol: ProtocolOption = None,
    fold: Annotated[
        int, typer.Option(help="Where the protocol has several.", min=0)
    ] = 0,
    root: RootOption = None,
) -> None:
    """Write a data set, split by a protocol, in a format that other projects read."""
    from skellib.data import open_dataset
    from skellib.readers import interchange

    packed = open_dataset(dataset, root)
    train, test = interchange.write(packed, out, form, protocol, fold)
    print(f"{out}: {train} clips train, {test} test")
