"""Reading of single clips from files, for inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers.clip_tables import read_clip_table
from skellib.readers.source_format import SourceFormat
from skellib.readers.sources import load_numpy, natural


def clip_paths(
    paths: Iterable[Path | str], formats: Sequence[SourceFormat] = ()
) -> list[Path]:
    """List the clips in files and folders.

    Args:
        paths: files, which are kept as they are, and folders, of which all files with
            an ending that `read_clip` knows are listed, in natural order. A folder of
            text files, one a frame, is a clip if one of ``formats`` has these.
        formats: file formats of a data set.

    Raises:
        InputError: a folder without such a file.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir() or _is_clip(path, formats):
            found.append(path)
            continue
        known = [each.lower() for each in _endings(formats)]
        names = sorted(path.rglob("*"), key=lambda each: natural(str(each)))
        inside = [
            each
            for each in names
            if _is_clip(each, formats)
            or (each.suffix.lower() in known and each.name not in _NO_CLIPS)
        ]
        if not inside:
            raise InputError(f"{path}: a folder without a file {_ends_in(formats)}")
        found += inside
    return found


_NO_CLIPS = ("clips.csv", "layout.json")


def read_clip(
    path: Path | str,
    layout: Layout,
    formats: Sequence[SourceFormat] = (),
    successive: bool = False,
    own: Layout | None = None,
) -> np.ndarray:
    """Read one clip, with its joints in the order of a layout.

    Args:
        path: a ``.npy`` (T, M, N, C) or (T, N, C); a ``.csv``, see
            :mod:`skellib.readers.clip_tables`; or a file of one of ``formats``.
        layout: the wanted skeleton.
        formats: file formats of a data set, whose joints are put in order by name.
        successive: treat the rows of a ``.csv`` as successive frames and ignore their
            frame numbers, as for the training clips.
        own: skeleton of a ``.npy`` or ``.csv``; ``layout`` by default.

    Returns:
        (T, M, N, C), or (T, N, C), in the dtype of the file.

    Raises:
        InputError: a missing or damaged file, an unknown format, or a skeleton without
            the joints of ``layout``.
    """
    path = Path(path)
    clip, skeleton = _read(path, layout, formats, successive, own)
    return clip if skeleton == layout else _in_order(path, clip, skeleton, layout)


def _read(
    path: Path,
    layout: Layout,
    formats: Sequence[SourceFormat],
    successive: bool,
    own: Layout | None,
) -> tuple[np.ndarray, Layout]:
    """Read a clip as it is in its file, and return its skeleton."""
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not (path.is_file() or path.is_dir()):  # opening a pipe would wait forever
        raise InputError(f"{path}: not a regular file")
    if suffix == ".csv":
        layout = own or layout
        return read_clip_table(path, layout, successive=successive).joints, layout
    if suffix == ".npy":
        clip = load_numpy(path)
        if not isinstance(clip, np.ndarray):
            raise InputError(f"{path}: not a readable .npy of numbers")
        return clip, own or layout
    faults = []
    for each in formats:
        if suffix == _suffix(each).lower() or (path.is_dir() and each.parse_frames):
            try:
                return each.read_clip(path), each.layout
            except InputError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    raise InputError(f"{path}: not a file {_ends_in(formats)}")


def _in_order(
    path: Path, clip: np.ndarray, given: Layout, wanted: Layout
) -> np.ndarray:
    """Put the joints of a clip (..., N, C) in the order of another layout, by name."""
    missing = [name for name in wanted.joints if name not in given.joints]
    if missing or (given.dims, given.up) != (wanted.dims, wanted.up):
        lack = f"has no {missing[0]!r}" if missing else "has other axes"
        raise InputError(
            f"{path}: its skeleton {given.name!r} {lack}, but the network was trained "
            f"on {wanted.name!r}"
        )
    if clip.ndim < 2 or clip.shape[-2] != given.size:
        raise InputError(
            f"{path}: {clip.shape}, not (frames, bodies, {given.size} joints, channels)"
            f" of layout {given.name!r}"
        )
    return clip[..., [given.joints.index(name) for name in wanted.joints], :]


def _is_clip(path: Path, formats: Sequence[SourceFormat]) -> bool:
    """Return whether a folder is a clip, whose frames are in files of their own."""
    framed = any(each.parse_frames for each in formats)
    return framed and path.is_dir() and any(path.glob("*.txt"))


def _endings(formats: Sequence[SourceFormat]) -> list[str]:
    endings = [".npy", ".csv", *map(_suffix, formats)]
    return [each for each in dict.fromkeys(endings) if each]


def _ends_in(formats: Sequence[SourceFormat]) -> str:
    return f"that ends in {' or '.join(_endings(formats))}"


def _suffix(source_format: SourceFormat) -> str:
    return Path(f"name{source_format.ending}").suffix
