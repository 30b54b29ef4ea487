"""One process at a time carries out a run, however many look at the same store."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skellib.errors import InputError


@contextmanager
def run_lock(record: Path) -> Iterator[bool]:
    """Hold the run whose record is, or will be, at a path; False if another does.

    The lock is the operating system's, on a file beside the record: it ends with the
    process that holds it, however that dies, so that none is ever stale. The file
    names that process for whoever wonders.

    Raises:
        InputError: if the file system has no locks.
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
    """A descriptor of the file, locked, or None where another process has it locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed the file since we opened it.
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
                "a file system with locks"
            ) from None
        os.close(handle)
