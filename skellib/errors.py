"""The errors that are expected: bad input, and a task of several that failed."""

from __future__ import annotations


class InputError(ValueError):
    """Report input that skellib cannot use.

    The message is one line that says which file and field are wrong and how to correct
    them. The command line prints it without a traceback and exits with status 2.

    Args:
        message: one line. Characters that cannot be printed, such as a line break in a
            file name, are escaped.

    Example:
        >>> import skellib as sk
        >>> sk.final_model("nucla").replace(**{"loss.gama": 1})
        Traceback (most recent call last):
            ...
        skellib.errors.InputError: loss.gama: unknown setting; loss has kind, gamma, ...
    """

    def __init__(self, message: str) -> None:
        if not message.isprintable():
            message = "".join(map(_printable, message))
        super().__init__(message)


class TaskError(RuntimeError):
    """Report that some of several tasks failed, such as runs or notebooks.

    The command line prints its message, one line, and exits with status 1.
    """


def _printable(character: str) -> str:
    """Escape a character if it cannot be printed."""
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
