"""Lock runs, so that only one of several processes trains each."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skellib.errors import InputError
from skellib.paths import write_errors


@contextmanager
def run_lock(record: Path) -> Iterator[bool]:
    """Lock a run, by a file beside its record.

    The operating system releases the lock when the process ends, even if it is killed,
    so that no lock is ever stale. The file contains the process id and the host name.

    Args:
        record: path of the run's record, whether or not it exists.

    Yields:
        Whether the lock was acquired: False if another process has it.

    Raises:
        InputError: if the file cannot be written, or the file system has no locks.
    """
    path = record.with_suffix(".lock")
    handle = _lock(path)
    if handle is None:
        yield False
        return
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()} {platform.node()}\n".encode())
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _lock(path: Path) -> int | None:
    """Open and lock a file; return its descriptor, or None if it is locked already."""
    while True:
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous process may have deleted the file since it was opened.
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(handle)
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); keep the records on "
                "a file system that supports locks"
            ) from None
        os.close(handle)
