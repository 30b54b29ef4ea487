"""The one error that bad input raises."""

from __future__ import annotations


class InputError(ValueError):
    """Input that skellib cannot use.

    The message is one line that names the file, the field and the mend; the command
    line prints it as it is, without a traceback, and exits with status 2.
    """
