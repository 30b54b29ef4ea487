"""One clip from a file of its own, for a network to classify."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers.clip_tables import read_clip_table
from skellib.readers.release import SourceFormat
from skellib.readers.sources import SourceFile


def read_clip(
    path: Path | str,
    layout: Layout,
    releases: Sequence[SourceFormat] = (),
    successive: bool = False,
) -> np.ndarray:
    """One clip from a file of its own.

    Args:
        path: a ``.npy`` (T, M, N, C) or (T, N, C); a ``.csv``, see
            :mod:`skellib.readers.clip_tables`; or a file of one of ``releases``.
        layout: of the clip.
        releases: the file formats of a data set.
        successive: take the rows of a ``.csv`` as successive frames, whatever their
            frame numbers, as the training clips were prepared.

    Returns:
        (T, M, N, C), or (T, N, C).

    Raises:
        InputError: no such file, none of these, or a bad one.
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
        except Exception:  # NumPy lists no errors: damage raises all kinds of them
            clip = None
        if not isinstance(clip, np.ndarray):
            raise InputError(f"{path}: not a readable .npy of numbers")
        return clip
    faults = []
    for release in releases:
        if suffix == _suffix(release).lower():
            try:
                return _as_released(path, release)
            except InputError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    endings = dict.fromkeys([".npy", ".csv", *map(_suffix, releases)])
    raise InputError(f"{path}: ends in none of {', '.join(endings)}")


def _suffix(release: SourceFormat) -> str:
    return Path(f"name{release.ending}").suffix


def _as_released(path: Path, release: SourceFormat) -> np.ndarray:
    """A clip in the format of a release, whatever its name if that can be."""
    if re.search(rf"(?:^|/){release.path}$", path.absolute().as_posix()):
        return release.read_clip(path)
    file = SourceFile(str(path), {"name": path.stem}, str(path), 0, 0)
    try:
        return release.reader([file])
    except KeyError:  # the parser compares the content with the name
        raise InputError(
            f"{path}: not a name such as {release.example}{release.ending}"
        ) from None
