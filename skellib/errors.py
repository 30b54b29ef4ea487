"""The one error that bad input raises, and the check of a named choice."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """Input that skellib cannot use.

    The message is one line that names the file, the field and the mend; the command
    line prints it as it is, without a traceback, and exits with status 2. What cannot
    be printed, such as a line break in the name of a file, becomes its escape.
    """

    def __init__(self, message: str) -> None:
        if not message.isprintable():
            message = "".join(map(_printable, message))
        super().__init__(message)


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise a ValueError that names the argument and what it may be."""
    if value not in known:
        raise ValueError(f"{name} {value!r} is none of {', '.join(known)}")


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
