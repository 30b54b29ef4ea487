"""The one error that bad input raises."""

from __future__ import annotations


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


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
