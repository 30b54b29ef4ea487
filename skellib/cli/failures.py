"""What the command line says when a command fails: one line, whatever the reason."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import Any

import typer

from skellib.errors import InputError, TaskError

# Some versions of Typer contain a copy of Click. Find the base class of usage errors by
# way of one that Typer exports.
UsageError: Any = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

BAD_INPUT, TASK_FAILED, OUR_FAULT, INTERRUPTED = 2, 1, 70, 130
"""Exit statuses."""


def describe(error: BaseException) -> tuple[str, int]:
    """Describe why a command failed.

    Args:
        error: any exception that a command raised.

    Returns:
        One line for the user, empty if there is nothing to say, and the exit status.
        For an error in skellib itself, the line says where to report it, and the
        traceback is written to a temporary file.
    """
    if isinstance(error, InputError):
        return str(error), BAD_INPUT
    if isinstance(error, TaskError):
        return str(error), TASK_FAILED
    if isinstance(error, UsageError):
        return error.format_message(), BAD_INPUT
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "", INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader of our output has ended
        return "", TASK_FAILED
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}", BAD_INPUT
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(
        "skellib"
    ):
        return (
            f"needs the package {error.name}, which is not installed; `make setup` "
            "installs everything",
            BAD_INPUT,
        )
    # PyTorch's error has the same name on every device.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            "out of memory; try a smaller training.batch_size or network, or fewer "
            "workers",
            BAD_INPUT,
        )
    reason = (str(error).strip() or "no message").splitlines()[0]
    if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process has the reason
        return f"one of several processes of a run ended: {reason}", TASK_FAILED
    return _our_fault(error, reason), OUR_FAULT


def _our_fault(error: BaseException, reason: str) -> str:
    """Describe an error of skellib itself, and keep its traceback."""
    text = "".join(traceback.format_exception(error))
    try:
        handle, path = tempfile.mkstemp(prefix="skellib-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"skellib {' '.join(sys.argv[1:])}\n{text}")
    except OSError:
        path = "the traceback"
        sys.stderr.write(text)
    return (
        f"an error in skellib, not in your input ({type(error).__name__}: {reason}); "
        f"please report it with {path} as CONTRIBUTING.md says"
    )
