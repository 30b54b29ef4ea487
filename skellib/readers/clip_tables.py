"""A clip of one's own as CSV: a line for each frame and body, a column a coordinate.

    frame,body,hips.x,hips.y,head.x,head.y
    0,0,0.51,0.40,0.50,0.71
    0,1,0.83,0.41,0.84,0.73
    1,0,0.51,0.41,,

``frame`` and ``body`` may be left out where there is one body and no frame is missing.
Frames are numbered one by one, from any number; one without a line has nobody. Bodies
are numbered from 0. A joint's columns are ``.x``, ``.y``, ``.z`` for a layout of three
coordinates, and ``.score`` if there is one. Where a joint was not tracked, all of its
cells are empty.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers import sources

MAX_BODIES = 64
"""The most bodies of a clip."""


Rows = list[tuple[int, list[str]]]  # line numbers and cells


def read_rows(path: Path, max_bytes: int | None = None) -> tuple[list[str], Rows]:
    """The header of a CSV file, and the rows below it with their line numbers.

    Cells are stripped, empty lines left out.

    Args:
        path: of the file.
        max_bytes: the most that is read; ``sources.MAX_BYTES`` unless given.

    Raises:
        InputError: no such file, one that is too large, empty, not text, or with a row
            of another length than the header's.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    bound = max_bytes or sources.MAX_BYTES
    file = sources.SourceFile(str(path), {}, str(path), 0, 0, max_bytes=bound)
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text in UTF-8") from None
    lines = csv.reader(io.StringIO(text, newline=""))
    rows = []
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                rows.append((lines.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise InputError(f"{path}: line {lines.line_num}: {error}") from None
    if not rows:
        raise InputError(f"{path}: an empty file; write a line with the columns' names")
    (_, header), *rows = rows
    if len(set(header)) < len(header):
        twice = next(name for i, name in enumerate(header) if name in header[:i])
        raise InputError(f"{path}: line 1: column {twice[:40]!r} is there twice")
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {line}: {len(cells)} cells for the {len(header)} "
                "columns of line 1"
            )
    return header, rows


def read_clip_table(
    path: str | Path, layout: Layout, max_bytes: int | None = None
) -> np.ndarray:
    """A clip from a CSV file, see the module's text.

    Args:
        path: of the file.
        layout: whose joints its columns name.
        max_bytes: the most that is read; ``sources.MAX_BYTES`` unless given.

    Returns:
        (T, M, N, C) float64, with as many bodies as the file has. C is the layout's
        coordinates, and a score where the file has one.

    Raises:
        InputError: a damaged file, or one that does not fit the layout; names the line.
    """
    path = Path(path)
    header, rows = read_rows(path, max_bytes)
    channels = _channels(path, header, layout)
    if not rows:
        raise InputError(f"{path}: no frame; write one in each line")
    wanted = [f"{joint}.{channel}" for joint in layout.joints for channel in channels]
    places = [header.index(column) for column in wanted]
    flat = np.empty((len(rows), len(wanted)))
    for row, (line, cells) in zip(flat, rows, strict=True):
        row[:] = _numbers(path, line, wanted, [cells[place] for place in places])
    values = flat.reshape(len(rows), layout.size, len(channels))
    absent = np.isnan(values)
    partly = np.argwhere(absent.any(2) & ~absent.all(2))
    if len(partly):
        row, joint = partly[0]
        raise InputError(
            f"{path}: line {rows[row][0]}: joint {layout.joints[joint]!r} has some of "
            "its cells only; fill all of them, or none if it was not tracked"
        )
    values[absent] = 0.0
    frame, body = _frames_and_bodies(path, header, rows)
    clip = np.zeros((frame.max() + 1, body.max() + 1, *values.shape[1:]))
    clip[frame, body] = values
    return clip


def _channels(path: Path, header: Sequence[str], layout: Layout) -> tuple[str, ...]:
    """What a joint's columns are called; raises for one missing or too many."""
    channels = tuple("xyz"[: layout.dims])
    if any(column.endswith(".score") for column in header):
        channels += ("score",)
    wanted = {f"{joint}.{channel}" for joint in layout.joints for channel in channels}
    found = set(header) - {"frame", "body"}
    example = ", ".join(f"{layout.joints[0]}.{channel}" for channel in channels)
    for problem, columns in (
        ("is missing", wanted - found),
        ("is none of the layout's", found - wanted),
    ):
        if columns:
            raise InputError(
                f"{path}: line 1: column {min(columns)!r} {problem}; layout "
                f"{layout.name!r} has {layout.size} joints with columns such as "
                f"{example}"
            )
    return channels


def _numbers(
    path: Path, line: int, columns: Sequence[str], cells: Sequence[str]
) -> list[float]:
    """The cells' numbers; NaN for an empty one."""
    numbers = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            number = float(cell) if cell else math.nan
        except ValueError:
            raise InputError(
                f"{path}: line {line}: field {column!r}: {cell[:40]!r} is not a number"
            ) from None
        if cell and not math.isfinite(number):
            raise InputError(
                f"{path}: line {line}: field {column!r}: {cell[:40]!r} is not finite; "
                "leave a joint's cells empty where it was not tracked"
            )
        numbers.append(number)
    return numbers


def _frames_and_bodies(
    path: Path, header: Sequence[str], rows: Rows
) -> tuple[np.ndarray, np.ndarray]:
    """The frame, from 0, and the body of each row: (rows,) int64 each."""
    if "body" in header and "frame" not in header:
        raise InputError(f"{path}: line 1: column 'body' needs a column 'frame' too")
    frames = _whole(path, header, rows, "frame", list(range(len(rows))))
    bodies = _whole(path, header, rows, "body", [0] * len(rows))
    first, last = min(frames), max(frames)
    most = max(bodies)
    # What a few lines claim must not fill the memory.
    if most >= MAX_BODIES or (last - first + 1) * (most + 1) > 1000 + 10 * len(rows):
        raise InputError(
            f"{path}: frames {first} to {last} of bodies 0 to {most} in {len(rows)} "
            "lines; number frames one by one, bodies from 0"
        )
    seen: dict[tuple[int, int], int] = {}
    for (line, _), frame, body in zip(rows, frames, bodies, strict=True):
        if (frame, body) in seen:
            raise InputError(
                f"{path}: line {line}: frame {frame} of body {body} is also in line "
                f"{seen[frame, body]}"
            )
        seen[frame, body] = line
    return np.array(frames) - first, np.array(bodies)


def _whole(
    path: Path,
    header: Sequence[str],
    rows: Rows,
    column: str,
    default: list[int],
) -> list[int]:
    """A column of counts from 0, or ``default`` where it is not there."""
    if column not in header:
        return default
    place, numbers = header.index(column), []
    for line, cells in rows:
        cell = cells[place]
        if not (cell.isascii() and cell.isdigit() and len(cell) <= 18):
            raise InputError(
                f"{path}: line {line}: field {column!r}: {cell[:40]!r} is not a whole "
                "number from 0"
            )
        numbers.append(int(cell))
    return numbers
