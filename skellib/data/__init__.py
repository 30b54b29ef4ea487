"""Data sets: reading, packing and splitting them.

A reader a data set turns the original files into a `PackedDataset`; ``prepare`` saves
it, and ``load`` opens it and splits it by a protocol.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from skellib.data import nucla, sbu, synthetic, utd_mhad
from skellib.data.packed import PackedDataset
from skellib.data.protocols import (
    PROTOCOLS,
    clean,
    default_protocol,
    folds,
    holdout,
    split,
)
from skellib.errors import InputError

__all__ = [
    "PROTOCOLS",
    "READERS",
    "PackedDataset",
    "clean",
    "default_protocol",
    "folds",
    "holdout",
    "load",
    "open_dataset",
    "packed_path",
    "prepare",
    "split",
]

READERS: dict[str, Callable[[str | Path], PackedDataset]] = {
    module.KEY: module.read for module in (nucla, utd_mhad, sbu)
}
"""The data sets that are made from files, and what reads them."""


def packed_path(name: str, root: str | Path | None = None) -> Path:
    """Where the packed file of a data set is kept.

    Args:
        name: the data set's key.
        root: the folder of packed files. By default that of the environment variable
            ``SKELLIB_DATA``, else ``data/packed`` in the project.
    """
    default = Path(__file__).resolve().parents[2] / "data" / "packed"
    return Path(root or os.environ.get("SKELLIB_DATA") or default) / f"{name}.npz"


def prepare(name: str, source: str | Path, root: str | Path | None = None) -> Path:
    """Read the original files of a data set and save it packed, whole or not at all.

    Returns:
        The path of the packed file.

    Raises:
        InputError: an unknown data set, or a source that its reader refuses.
    """
    if name not in READERS:
        raise InputError(
            f"data set {name!r}: cannot be prepared; those that can: "
            f"{', '.join(READERS)}"
        )
    return READERS[name](source).save(packed_path(name, root))


def open_dataset(name: str, root: str | Path | None = None) -> PackedDataset:
    """All clips of a data set: the synthetic one generated, others from their files.

    Raises:
        InputError: an unknown data set, or one whose file is not there or not usable.
    """
    if name == synthetic.KEY:
        return _synthetic()
    if name not in READERS:
        raise InputError(
            f"data set {name!r}: unknown; known are "
            f"{', '.join((synthetic.KEY, *READERS))}"
        )
    path = packed_path(name, root)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; make it with "
            f"`python -m skellib prepare {name} --source PATH`"
        )
    dataset = PackedDataset.open(path)
    if dataset.key != name:
        raise InputError(
            f"{path}: field 'key': holds {dataset.key!r}, not {name!r}; make it again "
            f"with `python -m skellib prepare {name} --source PATH`"
        )
    return dataset


def load(
    name: str,
    protocol: str | None = None,
    root: str | Path | None = None,
    *,
    fold: int = 0,
) -> tuple[PackedDataset, PackedDataset]:
    """The training and the test clips of a data set.

    Args:
        name: ``"synthetic"``, or one that ``prepare`` has made: ``"nucla"``, ...
        protocol: one of ``PROTOCOLS[name]``; the first by default.
        root: the folder of packed files, as in ``packed_path``.
        fold: which fold, where the protocol has several.

    Returns:
        Two subsets that share their joints.

    Raises:
        InputError: an unknown name, protocol or fold, or a missing file; the message
            then names the command that makes it.
    """
    dataset = open_dataset(name, root)
    train, test = split(dataset, protocol or default_protocol(name), fold)
    return dataset.subset(train), dataset.subset(test)


@cache
def _synthetic() -> PackedDataset:
    return synthetic.generate()
