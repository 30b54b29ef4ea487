"""The command that converts files of earlier versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def migrate(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Records, weights, or folders of them."),
    ],
    concurrent_runs: Annotated[
        int,
        typer.Option(
            help="Runs that shared the device when the records were made.", min=1
        ),
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the converted files. Default: they replace the old ones."
        ),
    ] = None,
) -> None:
    """Convert records and weights of the first edition to the current format."""
    from skellib import migration

    converted = migration.migrate(paths, concurrent_runs, out)
    for old, new in converted:
        print(f"{old} -> {new}")
    if converted:
        print(f"files converted: {len(converted)}")
    else:
        print("nothing to convert")
