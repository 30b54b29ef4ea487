"""What the formats of other projects share: what is not in the file is worked out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout
from skellib.readers.release import SourceFormat

MAX_BODIES = 32
MAX_FRAMES = 100_000

_BY_JOINTS = {
    LAYOUTS[name].size: LAYOUTS[name]
    for name in ("ntu25", "kinect20", "openpose18", "coco17", "sbu15")
}
JOINT_COUNTS = tuple(_BY_JOINTS)
"""The numbers of joints by which a file's skeleton is known."""

# S setup, C camera, P performer, R replication, A action; also of NTU RGB+D 120.
_NTU_NAME = (
    r"S(?P<setup>\d{3})C(?P<view>\d{3})P(?P<subject>\d{3})"
    r"R(?P<replication>\d{3})A(?P<code>\d{3})"
)


def layout_of(
    where: str | Path, joints: int, flat: bool, release: SourceFormat | None
) -> Layout:
    """The skeleton of a file that says only how many joints it has.

    Args:
        where: for the message.
        joints: N.
        flat: whether the channels are x, y and perhaps a score, not x, y, z.
        release: what is known of the data set; its layout is taken where N agrees.

    Raises:
        InputError: no known skeleton has so many joints.
    """
    layout = _BY_JOINTS.get(joints)
    if release is not None and release.layout.size == joints:
        layout = release.layout
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
    label: np.ndarray, release: SourceFormat | None, count: int | None = None
) -> tuple[str, ...]:
    """The names of the classes: the data set's own where their number agrees.

    Args:
        label: (n,) int64.
        release: what is known of the data set.
        count: how many classes the file speaks of; None where it does not say.
    """
    known = release.classes if release is not None else ()
    if known and (len(known) == count if count else label.max() < len(known)):
        return tuple(known)
    return tuple(f"class {i}" for i in range(count or int(label.max()) + 1))


def shown(value: object) -> str:
    """A value from a foreign file, for a message; a container only by its kind, as it
    may be without end."""
    if isinstance(value, int) and abs(value) > 2**64:
        return "a huge number"  # Python refuses to write out the longest
    if value is None or isinstance(value, str | int | float | np.generic):
        return ascii(value)[:40]
    return f"a {type(value).__name__}"


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return low <= int(value) <= high


def bare(name: str) -> str:
    """The name of a clip without the ending of the file that it came from."""
    return re.sub(r"\.(skeleton|json|txt|mat)$", "", name)


def labels_of(where: str | Path, field: str, values: Sequence[object]) -> np.ndarray:
    """Labels as (n,) int64.

    Raises:
        InputError: one is not a whole number from 0 to 9999, or there is none.
    """
    for i, value in enumerate(values):
        if not is_whole(value, 0, 9999):
            raise InputError(
                f"{where}: field {field!r}: clip {i}: {shown(value)} is not a class, a "
                "whole number from 0 to 9999"
            )
    if not len(values):
        raise InputError(f"{where}: field {field!r}: there is no clip")
    return np.array(values, dtype=np.int64)


def names_of(where: str | Path, field: str, values: Sequence[object]) -> list[str]:
    """Names of clips, without the endings of the files that they came from.

    Raises:
        InputError: one is not text, or is there twice.
    """
    names = []
    for i, value in enumerate(values):
        if not isinstance(value, str) or not 0 < len(value) <= 1000 or "\0" in value:
            raise InputError(
                f"{where}: field {field!r}: clip {i}: {shown(value)} is not a name"
            )
        names.append(bare(str(value)))
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{where}: field {field!r}: {name} is there twice")
        seen.add(name)
    return names


def facts_of(
    where: str | Path,
    names: Sequence[str],
    label: np.ndarray,
    release: SourceFormat | None,
) -> dict[str, np.ndarray]:
    """What the names say if they are all of one known form, each (n,) int64.

    ``subject`` (0 where they do not say), ``view`` and so on, as the data set's own
    reader has them.

    Raises:
        InputError: a name that speaks of another class than the label.
    """
    nothing = {"subject": np.zeros(len(names), dtype=np.int64)}
    codes: Sequence[int] | None = None
    if release is not None and release.name:
        matches = [re.fullmatch(release.name, name) for name in names]
        codes = release.allowed.get("code")
    if release is None or not release.name or not all(matches):
        matches = [re.fullmatch(_NTU_NAME, name) for name in names]
        codes = range(1, 1000)
    if not all(matches):
        return nothing
    rows = [match.groupdict() for match in matches if match is not None]
    for name, row, found in zip(names, rows, label.tolist(), strict=True):
        if codes is not None and "code" in row and int(row["code"]) not in codes:
            raise InputError(
                f"{where}: clip {name}: its class is none of the data set's; prepare "
                "the file under another name"
            )
        if codes is not None and "code" in row:
            expected = list(codes).index(int(row["code"]))
            if expected != found:
                raise InputError(
                    f"{where}: clip {name}: its label is {found}, but its name says "
                    f"{expected}"
                )
    groups = [
        group
        for group, digits in (rows[0] if rows else {}).items()
        if group not in ("code", "name", "frame") and digits and digits.isdigit()
    ]
    return nothing | {
        group: np.array([int(row[group]) for row in rows], dtype=np.int64)
        for group in groups
    }


def trimmed(clip: np.ndarray) -> np.ndarray:
    """A clip (T, M, N, C) without the empty frames at its end; one frame stays."""
    full = np.flatnonzero(clip.reshape(len(clip), -1).any(axis=1))
    return clip[: full[-1] + 1 if len(full) else 1]


def check_shape(where: str, field: str, frames: int, bodies: int) -> None:
    """Refuse counts that no recording has.

    Raises:
        InputError: no frame or body, or absurdly many.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise InputError(f"{where}: field {field!r}: {frames} frames a clip")
    if not 1 <= bodies <= MAX_BODIES:
        raise InputError(f"{where}: field {field!r}: {bodies} bodies a clip")
