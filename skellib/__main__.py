"""The command line: ``python -m skellib --help``."""

from __future__ import annotations

import sys
from typing import Any

import typer

from skellib.cli import batch, convert, data, exchange, inspect, keep, own, runs
from skellib.errors import InputError

# Some versions of Typer contain a copy of Click. Find the base class of usage errors by
# way of one that Typer exports.
UsageError: Any = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Skeleton-based action recognition by SLnL-rFA: prepare data, train, and "
    "reproduce the paper and its book.",
)
for command in (
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
    """Run the command line; bad input gives one line on stderr and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = app(
            arguments or ["--help"], prog_name="skellib", standalone_mode=False
        )
    except InputError as error:
        print(f"skellib: {error}", file=sys.stderr)
        sys.exit(2)
    except UsageError as error:
        print(f"skellib: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
