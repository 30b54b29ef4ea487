"""Readers of the original files of each data set, and of other projects' formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from skellib.data import synthetic
from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.paths import packed_path
from skellib.readers import (
    interchange,
    kinetics,
    ntu,
    nucla,
    preparing,
    release,
    sbu,
    sysu,
    utd_mhad,
)
from skellib.readers.preparing import Prepared

__all__ = ["FORMATS", "READERS", "Prepared", "prepare"]

_MODULES = {
    module.KEY: module for module in (ntu, kinetics, sysu, nucla, utd_mhad, sbu)
}
READERS: dict[str, Callable[[str | Path], PackedDataset]] = {
    key: module.read for key, module in _MODULES.items()
}
"""The data sets that are made from files, and what reads them."""
FORMATS: dict[str, tuple[release.SourceFormat, ...]] = {
    key: module.RELEASES for key, module in _MODULES.items()
}
"""The file formats of each."""


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
    releases = FORMATS.get(name, ())
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
