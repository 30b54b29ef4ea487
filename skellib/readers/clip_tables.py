"""A clip of one's own as CSV: a line for each frame and body, a column a coordinate.

    frame,body,hips.x,hips.y,head.x,head.y
    0,0,0.51,0.40,0.50,0.71
    0,1,0.83,0.41,0.84,0.73
    1,0,0.51,0.41,,

``frame`` and ``body`` may be left out where there is one body and no frame is missing.
Frames are numbered one by one, from any number; one without a line has nobody in it.
Where numbers skip although no frame is missing (time stamps, every fourth frame of a
video), take the rows as successive frames: ``prepare custom --successive``. Bodies are
numbered from 0; other numbers, such as a tracker's, become 0, 1, ... in order of first
appearance. A joint's columns are ``.x``, ``.y``, ``.z`` for a layout of three
coordinates, and ``.score`` if there is one. Where a joint was not tracked, all of its
cells are empty.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers import sources

MAX_BODIES = 64
"""The most bodies of a clip."""


class ClipTable(NamedTuple):
    """A clip, and what its file says of frames and bodies.

    Attributes:
        joints: (T, M, N, C).
        missing: the frames between the first and the last that have no row.
        renumbered: whether its bodies had other numbers than 0, 1, ...
    """

    joints: np.ndarray
    missing: int = 0
    renumbered: bool = False


def read_clip_table(
    path: str | Path,
    layout: Layout,
    max_bytes: int | None = None,
    successive: bool = False,
) -> ClipTable:
    """Read a clip from a CSV file, see the module's text.

    Args:
        path: of the file.
        layout: whose joints its columns name.
        max_bytes: the most that is read; ``sources.MAX_BYTES`` unless given. Memory is
            five to fifteen times what is read.
        successive: take rows as successive frames, whatever their frame numbers.

    Returns:
        The clip, float64, with as many bodies as the file has. C is the layout's
        coordinates, and a score where the file has one.

    Raises:
        InputError: a damaged file, or one that does not fit the layout; names the line.
    """
    path = Path(path)
    table = read_table(path, np.float64, max_bytes)
    channels = _channels(path, set(table.columns), layout)
    # Without frame numbers an empty row is a frame, too.
    if "frame" in table and table["frame"].isna().any():
        table = table.dropna(how="all")
    if table.empty:
        raise InputError(f"{path}: no frame; write one in each line")
    values = _values(path, table, layout, channels)
    frame = _frames(path, table, successive)
    body, renumbered = _bodies(path, table, frame)
    frames, bodies = frame.max() + 1, body.max() + 1
    # What a few lines claim must not fill the memory.
    if frames * bodies > 1000 + 10 * len(table):
        raise InputError(
            f"{path}: {frames} frames of {bodies} bodies in {len(table)} rows; number "
            "frames one by one, or give --successive to take rows as successive "
            "frames; keep the bodies that matter"
        )
    twice = pd.Series(frame * bodies + body, table.index).duplicated()
    if twice.any():
        raise InputError(
            f"{path}: line {twice.idxmax()}: a second row for the same frame and body; "
            "write one"
        )
    clip = np.zeros((frames, bodies, *values.shape[1:]))
    clip[frame, body] = values
    return ClipTable(clip, frames - len(np.unique(frame)), renumbered)


def _values(
    path: Path, table: pd.DataFrame, layout: Layout, channels: tuple[str, ...]
) -> np.ndarray:
    """Return the joints of each row, (rows, N, C), 0 where they were not tracked."""
    columns = [f"{joint}.{channel}" for joint in layout.joints for channel in channels]
    values = table[columns].to_numpy().reshape(len(table), layout.size, len(channels))
    absent = np.isnan(values)
    partly = np.argwhere(absent.any(2) & ~absent.all(2))
    if len(partly):
        row, joint = partly[0]
        raise InputError(
            f"{path}: line {table.index[row]}: joint {layout.joints[joint]!r} has some "
            "of its cells only; fill all of them, or none if it was not tracked"
        )
    return np.where(absent, 0.0, values)


def read_table(path: Path, dtype: type, max_bytes: int | None = None) -> pd.DataFrame:
    """Read a CSV file whose first line names the columns.

    Args:
        path: of the file.
        dtype: of all cells: ``np.float64``, or ``object`` for text. Empty cells are
            NaN.
        max_bytes: the most that is read; ``sources.MAX_BYTES`` unless given.

    Returns:
        The table, indexed by line numbers, without empty lines.

    Raises:
        InputError: no such file, one that is too large, empty, not text, with a row
            of another length than the header's, or with a cell that is not a number.
    """
    text = sources.read_text(path, max_bytes)
    return _parse(path, text, dtype, _line_numbers(path, text))


def _line_numbers(path: Path, text: str) -> list[int]:
    """Return the line number of each row, all as long as the header."""
    rows = csv.reader(io.StringIO(text, newline=""))
    numbers, columns = [], 0
    try:
        for cells in rows:
            columns = columns or len(cells)
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue  # pandas skips a blank line, too
            if len(cells) != columns:  # pandas would fill a short row up
                raise InputError(
                    f"{path}: line {rows.line_num}: {len(cells)} cells for the "
                    f"{columns} columns of line 1"
                )
            numbers.append(rows.line_num)
    except csv.Error as error:
        raise InputError(f"{path}: line {rows.line_num}: {error}") from None
    if not numbers:
        raise InputError(f"{path}: an empty file; write a line with the columns' names")
    return numbers[1:]


def _parse(path: Path, text: str, dtype: type, lines: list[int]) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            io.StringIO(text),
            dtype=dtype,
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
        )
    except pd.errors.ParserError:
        table = pd.DataFrame()
    except ValueError:  # does not say which cell is no number
        raise _bad_cell(path, _parse(path, text, object, lines)) from None
    if len(table) != len(lines) or not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: not a CSV table; check its quotes and line breaks")
    if dtype is not object and np.isinf(table.to_numpy()).any():
        raise _bad_cell(path, _parse(path, text, object, lines))
    return table.set_axis(lines).rename(columns=str.strip)


def _bad_cell(path: Path, table: pd.DataFrame) -> InputError:
    """Name the first cell that is not a finite number."""
    numbers = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = np.argwhere(table.notna().to_numpy() & ~np.isfinite(numbers))
    row, column = bad[0] if len(bad) else (0, 0)
    return InputError(
        f"{path}: line {table.index[row]}: field {table.columns[column]!r}: "
        f"{str(table.iat[row, column])[:40]!r} is not a finite number; leave a joint's "
        "cells empty where it was not tracked"
    )


def _channels(path: Path, columns: set[str], layout: Layout) -> tuple[str, ...]:
    """Return what a joint's columns are called; refuse one missing or too many."""
    channels = tuple("xyz"[: layout.dims])
    if any(column.endswith(".score") for column in columns):
        channels += ("score",)
    wanted = {f"{joint}.{channel}" for joint in layout.joints for channel in channels}
    missing = wanted - columns
    unknown = columns - wanted - {"frame", "body"}
    for problem, names in (
        ("is missing", missing),
        ("is none of the layout's", unknown),
    ):
        if names:
            example = ", ".join(f"{layout.joints[0]}.{each}" for each in channels)
            raise InputError(
                f"{path}: line 1: column {min(names)!r} {problem}; layout "
                f"{layout.name!r} has {layout.size} joints with columns such as "
                f"{example}"
            )
    if "body" in columns and "frame" not in columns:
        raise InputError(f"{path}: line 1: column 'body' needs a column 'frame' too")
    return channels


def _frames(path: Path, table: pd.DataFrame, successive: bool) -> np.ndarray:
    """Return the frame of each row, from 0: (rows,) int64."""
    if "frame" not in table:
        return np.arange(len(table))
    number = _numbers(path, table, "frame", whole=not successive)
    if successive:
        return np.unique(number, return_inverse=True)[1]
    return (number - number.min()).astype(np.int64)


def _bodies(
    path: Path, table: pd.DataFrame, frame: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Return the body of each row, from 0: (rows,) int64; and if it was renumbered."""
    if "body" not in table:
        return np.zeros(len(table), dtype=np.int64), False
    number = _numbers(path, table, "body")
    found = np.unique(number)
    if len(found) > MAX_BODIES:
        raise InputError(
            f"{path}: field 'body': {len(found)} bodies, over {MAX_BODIES}; keep those "
            "that matter"
        )
    if np.array_equal(found, np.arange(len(found))):
        return number.astype(np.int64), False
    order = np.argsort(frame, kind="stable")
    body = np.empty(len(table), dtype=np.int64)
    body[order] = pd.factorize(number[order])[0]
    return body, True


def _numbers(
    path: Path, table: pd.DataFrame, column: str, whole: bool = True
) -> np.ndarray:
    """Return a column of numbers, (rows,) float64: of whole ones from 0."""
    number = table[column].to_numpy()
    bad = np.isnan(number)
    if whole:
        bad |= (number < 0) | (number != np.floor(number)) | (number > 2**53)
    if bad.any():
        row = bad.argmax()
        raise InputError(
            f"{path}: line {table.index[row]}: field {column!r}: {number[row]:g} is "
            f"not a {'whole number from 0' if whole else 'number'}"
        )
    return number
