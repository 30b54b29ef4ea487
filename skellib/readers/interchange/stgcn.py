"""ST-GCN's format: ``train_data.npy`` with ``train_label.pkl``, likewise for ``val``.

The data are (n, C, T, N, M), padded with zeros to a common T; the pickle holds names
and labels of the clips. 2s-AGCN and its successors call the data
``train_data_joint.npy``. For Kinetics-Skeleton the channels are x - 1/2, y - 1/2 and
the score.

S. Yan, Y. Xiong, D. Lin, "Spatial Temporal Graph Convolutional Networks for
Skeleton-Based Action Recognition", AAAI 2018.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from skellib.data.packed import PackedDataset
from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import atomic_write
from skellib.readers.interchange import common, pickles
from skellib.readers.source_format import SourceFormat
from skellib.readers.sources import load_numpy

SPLITS = ("train", "val", "test")
_FILE = re.compile(rf"({'|'.join(SPLITS)})(_data(?:_joint)?\.npy|_label\.pkl)")
_DATA = ("_data.npy", "_data_joint.npy")


def recognise(path: Path) -> bool:
    """Return whether a path is a file of this format, or the folder of such files."""
    if path.is_dir():
        return bool(_beside(path))
    return bool(_FILE.fullmatch(path.name)) and bool(_beside(path.parent, path.name))


def stream(
    path: Path,
    key: str,
    source_format: SourceFormat | None = None,
    layout: Layout | None = None,
) -> ClipStream:
    """Open the files of a folder as a stream of clips, training clips first.

    Args:
        path: the folder, or one of its files.
        key: key of the data set.
        source_format: the data set's own format, if it has one.
        layout: the skeleton; guessed from the number of joints by default.

    Returns:
        A stream of clips (T, M, N, C) without the padding (one frame remains of an
        empty clip), with subject, view and so on if the names contain them;
        ``extras["split"]`` is 0 for training and 1 for test clips.

    Raises:
        InputError: a damaged or foreign file; the message names it and the field.
    """
    folder, given = (path, None) if path.is_dir() else (path.parent, path.name)
    parts = [_Split.find(folder, *each) for each in _beside(folder, given).items()]
    if not parts:
        raise InputError(
            f"{path}: no train_data.npy and train_label.pkl, as ST-GCN has them"
        )
    first = parts[0]
    for part in parts[1:]:
        if part.shape != first.shape:
            raise InputError(
                f"{part.path}: {part.shape} channels, joints and bodies, but "
                f"{first.path.name} has {first.shape}"
            )
    faults: common.Faults = {}
    every = [name for part in parts for name in part.names]
    names = common.names_of(first.path, "sample_name", every, faults)
    labels = [label for part in parts for label in part.labels]
    label = common.labels_of(first.path, "label", labels, names, faults)
    channels, joints, _ = first.shape
    space = False if channels == 2 else None
    side = [int(part.split != "train") for part in parts]
    return common.clip_stream(
        first.path,
        key,
        source_format,
        clips=partial(_clips, parts),
        names=names,
        label=label,
        faults=faults,
        field="data",
        layout=common.layout_of(first.path, joints, space, source_format, layout),
        extras={"split": np.repeat(side, [len(part.names) for part in parts])},
        source=f"{folder.absolute().name} (ST-GCN)",
    )


def _beside(folder: Path, given: str | None = None) -> dict[str, str]:
    """Return the splits in a folder, with the suffix of their data files."""
    found = _FILE.fullmatch(given) if given else None
    endings = [
        ending for ending in _DATA if found is None or found[2] != _other(ending)
    ]
    return {
        split: ending
        for split in SPLITS
        for ending in reversed(endings)
        if (folder / f"{split}{ending}").is_file()
        and ((folder / f"{split}_label.pkl").is_file() or given is not None)
    }


def _other(ending: str) -> str:
    return _DATA[1 - _DATA.index(ending)]


@dataclass(frozen=True)
class _Split:
    """Labels and data header of one split."""

    split: str
    path: Path
    names: list[object]
    labels: list[object]
    shape: tuple[int, int, int]  # (C, N, M)

    @classmethod
    def find(cls, folder: Path, split: str, ending: str) -> _Split:
        """Read the labels of a split and check the header of its data."""
        path, beside = folder / f"{split}{ending}", folder / f"{split}_label.pkl"
        if not beside.is_file():
            raise InputError(f"{path}: no {beside.name} beside it")
        names, labels = _read_labels(beside)
        clips, channels, frames, joints, bodies = _mapped(path).shape
        if clips != len(names):
            raise InputError(
                f"{path}: {clips} clips, but {beside.name} names {len(names)}"
            )
        common.check_shape(str(path), "data", frames, bodies)
        return cls(split, path, names, labels, (channels, joints, bodies))


def _read_labels(path: Path) -> tuple[list[object], list[object]]:
    content = pickles.load(path)
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise InputError(f"{path}: not the names and the labels of clips")
    names, labels = (
        each.tolist() if isinstance(each, np.ndarray) else each for each in content
    )
    if not isinstance(names, list | tuple) or not isinstance(labels, list | tuple):
        raise InputError(f"{path}: not the names and the labels of clips")
    if len(names) != len(labels):
        raise InputError(f"{path}: {len(names)} names, but {len(labels)} labels")
    return list(names), list(labels)


def _mapped(path: Path) -> np.ndarray:
    """Memory-map the data of a split, (n, C, T, N, M)."""
    data = load_numpy(path, mmap_mode="r")
    if data is None:
        raise InputError(
            f"{path}: not a readable npy file, or a truncated one; fetch it again"
        )
    if not isinstance(data, np.ndarray) or data.dtype.kind != "f" or data.ndim != 5:
        kind = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else "npz"
        raise InputError(
            f"{path}: {kind}, not floats (clips, channels, frames, joints, bodies)"
        )
    if data.shape[1] not in (2, 3):
        raise InputError(f"{path}: {data.shape[1]} channels, not 2 or 3")
    return data


def _clips(parts: list[_Split]) -> Iterator[np.ndarray]:
    for part in parts:
        for block in _mapped(part.path):
            yield common.trimmed(np.ascontiguousarray(block.transpose(1, 3, 2, 0)))


def write(
    dataset: PackedDataset, path: Path, train: np.ndarray, test: np.ndarray
) -> None:
    """Write a split of a data set: ``train_data.npy``, ``val_data.npy``, and labels.

    Empty frames at the end of a clip are lost, as they equal the padding; so are
    subjects and views, unless the names contain them. T is the length of the longest
    clip.

    Args:
        dataset: the data set.
        path: folder of the files.
        train, test: positions of the clips of either side.

    Raises:
        InputError: a file that cannot be written.
    """
    frames = int(dataset.lengths[np.concatenate([train, test])].max())
    shape = dataset.channels, frames, dataset.layout.size, dataset.bodies
    for split, positions in zip(SPLITS, (train, test), strict=False):
        with atomic_write(path / f"{split}_data.npy") as file:
            header = {
                "shape": (len(positions), *shape),
                "fortran_order": False,
                "descr": "<f4",
            }
            npy.write_array_header_1_0(file, header)
            for i in positions:
                block = np.zeros(shape, dtype="<f4")
                clip = dataset.clip(i)
                block[:, : len(clip)] = clip.transpose(3, 0, 2, 1)
                file.write(block.tobytes())
        labels = dataset.name[positions].tolist(), dataset.label[positions].tolist()
        with atomic_write(path / f"{split}_label.pkl") as file:
            pickle.dump(labels, file, protocol=4)
