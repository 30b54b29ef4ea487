"""Packed data sets, and their split into training and test clips by a protocol."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from skellib.data import synthetic
from skellib.data.packed import PackedDataset
from skellib.data.protocols import (
    PROTOCOLS,
    default_of,
    default_protocol,
    folds,
    holdout,
    protocols_of,
    split,
    without_leakage,
)
from skellib.errors import InputError
from skellib.paths import packed_path

__all__ = [
    "PROTOCOLS",
    "PackedDataset",
    "default_of",
    "default_protocol",
    "folds",
    "holdout",
    "load",
    "open_dataset",
    "packed_path",
    "protocols_of",
    "split",
    "without_leakage",
]


def open_dataset(name: str, root: str | Path | None = None) -> PackedDataset:
    """Open all clips of a data set; the synthetic one is generated.

    Args:
        name: ``"synthetic"``, or a data set that was prepared: ``"nucla"``, ...
        root: folder of packed files, as in ``packed_path``.

    Raises:
        InputError: an unknown data set, or a missing or unusable packed file; the
            message contains the command that makes it.
    """
    if name == synthetic.KEY:
        return _synthetic()
    path = packed_path(name, root)
    if not path.is_file():
        if name in PROTOCOLS:
            raise InputError(
                f"{path}: no such file; make it with "
                f"`python -m skellib prepare {name} --source PATH`"
            )
        known = dict.fromkeys((*PROTOCOLS, *_prepared(path.parent)))
        raise InputError(
            f"data set {name!r}: unknown; known are {', '.join(known)}; make your own "
            f"with `python -m skellib prepare custom --name {name} --source PATH`"
        )
    dataset = PackedDataset.open(path)
    if dataset.key != name:
        raise InputError(
            f"{path}: field 'key': holds {dataset.key!r}, not {name!r}; make it again "
            f"with `python -m skellib prepare {name} --source PATH`"
        )
    return dataset


def _prepared(folder: Path) -> list[str]:
    """Return the names of the packed files in a folder."""
    return sorted(path.stem for path in folder.glob("[!.]*.npz"))


def load(
    name: str,
    protocol: str | None = None,
    root: str | Path | None = None,
    *,
    fold: int = 0,
) -> tuple[PackedDataset, PackedDataset]:
    """Load the training and the test clips of a data set (Section IV-A).

    Args:
        name: ``"synthetic"``, or a data set that was prepared: ``"nucla"``, ...
        protocol: one of ``protocols_of(dataset)``; ``default_of(dataset)`` by default.
        root: folder of packed files, as in ``packed_path``.
        fold: number of the fold, for a protocol with several.

    Returns:
        Training and test subset, which share their joints.

    Raises:
        InputError: an unknown name, protocol or fold, or a missing file; the message
            contains the command that makes it.

    Example:
        >>> import skellib as sk
        >>> train_set, test_set = sk.load("synthetic", protocol="cross_subject")
        >>> set(train_set.subject) & set(test_set.subject)
        set()
    """
    dataset = open_dataset(name, root)
    train, test = split(dataset, protocol or default_of(dataset), fold)
    return dataset.subset(train), dataset.subset(test)


@cache
def _synthetic() -> PackedDataset:
    return synthetic.generate()
