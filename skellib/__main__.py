"""The command line: ``python -m skellib --help``."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import typer

from skellib.cli import (
    batch,
    convert,
    data,
    demo,
    exchange,
    inspect,
    keep,
    own,
    runs,
)
from skellib.cli.failures import describe

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Skeleton-based action recognition by SLnL-rFA: prepare data, train, and "
    "reproduce the paper and its book.",
)
for command in (
    demo.demo,
    data.prepare,
    exchange.export,
    inspect.card,
    inspect.duplicates,
    runs.train,
    runs.baseline,
    own.evaluate,
    own.predict,
    keep.keep,
    keep.exhibit,
    batch.reproduce,
    batch.queue,
    batch.status,
    batch.table,
    convert.migrate,
):
    app.command()(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a failure is one line on stderr and an exit status."""
    for stream in (sys.stdout, sys.stderr):  # whatever the encoding of the terminal
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = app(
            arguments or ["--help"], prog_name="skellib", standalone_mode=False
        )
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        fail(error)
    sys.exit(status or 0)


def fail(error: BaseException) -> NoReturn:
    """Print why a command failed, and exit."""
    line, status = describe(error)
    if line:
        print(f"skellib: {line}", file=sys.stderr)
    if isinstance(error, BrokenPipeError):  # or Python complains when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


if __name__ == "__main__":
    main()
