"""CTR-GCN's npz format: ``NTU60_CS.npz`` and similar files.

``x_train`` (n, T, M N 3), clips padded with zeros to a common T, bodies concatenated;
``y_train`` (n, classes), one-hot; ``x_test`` and ``y_test`` likewise. For NTU RGB+D, T
is 300, M is 2 and N is 25. The file holds one split of the data set, without names,
subjects or cameras.

Y. Chen et al., "Channel-wise Topology Refinement Graph Convolution for Skeleton-Based
Action Recognition", ICCV 2021.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from skellib.data.packed import PackedDataset
from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import atomic_write, read_errors
from skellib.readers.interchange import common
from skellib.readers.source_format import SourceFormat

SPLITS = ("train", "test")
_CHANNELS = 3
_BODIES = 2  # as CTR-GCN's own data loaders expect
_MAX_LABELS = 2**30  # bytes


def recognise(path: Path) -> bool:
    """Return whether a file has this format, by the names of its members."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
    except Exception:  # damage raises many kinds of errors
        return False
    return any({f"x_{split}.npy", f"y_{split}.npy"} <= members for split in SPLITS)


def stream(
    path: Path,
    key: str,
    source_format: SourceFormat | None = None,
    layout: Layout | None = None,
) -> ClipStream:
    """Open a file as a stream of clips, training clips first.

    A compressed file is decompressed clip by clip.

    Args:
        path: the file.
        key: key of the data set.
        source_format: the data set's own format, if it has one.
        layout: the skeleton; guessed from the number of joints by default.

    Returns:
        A stream of clips (T, M, N, 3) without the padding (one frame remains of an
        empty clip), named ``train 00000`` and so on; ``extras["split"]`` is 0 for
        training and 1 for test clips.

    Raises:
        InputError: a damaged or foreign file; the message names the field.
    """
    parts, labels, widths = [], [], set()
    sizes = common.joint_counts(layout)
    with _opened(path) as archive:
        members = set(archive.namelist())
        for split in SPLITS:
            if f"x_{split}.npy" in members:
                parts.append(_Split.find(path, archive, split, sizes))
                rows, width = _labels(path, archive, split)
                labels.append(rows)
                widths.add(width)
    if not parts:
        raise InputError(f"{path}: field 'x_train': missing; not a file of CTR-GCN's")
    for part, given in zip(parts, labels, strict=True):
        if len(given) != part.clips:
            raise InputError(
                f"{path}: field 'y_{part.split}': {len(given)} labels for {part.clips} "
                "clips"
            )
    if len({part.shape for part in parts}) > 1 or len(widths) > 1:
        raise InputError(
            f"{path}: field 'x_test': other bodies, joints or classes than in training"
        )
    side = [SPLITS.index(part.split) for part in parts]
    names = [f"{part.split} {i:05d}" for part in parts for i in range(part.clips)]
    faults: common.Faults = {}
    values = [row for rows in labels for row in rows]
    label = common.labels_of(path, f"y_{parts[0].split}", values, names, faults)
    joints = parts[0].shape[1]
    return common.clip_stream(
        path,
        key,
        source_format,
        clips=partial(_clips, path, parts),
        names=names,
        label=label,
        faults=faults,
        field="x",
        layout=common.layout_of(path, joints, None, source_format, layout),
        extras={"split": np.repeat(side, [part.clips for part in parts])},
        source=f"{path.name} (CTR-GCN)",
        classes=widths.pop(),
    )


@dataclass(frozen=True)
class _Split:
    """Header of the array of one split."""

    split: str
    clips: int
    frames: int
    shape: tuple[int, int]  # (M, N)
    dtype: np.dtype

    @property
    def field(self) -> str:
        """Name of the array in the file."""
        return f"x_{self.split}"

    @classmethod
    def find(
        cls,
        path: Path,
        archive: zipfile.ZipFile,
        split: str,
        sizes: Sequence[int],
    ) -> _Split:
        """Read and check the header of a split."""
        field = f"x_{split}"
        with _member(path, archive, field) as file:
            shape, dtype = _header(path, field, archive, file)
        shapes = {m * n * _CHANNELS: (m, n) for n in sizes for m in (1, 2)}
        if dtype.kind != "f" or len(shape) != 3 or shape[2] not in shapes:
            raise InputError(
                f"{path}: field {field!r}: {dtype} {shape}, not floats (clips, frames, "
                "bodies x joints x 3) of 1 or 2 bodies with "
                f"{' or '.join(map(str, sorted(sizes)))} joints; --layout gives others"
            )
        bodies, joints = shapes[shape[2]]
        common.check_shape(str(path), field, shape[1], bodies)
        return cls(split, shape[0], shape[1], (bodies, joints), dtype)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        with read_errors(path):
            return zipfile.ZipFile(path)
    except InputError:
        raise
    except Exception:  # damage raises many kinds of errors
        raise InputError(
            f"{path}: a damaged or truncated npz; fetch it again"
        ) from None


def _member(path: Path, archive: zipfile.ZipFile, field: str) -> IO[bytes]:
    try:
        return archive.open(f"{field}.npy")
    except Exception:  # also if encrypted, or compressed by an unknown method
        raise _damaged(path, field) from None


def _header(
    path: Path, field: str, archive: zipfile.ZipFile, file: IO[bytes]
) -> tuple[tuple[int, ...], np.dtype]:
    """Read the header of a member, up to the beginning of its data."""
    try:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, fortran_order, dtype = npy.read_array_header_1_0(file)
        else:
            shape, fortran_order, dtype = npy.read_array_header_2_0(file)
    except InputError:
        raise
    except Exception:  # NumPy documents no errors; damage raises many kinds
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
) -> tuple[list[object], int | None]:
    """Read the labels of a split, and the number of classes if they are one-hot.

    A row that is not one-hot becomes a text, which is no label.
    """
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
        return values.tolist(), None
    one_hot = ((values == 1).sum(axis=1) == 1) & np.isin(values, (0, 1)).all(axis=1)
    return [
        int(row.argmax()) if good else "a row that is not one-hot"
        for row, good in zip(values, one_hot, strict=True)
    ], shape[1]


def _exactly(path: Path, field: str, file: IO[bytes], size: int) -> bytes:
    try:
        content = file.read(size) if size else b""
    except Exception:  # zlib, lzma and zipfile have errors of their own
        raise _damaged(path, field) from None
    if len(content) != size:
        raise _damaged(path, field)
    return content


def _clips(path: Path, parts: list[_Split]) -> Iterator[np.ndarray]:
    for part in parts:
        bodies, joints = part.shape
        shape = part.frames, bodies, joints, _CHANNELS
        with (
            _opened(path) as archive,
            _member(path, archive, part.field) as file,
        ):
            _header(path, part.field, archive, file)
            for _ in range(part.clips):
                size = math.prod(shape) * part.dtype.itemsize
                content = _exactly(path, part.field, file, size)
                clip = np.frombuffer(content, part.dtype).reshape(shape)
                yield common.trimmed(clip)


def write(
    dataset: PackedDataset, path: Path, train: np.ndarray, test: np.ndarray
) -> None:
    """Write a split of a data set, atomically.

    Empty frames at the end of a clip are lost, as they equal the padding; so are names,
    subjects and views. T is the length of the longest clip, M is 2.

    Args:
        dataset: data set with up to two bodies and three channels.
        path: the npz file.
        train, test: positions of the clips of either side.

    Raises:
        InputError: more bodies or other channels, or the file cannot be written.
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
