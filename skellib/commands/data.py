"""Commands that make data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skellib.commands.options import RootOption


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
