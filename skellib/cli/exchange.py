"""The command that exports data sets for other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skellib.cli.options import FoldOption, ProtocolOption, RootOption


def export(
    dataset: Annotated[
        str, typer.Argument(help="synthetic, or the name of a prepared data set.")
    ],
    form: Annotated[str, typer.Option("--format", help="ctrgcn, stgcn or pyskl.")],
    out: Annotated[
        Path,
        typer.Option(help="The .npz or .pkl file to write; a folder for stgcn."),
    ],
    protocol: ProtocolOption = None,
    fold: FoldOption = 0,
    root: RootOption = None,
) -> None:
    """Export a data set, split by a protocol, in the format of another project."""
    from skellib.data import open_dataset
    from skellib.readers import interchange

    packed = open_dataset(dataset, root)
    train, test = interchange.write(packed, out, form, protocol, fold)
    print(f"{out}: {train} clips train, {test} test")
