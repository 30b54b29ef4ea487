"""Reading and writing of other projects' data formats.

CTR-GCN's npz, ST-GCN's npy with a label pickle, PYSKL's annotation pickle. Their data
were preprocessed by those projects' scripts; values are not changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from skellib.data.packed import PackedDataset
from skellib.data.protocols import protocols_of, split
from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import write_errors
from skellib.readers.interchange import ctrgcn, pyskl, stgcn
from skellib.readers.source_format import SourceFormat

Format = Literal["ctrgcn", "stgcn", "pyskl"]
FORMATS: tuple[Format, ...] = ("ctrgcn", "stgcn", "pyskl")
DESCRIPTION = (
    "an .npz of CTR-GCN's (x_train, y_train, ...), a folder of ST-GCN's "
    "(train_data.npy, train_label.pkl, ...), a .pkl of PYSKL's"
)
"""What is recognised, for messages."""
_MODULES = {"ctrgcn": ctrgcn, "stgcn": stgcn, "pyskl": pyskl}


def recognise(path: str | Path) -> Format | None:
    """Recognise the format of a file or folder by names and first bytes.

    ST-GCN's format is a folder with ``train_data.npy`` and ``train_label.pkl`` (or
    ``val_...``), or one of these files.

    Returns:
        The format, or None if it is none of these.
    """
    path = Path(path)
    for name in FORMATS:
        if _MODULES[name].recognise(path):
            return name
    return None


def stream(
    path: str | Path,
    key: str,
    source_format: SourceFormat | None = None,
    layout: Layout | None = None,
) -> ClipStream:
    """Open a file of one of the formats as a stream of clips.

    Args:
        path: the file, or ST-GCN's folder.
        key: key of the data set: ``"ntu"``, or a new one.
        source_format: format of the data set's own reader, if it has one; provides
            class names, the layout, and the meaning of clip names.
        layout: the skeleton; by default that of ``source_format``, or guessed from the
            number of joints.

    Returns:
        A stream for ``writing.write``, with an error in place of each clip that cannot
        be used. Unknown subjects and views are 0.
        ``extras["split"]`` is the file's own split, if any: 0 for training, 1 for test,
        -1 for neither.

    Raises:
        InputError: an unknown format or a damaged file. Values are checked while the
            clips are iterated over, which may raise as well.
    """
    path = Path(path)
    name = recognise(path)
    if name is None:
        raise InputError(f"{path}: none of {DESCRIPTION}")
    return _MODULES[name].stream(path, key, source_format, layout)


def write(
    dataset: PackedDataset,
    path: str | Path,
    format_name: str,
    protocol: str | None = None,
    fold: int = 0,
) -> tuple[int, int]:
    """Write a data set, split by a protocol, in one of the formats.

    Numbers are written as float32. Metadata that a format cannot represent are lost;
    see ``write`` in its module.

    Args:
        dataset: the data set.
        path: the file; for ``"stgcn"`` the folder of the files.
        format_name: one of ``FORMATS``.
        protocol: one of the data set's protocols; the first by default.
        fold: number of the fold, for a protocol with several.

    Returns:
        Numbers of training and of test clips.

    Raises:
        InputError: an unknown format or protocol, a data set that the format cannot
            represent, or a file that cannot be written.
    """
    if format_name not in FORMATS:
        raise InputError(
            f"format {format_name!r}: unknown; known are {', '.join(FORMATS)}"
        )
    path = Path(path)
    protocol = protocol or protocols_of(dataset)[0]
    train, test = split(dataset, protocol, fold)
    with write_errors(path):
        folder = path if format_name == "stgcn" else path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if format_name == "ctrgcn":
            ctrgcn.write(dataset, path, train, test)
        elif format_name == "stgcn":
            stgcn.write(dataset, path, train, test)
        else:
            pyskl.write(dataset, path, train, test, protocol)
    return len(train), len(test)
