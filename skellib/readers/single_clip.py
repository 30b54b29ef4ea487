"""Reading of a single clip from a file, for inference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers.clip_tables import read_clip_table
from skellib.readers.source_format import SourceFormat
from skellib.readers.sources import SourceFile


def read_clip(
    path: Path | str,
    layout: Layout,
    formats: Sequence[SourceFormat] = (),
    successive: bool = False,
) -> np.ndarray:
    """Read one clip from a file.

    Args:
        path: a ``.npy`` (T, M, N, C) or (T, N, C); a ``.csv``, see
            :mod:`skellib.readers.clip_tables`; or a file of one of ``formats``.
        layout: skeleton layout of the clip.
        formats: file formats of a data set.
        successive: treat the rows of a ``.csv`` as successive frames and ignore their
            frame numbers, as for the training clips.

    Returns:
        (T, M, N, C), or (T, N, C), in the dtype of the file.

    Raises:
        InputError: a missing or damaged file, or an unknown format.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return read_clip_table(path, layout, successive=successive).joints
    if suffix == ".npy":
        try:
            clip = np.load(path, allow_pickle=False)
        except Exception:  # NumPy documents no errors; damage raises many kinds
            clip = None
        if not isinstance(clip, np.ndarray):
            raise InputError(f"{path}: not a readable .npy of numbers")
        return clip
    faults = []
    for source_format in formats:
        if suffix == _suffix(source_format).lower():
            try:
                return _read_original(path, source_format)
            except InputError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    endings = dict.fromkeys([".npy", ".csv", *map(_suffix, formats)])
    raise InputError(f"{path}: ends in none of {', '.join(endings)}")


def _suffix(source_format: SourceFormat) -> str:
    return Path(f"name{source_format.ending}").suffix


def _read_original(path: Path, source_format: SourceFormat) -> np.ndarray:
    """Read a clip of an original format, under any name if the format permits."""
    if re.search(rf"(?:^|/){source_format.path}$", path.absolute().as_posix()):
        return source_format.read_clip(path)
    file = SourceFile(str(path), {"name": path.stem}, str(path), 0, 0)
    try:
        return source_format.reader([file])
    except KeyError:  # the parser compares the content with the name
        raise InputError(
            f"{path}: not a name such as {source_format.example}{source_format.ending}"
        ) from None
