"""Finding and reading files in folders and zip archives, without unpacking them."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from skellib.errors import InputError
from skellib.paths import read_errors

MAX_BYTES = 64 * 2**20
"""The largest file that is read unless one asks for more; clips are under 1 MiB."""
MAX_FILES = 2_000_000
"""The most files and archive members that are looked at."""
MAX_NPZ = 4 * 2**30
"""The most that an npz with a whole data set unpacks to."""

_LOCAL_HEADER = 30  # bytes before each zip member's name and data
_ENDINGS = r"\.(?:txt|csv|json|mat|skeleton|gz|bz2|xz|7z|rar)"  # of renamed data files


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file in a folder or in an archive, and what its path says.

    It holds no open file, so that it can be sent to another process and read there.

    Attributes:
        where: for messages: the path, or ``archive.zip:member``.
        groups: the named groups of the pattern that it was found by.
        path: of the file, or of its archive.
        size: in bytes, unpacked, as the folder or the archive has it.
        stamp: what changes with the content: the time of the last change in
            nanoseconds, or the archive's checksum.
        member: its position in the archive's directory.
        max_bytes: the most that ``read`` returns.
    """

    where: str
    groups: Mapping[str, str]
    path: str
    size: int
    stamp: int
    member: int | None = None
    max_bytes: int = MAX_BYTES

    def read(self) -> bytes:
        """Return the content; holds ``max_bytes`` of it at most, whatever a zip claims.

        Raises:
            InputError: it is empty, damaged, encrypted, or larger than the bound.
        """
        try:
            content = self._from_folder() if self.member is None else self._from_zip()
        except OSError as error:
            raise InputError(
                f"{self.where}: cannot be read ({error.strerror})"
            ) from None
        if not content:
            raise InputError(f"{self.where}: an empty file; fetch it again")
        if len(content) > self.max_bytes:
            raise InputError(
                f"{self.where}: more than {self.max_bytes} bytes, the bound for one "
                "file; --max-megabytes raises it"
            )
        return content

    def _from_folder(self) -> bytes:
        with open(self.path, "rb") as file:
            # `read` allocates all that it is asked for, whether or not it is there.
            size = os.fstat(file.fileno()).st_size
            return file.read(min(self.max_bytes, size) + 1)

    def _from_zip(self) -> bytes:
        status = os.stat(self.path)
        try:
            archive = _open_archive(self.path, status.st_mtime_ns, status.st_size)
            info = archive.infolist()[self.member or 0]
            if (info.CRC, info.file_size) != (self.stamp, self.size):
                raise zipfile.BadZipFile("the archive has changed since it was listed")
            # zipfile bounds what one `read` unpacks for these two methods only.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise RuntimeError("packed by an unusual method")
            with archive.open(info) as member:
                return member.read(self.max_bytes + 1)
        except RuntimeError as error:  # also what zipfile raises if it is encrypted
            reason = "encrypted" if "encrypted" in str(error) else str(error)
            raise InputError(
                f"{self.where}: {reason}; unpack the archive and give the folder"
            ) from None
        except _DAMAGE as error:
            raise InputError(
                f"{self.where}: cannot be read ({error}); fetch it again"
            ) from None


_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, IndexError)


@lru_cache(maxsize=4)
def _open_archive(path: str, changed: int, size: int) -> zipfile.ZipFile:
    """Open an archive once per process; one that has changed is opened again."""
    return zipfile.ZipFile(path)


class SkippedFile(NamedTuple):
    """A file that is not read, and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"

    @classmethod
    def of(cls, where: str, error: InputError) -> SkippedFile:
        """What an error says of the file that it names first."""
        return cls(where, str(error).removeprefix(where).lstrip(":, "))


@dataclass
class Found:
    """What a search gives.

    Attributes:
        files: for each pattern the files whose path it ends.
        faults: what cannot be read although it is named like a file that is sought,
            and archives and links that are not followed.
    """

    files: list[list[SourceFile]]
    faults: list[SkippedFile]


def find(
    sources: Sequence[str | Path],
    patterns: Sequence[str],
    max_bytes: int | None = None,
) -> Found:
    """Search folders, at any depth, and zip archives, those in the folders too.

    Hidden files and folders are skipped. A link to a file is followed, one to a
    folder is not: give that folder as a further source. A file whose name differs from
    a pattern in case, number of digits or ending only is listed as a fault.

    Args:
        sources: folders, ``.zip`` files, or files that match a pattern.
        patterns: regular expressions for the end of a path, with ``/`` between its
            parts; each begins where a part begins. A file belongs to the first that
            it matches.
        max_bytes: the most that is read of one file; ``MAX_BYTES`` by default.

    Raises:
        InputError: a source that is not there or none of these, or too many files.
    """
    search = _Search(tuple(patterns), max_bytes or MAX_BYTES)
    for source in map(Path, sources):
        mode = _mode(source)
        if stat.S_ISDIR(mode):
            search.folder(str(source))
        elif stat.S_ISREG(mode) and source.suffix.lower() == ".zip":
            search.archive(str(source))
        elif not (stat.S_ISREG(mode) and search.file(str(source))):
            raise InputError(
                f"{source}: neither a folder, a .zip nor an .npz file, nor a file of "
                "this data set"
            )
    return search.found


def _mode(source: Path) -> int:
    try:
        return os.stat(source).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(f"{source}: no such file or folder") from None
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror})") from None


@cache
def _ending(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|/){pattern}\Z")


@cache
def _similar(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in any case, with any number of digits and any data ending."""
    loose = re.sub(r"(?:\\d(?:\{[\d,]+\}|\+)?)+", r"\\d+", pattern)
    last = re.search(r"(?:\\\.\w+)?\Z", loose)
    assert last is not None
    ending = f"(?:{last[0] or _ENDINGS}|{_ENDINGS})(?:{_ENDINGS})*"
    return re.compile(rf"(?:^|/){loose[: last.start()]}{ending}\Z", re.IGNORECASE)


class _Search:
    """One search: its bounds, and what it has found so far."""

    def __init__(self, patterns: tuple[str, ...], max_bytes: int) -> None:
        self.endings = [_ending(pattern) for pattern in patterns]
        self.similar = [_similar(pattern) for pattern in patterns]
        self.max_bytes = max_bytes
        self.found = Found([[] for _ in patterns], [])
        self.seen = 0

    def matches(self, path: str) -> tuple[int, Mapping[str, str]] | None:
        """The number of the first pattern that ends a path, and its groups."""
        path = path.replace(os.sep, "/")
        for number, ending in enumerate(self.endings):
            match = ending.search(path)
            if match:
                return number, match.groupdict(default="")
        return None

    def misnamed(self, where: str, path: str) -> bool:
        """Note a file that is named almost like one that is sought."""
        path = path.replace(os.sep, "/")
        if not any(similar.search(path) for similar in self.similar):
            return False
        self.fault(
            where,
            "its name differs from those sought in case, digits or ending; rename it",
        )
        return True

    def fault(self, where: str, reason: str) -> None:
        self.found.faults.append(SkippedFile(shown(where), reason))

    def count(self, where: str) -> None:
        self.seen += 1
        if self.seen > MAX_FILES:
            raise InputError(
                f"{where}: more than {MAX_FILES} files; give the folder that holds the "
                "data set alone"
            )

    def folder(self, top: str) -> None:
        for path in self._walk(top):
            self.count(top)
            # Opening a pipe would wait forever: a regular file it must be.
            if (
                not self.file(path)
                and path.lower().endswith(".zip")
                and os.path.isfile(path)
            ):
                self.archive(path)

    def _walk(self, top: str) -> Iterator[str]:
        """The paths below a folder, but for its folders; in order, without links."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
            except OSError as error:
                self.fault(folder, f"cannot be listed ({error.strerror})")
                continue
            below = []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if self.matches(os.path.abspath(entry.path)):
                        self.fault(entry.path, "a folder, named like a file")
                    else:
                        below.append(entry.path)
                elif entry.is_symlink() and os.path.isdir(entry.path):
                    self.fault(
                        entry.path, "a link to a folder; give that folder as a source"
                    )
                else:
                    yield entry.path
            waiting += reversed(below)

    def file(self, path: str) -> bool:
        """Note a file that matches, or nearly; False for one that does not."""
        # The whole path is matched, as the folder given may be a part of the pattern.
        absolute = os.path.abspath(path)
        match = self.matches(absolute)
        if match is None:
            return self.misnamed(path, absolute)
        number, groups = match
        try:
            status = os.stat(path)
        except OSError as error:
            self.fault(path, f"cannot be read ({error.strerror})")
            return True
        if not stat.S_ISREG(status.st_mode):
            self.fault(path, "not a regular file")
            return True
        self.found.files[number].append(
            SourceFile(
                shown(path),
                groups,
                absolute,
                status.st_size,
                status.st_mtime_ns,
                max_bytes=self.max_bytes,
            )
        )
        return True

    def archive(self, path: str) -> None:
        """Note an archive's members that match."""
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
            self.fault(path, "a damaged or truncated zip archive; fetch it again")
            return
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            if member.header_offset < end:
                self.fault(path, "a zip archive whose members overlap; fetch it again")
                return
            end = member.header_offset + _LOCAL_HEADER + member.compress_size
        absolute = os.path.abspath(path)
        for i in sorted(range(len(members)), key=lambda i: members[i].filename):
            self.count(path)
            self._member(path, absolute, members[i], i)

    def _member(
        self, path: str, absolute: str, member: zipfile.ZipInfo, position: int
    ) -> None:
        where = shown(f"{path}:{member.filename}")
        name = member.filename.replace("\\", "/")  # as another system writes it
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or name[1:2] == ":":  # a drive
            self.fault(where, "a name that leaves the archive's folder")
            return
        if parts[0] == "__MACOSX" or parts[-1].startswith("."):
            return  # resource forks are no clips
        match = self.matches(name.rstrip("/"))
        if not match:
            self.misnamed(where, name)
            return
        if name.endswith("/"):
            self.fault(where, "a folder, named like a file")
            return
        number, groups = match
        self.found.files[number].append(
            SourceFile(
                where,
                groups,
                absolute,
                member.file_size,
                member.CRC,
                position,
                self.max_bytes,
            )
        )


def shown(path: str) -> str:
    """A path as one line that can be printed, whatever the bytes of its name."""
    return path if path.isprintable() else path.encode("unicode_escape").decode()


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts a2 before a10."""
    # A longer number is the larger one: no int, which refuses thousands of digits.
    parts = re.findall(r"0*([0-9]+)|([^0-9]+)", name)
    return [(len(digits), digits) if digits else (-1, text) for digits, text in parts]


def read_text(path: Path, max_bytes: int | None = None) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: no such file, an empty one, one over the bound, or not text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    file = SourceFile(str(path), {}, str(path), 0, 0, max_bytes=max_bytes or MAX_BYTES)
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text in UTF-8") from None


def check_finite(where: str, field: str, frames: np.ndarray) -> None:
    """Refuse NaN and infinity in ``frames`` (T, ...).

    Raises:
        InputError: it has one; the message names the first frame.
    """
    bad = np.argwhere(~np.isfinite(frames))
    if len(bad):
        raise InputError(
            f"{where}: field {field!r}: frame {bad[0, 0]} has a value that is not "
            "finite; a joint that was not tracked is 0"
        )


def check_somebody(where: str, clip: np.ndarray, dims: int) -> None:
    """Refuse a clip (T, M, N, C) without a joint in any frame.

    A joint whose ``dims`` coordinates are all 0 is not there, whatever its score.

    Raises:
        InputError: there is nobody.
    """
    if not (clip[..., :dims] != 0).any():  # no warning of a signalling NaN
        raise InputError(f"{where}: nobody in any frame")


def load_numpy(path: Path, mmap_mode: Literal["r"] | None = None) -> Any:
    """Load an .npy or open an .npz without Python objects; None if it is damaged.

    Raises:
        InputError: it cannot be read at all.
    """
    try:
        with read_errors(path):
            return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except InputError:
        raise
    except Exception:  # NumPy documents no errors; damage raises many kinds
        return None


def read_npz(path: Path, fields: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of an npz file that someone packed by NumPy.

    Raises:
        InputError: not a readable npz, or a field is missing or holds objects.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    data = load_numpy(path)
    if not isinstance(data, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: not an npz file, or a truncated one; fetch it again")
    with data:
        for field in fields:
            if field not in data.files:
                raise InputError(
                    f"{path}: field {field!r}: missing; the file has "
                    f"{', '.join(data.files)}"
                )
        assert data.zip is not None
        size = sum(member.file_size for member in data.zip.infolist())
        if size > MAX_NPZ:
            raise InputError(f"{path}: unpacks to {size} bytes, over {MAX_NPZ}")
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
