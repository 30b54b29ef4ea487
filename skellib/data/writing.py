"""Writing of packed data sets clip by clip: atomic, in little memory.

The joints come first in the file, uncompressed, so that they can be memory-mapped; the
metadata follow.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from dataclasses import field as setting
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from skellib.data.schema import (
    PER_CLIP,
    Contents,
    Fingerprint,
    Metadata,
    as_bytes,
    error,
    integers,
    validate,
)
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import atomic_write, write_errors

_FRAMES_BYTES = 2**22  # per copy


@dataclass(frozen=True)
class ClipStream:
    """Data set whose clips are produced one by one.

    Attributes:
        clips: starts an iteration over the clips, each (T, M, N, C) with its own T. An
            InputError stands for a clip that cannot be used.
        label, subject, name: one entry per clip, as in PackedDataset.
        layout, classes, key, source: as in PackedDataset.
        view: one entry per clip; all 0 by default.
        extras: further sequences with one entry per clip.
        notes: what the reader decided or found, for the owner of the data, a line each.
    """

    clips: Callable[[], Iterator[np.ndarray | InputError]]
    label: Sequence[int] | np.ndarray
    subject: Sequence[int] | np.ndarray
    name: Sequence[str] | np.ndarray
    layout: Layout
    classes: Sequence[str]
    key: str
    source: str
    view: Sequence[int] | np.ndarray | None = None
    extras: Mapping[str, Sequence[Any] | np.ndarray] = setting(default_factory=dict)
    notes: Sequence[str] = ()

    def without(self, positions: Collection[int]) -> ClipStream:
        """Leave out clips from the fields; ``clips`` stays as it is."""
        if not positions:
            return self
        n = len(self.name)
        kept = [i for i in range(n) if i not in positions]
        fields: dict[str, Any] = {
            field: np.asarray(getattr(self, field))[kept]
            for field in ("label", "subject", "name", "view")
            if getattr(self, field) is not None
        }
        extras = {field: np.asarray(each)[kept] for field, each in self.extras.items()}
        return replace(self, **fields, extras=extras)


class Presence:
    """Find which bodies and joints are ever there, and count frames with nobody.

    Args:
        shape: (F, M, N, C) of all joints.
        dims: number of coordinates among the C channels.

    Attributes:
        frames, empty: numbers of frames, and of those with nobody.
        bodies, joints: (M,) and (N,) bool, whether each is there in some frame.
    """

    def __init__(self, shape: tuple[int, ...], dims: int) -> None:
        self.dims, self.frames, self.empty = dims, 0, 0
        self.bodies, self.joints = np.zeros(shape[1], bool), np.zeros(shape[2], bool)

    def add(self, frames: np.ndarray) -> None:
        """Look at further frames (F, M, N, C)."""
        seen = (frames[..., : self.dims] != 0).any(axis=3)
        self.frames += len(seen)
        self.empty += len(seen) - int(seen.any(axis=(1, 2)).sum())
        self.bodies |= seen.any(axis=(0, 2))
        self.joints |= seen.any(axis=(0, 1))


Describe = Callable[[Contents, Presence], Sequence[str]]
"""Function that makes the lines of a data set's summary."""


def write(
    path: str | Path,
    stream: ClipStream,
    dtype: str | type | np.dtype = np.float32,
    bad: dict[int, InputError] | None = None,
    describe: Describe | None = None,
) -> Path:
    """Write a packed file atomically, with one clip in memory at a time.

    The file is identical to that of ``PackedDataset.from_clips(...).save(path)``. The
    clips are iterated over once and buffered in a temporary file.

    Args:
        path: path of the file.
        stream: the data set.
        dtype: of the joints.
        bad: if given, clips that cannot be used are left out and noted here by their
            positions; otherwise the first one is an error.
        describe: makes the lines of the data set's summary.

    Returns:
        The path as a Path.

    Raises:
        InputError: no clip; inconsistent shapes, counts or labels; a value that is not
            finite, before or after conversion to ``dtype``; or the file cannot be
            written.
    """
    path = Path(path)
    dtype = packed_dtype(dtype)
    name = clip_names(stream.name)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as spool:
            lengths, digests, shape = [], [], (0, 0, 0)
            for clip in checked_clips(stream, name, dtype, bad):
                shape = clip.shape[1:]
                lengths.append(len(clip))
                digests.append(digest(clip))
                spool.write(as_bytes(clip))
            if bad and not lengths:
                raise InputError(
                    f"{stream.key}: no clip of {len(bad)} can be used; the first: "
                    f"{next(iter(bad.values()))}"
                )
            stream = stream.without(bad or ())
            name = clip_names(stream.name)
            contents = build_contents(stream, name, lengths, duplicate_of(digests))
            frames = _frames(spool, dtype, shape)
            size = sum(lengths), *shape
            write_file(path, contents, dtype, size, frames, describe=describe)
    return path


def _frames(
    spool: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]
) -> Iterator[np.ndarray]:
    """Yield the frames in a file, in blocks."""
    size = dtype.itemsize * int(np.prod(shape))
    spool.seek(0)
    while piece := spool.read(max(_FRAMES_BYTES // size, 1) * size):
        yield np.frombuffer(piece, dtype).reshape(-1, *shape)


def write_file(
    path: Path,
    contents: Contents,
    dtype: np.dtype,
    shape: tuple[int, ...],
    frames: Iterable[np.ndarray],
    folder: Path | None = None,
    describe: Describe | None = None,
) -> None:
    """Write the packed file, joints given as blocks of frames.

    Args:
        path: the file, which is replaced.
        contents: everything except the joints.
        dtype, shape: of all joints.
        frames: blocks of joints, to be concatenated along the first axis.
        folder: folder of the temporary file; that of ``path`` by default.
        describe: makes the lines of the data set's summary.

    Raises:
        InputError: inconsistent contents.
        OSError: the file cannot be written.
    """
    validate(contents.meta.key, dtype, shape, contents)
    fingerprint = Fingerprint(contents, dtype, shape)
    presence = Presence(shape, contents.meta.layout.dims)
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    with (
        atomic_write(path, folder) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        written = 0
        with archive.open("joints.npy", "w", force_zip64=True) as member:
            npy.write_array_header_1_0(member, header)
            for block in frames:
                member.write(as_bytes(block))
                fingerprint.update(block)
                written += len(block)
                if describe is not None:
                    presence.add(block)
        if written != shape[0]:
            raise error(path, "joints", f"got {written} frames, not {shape[0]}")
        summary = describe(contents, presence) if describe else contents.meta.summary
        described = replace(contents.meta, summary=tuple(summary))
        meta = np.array(described.to_json(fingerprint.finish()))
        for field, array in {**contents.arrays(), "meta": meta}.items():
            with archive.open(f"{field}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def build_contents(
    stream: ClipStream,
    name: np.ndarray,
    lengths: Sequence[int] | np.ndarray,
    duplicate_of: np.ndarray,
) -> Contents:
    """Collect the per-clip fields and the metadata of a stream.

    Raises:
        InputError: no clip, or a field without one entry per clip.
    """
    if not len(lengths):
        raise error(stream.key, "joints", "there is no clip")
    if len(name) != len(lengths):
        raise error(stream.key, "name", f"{len(name)} entries for {len(lengths)} clips")
    view = np.zeros(len(lengths), dtype=np.int64)
    given = {
        "lengths": lengths,
        "label": stream.label,
        "subject": stream.subject,
        "view": view if stream.view is None else stream.view,
        "duplicate_of": duplicate_of,
    }
    fields = {field: integers(stream.key, field, given[field]) for field in PER_CLIP}
    return Contents(
        {**fields, "name": name},
        {field: np.asarray(array) for field, array in stream.extras.items()},
        Metadata(stream.layout, tuple(stream.classes), stream.key, stream.source),
    )


def packed_dtype(dtype: str | type | np.dtype) -> np.dtype:
    """Return the dtype of packed joints.

    Raises:
        InputError: neither float32 nor float16.
    """
    if str(dtype) not in ("float16", "float32") and dtype not in (
        np.float16,
        np.float32,
    ):
        raise InputError(f"dtype {dtype}: is none of float32, float16")
    return np.dtype(dtype)


def clip_names(values: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the names of clips as an (n,) unicode array."""
    return np.array([str(each) for each in values], dtype=np.str_)


def checked_clips(
    stream: ClipStream,
    name: np.ndarray,
    dtype: np.dtype,
    bad: dict[int, InputError] | None = None,
) -> Iterator[np.ndarray]:
    """Yield the clips of a stream, checked, in one dtype and in C order.

    Raises:
        InputError: more clips than names; and unless ``bad`` is given, as in
            :func:`write`, a clip that cannot be used, whose shape contradicts the
            layout or the clips before it, or with a value that is not finite.
    """
    shape = None
    for i, clip in enumerate(stream.clips()):
        if i >= len(name):
            raise error(stream.key, "name", f"{len(name)} entries for more clips")
        try:
            if isinstance(clip, InputError):
                raise clip
            where = f"{stream.key}: clip {name[i]}: field 'joints'"
            checked = rounded(_shaped(stream, where, clip, shape), dtype, where)
        except InputError as fault:
            if bad is None:
                raise
            bad[i] = fault
            continue
        shape = checked.shape[1:]
        yield checked


def _shaped(
    stream: ClipStream, where: str, clip: np.ndarray, shape: tuple[int, ...] | None
) -> np.ndarray:
    """Return a clip, (T, M, N, C), whose shape fits the layout and (M, N, C)."""
    clip = np.asarray(clip)
    if clip.ndim != 4 or len(clip) == 0 or clip.shape[2] != stream.layout.size:
        raise InputError(
            f"{where}: {clip.shape}, not (frames, bodies, {stream.layout.size} "
            "joints, channels) with a frame at least"
        )
    if shape and clip.shape[1:] != shape:
        raise InputError(
            f"{where}: {clip.shape}, but the clips before it are (frames, "
            f"{', '.join(map(str, shape))}): only the frames may differ"
        )
    return clip


def rounded(clip: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
    """Convert a clip to a dtype, in C order.

    Raises:
        InputError: a value is not finite, before or after the conversion; the message
            begins with ``where``.
    """
    clip = np.asarray(clip)
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.ascontiguousarray(clip, dtype=dtype)
    if not np.isfinite(result).all():
        frame = int(np.argwhere(~np.isfinite(result))[0, 0])
        beyond = f", or too large for {dtype}" if np.isfinite(clip[frame]).all() else ""
        raise InputError(f"{where}, frame {frame}: not finite{beyond}")
    return result


def digest(clip: np.ndarray) -> bytes:
    """Return the SHA-256 of a clip's bytes."""
    return hashlib.sha256(as_bytes(clip)).digest()


def duplicate_of(digests: Sequence[bytes]) -> np.ndarray:
    """Find for each clip the earliest clip with the same digest.

    Returns:
        (n,) int64, index of that clip; -1 if there is none.
    """
    earliest: dict[bytes, int] = {}
    first = [earliest.setdefault(each, i) for i, each in enumerate(digests)]
    found = np.array(first, dtype=np.int64)
    found[found == np.arange(len(found))] = -1
    return found
