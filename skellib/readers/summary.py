"""Summary of a prepared data set: what was left out, decided, or found to be empty.

It has a dozen lines at most, is kept in the packed file, and `card` shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from skellib.data.packed import assemble
from skellib.data.protocols import default_of, protocols_of, split
from skellib.data.schema import Contents
from skellib.data.writing import Presence
from skellib.errors import InputError

MAX_LINES = 12
"""The most lines of a summary."""
_LISTED = 6  # classes, joints and so on are named up to this number

Sides = dict[str, tuple[np.ndarray, np.ndarray]]
"""Positions of training and test clips, by protocol."""


def summarise(
    contents: Contents,
    presence: Presence,
    notes: Sequence[str] = (),
    left_out: Iterable[str] = (),
) -> tuple[str, ...]:
    """Describe a data set to its owner.

    Args:
        contents: everything except the joints.
        presence: which bodies and joints are there.
        notes: what the reader decided.
        left_out: the reason for each clip that is left out.

    Returns:
        Up to `MAX_LINES` lines.
    """
    layout = contents.meta.layout
    lines = [*_left_out(Counter(left_out), len(contents.fields["label"])), *notes]
    if not any(note.startswith("skeleton: ") for note in notes):
        lines.append(f"skeleton: {layout.name}, {layout.size} joints")
    lines += [*_classes(contents), *_never_there(presence, layout.joints)]
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"and {len(lines) - MAX_LINES + 1} more"]
    return tuple(lines)


def _left_out(reasons: Mapping[str, int], kept: int) -> Iterator[str]:
    """Count the clips that are left out, with the commonest reasons."""
    number = sum(reasons.values())
    if number:
        common = [
            f"{reason} ({n})" if n > 1 else reason
            for reason, n in Counter(reasons).most_common(2)
        ]
        if len(reasons) > len(common):
            common.append(f"{len(reasons) - len(common)} other reasons")
        yield f"left out: {number} of {number + kept}: {'; '.join(common)}"


def _never_there(presence: Presence, joints: Sequence[str]) -> Iterator[str]:
    """Count the frames with nobody; name bodies and joints that no frame has."""
    if presence.empty:
        share = 100 * presence.empty / presence.frames
        yield (
            f"frames with nobody: {presence.empty} of {presence.frames} ({share:.0f} %)"
        )
    if not presence.bodies.all():
        absent = int((~presence.bodies).sum())
        yield f"bodies that are never there: {absent} of {len(presence.bodies)}"
    if not presence.joints.all():
        names = [joints[j] for j in np.flatnonzero(~presence.joints).tolist()]
        yield f"joints that are never there: {listed(names)}"


def _classes(contents: Contents) -> Iterator[str]:
    """Count clips by protocol, by class and side; name the classes without any."""
    label, classes = contents.fields["label"], contents.meta.classes
    try:
        sides = _sides(contents)
    except InputError as error:
        yield f"split: {str(error).removeprefix(f'{contents.meta.key}: ')}"
        sides = {}
    if sides:
        counts = (
            f"{name} {len(a)}/{len(b)}"
            + f" ({len(label) - len(a) - len(b)} neither)"
            * (len(a) + len(b) < len(label))
            for name, (a, b) in sides.items()
        )
        yield f"training and test clips by protocol: {listed(list(counts))}"
    every = {"": np.arange(len(label))}
    for name, (train, test) in list(sides.items())[:1]:
        every = {f" to train on by {name}": train, f" to test on by {name}": test}
    counts_by_side = {
        side: np.bincount(label[clips], minlength=len(classes))
        for side, clips in every.items()
    }
    yield f"clips by class: {_counted(classes, list(counts_by_side.values()))}"
    for side, found in counts_by_side.items():
        if not found.all():
            lacking = [classes[k] for k in np.flatnonzero(found == 0).tolist()]
            yield f"classes without a clip{side}: {listed(lacking)}"


def _counted(classes: Sequence[str], counts: Sequence[np.ndarray]) -> str:
    """List each class with its clips (train/test), or their range if they are many."""
    rows = ["/".join(map(str, row)) for row in np.transpose(counts).tolist()]
    if len(classes) <= _LISTED:
        return ", ".join(f"{name} {row}" for name, row in zip(classes, rows))
    total = np.sum(counts, axis=0)
    return f"{total.min()} to {total.max()} of each of {len(classes)}"


def _sides(contents: Contents) -> Sides:
    """Split the clips by each protocol that they have the metadata for.

    Raises:
        InputError: there is none, or the split that came with them is one-sided.
    """
    dataset = assemble(np.empty((0, 1, 1, 1)), contents, "")
    found, faults = {}, []
    default_of(dataset)  # refuses a split that came with the clips and is one-sided
    for protocol in protocols_of(dataset):
        try:
            found[protocol] = split(dataset, protocol)
        except InputError as error:
            faults.append(error)
    if not found:
        raise faults[0]
    return found


def listed(names: Sequence[str]) -> str:
    """Join the first names, and count the others."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
