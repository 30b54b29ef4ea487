"""CTR-GCN's packed form: ``NTU60_CS.npz`` and the like.

``x_train`` (n, T, M N 3), every clip with the same T, zeros after its end, bodies one
after the other; ``y_train`` (n, classes), 1 at the class; ``x_test`` and ``y_test``
the same. T is 300, M is 2 and N is 25 for NTU RGB+D. There are no names: the file is
one split of the data set and says no more.

Y. Chen et al., "Channel-wise Topology Refinement Graph Convolution for Skeleton-Based
Action Recognition", ICCV 2021.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from skellib.data.packed import PackedDataset
from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.paths import atomic_write
from skellib.readers.interchange import common
from skellib.readers.release import SourceFormat
from skellib.readers.sources import check_finite

SPLITS = ("train", "test")
_CHANNELS = 3
_BODIES = 2  # what the format's own feeders expect
_MAX_LABELS = 2**30  # bytes
_SHAPES = {
    bodies * size * _CHANNELS: (bodies, size)
    for size in common.JOINT_COUNTS
    for bodies in (1, 2)
}


def recognise(path: Path) -> bool:
    """Whether a file is of this format, from its list of members alone."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
    except Exception:  # damage raises all kinds of them
        return False
    return any({f"x_{split}.npy", f"y_{split}.npy"} <= members for split in SPLITS)


def stream(path: Path, key: str, release: SourceFormat | None = None) -> ClipStream:
    """The clips of a file, one after the other, the training clips first.

    Compressed or not, the file is never unpacked as a whole.

    Args:
        path: the file.
        key: the data set's name.
        release: what is known of that data set.

    Returns:
        A stream with clips (T, M, N, 3), the empty frames at their ends cut off (one
        stays of a clip with nothing else), named ``train 00000`` and so on, and
        ``extras["split"]``, 0 where a clip trains and 1 where it tests.

    Raises:
        InputError: a damaged or foreign file; the message names the field.
    """
    parts, labels, widths = [], [], set()
    with _opened(path) as archive:
        members = set(archive.namelist())
        for split in SPLITS:
            if f"x_{split}.npy" in members:
                parts.append(_Part.find(path, archive, split))
                label, width = _labels(path, archive, split)
                labels.append(label)
                widths.add(width)
    if not parts:
        raise InputError(f"{path}: field 'x_train': missing; not a file of CTR-GCN's")
    for part, label in zip(parts, labels, strict=True):
        if len(label) != part.clips:
            raise InputError(
                f"{path}: field 'y_{part.split}': {len(label)} labels for {part.clips} "
                "clips"
            )
    if len({part.shape for part in parts}) > 1 or len(widths) > 1:
        raise InputError(
            f"{path}: field 'x_test': other bodies, joints or classes than in training"
        )
    label = np.concatenate(labels)
    n = len(label)
    bodies, joints = parts[0].shape
    return ClipStream(
        clips=partial(_clips, path, parts),
        label=label,
        subject=np.zeros(n, dtype=np.int64),
        name=[f"{part.split} {i:05d}" for part in parts for i in range(part.clips)],
        extras={
            "split": np.repeat(
                [SPLITS.index(part.split) for part in parts],
                [part.clips for part in parts],
            )
        },
        layout=common.layout_of(path, joints, False, release),
        classes=common.classes_of(label, release, widths.pop()),
        key=key,
        source=f"{n} clips of {path.name} (CTR-GCN)",
    )


@dataclass(frozen=True)
class _Part:
    """The array of one split, not read yet."""

    split: str
    clips: int
    frames: int
    shape: tuple[int, int]  # (M, N)
    dtype: np.dtype

    @property
    def field(self) -> str:
        return f"x_{self.split}"

    @classmethod
    def find(cls, path: Path, archive: zipfile.ZipFile, split: str) -> _Part:
        field = f"x_{split}"
        with _member(path, archive, field) as file:
            shape, dtype = _header(path, field, archive, file)
        if dtype.kind != "f" or len(shape) != 3 or shape[2] not in _SHAPES:
            raise InputError(
                f"{path}: field {field!r}: {dtype} {shape}, not floats (clips, frames, "
                "bodies x joints x 3) of 1 or 2 bodies of a known skeleton"
            )
        bodies, joints = _SHAPES[shape[2]]
        common.check_shape(str(path), field, shape[1], bodies)
        return cls(split, shape[0], shape[1], (bodies, joints), dtype)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception:  # damage raises all kinds of them
        raise InputError(
            f"{path}: a damaged or truncated npz; fetch it again"
        ) from None


def _member(path: Path, archive: zipfile.ZipFile, field: str) -> IO[bytes]:
    try:
        return archive.open(f"{field}.npy")
    except Exception:  # also encrypted, or a compression that Python lacks
        raise _damaged(path, field) from None


def _header(
    path: Path, field: str, archive: zipfile.ZipFile, file: IO[bytes]
) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a member; the file is left where its data begin."""
    try:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, fortran_order, dtype = npy.read_array_header_1_0(file)
        else:
            shape, fortran_order, dtype = npy.read_array_header_2_0(file)
    except InputError:
        raise
    except Exception:  # NumPy lists no errors: damage raises all kinds of them
        raise _damaged(path, field) from None
    size = archive.getinfo(f"{field}.npy").file_size
    if dtype.hasobject:
        raise InputError(f"{path}: field {field!r}: an array of Python objects")
    if fortran_order and len(shape) > 1:
        raise InputError(f"{path}: field {field!r}: must be an array in C order")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise _damaged(path, field)
    return shape, dtype


def _damaged(path: Path, field: str) -> InputError:
    return InputError(f"{path}: field {field!r}: damaged or truncated; fetch it again")


def _labels(
    path: Path, archive: zipfile.ZipFile, split: str
) -> tuple[np.ndarray, int | None]:
    """The labels of a split, and of how many classes, where they are one-hot."""
    field = f"y_{split}"
    if f"{field}.npy" not in archive.namelist():
        raise InputError(f"{path}: field {field!r}: missing")
    with _member(path, archive, field) as file:
        shape, dtype = _header(path, field, archive, file)
        size = math.prod(shape) * dtype.itemsize
        if size > _MAX_LABELS or dtype.kind not in "biuf" or len(shape) not in (1, 2):
            raise InputError(
                f"{path}: field {field!r}: {dtype} {shape}, not (clips, classes)"
            )
        values = np.frombuffer(_exactly(path, field, file, size), dtype).reshape(shape)
    if values.ndim == 1:
        return common.labels_of(path, field, values.tolist()), None
    if not ((values == 1).sum(axis=1) == 1).all() or not np.isin(values, (0, 1)).all():
        raise InputError(
            f"{path}: field {field!r}: a row is not one-hot, with a single 1"
        )
    return common.labels_of(path, field, values.argmax(axis=1).tolist()), shape[1]


def _exactly(path: Path, field: str, file: IO[bytes], size: int) -> bytes:
    try:
        content = file.read(size) if size else b""
    except Exception:  # zlib, lzma and zipfile each have their own
        raise _damaged(path, field) from None
    if len(content) != size:
        raise _damaged(path, field)
    return content


def _clips(path: Path, parts: list[_Part]) -> Iterator[np.ndarray]:
    for part in parts:
        bodies, joints = part.shape
        shape = part.frames, bodies, joints, _CHANNELS
        with (
            _opened(path) as archive,
            _member(path, archive, part.field) as file,
        ):
            _header(path, part.field, archive, file)
            for i in range(part.clips):
                size = math.prod(shape) * part.dtype.itemsize
                content = _exactly(path, part.field, file, size)
                clip = np.frombuffer(content, part.dtype).reshape(shape)
                check_finite(f"{path}: clip {part.split} {i:05d}", part.field, clip)
                yield common.trimmed(clip)


def write(
    dataset: PackedDataset, path: Path, train: np.ndarray, test: np.ndarray
) -> None:
    """Write a split of a data set.

    Frames without a body at the end of a clip are lost, as the format pads with them;
    names, subjects and views are, as it has no place for them. T is that of the longest
    clip, M is 2.

    Args:
        dataset: up to two bodies, three channels.
        path: the npz to be written, whole or not at all.
        train, test: positions in the data set.

    Raises:
        InputError: a data set that the format cannot hold, or a file that cannot be
            written.
    """
    if dataset.bodies > _BODIES or dataset.channels != _CHANNELS:
        raise InputError(
            f"{dataset.key}: {dataset.bodies} bodies and {dataset.channels} channels; "
            f"this format holds {_BODIES} and {_CHANNELS}: choose another --format"
        )
    used = np.concatenate([train, test])
    frames = int(dataset.lengths[used].max())
    with atomic_write(path) as target, zipfile.ZipFile(target, "w") as archive:
        for split, positions in zip(SPLITS, (train, test), strict=True):
            shape = len(positions), frames, _BODIES * dataset.layout.size * _CHANNELS
            with _new_member(archive, f"x_{split}.npy") as file:
                _write_header(file, shape, np.dtype("<f4"))
                for i in positions:
                    file.write(_padded(dataset.clip(i), frames).tobytes())
            one_hot = np.eye(dataset.num_classes, dtype=np.float64)
            with _new_member(archive, f"y_{split}.npy") as file:
                npy.write_array(file, one_hot[dataset.label[positions]])


def _padded(clip: np.ndarray, frames: int) -> np.ndarray:
    padded = np.zeros((frames, _BODIES, *clip.shape[2:]), dtype="<f4")
    padded[: len(clip), : clip.shape[1]] = clip
    return padded


def _new_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(zipfile.ZipInfo(name), "w", force_zip64=True)


def _write_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    header = {
        "shape": shape,
        "fortran_order": False,
        "descr": npy.dtype_to_descr(dtype),
    }
    npy.write_array_header_1_0(file, header)
