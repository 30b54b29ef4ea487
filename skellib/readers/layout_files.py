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

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout
from skellib.readers.sources import read_text

MAX_BYTES = 2**20
"""The largest layout file; a real one is under 10 kB."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Pairs = Annotated[list[tuple[Name, Name]], Field(max_length=1000)]
Weight = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class LayoutFile(BaseModel):
    """The fields of a layout file, see the module's text."""

    model_config = ConfigDict(extra="forbid")

    joints: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    bones: Pairs
    center: Annotated[dict[Name, Weight], Field(min_length=1)] | None = None
    pairs: Pairs | None = None
    up: Annotated[str, Field(pattern=r"^[+-]?[xyz]$")] = "y"
    dims: Literal[2, 3] = 3
    name: Name = "skeleton"

    def layout(self) -> Layout:
        """Return the layout, with joints by their numbers.

        Raises:
            InputError: fields that do not fit each other.
        """
        bones = self._parents_first()
        root = self.joints[bones[0][0]] if bones else self.joints[0]
        center = self.center or {root: 1.0}
        ((*joints,),) = self._numbers("center", [tuple(center)])
        total = sum(center.values())
        # Thirds and the like are written down with a few digits.
        scale = total if abs(total - 1) <= 1e-6 else 1.0
        pairs = _guessed_pairs(self.joints) if self.pairs is None else self.pairs
        return Layout(
            name=f"custom {self.name}",
            joints=tuple(self.joints),
            bones=bones,
            center=tuple(zip(joints, (w / scale for w in center.values()))),
            pairs=self._numbers("pairs", pairs),
            up=("xyz".index(self.up[-1]), -1 if self.up[0] == "-" else 1),
            dims=self.dims,
        )

    def _numbers(self, field: str, names: list[Any]) -> tuple[Any, ...]:
        """Return tuples of joint names as tuples of joint numbers."""
        number = {name: j for j, name in enumerate(self.joints)}
        for name in (name for some in names for name in some):
            if name not in number:
                raise InputError(f"field {field!r}: {name!r} is none of the joints")
        return tuple(tuple(number[name] for name in some) for some in names)

    def _parents_first(self) -> tuple[tuple[int, int], ...]:
        """Return the bones in an order from the root on."""
        bones = self._numbers("bones", self.bones)
        children = [child for _, child in bones]
        roots = [j for j in range(len(self.joints)) if j not in children]
        ordered, reached = [], roots[:1]
        for joint in reached:  # grows as it is walked along
            below = [bone for bone in bones if bone[0] == joint]
            ordered += below
            reached += [b for _, b in below if b not in reached]
        lost = [j for j in range(len(self.joints)) if j not in reached]
        twice = [j for j in children if children.count(j) > 1]
        if lost or twice:
            name = self.joints[(twice or lost)[0]]
            raise InputError(
                f"field 'bones': {name!r} "
                + ("has two parents" if twice else "is not joined to the others")
                + "; the bones must be one tree over all joints"
            )
        return tuple(ordered)


def read_layout(choice: str | Path) -> Layout:
    """Return the layout of that name, or that a file describes by joint names.

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
    return layout_by_names(read_text(path, MAX_BYTES), str(path))


def layout_by_names(content: Any, where: str = "layout") -> Layout:
    """Return a layout from a description by joint names, see the module's text.

    Args:
        content: the description, as JSON or as parsed from it.
        where: what to call it in messages.

    Raises:
        InputError: a field is missing, unknown or wrong.
    """
    as_json = isinstance(content, str)
    parse = LayoutFile.model_validate_json if as_json else LayoutFile.model_validate
    try:
        return parse(content).layout()
    except ValidationError as error:
        raise first_fault(where, error) from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def first_fault(where: str, error: ValidationError) -> InputError:
    """Return what a model found wrong first, as one line that names the field."""
    fault = error.errors(include_url=False)[0]
    message = _MESSAGES.get(fault["type"], fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return InputError(f"{where}: {message}")
    field, *within = fault["loc"]
    given = f"{fault['input']!r:.40}: " if not isinstance(fault["input"], dict) else ""
    part = f" {within[0]!r}:" if within else ""
    return InputError(f"{where}: field {field!r}:{part} {given}{message}")


_MESSAGES = {
    "missing": "missing; add it",
    "extra_forbidden": "unknown; correct its name or leave it out",
    "string_too_short": "empty; fill it",
}


def _guessed_pairs(joints: list[str]) -> Pairs:
    """Pair joints whose names differ in "left" and "right" only."""
    pairs = []
    for name in joints:
        other = name
        for left, right in (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT")):
            other = other.replace(left, right)
        if other != name and other in joints:
            pairs.append((name, other))
    return pairs
