"""The command line: ``python -m skellib --help``."""

from __future__ import annotations

import sys
from typing import Any

import typer

from skellib.cli import batch, data, exchange, inspect, keep, own, runs
from skellib.errors import InputError

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
):
    app.command()(command)


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
