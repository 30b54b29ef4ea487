"""Readers of the original files of each data set, and of other projects' formats.

A data set is one module of this package, listed in `DATASETS`. It defines ``KEY``,
``CLASSES``, ``FORMATS`` (its `SourceFormat`s), ``INFO`` (its `DatasetInfo`) and
``read``. Its train/test protocols are in ``skellib.data.protocols``, since opening a
packed data set must not import the readers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from skellib.data import synthetic
from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import packed_path
from skellib.readers import interchange, preparing, source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.preparing import Prepared

__all__ = ["DATASETS", "FORMATS", "INFO", "READERS", "Prepared", "prepare"]

DATASETS = ("ntu", "ntu120", "kinetics", "sysu", "nucla", "utd_mhad", "sbu")
"""Names of the reader modules; each is also the key of its data set."""
_MODULES = {name: import_module(f"{__name__}.{name}") for name in DATASETS}
READERS: dict[str, Callable[[str | Path], PackedDataset]] = {
    key: module.read for key, module in _MODULES.items()
}
"""Function that reads each data set into memory."""
FORMATS: dict[str, tuple[source_format.SourceFormat, ...]] = {
    key: module.FORMATS for key, module in _MODULES.items()
}
"""File formats of each data set."""
INFO: dict[str, DatasetInfo] = {key: module.INFO for key, module in _MODULES.items()}
"""Published description of each data set."""


def prepare(
    name: str,
    source: str | Path | Sequence[str | Path],
    root: str | Path | None = None,
    *,
    layout: Layout | None = None,
    strict: bool = False,
    dtype: str = "float32",
    workers: int | None = None,
    max_bytes: int | None = None,
    progress: bool = True,
) -> Prepared:
    """Convert the original files of a data set to its packed file, atomically.

    Damaged files are skipped and listed in ``<name>.skipped.txt`` beside the packed
    file. An interrupted preparation resumes. With several workers, a script that calls
    this needs the guard ``if __name__ == "__main__":``.

    Args:
        name: a key of ``READERS``; any name for a file of another project's format.
        source: folders and zip archives with the original files; or one npz with all
            clips; or one file of a format that ``interchange`` reads.
        root: folder of packed files, as in ``packed_path``.
        layout: skeleton of a file of another project's format; by default guessed from
            its number of joints.
        strict: raise on the first damaged file instead of skipping it.
        dtype: ``"float32"`` or ``"float16"``.
        workers: number of processes; by default one per core. 1 starts no process.
        max_bytes: size limit of a single file; ``sources.MAX_BYTES`` by default.
        progress: show the progress.

    Returns:
        Path and number of clips of the packed file, and the files that were skipped.

    Raises:
        InputError: an unknown data set, a missing source, no usable file, another
            preparation of the same data set at this moment, or, if ``strict``, a
            damaged file.
        RuntimeError: a bug in a parser; the message names the file.
    """
    given = [source] if isinstance(source, str | Path) else list(source)
    path = packed_path(name, root)
    formats = FORMATS.get(name, ())
    single = Path(given[0]) if len(given) == 1 else None
    stream = None
    if layout and formats:
        raise InputError(f"{name}: has its own skeleton, {formats[0].layout.name}")
    if single and name != synthetic.KEY and interchange.recognise(single):
        own = formats[0] if formats else None
        stream = interchange.stream(single, name, own, layout)
    elif not formats:
        raise _not_recognised(name, given)
    elif single and single.suffix.lower() == ".npz":
        stream = source_format.npz_stream(formats[0], single)
    if single and stream:
        return preparing.from_stream(
            path, stream, dtype, progress, where=single, strict=strict
        )
    return preparing.from_files(
        formats,
        given,
        path,
        strict=strict,
        dtype=dtype,
        workers=workers,
        max_bytes=max_bytes,
        progress=progress,
    )


def _not_recognised(name: str, sources: Sequence[str | Path]) -> InputError:
    """Return the error for files under a name that is no data set's."""
    for source in sources:
        if not Path(source).exists():
            return InputError(f"{source}: no such file or folder")
        if not os.access(source, os.R_OK):
            return InputError(f"{source}: cannot be read; its permissions forbid it")
    where = ", ".join(map(str, sources))
    return InputError(
        f"{where}: not recognised; data set {name!r} can be prepared from "
        f"{interchange.DESCRIPTION}; for clips.csv or an .npz of your own, use `python "
        f"-m skellib prepare custom --name {name} --source {sources[0]}`; as released "
        f"are read: {', '.join(READERS)}"
    )
