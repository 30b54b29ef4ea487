"""The folders of the project, and how files are written."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from skellib.errors import InputError


def project_root() -> Path:
    """Return the root folder of the project.

    It is the folder in the environment variable ``SKELLIB_ROOT``, or else the checkout
    that contains this package, or else the working directory.

    Raises:
        InputError: if ``SKELLIB_ROOT`` is not a folder.
    """
    named = os.environ.get("SKELLIB_ROOT")
    if named:
        root = Path(named).resolve()
        if not root.is_dir():
            raise InputError(f"SKELLIB_ROOT: {named} is not a folder")
        return root
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def data_folder(kind: str, given: str | Path | None = None) -> Path:
    """Return a folder under ``data/``, unless another one is given.

    Args:
        kind: ``"packed"``, ``"checkpoints"``, ``"records"``, ``"weights"``,
            ``"exhibits"``, ``"cards"`` ...
        given: a folder to return instead.
    """
    return Path(given) if given else project_root() / "data" / kind


def packed_path(name: str, root: str | Path | None = None) -> Path:
    """Return the path of a data set's packed file, whether or not it exists.

    Args:
        name: key of the data set.
        root: folder of packed files. The default is the folder in the environment
            variable ``SKELLIB_DATA``, or else ``data/packed`` in the project.

    Raises:
        InputError: if the name cannot be a file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise InputError(
            f"data set {name!r}: a name may contain letters, digits, -, _ and . only"
        )
    folder = data_folder("packed", root or os.environ.get("SKELLIB_DATA"))
    return folder / f"{name}.npz"


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Convert an OSError into an InputError that says which file cannot be written."""
    try:
        yield
    except OSError as fault:
        raise InputError(f"{path}: cannot be written ({fault.strerror})") from None


@contextmanager
def read_errors(path: Path | str) -> Iterator[None]:
    """Convert the system's OSError into an InputError: the file cannot be read.

    Libraries raise an OSError for damaged files, too; that one passes.
    """
    try:
        yield
    except OSError as fault:
        if fault.strerror is None:
            raise
        raise InputError(f"{path}: cannot be read ({fault.strerror})") from None


def check_writable(path: Path) -> None:
    """Make sure, before a long run, that a file can be written; create its folder.

    Raises:
        InputError: if the folder cannot be created or written to.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


@contextmanager
def atomic_write(
    path: Path, folder: Path | None = None, sync: bool = True
) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces ``path`` once it is complete.

    Args:
        path: path of the file to write.
        folder: folder of the temporary file, on the same disk; by default that of
            ``path``.
        sync: whether to flush the data to the disk before the file is renamed.
            Otherwise a power failure could leave an empty file.
    """
    handle, temporary = tempfile.mkstemp(
        dir=folder or path.parent, prefix=f".{path.name}."
    )
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 atomically; create its folder if necessary.

    Raises:
        InputError: if the file cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, sync=False) as file:
            file.write(text.encode("utf-8"))
