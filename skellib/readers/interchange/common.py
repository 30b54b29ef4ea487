"""Checks shared by other projects' formats, and inference of missing metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout
from skellib.readers.source_format import ClipFields, SourceFormat

MAX_BODIES = 32
MAX_FRAMES = 100_000

_BY_JOINTS = {
    LAYOUTS[name].size: LAYOUTS[name]
    for name in ("ntu25", "kinect20", "openpose18", "coco17", "sbu15")
}
JOINT_COUNTS = tuple(_BY_JOINTS)
"""Numbers of joints that identify a layout."""

# Setup, camera, performer, replication, action; also used by NTU RGB+D 120.
_NTU_NAME = (
    r"S(?P<setup>\d{3})C(?P<view>\d{3})P(?P<subject>\d{3})"
    r"R(?P<replication>\d{3})A(?P<code>\d{3})"
)


def layout_of(
    where: str | Path, joints: int, flat: bool, source_format: SourceFormat | None
) -> Layout:
    """Infer the layout of a file from its number of joints.

    Args:
        where: file name for the message.
        joints: N.
        flat: True if the channels are x, y and perhaps a score, False if x, y, z.
        source_format: the data set's own format; its layout is preferred if N agrees.

    Raises:
        InputError: no known layout has this number of joints.
    """
    layout = _BY_JOINTS.get(joints)
    if source_format is not None and source_format.layout.size == joints:
        layout = source_format.layout
    if layout is None:
        known = ", ".join(f"{size} ({each.name})" for size, each in _BY_JOINTS.items())
        raise InputError(
            f"{where}: {joints} joints; known skeletons have {known}; prepare others "
            "with a layout of your own: `python -m skellib prepare custom --help`"
        )
    if flat and layout.dims == 3:  # positions in an image, y down
        name = f"custom {layout.name} in the image"
        return replace(layout, name=name, dims=2, up=(1, -1))
    return layout


def classes_of(
    label: np.ndarray, source_format: SourceFormat | None, count: int | None = None
) -> tuple[str, ...]:
    """Return class names: those of the data set's own format if their number agrees.

    Args:
        label: (n,) int64.
        source_format: the data set's own format.
        count: number of classes in the file; None if unknown.
    """
    known = source_format.classes if source_format is not None else ()
    if known and (len(known) == count if count else label.max() < len(known)):
        return tuple(known)
    return tuple(f"class {i}" for i in range(count or int(label.max()) + 1))


def clip_stream(
    where: Path,
    key: str,
    source_format: SourceFormat | None,
    *,
    clips: Callable[[], Iterator[np.ndarray]],
    names: list[str],
    label: np.ndarray,
    joints: int,
    flat: bool,
    extras: dict[str, np.ndarray],
    source: str,
    classes: int | None = None,
) -> ClipStream:
    """Build the stream of a file; infer layout, class names and per-clip fields.

    The arguments are those of ClipStream, `layout_of` and `classes_of`. Fields parsed
    from the names are added to ``extras``.

    Raises:
        InputError: an unknown layout, or a name that contradicts its label.
    """
    fields = fields_from_names(where, names, label, source_format)
    return ClipStream(
        clips=clips,
        label=label,
        subject=fields.pop("subject"),
        view=fields.pop("view", None),
        name=names,
        extras={**extras, **fields},
        layout=layout_of(where, joints, flat, source_format),
        classes=classes_of(label, source_format, classes),
        key=key,
        source=f"{len(names)} clips of {source}",
    )


def excerpt(value: object) -> str:
    """Format a value of a foreign file for a message, in at most 40 characters."""
    if isinstance(value, int) and abs(value) > 2**64:
        return "a huge number"  # Python refuses to write out the longest
    if value is None or isinstance(value, str | int | float | np.generic):
        return ascii(value)[:40]
    return f"a {type(value).__name__}"


def is_integer(value: object, low: int, high: int) -> bool:
    """Return whether a value is an integer, not a bool, from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return low <= int(value) <= high


def strip_suffix(name: str) -> str:
    """Strip the suffix of the original file from the name of a clip."""
    return re.sub(r"\.(skeleton|json|txt|mat)$", "", name)


def labels_of(where: str | Path, field: str, values: Sequence[object]) -> np.ndarray:
    """Convert labels to (n,) int64.

    Raises:
        InputError: a label is not an integer from 0 to 9999, or there is none.
    """
    for i, value in enumerate(values):
        if not is_integer(value, 0, 9999):
            raise InputError(
                f"{where}: field {field!r}: clip {i}: {excerpt(value)} is not a class, "
                "an integer from 0 to 9999"
            )
    if not len(values):
        raise InputError(f"{where}: field {field!r}: there is no clip")
    return np.array(values, dtype=np.int64)


def names_of(where: str | Path, field: str, values: Sequence[object]) -> list[str]:
    """Check the names of clips and strip the suffixes of their original files.

    Raises:
        InputError: a name is not a string, or a duplicate.
    """
    names = []
    for i, value in enumerate(values):
        if not isinstance(value, str) or not 0 < len(value) <= 1000 or "\0" in value:
            raise InputError(
                f"{where}: field {field!r}: clip {i}: {excerpt(value)} is not a name"
            )
        names.append(strip_suffix(str(value)))
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{where}: field {field!r}: {name} is there twice")
        seen.add(name)
    return names


def fields_from_names(
    where: str | Path,
    names: Sequence[str],
    label: np.ndarray,
    source_format: SourceFormat | None,
) -> ClipFields:
    """Parse subject, view and so on from the names if all have a known form.

    Args:
        where: file name for messages.
        names: names of the n clips.
        label: (n,) int64, to be checked against the names.
        source_format: the data set's own format; names of NTU RGB+D are always known.

    Returns:
        Fields as in the data set's own reader, each (n,) int64; ``subject`` is 0 if the
        names do not contain it.

    Raises:
        InputError: a name contradicts the label.
    """
    fields: ClipFields = {"subject": np.zeros(len(names), dtype=np.int64)}
    rows, codes = _matched(names, source_format)
    if not rows:
        return fields
    if codes is not None and "code" in rows[0]:
        for name, row, found in zip(names, rows, label.tolist(), strict=True):
            _check_label(f"{where}: clip {name}", int(row["code"]), codes, found)
    for group, digits in rows[0].items():
        if group not in ("code", "name", "frame") and digits and digits.isdigit():
            fields[group] = np.array([int(row[group]) for row in rows], dtype=np.int64)
    return fields


def _matched(
    names: Sequence[str], source_format: SourceFormat | None
) -> tuple[list[dict[str, str]], Sequence[int] | None]:
    """Match all names against the known forms; return their groups and class codes."""
    known: list[tuple[str, Sequence[int] | None]] = [(_NTU_NAME, range(1, 1000))]
    if source_format is not None and source_format.name:
        known.insert(0, (source_format.name, source_format.allowed.get("code")))
    for pattern, codes in known:
        matches = [re.fullmatch(pattern, name) for name in names]
        rows = [match.groupdict() for match in matches if match is not None]
        if len(rows) == len(names):
            return rows, codes
    return [], None


def _check_label(where: str, code: int, codes: Sequence[int], label: int) -> None:
    """Raise InputError if the class in a clip's name is not that of its label."""
    if code not in codes:
        raise InputError(
            f"{where}: its class is none of the data set's; prepare the file under "
            "another name"
        )
    expected = list(codes).index(code)
    if expected != label:
        raise InputError(f"{where}: its label is {label}, but its name says {expected}")


def trimmed(clip: np.ndarray) -> np.ndarray:
    """Remove the empty frames at the end of a clip (T, M, N, C), but keep one frame."""
    full = np.flatnonzero(clip.reshape(len(clip), -1).any(axis=1))
    return clip[: full[-1] + 1 if len(full) else 1]


def check_shape(where: str, field: str, frames: int, bodies: int) -> None:
    """Check the numbers of frames and bodies of a clip.

    Raises:
        InputError: not within 1..``MAX_FRAMES`` and 1..``MAX_BODIES``.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise InputError(f"{where}: field {field!r}: {frames} frames a clip")
    if not 1 <= bodies <= MAX_BODIES:
        raise InputError(f"{where}: field {field!r}: {bodies} bodies a clip")
