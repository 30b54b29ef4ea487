"""PackedDataset: all clips of a data set in one array, and its file format.

The file is an uncompressed ``.npz`` that plain NumPy can read. Its joints are
memory-mapped, so that opening takes milliseconds regardless of size, and processes that
open the same file share its memory.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from skellib.data.schema import (
    EXTRA,
    PER_CLIP,
    Contents,
    Fingerprint,
    Metadata,
    error,
    integers,
    validate,
)
from skellib.data.writing import (
    ClipStream,
    build_contents,
    checked_clips,
    clip_names,
    digest,
    duplicate_of,
    write,
    write_file,
)
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import read_errors, write_errors

_LOCAL_HEADER = struct.Struct(
    "<26xHH"
)  # lengths of a zip member's name and extra field


@dataclass(frozen=True, eq=False)
class PackedDataset:
    """Hold the clips of a data set: all frames in one array, and their metadata.

    n clips of F frames in total, up to M bodies of N joints with C channels. A joint
    whose C values are all 0 in a frame is missing there; a body with no joint is
    absent.

    Attributes:
        joints: (F, M, N, C) float32 or float16, in the units of the source, read-only.
            Memory-mapped if a file was opened; shared by subsets, not copied.
        starts, lengths: (n,) int64; clip i is
            ``joints[starts[i] : starts[i] + lengths[i]]``.
        label: (n,) int64, class index from 0.
        subject: (n,) int64, in the numbering of the source.
        view: (n,) int64, camera; 0 if there is only one.
        name: (n,) unicode, name of the clip in the source.
        index: (n,) int64, position in the packed file; kept by subsets.
        duplicate_of: (n,) int64, index of the earliest clip with exactly the same
            numbers; -1 if there is none.
        extras: further arrays with one entry per clip, such as ``episode``.
        layout: skeleton layout.
        classes: class names.
        key: short name of the data set, such as ``"nucla"``.
        source: one line that says what the data set was made from.
        fingerprint: SHA-256 of the contents of the whole data set; kept by subsets.
        summary: what `prepare` found in the whole data set, a line each; kept by
            subsets.

    Example:
        >>> import skellib as sk
        >>> clips, _ = sk.load("synthetic")
        >>> waving = clips.subset(clips.label == 0)
        >>> waving.clip(0).shape[1:], clips.classes[0]  # (M, N, C)
        ((1, 20, 3), 'wave slowly')
    """

    joints: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    label: np.ndarray
    subject: np.ndarray
    view: np.ndarray
    name: np.ndarray
    index: np.ndarray
    duplicate_of: np.ndarray
    extras: dict[str, np.ndarray]
    layout: Layout
    classes: tuple[str, ...]
    key: str
    source: str
    fingerprint: str
    summary: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def bodies(self) -> int:
        """M, the capacity of a frame in bodies."""
        return self.joints.shape[1]

    @property
    def channels(self) -> int:
        """C, the number of values of a joint."""
        return self.joints.shape[3]

    @property
    def num_classes(self) -> int:
        """Number of classes, including those without a clip here."""
        return len(self.classes)

    def clip(self, i: int) -> np.ndarray:
        """Return clip i as a view (T, M, N, C); negative i counts from the end."""
        start = self.starts[i]
        return self.joints[start : start + self.lengths[i]]

    def subset(self, indices: Sequence[int] | np.ndarray) -> PackedDataset:
        """Select clips by position or by a boolean mask (n,); joints are shared.

        Raises:
            IndexError: a position out of range, or a mask of the wrong length.
        """
        positions = np.arange(len(self))
        chosen = positions[np.asarray(indices)] if len(indices) else positions[:0]
        arrays = {
            field: getattr(self, field)[chosen]
            for field in ("starts", *PER_CLIP, "name", "index")
        }
        extras = {field: array[chosen] for field, array in self.extras.items()}
        return replace(self, **arrays, extras=extras)

    @classmethod
    def from_clips(
        cls,
        clips: Iterable[np.ndarray],
        *,
        label: Sequence[int] | np.ndarray,
        subject: Sequence[int] | np.ndarray,
        name: Sequence[str] | np.ndarray,
        layout: Layout,
        classes: Sequence[str],
        key: str,
        source: str,
        view: Sequence[int] | np.ndarray | None = None,
        extras: Mapping[str, Sequence[Any] | np.ndarray] | None = None,
        dtype: str | type | np.dtype = np.float32,
    ) -> PackedDataset:
        """Pack clips, each (T, M, N, C) with its own T.

        ``duplicate_of`` is computed here. ``label``, ``subject``, ``view``, ``name``
        and each of ``extras`` have one entry per clip; the other arguments are as in
        the class.

        Raises:
            InputError: no clip; inconsistent shapes, counts or labels; a value that is
                not finite, before or after conversion to ``dtype``.
        """
        stream = ClipStream(
            lambda: iter(clips),
            label,
            subject,
            name,
            layout,
            classes,
            key,
            source,
            view,
            extras or {},
        )
        names = clip_names(name)
        packed = list(checked_clips(stream, names, np.dtype(dtype)))
        lengths = [len(clip) for clip in packed]
        contents = build_contents(stream, names, lengths, find_duplicates(packed))
        joints = np.concatenate(packed)
        joints.setflags(write=False)  # like memory-mapped joints: subsets share them
        validate(key, joints.dtype, joints.shape, contents)
        fingerprint = Fingerprint(contents, joints.dtype, joints.shape)
        fingerprint.update(joints)
        return assemble(joints, contents, fingerprint.finish())

    def stream(self) -> ClipStream:
        """Return the data set as a stream of clips."""
        return ClipStream(
            lambda: (self.clip(i) for i in range(len(self))),
            self.label,
            self.subject,
            self.name,
            self.layout,
            self.classes,
            self.key,
            self.source,
            self.view,
            self.extras,
        )

    def save(self, path: str | Path) -> Path:
        """Write the packed file atomically; a subset is packed again.

        Returns:
            The path as a Path.

        Raises:
            InputError: the file cannot be written.
        """
        path = Path(path)
        if not self._is_whole():
            return write(path, self.stream(), self.joints.dtype)
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            joints = self.joints
            write_file(path, self._contents(), joints.dtype, joints.shape, [joints])
        return path

    @classmethod
    def open(cls, path: str | Path) -> PackedDataset:
        """Open a packed file; its joints are memory-mapped, not read.

        Raises:
            InputError: a missing, truncated, compressed or foreign file, another format
                version, or inconsistent fields.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with read_errors(path), zipfile.ZipFile(path) as archive:
                arrays = {
                    member.filename.removesuffix(".npy"): _read_member(archive, member)
                    for member in archive.infolist()
                    if member.filename != "joints.npy"
                }
                meta, fingerprint = Metadata.from_json(path, arrays.pop("meta", None))
                joints = _map_joints(path, archive)
        except InputError:
            raise
        except Exception:  # NumPy documents no errors; damage raises many kinds
            raise InputError(
                f"{path}: not a packed data set, or a truncated one; make it again "
                "with `python -m skellib prepare`"
            ) from None
        missing = [field for field in (*PER_CLIP, "name") if field not in arrays]
        if missing:
            raise error(path, missing[0], "missing; make the file again")
        fields = {field: integers(path, field, arrays[field]) for field in PER_CLIP}
        extras = {
            field.removeprefix(EXTRA): array
            for field, array in arrays.items()
            if field.startswith(EXTRA)
        }
        contents = Contents({**fields, "name": arrays["name"]}, extras, meta)
        validate(path, joints.dtype, joints.shape, contents)
        return assemble(joints, contents, fingerprint)

    def verify(self) -> None:
        """Recompute the fingerprint from all data and compare it.

        Raises:
            InputError: the contents have changed since they were saved, or this is a
                subset, which has no fingerprint of its own.
        """
        if not self._is_whole():
            raise error(self.key, "fingerprint", "a subset; verify the whole set")
        contents = self._contents()
        found = Fingerprint(contents, self.joints.dtype, self.joints.shape)
        found.update(self.joints)
        if found.finish() != self.fingerprint:
            raise error(
                self.key, "fingerprint", "the contents have changed; make them again"
            )

    def _contents(self) -> Contents:
        fields = {field: getattr(self, field) for field in (*PER_CLIP, "name")}
        meta = Metadata(self.layout, self.classes, self.key, self.source, self.summary)
        return Contents(fields, self.extras, meta)

    def _is_whole(self) -> bool:
        contiguous = np.array_equal(self.starts, _starts(self.lengths))
        complete = int(self.lengths.sum()) == len(self.joints)
        unmoved = np.array_equal(self.index, np.arange(len(self)))
        return contiguous and complete and unmoved


def find_duplicates(clips: Sequence[np.ndarray]) -> np.ndarray:
    """Find for each clip the earliest clip with the same bytes.

    Args:
        clips: arrays of one dtype, whose shapes differ along the first axis only.

    Returns:
        (n,) int64, index of that clip; -1 if there is none.
    """
    return duplicate_of([digest(clip) for clip in clips])


def assemble(joints: np.ndarray, contents: Contents, fingerprint: str) -> PackedDataset:
    """Build a data set from joints (F, M, N, C) and validated contents."""
    lengths = contents.fields["lengths"]
    return PackedDataset(
        joints=joints,
        starts=_starts(lengths),
        index=np.arange(len(lengths)),
        extras=contents.extras,
        layout=contents.meta.layout,
        classes=contents.meta.classes,
        key=contents.meta.key,
        source=contents.meta.source,
        fingerprint=fingerprint,
        summary=contents.meta.summary,
        **contents.fields,
    )


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.cumsum(lengths) - lengths


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)


def _map_joints(path: Path, archive: zipfile.ZipFile) -> np.ndarray:
    """Memory-map the member ``joints.npy`` of an archive, read-only."""
    if "joints.npy" not in archive.namelist():
        raise error(path, "joints", "missing; make the file again")
    member = archive.getinfo("joints.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise error(path, "joints", "compressed; write the file without compression")
    with path.open("rb") as file:
        # The extra field of the local header may be longer than the directory's copy.
        file.seek(member.header_offset)
        name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(name_size + extra_size, os.SEEK_CUR)
        begin = file.tell()
        version = npy.read_magic(file)
        read_header = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise error(path, "joints", f"NumPy format version {version}")
        shape, fortran_order, dtype = read_header(file)
        offset = file.tell()
    if fortran_order or dtype.hasobject:
        raise error(path, "joints", "must be a plain array in C order")
    if offset - begin + math.prod(shape) * dtype.itemsize != member.file_size:
        raise error(path, "joints", f"its size does not match the shape {shape}")
    if 0 in shape:
        raise error(path, "joints", f"shape {shape} has no data")
    mapped = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    return np.asarray(mapped)  # slicing a plain array is cheaper than slicing a memmap
