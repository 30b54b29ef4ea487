"""PackedDataset: every clip of a data set in one array, and its file.

The file is an uncompressed ``.npz`` that NumPy alone can read. Its joints are mapped
into memory, not read, so that opening takes milliseconds whatever the size, and
processes that open the same file share its pages.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from skellib.errors import InputError
from skellib.layouts import Layout

FORMAT = 1
_PER_CLIP = ("lengths", "label", "subject", "view", "duplicate_of")
_LOCAL_HEADER = struct.Struct("<26xHH")  # the lengths of a zip member's name and extra


@dataclass(frozen=True, eq=False)
class PackedDataset:
    """The clips of a data set: frames of all clips in one array, and what they show.

    n clips of F frames in total, up to M bodies of N joints with C channels. A joint
    whose C values are all 0 in a frame is missing there; a body with no joint is
    absent.

    Attributes:
        joints: (F, M, N, C) float32 or float16, in the units of the source, read-only.
            Mapped from the file if it was opened; shared, not copied, by subsets.
        starts, lengths: (n,) int64; clip i is
            ``joints[starts[i] : starts[i] + lengths[i]]``.
        label: (n,) int64, the class, from 0.
        subject: (n,) int64, as the source numbers them.
        view: (n,) int64, the camera; 0 where there is only one.
        name: (n,) unicode, the source's name of the clip.
        index: (n,) int64, the clip's number in the packed file; subsets keep it.
        duplicate_of: (n,) int64, the index of the earliest clip with exactly the same
            numbers; -1 for none.
        extras: further arrays with one entry a clip, such as ``episode``.
        layout: the skeleton.
        classes: one name a class.
        key: the data set's short name, such as ``"nucla"``.
        source: one line: what it was made from.
        fingerprint: SHA-256 of the whole packed set's contents; subsets keep it.
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

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def bodies(self) -> int:
        """M, the most bodies that a frame can hold."""
        return self.joints.shape[1]

    @property
    def channels(self) -> int:
        """C, the values of a joint."""
        return self.joints.shape[3]

    @property
    def num_classes(self) -> int:
        """The number of classes, whether or not each has a clip here."""
        return len(self.classes)

    def clip(self, i: int) -> np.ndarray:
        """Clip i as a (T, M, N, C) view; i counts from the end where negative."""
        start = self.starts[i]
        return self.joints[start : start + self.lengths[i]]

    def subset(self, indices: Sequence[int] | np.ndarray) -> PackedDataset:
        """The clips at these positions, or where a mask is true; joints are shared.

        Raises:
            IndexError: a position out of range, or a mask of another length.
        """
        positions = np.arange(len(self))
        chosen = positions[np.asarray(indices)] if len(indices) else positions[:0]
        arrays = {
            field: getattr(self, field)[chosen]
            for field in ("starts", *_PER_CLIP, "name", "index")
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
        dtype: type | np.dtype = np.float32,
    ) -> PackedDataset:
        """Pack clips, each (T, M, N, C) with its own T.

        Clips with the same bytes are found here and noted in ``duplicate_of``.

        Raises:
            InputError: no clip; shapes, counts or labels that do not agree; a value
                that is not finite, before or after rounding to ``dtype``.
        """
        clips = [np.asarray(clip) for clip in clips]
        name = np.array([str(each) for each in name], dtype=np.str_)
        _check_clips(key, clips, name, layout)
        with np.errstate(over="ignore"):
            clips = [np.ascontiguousarray(clip, dtype=dtype) for clip in clips]
        for clip, each in zip(clips, name, strict=True):
            if not np.isfinite(clip).all():
                frame = int(np.argwhere(~np.isfinite(clip))[0, 0])
                raise _error(key, "joints", f"clip {each}, frame {frame}: not finite")
        view = np.zeros(len(clips), dtype=np.int64) if view is None else view
        arrays = {
            "lengths": [len(clip) for clip in clips],
            "label": label,
            "subject": subject,
            "view": view,
            "duplicate_of": find_duplicates(clips),
        }
        integers = {
            field: _integers(key, field, array) for field, array in arrays.items()
        }
        joints = np.concatenate(clips)
        joints.setflags(write=False)  # as a mapped file's: subsets share them
        return _assemble(
            key,
            joints,
            {**integers, "name": name},
            {field: np.asarray(array) for field, array in (extras or {}).items()},
            _Meta(layout, tuple(classes), key, source),
        )

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all; a subset is packed anew.

        Raises:
            InputError: the file cannot be written.
        """
        path = Path(path)
        if not self._is_whole():
            return self._repacked().save(path)
        members = {
            "joints": self.joints,  # first: its data then start on a 4-byte boundary
            **{field: getattr(self, field) for field in (*_PER_CLIP, "name")},
            **{_EXTRA + field: array for field, array in self.extras.items()},
            "meta": np.array(self._meta().to_json(self.fingerprint)),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _replacing(path) as file:
                np.savez(file, **members)  # type: ignore[arg-type]
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        return path

    @classmethod
    def open(cls, path: str | Path) -> PackedDataset:
        """Open a file that ``save`` wrote; its joints are mapped, not read.

        Raises:
            InputError: no such file, or one that is truncated, compressed, foreign, of
                another format version, or whose fields do not agree.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with zipfile.ZipFile(path) as archive:
                arrays = {
                    member.filename.removesuffix(".npy"): _read_member(archive, member)
                    for member in archive.infolist()
                    if member.filename != "joints.npy"
                }
                meta, fingerprint = _Meta.from_json(path, arrays.pop("meta", None))
                joints = _map_joints(path, archive)
        except InputError:
            raise
        except Exception:  # NumPy lists no errors: damage raises all kinds of them
            raise InputError(
                f"{path}: not a packed data set, or a truncated one; make it again "
                "with `python -m skellib prepare`"
            ) from None
        missing = [field for field in (*_PER_CLIP, "name") if field not in arrays]
        if missing:
            raise _error(path, missing[0], "missing; make the file again")
        fields = {field: _integers(path, field, arrays[field]) for field in _PER_CLIP}
        extras = {
            field.removeprefix(_EXTRA): array
            for field, array in arrays.items()
            if field.startswith(_EXTRA)
        }
        fields["name"] = arrays["name"]
        return _assemble(path, joints, fields, extras, meta, fingerprint)

    def verify(self) -> None:
        """Read everything and compare it with the fingerprint.

        Raises:
            InputError: the contents are not those that were saved, or this is a subset,
                which has no fingerprint of its own.
        """
        if not self._is_whole():
            raise _error(self.key, "fingerprint", "a subset; verify the whole set")
        fields = {field: getattr(self, field) for field in (*_PER_CLIP, "name")}
        found = _fingerprint(self.joints, fields, self.extras, self._meta())
        if found != self.fingerprint:
            raise _error(
                self.key, "fingerprint", "the contents have changed; make them again"
            )

    def _meta(self) -> _Meta:
        return _Meta(self.layout, self.classes, self.key, self.source)

    def _is_whole(self) -> bool:
        contiguous = np.array_equal(self.starts, _starts(self.lengths))
        complete = int(self.lengths.sum()) == len(self.joints)
        unmoved = np.array_equal(self.index, np.arange(len(self)))
        return contiguous and complete and unmoved

    def _repacked(self) -> PackedDataset:
        return PackedDataset.from_clips(
            [self.clip(i) for i in range(len(self))],
            label=self.label,
            subject=self.subject,
            view=self.view,
            name=self.name,
            extras=self.extras,
            layout=self.layout,
            classes=self.classes,
            key=self.key,
            source=self.source,
            dtype=self.joints.dtype,
        )


def find_duplicates(clips: Sequence[np.ndarray]) -> np.ndarray:
    """For each clip the number of the earliest with the same bytes; -1 for none.

    Args:
        clips: arrays of one dtype that differ in shape along the first axis only.

    Returns:
        (n,) int64.
    """
    earliest: dict[bytes, int] = {}
    found = np.full(len(clips), -1, dtype=np.int64)
    for i, clip in enumerate(clips):
        digest = hashlib.sha256(np.ascontiguousarray(clip).data).digest()
        first = earliest.setdefault(digest, i)
        if first != i:
            found[i] = first
    return found


_EXTRA = "extra."  # extras' members in the file, so that none can hide a field


@dataclass(frozen=True)
class _Meta:
    """What a packed set says of itself beside its arrays."""

    layout: Layout
    classes: tuple[str, ...]
    key: str
    source: str

    def to_json(self, fingerprint: str = "") -> str:
        return json.dumps(
            {
                "format": FORMAT,
                "key": self.key,
                "source": self.source,
                "layout": self.layout.to_dict(),
                "classes": self.classes,
                "fingerprint": fingerprint,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, path: Path, member: np.ndarray | None) -> tuple[_Meta, str]:
        """The meta and the fingerprint of a file's ``meta`` member."""
        if member is None or member.ndim != 0 or member.dtype.kind != "U":
            raise _error(
                path,
                "meta",
                "missing: not a packed data set; make one with "
                "`python -m skellib prepare`",
            )
        try:
            data = json.loads(str(member))
            if data["format"] != FORMAT:
                raise _error(
                    path,
                    "meta",
                    f"format version {data['format']}, this skellib reads {FORMAT}; "
                    "make the file again",
                )
            layout = Layout.from_dict(data["layout"])
            classes = tuple(str(name) for name in data["classes"])
            meta = cls(layout, classes, str(data["key"]), str(data["source"]))
            return meta, str(data["fingerprint"])
        except InputError as error:
            raise InputError(
                str(error) if str(path) in str(error) else f"{path}: {error}"
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise _error(path, "meta", f"not readable ({error!r})") from None


def _assemble(
    where: str | Path,
    joints: np.ndarray,
    fields: dict[str, np.ndarray],
    extras: dict[str, np.ndarray],
    meta: _Meta,
    fingerprint: str | None = None,
) -> PackedDataset:
    """Check that the parts agree and put them together; hash them if need be."""
    _check(where, joints, fields, extras, meta)
    if fingerprint is None:
        fingerprint = _fingerprint(joints, fields, extras, meta)
    return PackedDataset(
        joints=joints,
        starts=_starts(fields["lengths"]),
        index=np.arange(len(fields["lengths"])),
        extras=extras,
        layout=meta.layout,
        classes=meta.classes,
        key=meta.key,
        source=meta.source,
        fingerprint=fingerprint,
        **fields,
    )


def _check_clips(
    key: str, clips: list[np.ndarray], name: np.ndarray, layout: Layout
) -> None:
    if not clips:
        raise _error(key, "joints", "there is no clip")
    if len(name) != len(clips):
        raise _error(key, "name", f"{len(name)} entries for {len(clips)} clips")
    for clip, each in zip(clips, name, strict=True):
        if clip.ndim != 4 or len(clip) == 0 or clip.shape[2] != layout.size:
            raise _error(
                key,
                "joints",
                f"clip {each} is {clip.shape}, not (frames, bodies, {layout.size} "
                "joints, channels) with a frame at least",
            )
        if clip.shape[1:] != clips[0].shape[1:]:
            raise _error(
                key,
                "joints",
                f"clip {each} is {clip.shape}, clip {name[0]} {clips[0].shape}: only "
                "the frames may differ",
            )


def _check(
    where: str | Path,
    joints: np.ndarray,
    fields: dict[str, np.ndarray],
    extras: dict[str, np.ndarray],
    meta: _Meta,
) -> None:
    """Raise for parts that do not agree; reads the small arrays only."""
    size = meta.layout.size
    if joints.dtype not in (np.float32, np.float16):
        raise _error(where, "joints", f"{joints.dtype}, not float32 or float16")
    if joints.ndim != 4 or joints.shape[2] != size or 0 in joints.shape:
        raise _error(
            where,
            "joints",
            f"shape {joints.shape}, not (frames, bodies, {size}, channels)",
        )
    if joints.shape[3] < meta.layout.dims:
        raise _error(
            where,
            "joints",
            f"{joints.shape[3]} channels, layout {meta.layout.name} needs "
            f"{meta.layout.dims}",
        )
    n = len(fields["lengths"])
    for field, array in (*fields.items(), *extras.items()):
        if array.dtype.kind not in "iufbU" or array.shape[:1] != (n,):
            raise _error(
                where,
                field,
                f"{array.dtype} {array.shape}, not numbers or text with one entry for "
                f"each of the {n} clips",
            )
    if fields["name"].ndim != 1 or fields["name"].dtype.kind != "U":
        raise _error(where, "name", "not one text a clip")
    lengths, label = fields["lengths"], fields["label"]
    if n == 0 or lengths.min() < 1 or lengths.sum() != len(joints):
        raise _error(
            where,
            "lengths",
            f"must be at least 1 each and {len(joints)} in sum, the frames of joints",
        )
    if label.min() < 0 or label.max() >= len(meta.classes):
        raise _error(
            where,
            "label",
            f"{label.min()} to {label.max()}, not in 0..{len(meta.classes) - 1}",
        )
    twin = fields["duplicate_of"]
    copies = np.flatnonzero(twin != -1)
    if (
        np.any(twin[copies] < 0)
        or np.any(twin[copies] >= copies)
        or np.any(twin[twin[copies]] != -1)
    ):
        raise _error(where, "duplicate_of", "must be -1 or the earliest twin's index")


def _fingerprint(
    joints: np.ndarray,
    fields: dict[str, np.ndarray],
    extras: dict[str, np.ndarray],
    meta: _Meta,
) -> str:
    extras = {_EXTRA + field: array for field, array in extras.items()}
    digest = hashlib.sha256(meta.to_json().encode())
    for field, array in sorted({**fields, **extras, "joints": joints}.items()):
        digest.update(f"{field} {array.dtype.str} {array.shape}".encode())
        # A view as bytes, as text has no buffer of its own.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file beside ``path`` that takes its place once it is whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o644)  # mkstemp keeps others from reading it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.cumsum(lengths) - lengths


def _integers(where: str | Path, field: str, values: Any) -> np.ndarray:
    """The values as an (n,) int64 array."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise _error(
            where, field, f"{array.dtype} {array.shape}, not one integer a clip"
        )
    return array.astype(np.int64)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)


def _map_joints(path: Path, archive: zipfile.ZipFile) -> np.ndarray:
    """Map the member ``joints.npy`` of an archive into memory, read-only."""
    if "joints.npy" not in archive.namelist():
        raise _error(path, "joints", "missing; make the file again")
    member = archive.getinfo("joints.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise _error(path, "joints", "compressed; write the file without compression")
    with path.open("rb") as file:
        # The local header's extra field may be longer than the directory's copy of it.
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
            raise _error(path, "joints", f"NumPy format version {version}")
        shape, fortran_order, dtype = read_header(file)
        offset = file.tell()
    if fortran_order or dtype.hasobject:
        raise _error(path, "joints", "must be a plain array in C order")
    if offset - begin + math.prod(shape) * dtype.itemsize != member.file_size:
        raise _error(path, "joints", f"its data do not fill the shape {shape}")
    if 0 in shape:
        raise _error(path, "joints", f"shape {shape} has no data")
    mapped = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    return np.asarray(mapped)  # slices of a plain array are cheaper than of a memmap


def _error(where: str | Path, field: str, problem: str) -> InputError:
    return InputError(f"{where}: field {field!r}: {problem}")
