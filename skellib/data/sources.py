"""Finding and reading files in folders and zip archives, without unpacking them."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from skellib.errors import InputError

MAX_BYTES = 64 * 2**20
"""The largest file that is read as a clip; real ones are under 1 MiB."""


@dataclass(frozen=True)
class SourceFile:
    """A file in a folder or in an archive, and what its path says.

    Attributes:
        where: for messages: the path, or ``archive.zip:member``.
        match: of the pattern that it was found by.
        read: returns the content; raises InputError where that is damaged.
    """

    where: str
    match: re.Match[str]
    read: Callable[[], bytes]


@contextmanager
def find(source: Path, pattern: str, example: str) -> Iterator[list[SourceFile]]:
    """The files under a folder, or in a zip archive, whose path ends as ``pattern``.

    Folders are searched recursively, and the archives in them too. The files can be
    read as long as the context is open.

    Args:
        source: a folder or a ``.zip`` file.
        pattern: a regular expression for the end of the path, with ``/`` between its
            parts; it begins where a part begins.
        example: such a path, for the message.

    Raises:
        InputError: no such source, none of its files match, a damaged archive, or one
            with a member that is too large or whose name leaves the archive's folder.
    """
    ending = re.compile(rf"(?:^|/){pattern}$")
    with ExitStack() as archives:
        if source.is_dir():
            files = list(_in_folder(source, ending, archives))
        elif source.is_file() and source.suffix.lower() == ".zip":
            files = list(_in_archive(source, ending, archives))
        elif source.exists():
            raise InputError(f"{source}: neither a folder nor a .zip nor an .npz file")
        else:
            raise InputError(f"{source}: no such file or folder")
        if not files:
            raise InputError(f"{source}: holds no file such as {example}")
        yield files


def _in_folder(
    folder: Path, ending: re.Pattern[str], archives: ExitStack
) -> Iterator[SourceFile]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        # The whole path, as the folder given may itself be a part of the pattern.
        match = ending.search(path.absolute().as_posix())
        if match:
            _check_size(str(path), path.stat().st_size)
            yield SourceFile(str(path), match, _file_reader(path))
        elif path.suffix.lower() == ".zip":
            yield from _in_archive(path, ending, archives)


def _in_archive(
    path: Path, ending: re.Pattern[str], archives: ExitStack
) -> Iterator[SourceFile]:
    try:
        archive = archives.enter_context(zipfile.ZipFile(path))
    except (OSError, zipfile.BadZipFile):
        raise InputError(
            f"{path}: a damaged or truncated zip archive; fetch it again"
        ) from None
    for member in sorted(archive.infolist(), key=lambda member: member.filename):
        where = f"{path}:{member.filename}"
        parts = PurePosixPath(member.filename).parts
        if (
            member.filename.startswith("/")
            or ".." in parts
            or "\\" in member.filename
            or PureWindowsPath(member.filename).drive
        ):
            raise InputError(f"{where}: a name that leaves the archive's folder")
        match = ending.search(member.filename)
        if match and parts[0] != "__MACOSX":  # resource forks, not clips
            _check_size(where, member.file_size)
            yield SourceFile(where, match, _member_reader(where, archive, member))


def _check_size(where: str, size: int) -> None:
    if size == 0:
        raise InputError(f"{where}: an empty file; fetch it again")
    if size > MAX_BYTES:
        raise InputError(
            f"{where}: {size} bytes; the file of a clip has {MAX_BYTES} at most"
        )


def _file_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None

    return read


def _member_reader(
    where: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(member)
        except (
            OSError,
            EOFError,
            RuntimeError,  # encrypted, or a compression that Python lacks
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise InputError(f"{where}: cannot be read ({error})") from None

    return read


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts a2 before a10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def check_finite(where: str, field: str, frames: np.ndarray) -> None:
    """Refuse NaN and infinity in ``frames`` (T, ...).

    Raises:
        InputError: it has one; the message names the first frame.
    """
    bad = np.argwhere(~np.isfinite(frames))
    if len(bad):
        raise InputError(
            f"{where}: field {field!r}: frame {bad[0, 0]} has a value that is not "
            "finite"
        )


def read_npz(path: Path, fields: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of an npz file that someone packed by NumPy.

    Raises:
        InputError: not a readable npz, or a field is missing or holds objects.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        data = np.load(path, allow_pickle=False)
    except Exception:  # NumPy lists no errors: damage raises all kinds of them
        data = None
    if not isinstance(data, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: not an npz file, or a truncated one; fetch it again")
    with data:
        for field in fields:
            if field not in data.files:
                raise InputError(
                    f"{path}: field {field!r}: missing; the file has "
                    f"{', '.join(data.files)}"
                )
        arrays = {}
        for field in data.files:
            try:
                arrays[field] = np.asarray(data[field])
            except Exception:
                raise InputError(
                    f"{path}: field {field!r}: damaged, or holds Python objects; "
                    "fetch the file again"
                ) from None
    return arrays
