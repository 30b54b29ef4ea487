"""Every folder and file name of the project, and the one way to write a file."""

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
    """Return the folder that all others are in.

    The environment variable SKELLIB_ROOT where it is set, else the checkout that
    contains this package, else the working directory.

    Raises:
        InputError: SKELLIB_ROOT does not name a folder.
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
    """Return a folder under ``data/``, or the one that was given instead.

    Args:
        kind: ``"packed"``, ``"checkpoints"``, ``"records"``, ``"weights"``,
            ``"exhibits"``, ``"cards"`` ...
        given: another folder that takes its place.
    """
    return Path(given) if given else project_root() / "data" / kind


def packed_path(name: str, root: str | Path | None = None) -> Path:
    """Return where the packed file of a data set is, or will be.

    Args:
        name: the data set's key.
        root: the folder of packed files. By default that of the environment variable
            ``SKELLIB_DATA``, else ``data/packed`` in the project.

    Raises:
        InputError: a name that no file can have.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise InputError(
            f"data set {name!r}: a name has letters, digits, -, _ and . only"
        )
    folder = data_folder("packed", root or os.environ.get("SKELLIB_DATA"))
    return folder / f"{name}.npz"


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError inside into the InputError for a file that cannot be written."""
    try:
        yield
    except OSError as fault:
        raise InputError(f"{path}: cannot be written ({fault.strerror})") from None


@contextmanager
def atomic_write(
    path: Path, folder: Path | None = None, sync: bool = True
) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` once it is complete.

    Args:
        path: of the file.
        folder: where the temporary file is, on the same disk; beside ``path`` by
            default.
        sync: whether it must be on the disk before it takes the place; without, a
            power failure could leave the name on an empty file.
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
        os.chmod(temporary, 0o644)  # mkstemp keeps others from reading it
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, complete or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, sync=False) as file:
        file.write(text.encode("utf-8"))
