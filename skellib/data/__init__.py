"""Data sets: reading, packing and splitting them.

A reader a data set turns the original files into a `PackedDataset`; ``prepare`` saves
it, and ``load`` opens it and splits it by a protocol.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from skellib.data import (
    interchange,
    kinetics,
    ntu,
    nucla,
    preparing,
    release,
    sbu,
    synthetic,
    sysu,
    utd_mhad,
)
from skellib.data.packed import PackedDataset
from skellib.data.preparing import Prepared
from skellib.data.protocols import (
    PROTOCOLS,
    clean,
    default_protocol,
    folds,
    holdout,
    protocols_of,
    split,
)
from skellib.errors import InputError

__all__ = [
    "PROTOCOLS",
    "READERS",
    "RELEASES",
    "PackedDataset",
    "Prepared",
    "clean",
    "default_protocol",
    "folds",
    "holdout",
    "load",
    "open_dataset",
    "packed_path",
    "prepare",
    "protocols_of",
    "split",
]

_MODULES = {
    module.KEY: module for module in (ntu, kinetics, sysu, nucla, utd_mhad, sbu)
}
READERS: dict[str, Callable[[str | Path], PackedDataset]] = {
    key: module.read for key, module in _MODULES.items()
}
"""The data sets that are made from files, and what reads them."""
RELEASES: dict[str, tuple[release.Release, ...]] = {
    key: module.RELEASES for key, module in _MODULES.items()
}
"""The file formats of each."""


def packed_path(name: str, root: str | Path | None = None) -> Path:
    """Where the packed file of a data set is kept.

    Args:
        name: the data set's key.
        root: the folder of packed files. By default that of the environment variable
            ``SKELLIB_DATA``, else ``data/packed`` in the project.

    Raises:
        InputError: a name that no file can have.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise InputError(
            f"data set {name!r}: a name has letters, digits, -, _ and . only"
        )
    default = Path(__file__).resolve().parents[2] / "data" / "packed"
    return Path(root or os.environ.get("SKELLIB_DATA") or default) / f"{name}.npz"


def prepare(
    name: str,
    source: str | Path | Sequence[str | Path],
    root: str | Path | None = None,
    *,
    strict: bool = False,
    dtype: str = "float32",
    workers: int | None = None,
    max_bytes: int | None = None,
    progress: bool = True,
) -> Prepared:
    """Read the original files of a data set and save it packed, whole or not at all.

    A bad file is left out and listed in ``<name>.left_out.txt`` beside the packed file.
    A preparation that was stopped goes on where it was. Where several processes work,
    a script that calls this needs the guard ``if __name__ == "__main__":``.

    Args:
        name: one of ``READERS``; or, for a file of another project's format, any name.
        source: folders and zip archives with the original files, one or several; or
            one npz with all clips; or one file of a format that ``interchange`` reads.
        root: the folder of packed files, as in ``packed_path``.
        strict: whether the first bad file ends the preparation.
        dtype: ``"float32"`` or ``"float16"``.
        workers: processes that parse; every core by default, 1 for this one only.
        max_bytes: the most that is read of one file; ``sources.MAX_BYTES`` by default.
        progress: whether to show how far it is.

    Raises:
        InputError: an unknown data set, a source that is not there or holds nothing
            that can be used, or, where ``strict``, a bad file.
        RuntimeError: a fault in a parser, not in the data; the message names the file.
    """
    given = [source] if isinstance(source, str | Path) else list(source)
    path = packed_path(name, root)
    releases = RELEASES.get(name, ())
    single = Path(given[0]) if len(given) == 1 else None
    if single and name != synthetic.KEY and interchange.recognise(single):
        stream = interchange.stream(single, name, releases[0] if releases else None)
        return preparing.from_stream(path, stream, dtype, progress)
    if not releases:
        raise InputError(
            f"data set {name!r}: cannot be prepared; those that can: "
            f"{', '.join(READERS)}"
        )
    if single and single.suffix.lower() == ".npz":
        stream = release.read_npz(releases[0], single, dtype).stream()
        return preparing.from_stream(path, stream, dtype, progress)
    return preparing.from_files(
        releases,
        given,
        path,
        strict=strict,
        dtype=dtype,
        workers=workers,
        max_bytes=max_bytes,
        progress=progress,
    )


def open_dataset(name: str, root: str | Path | None = None) -> PackedDataset:
    """All clips of a data set: the synthetic one generated, others from their files.

    Raises:
        InputError: an unknown data set, or one whose file is not there or not usable.
    """
    if name == synthetic.KEY:
        return _synthetic()
    path = packed_path(name, root)
    if not path.is_file():
        if name in READERS:
            raise InputError(
                f"{path}: no such file; make it with "
                f"`python -m skellib prepare {name} --source PATH`"
            )
        known = dict.fromkeys((synthetic.KEY, *READERS, *_prepared(path.parent)))
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
    """The names of the packed files in a folder."""
    return sorted(path.stem for path in folder.glob("[!.]*.npz"))


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
        protocol: one of ``protocols_of(dataset)``; the first by default.
        root: the folder of packed files, as in ``packed_path``.
        fold: which fold, where the protocol has several.

    Returns:
        Two subsets that share their joints.

    Raises:
        InputError: an unknown name, protocol or fold, or a missing file; the message
            then names the command that makes it.
    """
    dataset = open_dataset(name, root)
    train, test = split(dataset, protocol or protocols_of(dataset)[0], fold)
    return dataset.subset(train), dataset.subset(test)


@cache
def _synthetic() -> PackedDataset:
    return synthetic.generate()
