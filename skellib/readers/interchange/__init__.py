"""Formats that other projects keep skeleton data in: read, and written.

CTR-GCN's npz, ST-GCN's npy with a label pickle, PYSKL's annotation pickle. What they
hold was prepared by someone's script: values are taken as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from skellib.data.packed import PackedDataset
from skellib.data.protocols import protocols_of, split
from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.paths import write_errors
from skellib.readers.interchange import ctrgcn, pyskl, stgcn
from skellib.readers.release import SourceFormat

Format = Literal["ctrgcn", "stgcn", "pyskl"]
_FORMATS = {"ctrgcn": ctrgcn, "stgcn": stgcn, "pyskl": pyskl}
FORMATS = tuple(_FORMATS)


def recognise(path: str | Path) -> Format | None:
    """The format of a file or folder, judged by names and first bytes alone.

    None for one of no format here. ST-GCN's is a folder with ``train_data.npy`` and
    ``train_label.pkl`` (or ``val_...``), or one of these files.
    """
    path = Path(path)
    if ctrgcn.recognise(path):
        return "ctrgcn"
    if stgcn.recognise(path):
        return "stgcn"
    if pyskl.recognise(path):
        return "pyskl"
    return None


def stream(
    path: str | Path, key: str, release: SourceFormat | None = None
) -> ClipStream:
    """The clips of a file that ``recognise`` knows, one after the other.

    Args:
        path: the file, or ST-GCN's folder.
        key: the name of the data set: ``"ntu"``, or a new one.
        release: of the data set's own reader, where it has one: for the names of its
            classes, its layout, and what the clips' names say.

    Returns:
        A stream for ``writing.write``. What the file does not say is 0 (subject, view).
        ``extras["split"]`` is the file's own split, if it has one: 0 where a clip
        trains, 1 where it tests, -1 where it does neither.

    Raises:
        InputError: a file of no known format, or a damaged one. The values are looked
            at when the clips are iterated over, and may raise then.
    """
    path = Path(path)
    form = recognise(path)
    if form is None:
        raise InputError(
            f"{path}: neither an npz of CTR-GCN's, nor a folder of ST-GCN's, nor a "
            "pickle of PYSKL's"
        )
    return _FORMATS[form].stream(path, key, release)


def write(
    dataset: PackedDataset,
    path: str | Path,
    form: str,
    protocol: str | None = None,
    fold: int = 0,
) -> tuple[int, int]:
    """Write a data set, split by a protocol, in one of the formats.

    Numbers are written as float32. What else a format does not hold is lost; its module
    says what.

    Args:
        dataset: what to write.
        path: the file; for ``"stgcn"`` the folder of the files.
        form: one of ``FORMATS``.
        protocol: one of the data set's; its first by default.
        fold: which fold, where the protocol has several.

    Returns:
        How many clips train and test.

    Raises:
        InputError: an unknown format or protocol, a data set that the format cannot
            hold, or a file that cannot be written.
    """
    if form not in _FORMATS:
        raise InputError(f"format {form!r}: unknown; known are {', '.join(FORMATS)}")
    path = Path(path)
    protocol = protocol or protocols_of(dataset)[0]
    train, test = split(dataset, protocol, fold)
    with write_errors(path):
        folder = path if form == "stgcn" else path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if form == "ctrgcn":
            ctrgcn.write(dataset, path, train, test)
        elif form == "stgcn":
            stgcn.write(dataset, path, train, test)
        else:
            pyskl.write(dataset, path, train, test, protocol)
    return len(train), len(test)
