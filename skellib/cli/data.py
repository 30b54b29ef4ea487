"""The command that prepares data sets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skellib.cli.options import RootOption, print_summary
from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.readers import Prepared

_SHOWN = 20  # skipped files are listed up to this number, and counted beyond


def prepare(
    dataset: Annotated[
        str,
        typer.Argument(
            help="ntu, ntu120, kinetics, sysu, nucla, utd_mhad or sbu; a new name for "
            "a file of CTR-GCN, ST-GCN or PYSKL; custom for your own data."
        ),
    ],
    source: Annotated[
        list[Path],
        typer.Option(
            help="The data set as downloaded: a folder, a zip archive, or a single "
            "file. Repeatable."
        ),
    ],
    root: RootOption = None,
    name: Annotated[str | None, typer.Option(help="Name of a custom data set.")] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Skeleton of a custom data set, or of a file of CTR-GCN, ST-GCN or "
            "PYSKL: name of a known layout, or a layout.json."
        ),
    ] = None,
    successive: Annotated[
        bool,
        typer.Option(
            "--successive",
            help="Read the rows of a custom data set's tables as successive frames, "
            "regardless of their frame numbers.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad file.")
    ] = False,
    dtype: Annotated[str, typer.Option(help="float32 or float16.")] = "float32",
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that read files. Default: all cores.", min=1),
    ] = None,
    max_megabytes: Annotated[
        int | None,
        typer.Option(help="Size limit of a single file. Default: 64.", min=1),
    ] = None,
) -> None:
    """Convert the original files of a data set to a packed file, for training.

    Files that cannot be used are skipped and listed beside the packed file. If it is
    interrupted, the same command resumes it.
    """
    from skellib.data import PackedDataset
    from skellib.paths import packed_path
    from skellib.readers import custom
    from skellib.readers import prepare as prepare_dataset
    from skellib.readers.layout_files import read_layout

    max_bytes = None if max_megabytes is None else max_megabytes * 2**20
    if dataset == custom.KEY:
        if name is None or len(source) != 1:
            raise InputError("prepare custom: give one --source, and a --name")
        path = packed_path(name, root)
        prepared = custom.prepare(
            source[0],
            name,
            path,
            layout,
            strict=strict,
            dtype=dtype,
            max_bytes=max_bytes,
            successive=successive,
        )
    elif name is not None or successive:
        raise InputError(
            f"prepare {dataset}: --name and --successive are for `prepare custom`"
        )
    else:
        prepared = prepare_dataset(
            dataset,
            source,
            root,
            layout=read_layout(layout) if layout else None,
            strict=strict,
            dtype=dtype,
            workers=workers,
            max_bytes=max_bytes,
        )
    _print_skipped(prepared)
    packed = PackedDataset.open(prepared.path)
    bodies = "1 body" if packed.bodies == 1 else f"up to {packed.bodies} bodies"
    print(
        f"{prepared.path}: {len(packed)} clips, {int(packed.lengths.sum())} frames, "
        f"{packed.num_classes} classes, {bodies} of {packed.layout.size} joints"
    )
    print_summary(packed)


def _print_skipped(prepared: Prepared) -> None:
    """Print the first bad files, and counts of excluded clips by reason."""
    bad, excluded = (
        prepared.skipped[: prepared.bad],
        prepared.skipped[prepared.bad :],
    )
    for each in bad[:_SHOWN]:
        print(f"skipped: {each}")
    if len(bad) > _SHOWN:
        print(f"skipped: {len(bad) - _SHOWN} more")
    for reason, number in Counter(each.reason for each in excluded).items():
        print(f"skipped: {number} clips: {reason}")
    if prepared.skipped:
        print(
            f"skipped in all: {len(prepared.skipped)} of "
            f"{len(prepared.skipped) + prepared.clips}; the list is "
            f"{prepared.path.with_suffix('.skipped.txt')}"
        )
