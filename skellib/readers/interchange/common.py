"""Checks shared by other projects' formats, and inference of missing metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout
from skellib.readers.source_format import ClipFields, SourceFormat
from skellib.readers.sources import check_finite

MAX_BODIES = 32
MAX_FRAMES = 100_000

_IN_SPACE = ("ntu25", "kinect20", "sbu15", "azure_kinect32", "mediapipe33")
_IN_IMAGES = ("body25", "openpose18", "coco17")

# Setup, camera, performer, replication, action; also used by NTU RGB+D 120.
_NTU_NAME = (
    r"S(?P<setup>\d{3})C(?P<view>\d{3})P(?P<subject>\d{3})"
    r"R(?P<replication>\d{3})A(?P<code>\d{3})"
)


def by_joints(*names: str) -> dict[int, Layout]:
    """Return layouts by their number of joints; the last of several with as many."""
    return {LAYOUTS[name].size: LAYOUTS[name] for name in names}


def joint_counts(layout: Layout | None) -> tuple[int, ...]:
    """Return the numbers of joints that a file may have: the given layout's, or any."""
    return (layout.size,) if layout else tuple(by_joints(*_IN_IMAGES, *_IN_SPACE))


def layout_of(
    where: str | Path,
    joints: int,
    space: bool | None,
    source_format: SourceFormat | None,
    given: Layout | None = None,
) -> tuple[Layout, str]:
    """Choose the layout of a file, which says no more than its number of joints.

    Args:
        where: file name for the message.
        joints: N.
        space: True if the channels are x, y, z, False if x, y and perhaps a score;
            None if the third may be either.
        source_format: the data set's own format; its layout is taken if N agrees.
        given: the layout that was asked for.

    Returns:
        The layout, and how it was chosen.

    Raises:
        InputError: the layout that was given has another number of joints, or none is
            given and no known layout has this number.
    """
    own = source_format.layout if source_format else None
    order = {
        True: _IN_SPACE,
        False: (*_IN_SPACE, *_IN_IMAGES),
        None: (*_IN_IMAGES, *_IN_SPACE),
    }[space]
    layout, how = by_joints(*order).get(joints), f"guessed from its {joints} joints"
    if given is not None:
        layout, how = given, "as given"
    elif own is not None and own.size == joints:
        layout, how = own, "the data set's"
    if layout is None or layout.size != joints:
        known = f"layout {given.name!r} has {given.size}" if given else "not known"
        raise InputError(
            f"{where}: {joints} joints{'' if given else ' in space' * bool(space)}, "
            f"{known}; give --layout {'|'.join(LAYOUTS)}, or a layout.json"
        )
    if space is False and layout.dims == 3:  # positions in an image, y down
        name = f"custom {layout.name} in the image"
        layout = replace(layout, name=name, dims=2, up=(1, -1))
    advice = "" if given or layout is own else "; --layout takes another"
    return layout, f"skeleton: {layout.name}, {how}{advice}"


def classes_of(
    where: str | Path,
    label: np.ndarray,
    source_format: SourceFormat | None,
    count: int | None = None,
) -> tuple[str, ...]:
    """Return class names: those of the data set's own format, or numbers.

    Args:
        where: file name for the message.
        label: (n,) int64.
        source_format: the data set's own format.
        count: number of classes in the file; None if unknown.

    Raises:
        InputError: the data set has another number of classes.
    """
    found = count or int(label.max()) + 1
    if source_format is None:
        return tuple(f"class {i}" for i in range(found))
    known = len(source_format.classes)
    if found > known or (count and count != known):
        raise InputError(
            f"{where}: {found} classes, but {source_format.key} has {known}; prepare "
            "the file under another name"
        )
    return tuple(source_format.classes)


Faults = dict[int, InputError]
"""What is wrong with a clip, by its position."""


def clip_stream(
    where: Path,
    key: str,
    source_format: SourceFormat | None,
    *,
    clips: Callable[[], Iterator[np.ndarray | None]],
    names: list[str],
    label: np.ndarray,
    faults: Faults,
    field: str,
    layout: tuple[Layout, str],
    extras: dict[str, np.ndarray],
    source: str,
    classes: int | None = None,
    notes: Sequence[str] = (),
) -> ClipStream:
    """Build the stream of a file; infer class names and per-clip fields.

    The arguments are those of ClipStream and `classes_of`. ``layout`` is from
    `layout_of`, ``field`` the name of the joints in the file. Fields parsed from the
    names are added to ``extras``. Clips with a fault, or a value that is not finite,
    become errors in the stream.

    Raises:
        InputError: an unknown number of classes, or a name of another data set.
    """
    fields = fields_from_names(where, names, label, source_format, faults)

    def checked() -> Iterator[np.ndarray | InputError]:
        for i, (name, clip) in enumerate(zip(names, clips(), strict=True)):
            try:
                if i in faults or clip is None:
                    raise faults[i]
                check_finite(f"{where}: clip {name}", field, clip)
                yield clip
            except InputError as error:
                yield error

    return ClipStream(
        clips=checked,
        label=label,
        subject=fields.pop("subject"),
        view=fields.pop("view", None),
        name=names,
        extras={**extras, **fields},
        layout=layout[0],
        classes=classes_of(where, label, source_format, classes),
        key=key,
        source=f"{len(names)} clips of {source}",
        notes=(layout[1], *notes),
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


def labels_of(
    where: str | Path,
    field: str,
    values: Sequence[Any],
    names: Sequence[str],
    faults: Faults,
) -> np.ndarray:
    """Convert labels to (n,) int64; note those that are no integers from 0 to 9999.

    Raises:
        InputError: there is no clip.
    """
    if not len(values):
        raise InputError(f"{where}: field {field!r}: there is no clip")
    label = np.zeros(len(values), dtype=np.int64)
    for i, value in enumerate(values):
        if is_integer(value, 0, 9999):
            label[i] = value
        else:
            fault = InputError(
                f"{where}: clip {names[i]}: field {field!r}: {excerpt(value)} is not a "
                "class, an integer from 0 to 9999"
            )
            faults.setdefault(i, fault)
    return label


def names_of(
    where: str | Path, field: str, values: Sequence[object], faults: Faults
) -> list[str]:
    """Strip the suffixes of the original files from names; note what are none.

    Raises:
        InputError: a duplicate name.
    """
    names = []
    for i, value in enumerate(values):
        if isinstance(value, str) and 0 < len(value) <= 1000 and "\0" not in value:
            names.append(strip_suffix(str(value)))
        else:
            names.append(f"number {i}")
            faults[i] = InputError(
                f"{where}: clip number {i}: field {field!r}: {excerpt(value)} is not a "
                "name"
            )
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
    faults: Faults,
) -> ClipFields:
    """Parse subject, view and so on from the names if all have a known form.

    Args:
        where: file name for messages.
        names: names of the n clips.
        label: (n,) int64, to be checked against the names.
        source_format: the data set's own format; names of NTU RGB+D are always known.
        faults: clips whose name contradicts their label are noted here.

    Returns:
        Fields as in the data set's own reader, each (n,) int64; ``subject`` is 0 if the
        names do not contain it.

    Raises:
        InputError: a name is of another data set.
    """
    fields: ClipFields = {"subject": np.zeros(len(names), dtype=np.int64)}
    rows, codes = _matched(names, source_format)
    if not rows:
        return fields
    if codes is not None and "code" in rows[0]:
        for i, (name, row) in enumerate(zip(names, rows, strict=True)):
            clip, expected = f"{where}: clip {name}", int(row["code"])
            if expected not in codes:
                raise InputError(
                    f"{clip}: its class is none of the data set's; prepare the file "
                    "under another name"
                )
            expected = list(codes).index(expected)
            if expected != label[i]:
                fault = f"{clip}: its label is {label[i]}, but its name says {expected}"
                faults.setdefault(i, InputError(fault))
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


def trimmed(clip: np.ndarray) -> np.ndarray:
    """Remove the empty frames at the end of a clip (T, M, N, C), but keep one frame."""
    full = np.flatnonzero((clip != 0).any(axis=(1, 2, 3)))
    return clip[: full[-1] + 1 if len(full) else 1]


def check_shape(where: str, field: str, frames: int, bodies: int) -> None:
    """Check the numbers of frames and bodies of a clip.

    Raises:
        InputError: not within 1..``MAX_FRAMES`` and 1..``MAX_BODIES``.
    """
    if not bodies:
        raise InputError(f"{where}: nobody in any frame")
    if not 1 <= frames <= MAX_FRAMES:
        raise InputError(f"{where}: field {field!r}: {frames} frames a clip")
    if not 1 <= bodies <= MAX_BODIES:
        raise InputError(f"{where}: field {field!r}: {bodies} bodies a clip")
