"""A skeleton of one's own: ``layout.json``, with joints and bones by their names.

    {"name": "puppet", "joints": ["hips", "head", "left hand", "right hand"],
     "bones": [["hips", "head"], ["hips", "left hand"], ["hips", "right hand"]],
     "up": "-y", "dims": 2}

``joints`` are in the order of the data. ``bones`` (parent, child) are a tree over them,
in any order. The rest may be left out: ``center``, joint names and weights that sum to
1 (by default the tree's root); ``pairs`` of a left and a right joint (by default those
whose names differ in "left" and "right" only); ``up``, the axis that points up, with a
``-`` where its values fall upwards, as in images (``"y"``); ``dims``, 3 or 2
coordinates (3); ``name``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout

MAX_BYTES = 2**20
"""The largest layout file; a real one is under 10 kB."""

MAX_JOINTS = 1000
"""The most joints of a layout."""

FIELDS = ("name", "joints", "bones", "center", "pairs", "up", "dims")


def read_layout(choice: str | Path) -> Layout:
    """The layout of that name, or that a file describes by joint names.

    Args:
        choice: a name in :data:`skellib.layouts.LAYOUTS`, or a path to a
            ``layout.json``.

    Raises:
        InputError: neither, or a description that is not one; names the field.
    """
    if str(choice) in LAYOUTS:
        return LAYOUTS[str(choice)]
    path = Path(choice)
    if not path.is_file():
        raise InputError(
            f"layout {str(choice)!r}: neither a file nor one of {', '.join(LAYOUTS)}"
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: over {MAX_BYTES} bytes: not a layout")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    return layout_by_names(content, str(path))


def layout_by_names(content: Any, where: str = "layout") -> Layout:
    """A layout from a description by joint names, see the module's text.

    Args:
        content: the description, as parsed from JSON.
        where: what to call it in messages.

    Raises:
        InputError: a field is missing, unknown or wrong.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: not an object with the fields {', '.join(FIELDS)}")
    unknown = [field for field in content if field not in FIELDS]
    if unknown:
        raise InputError(
            f"{where}: field {unknown[0]!r}: unknown; known are {', '.join(FIELDS)}"
        )
    joints = _names(where, "joints", content.get("joints"))
    if not 1 <= len(joints) <= MAX_JOINTS or len(set(joints)) != len(joints):
        raise _error(where, "joints", f"give 1 to {MAX_JOINTS} distinct names")
    number = {name: j for j, name in enumerate(joints)}
    bones = _parents_first(
        where, joints, _pairs(where, "bones", content.get("bones"), number)
    )
    root = bones[0][0] if bones else 0
    center = content.get("center", {joints[root]: 1.0})
    pairs = content.get("pairs")
    dims = content.get("dims", 3)
    if dims not in (2, 3):
        raise _error(where, "dims", f"{dims!r} is neither 2 nor 3")
    name = content.get("name", "skeleton")
    if not isinstance(name, str) or not name.strip():
        raise _error(where, "name", "not a text")
    return Layout(
        name=f"custom {name.strip()}",
        joints=joints,
        bones=bones,
        center=_center(where, center, number),
        pairs=_guessed_pairs(number)
        if pairs is None
        else _pairs(where, "pairs", pairs, number),
        up=_up(where, content.get("up", "y"), dims),
        dims=dims,
    )


def _names(where: str, field: str, values: Any) -> tuple[str, ...]:
    if values is None:
        raise _error(where, field, "missing; give the joints' names in order")
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise _error(where, field, "not a list of names")
    if any(not isinstance(value, str) or not value.strip() for value in values):
        raise _error(where, field, "not a list of names")
    return tuple(value.strip() for value in values)


def _pairs(
    where: str, field: str, values: Any, number: Mapping[str, int]
) -> tuple[tuple[int, int], ...]:
    """Pairs of joint names as pairs of joint numbers."""
    if values is None:
        raise _error(where, field, 'missing; give ["parent", "child"] for each bone')
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise _error(where, field, "not a list of pairs of joint names")
    found = []
    for pair in values:
        names = _names(where, field, pair)
        if len(names) != 2:
            raise _error(where, field, f"{list(names)} is not a pair of joint names")
        found.append((_joint(where, field, names[0], number),
                      _joint(where, field, names[1], number)))  # fmt: skip
    return tuple(found)


def _joint(where: str, field: str, name: str, number: Mapping[str, int]) -> int:
    if name not in number:
        raise _error(where, field, f"{name!r} is none of the joints")
    return number[name]


def _parents_first(
    where: str, joints: Sequence[str], bones: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """The bones in an order in which a layout takes them, from the root on."""
    children: dict[int, list[int]] = {}
    parent: dict[int, int] = {}
    for a, b in bones:
        if b in parent or a == b:
            raise _error(
                where, "bones", f"{joints[b]!r} has two parents; give a joint one"
            )
        parent[b] = a
        children.setdefault(a, []).append(b)
    roots = [j for j in range(len(joints)) if j not in parent]
    if len(roots) != 1:
        problem = (
            "they run in a circle"
            if not roots
            else f"{joints[roots[0]]!r} and {joints[roots[1]]!r} are not joined"
        )
        raise _error(where, "bones", f"{problem}; they must be one tree")
    ordered, reached = [], [roots[0]]
    for a in reached:  # grows as it is walked along
        ordered += [(a, b) for b in children.get(a, ())]
        reached += children.get(a, ())
    if len(reached) != len(joints):
        lost = next(j for j in range(len(joints)) if j not in reached)
        raise _error(
            where, "bones", f"{joints[lost]!r} is in a circle; they must be one tree"
        )
    return tuple(ordered)


def _center(
    where: str, content: Any, number: Mapping[str, int]
) -> tuple[tuple[int, float], ...]:
    if not isinstance(content, Mapping) or not content:
        raise _error(where, "center", 'not joint names and weights: {"hips": 1}')
    terms = []
    for name, weight in content.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise _error(where, "center", f"{name!r}: {weight!r} is not a number")
        terms.append((_joint(where, "center", name, number), float(weight)))
    if not abs(sum(weight for _, weight in terms) - 1) <= 1e-6:
        raise _error(where, "center", "the weights must sum to 1")
    # Thirds and the like are written down with a few digits.
    total = sum(weight for _, weight in terms)
    return tuple((joint, weight / total) for joint, weight in terms)


def _guessed_pairs(number: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    """Joints whose names differ in "left" and "right" only."""
    pairs = []
    for name, joint in number.items():
        other = name
        for left, right in (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT")):
            other = other.replace(left, right)
        if other != name and other in number:
            pairs.append((joint, number[other]))
    return tuple(pairs)


def _up(where: str, text: Any, dims: int) -> tuple[int, int]:
    """``"-y"`` as (1, -1)."""
    axes = "xyz"[:dims]
    if not isinstance(text, str) or not re.fullmatch(rf"[+-]?[{axes}]", text):
        raise _error(
            where, "up", f"{text!r} is none of {', '.join(axes)}, with or without a -"
        )
    return axes.index(text[-1]), -1 if text[0] == "-" else 1


def _error(where: str, field: str, problem: str) -> InputError:
    return InputError(f"{where}: field {field!r}: {problem}")
