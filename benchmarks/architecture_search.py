"""Count the readings of Section III, and find those that print Table XI's numbers.

    python -m benchmarks.architecture_search

A *reading* settles every choice of `CHOICES`; what the text fixes (K = 10, N' = 64, the
channels, the kernel sizes) is not among them. Its parameters and operations are counted
in closed form by the rule of :mod:`skellib.complexity`, and compared with the printed
numbers to the last digit.

Three sets of readings are told apart: *any*; *plain head*, those that average over
frames and joints and have one layer to the classes; and *within the text*, those with a
plain head that depart nowhere from the text. It has one batch normalisation in a block
and one for the input, four matrices in a non-local module (Eq. 7-11), biases in Eq. 2,
and M_1 = 3 in the best row for NTU-CV, the protocol of Table XI.

How often would a set meet numbers that no network has? Every pair of numbers of one
stream within 20 % of the printed ones, in steps of the last digit, is a *false target*.
All are tried, so that the share that a set meets is exact.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "architecture_search.json"

ONE_STREAM = 4_723, 3_889
"""Printed thousands of parameters and millions of operations of one stream."""
TWO_STREAMS = 9_461, 7_778
UNITS = 1_000, 1_000_000
WITHIN = 0.2

FRAMES, JOINTS, BODIES, CLASSES = 64, 25, 2, 60
SYSTEMS, NEW_JOINTS = 10, 64
CHANNELS = 64, 64, 128, 128, 256, 256
KERNEL = 3

CHOICES: dict[str, dict[Any, bool]] = {
    # two bodies: stacked as joints; one pass for each, features merged without a layer;
    # one body only; stacked as coordinates
    "bodies": {"joints": True, "passes": True, "one": True, "coordinates": True},
    # of each coordinate; of each coordinate of each joint
    "normalisation": {"channels": True, "joints": True, "none": False},
    # the order changes the operations, not the result
    "transform_first": {"skeleton": True, "coordinate": True},
    "transform_bias": {False: True, True: True},
    "reduction": dict.fromkeys((4, 8, 16, 32, 64, 128), True),
    "mask_bias": {True: True, False: False},
    # temporal and spatial unit side by side, summed or concatenated, then the
    # spatio-temporal one; one after the other; all three side by side
    "order": {"parallel": True, "concatenated": True, "sequential": True, "all": False},
    "bias": {False: True, True: True},
    # one at the end or start of a block; one per unit; one per convolution; one at the
    # end and one in each non-local module
    "norms": {
        **{"end": True, "start": True},
        **{"units": False, "convolutions": False, "partners": False},
    },
    # 1 x 1 convolution of the residual path: where channels change, always, never
    "residual": {"changes": True, "all": True, "never": True},
    "slnl_blocks": {m: m == 3 for m in range(7)},
    # L: the module's output or input channels, or half of them
    "embed": dict.fromkeys(("out", "half out", "in", "half in"), True),
    # W_g and W_w: P x Q and Q x Q (Eq. 7, 11); no W_w; P x L and L x Q
    "weighting": {"square": True, "none": False, "bottleneck": False},
    "nonlocal_bias": {False: True, True: True},
    # time only, or time and joints; after or before which blocks
    "window": {"time": True, "both": True},
    "pooling": dict.fromkeys(("after 2, 4, 6", "after 2, 4", "before 1, 3, 5"), True),
    # over time and joints, one of them or neither; width of a hidden layer, 0 for none
    "average": dict.fromkeys(("both", "time", "joints", "neither"), True),
    "hidden": {0: True, 128: False, 256: False, 512: False},
}
"""Options of each choice, and whether the text leaves them open."""

PARTS = {
    "front": [
        *("normalisation", "transform_first", "transform_bias"),
        *("reduction", "mask_bias"),
    ],
    "blocks": [
        *("order", "bias", "norms", "residual", "slnl_blocks"),
        *("embed", "weighting", "nonlocal_bias"),
    ],
    "pooling": ["window", "pooling"],
    "head": ["average", "hidden"],
}
"""Choices that are counted together."""

DETAILS = "normalisation", "transform_bias", "pooling"
"""Choices in which the readings of a family differ."""

SETS = "any", "plain head", "within the text"
THIRD = "concatenation", "sum", "shared"
"""Third classifier of two streams: on the concatenation; on the sum; on the
concatenation, beside one classifier that position and velocity share."""


@dataclass(frozen=True)
class Reading:
    """Settle every choice; the defaults are the library's."""

    bodies: str = "joints"
    normalisation: str = "channels"
    transform_first: str = "skeleton"
    transform_bias: bool = False
    reduction: int = 32
    mask_bias: bool = True
    order: str = "parallel"
    bias: bool = False
    norms: str = "end"
    residual: str = "changes"
    slnl_blocks: int = 3
    embed: str = "out"
    weighting: str = "square"
    nonlocal_bias: bool = False
    window: str = "time"
    pooling: str = "after 2, 4, 6"
    average: str = "both"
    hidden: int = 0

    @property
    def input(self) -> tuple[int, int]:
        """Coordinates and joints of a pass."""
        if self.bodies == "coordinates":
            return 3 * BODIES, JOINTS
        return 3, JOINTS * (BODIES if self.bodies == "joints" else 1)

    @property
    def passes(self) -> int:
        return BODIES if self.bodies == "passes" else 1


Cost = tuple[int, int]
"""Parameters and operations."""


def add(costs: Iterable[Cost]) -> Cost:
    """Add costs."""
    parameters, operations = zip(*costs)
    return sum(parameters), sum(operations)


def linear(inputs: int, outputs: int, bias: bool = True, rows: int = 1) -> Cost:
    """Count a fully connected layer that is applied to a number of rows."""
    return (inputs + bias) * outputs, (2 * inputs - 1) * outputs * rows


def convolution(inputs: int, outputs: int, area: int, bias: bool, at: int) -> Cost:
    """Count a convolution, given the area of its kernel and its output's positions."""
    parameters = (inputs * area + bias) * outputs
    return parameters, parameters * at


def norm(channels: int, at: int) -> Cost:
    """Count batch normalisation."""
    return 2 * channels, 4 * channels * at


def front(reading: Reading) -> Cost:
    """Count input normalisation, transform network and frequency attention."""
    d, joints = reading.input
    bias, wide = reading.transform_bias, d * SYSTEMS
    parts = []
    if reading.normalisation == "channels":
        parts.append(norm(d, FRAMES * joints))
    elif reading.normalisation == "joints":
        parts.append(norm(d * joints, FRAMES))
    if reading.transform_first == "skeleton":
        parts.append(linear(joints, NEW_JOINTS, bias, d * FRAMES))
        parts.append(linear(d, wide, bias, FRAMES * NEW_JOINTS))
    else:
        parts.append(linear(d, wide, bias, FRAMES * joints))
        parts.append(linear(joints, NEW_JOINTS, bias, wide * FRAMES))
    size = FRAMES * NEW_JOINTS
    hidden = size // reading.reduction
    mask = [(size, hidden), (hidden, size)]
    parts += 2 * [linear(*shape, reading.mask_bias) for shape in mask]
    return add(parts)


@cache
def block(
    inputs: int,
    outputs: int,
    at: int,
    slnl: bool,
    *choices: Any,
) -> Cost:
    """Count a block, given the positions of its output and `PARTS["blocks"]`."""
    order, bias, norms, residual, _, embed, weighting, nonlocal_bias = choices
    widths = {
        "parallel": (inputs, inputs, outputs),
        "concatenated": (inputs, inputs, 2 * outputs),
        "sequential": (inputs, outputs, outputs),
        "all": (inputs, inputs, inputs),
    }[order]
    parts = []
    for width, area in zip(widths, (KERNEL, KERNEL, KERNEL**2)):
        parts.append(convolution(width, outputs, area, bias, at))
        if slnl:
            parts += partner(width, outputs, at, embed, weighting, nonlocal_bias)
    projected = residual == "all" or (residual == "changes" and inputs != outputs)
    if projected:
        parts.append(convolution(inputs, outputs, 1, bias, at))
    number = {
        **{"start": 0, "end": 1, "units": 3, "convolutions": 3 + projected},
        "partners": 1 + 3 * slnl,
    }[norms]
    parts += number * [norm(outputs, at)]
    if norms == "start":
        parts.append(norm(inputs, at))
    return add(parts)


def partner(
    inputs: int, outputs: int, at: int, embed: str, weighting: str, bias: bool
) -> list[Cost]:
    """Count the layers of a non-local module."""
    width = inputs if embed.endswith("in") else outputs
    width //= 2 if embed.startswith("half") else 1
    middle = width if weighting == "bottleneck" else outputs
    shapes = [(inputs, width), (inputs, width), (inputs, middle)]
    if weighting != "none":
        shapes.append((middle, outputs))
    return [convolution(*shape, 1, bias, at) for shape in shapes]


def sizes(reading: Reading) -> list[tuple[int, int]]:
    """Return the frames and joints of each block, and of the head."""
    when, *numbers = reading.pooling.replace(",", "").split()
    t, n = FRAMES, NEW_JOINTS
    found = []
    for number in range(1, len(CHANNELS) + 2):
        if str(number if when == "before" else number - 1) in numbers:
            t, n = t // 2, n // 2 if reading.window == "both" else n
        found.append((t, n))
    return found


def blocks(reading: Reading) -> Cost:
    """Count all blocks."""
    choices = [getattr(reading, name) for name in PARTS["blocks"]]
    widths = (reading.input[0] * SYSTEMS, *CHANNELS)
    return add(
        block(*shape, t * n, number < reading.slnl_blocks, *choices)
        for number, (shape, (t, n)) in enumerate(
            zip(itertools.pairwise(widths), sizes(reading))
        )
    )


def head(reading: Reading, features: int = 1) -> Cost:
    """Count a classifier of a number of concatenated features."""
    t, n = sizes(reading)[-1]
    averaged = {"both": t * n, "time": t, "joints": n, "neither": 1}[reading.average]
    inputs = features * CHANNELS[-1] * t * n // averaged
    if not reading.hidden:
        return linear(inputs, CLASSES)
    return add([linear(inputs, reading.hidden), linear(reading.hidden, CLASSES)])


def repeated(cost: Cost, passes: int) -> Cost:
    """Count layers that are passed several times."""
    return cost[0], passes * cost[1]


def one_stream(reading: Reading) -> Cost:
    """Count the network of one stream, "SLnL+rFA_pos" in Table XI."""
    body = add([front(reading), blocks(reading)])
    return add([repeated(body, reading.passes), head(reading)])


def two_streams(reading: Reading, third: str) -> Cost:
    """Count two streams and their classifiers, "SLnL+rFA+ML" in Table XI."""
    single = head(reading)
    further = single if third == "sum" else head(reading, 2)
    parameters, operations = add([one_stream(reading), one_stream(reading), further])
    return parameters - (single[0] if third == "shared" else 0), operations


def printed(cost: Cost) -> Cost:
    """Round to the last printed digit."""
    parameters, operations = ((c + unit // 2) // unit for c, unit in zip(cost, UNITS))
    return parameters, operations


def is_open(reading: Reading, names: Iterable[str] = CHOICES) -> bool:
    """Return whether the text leaves the options of some choices open."""
    return all(CHOICES[name][getattr(reading, name)] for name in names)


def is_plain(reading: Reading) -> bool:
    """Return whether a reading has the plain head."""
    return reading.average == "both" and not reading.hidden


def repeats(reading: Reading) -> bool:
    """Return whether another reading is the same network."""
    return (
        (reading.weighting == "bottleneck" and reading.embed == "out")
        or (reading.norms == "convolutions" and reading.residual == "never")
        or (
            not reading.slnl_blocks
            and (
                reading.norms == "partners" or _partner(reading) != _partner(Reading())
            )
        )
    )


def _partner(reading: Reading) -> tuple[Any, ...]:
    return reading.embed, reading.weighting, reading.nonlocal_bias


def combinations(part: str, base: Reading) -> list[Reading]:
    """Return all readings that differ from another in one of `PARTS` at most."""
    names = PARTS[part]
    options = itertools.product(*(CHOICES[name] for name in names))
    made = (replace(base, **dict(zip(names, chosen))) for chosen in options)
    return [reading for reading in made if not repeats(reading)]


@dataclass(frozen=True)
class Table:
    """Hold the costs of the readings of one part, sorted by parameters."""

    readings: list[Reading]
    costs: np.ndarray  # (2, readings)
    within: np.ndarray  # (readings,)

    @classmethod
    def of(cls, part: str, base: Reading) -> Table:
        """Count one part."""
        count = {"front": front, "blocks": blocks, "head": head}[part]
        passes = 1 if part == "head" else base.passes
        rows = [
            (repeated(count(reading), passes), is_open(reading, PARTS[part]), reading)
            for reading in combinations(part, base)
        ]
        costs, within, readings = zip(*sorted(rows, key=lambda row: row[0][0]))
        return cls(list(readings), np.array(costs).T, np.array(within))


def merged(front: Reading, blocks: Reading, head: Reading) -> Reading:
    """Combine readings that differ in one part each."""
    choices = {name: getattr(blocks, name) for name in PARTS["blocks"]}
    choices |= {name: getattr(head, name) for name in PARTS["head"]}
    return replace(front, **choices)


class Targets:
    """Hold which targets the readings of each set meet, and which meet the printed one.

    Attributes:
        met: whether each target is met, by set, (parameters, operations).
        readings: number of readings by set.
        matches: readings that meet the printed numbers of one stream.
    """

    def __init__(self) -> None:
        self.low = [math.ceil(x * (1 - WITHIN)) for x in ONE_STREAM]
        self.high = [math.floor(x * (1 + WITHIN)) + 1 for x in ONE_STREAM]
        shape = [high - low for low, high in zip(self.low, self.high)]
        self.met = {name: np.zeros(shape, bool) for name in SETS}
        self.readings = dict.fromkeys(SETS, 0)
        self.matches: list[Reading] = []

    def add(self, base: Reading) -> None:
        """Add all readings with the bodies and the pooling of another one."""
        allowed = is_open(base, ("bodies", *PARTS["pooling"]))
        parts = ("front", "blocks", "head")
        fronts, stack, heads = (Table.of(part, base) for part in parts)
        target = np.subtract(ONE_STREAM, self.low)[:, None]
        for f, h in np.ndindex(len(fronts.readings), len(heads.readings)):
            plain = is_plain(heads.readings[h])
            within = stack.within & (allowed and plain and fronts.within[f])
            self.readings["any"] += len(stack.readings)
            self.readings["plain head"] += plain * len(stack.readings)
            self.readings["within the text"] += int(within.sum())
            rest = (fronts.costs[:, f] + heads.costs[:, h])[:, None]
            rows, cells = self._cells(stack.costs, rest)
            self.met["any"][*cells] = True
            if plain:
                self.met["plain head"][*cells] = True
            self.met["within the text"][*cells[:, within[rows]]] = True
            for row in rows[(cells == target).all(0)]:
                self.matches.append(
                    merged(fronts.readings[f], stack.readings[row], heads.readings[h])
                )

    def _cells(self, costs: np.ndarray, rest: np.ndarray) -> tuple[Any, Any]:
        """Return which costs, with ``rest`` added, are near the printed, and where."""
        unit = np.array(UNITS)
        low, high = (
            np.array(bound) * unit - unit // 2 - rest[:, 0]
            for bound in (self.low, self.high)
        )
        window = slice(*np.searchsorted(costs[0], [low[0], high[0]]))
        near = (costs[1, window] >= low[1]) & (costs[1, window] < high[1])
        rows = np.flatnonzero(near) + window.start
        total = costs[:, rows] + rest
        cells = (total + unit[:, None] // 2) // unit[:, None]
        return rows, cells - np.array(self.low)[:, None]


def bases() -> Iterator[Reading]:
    """Iterate over the combinations of bodies and pooling."""
    for bodies in CHOICES["bodies"]:
        yield from combinations("pooling", Reading(bodies=bodies))


def differences(reading: Reading) -> dict[str, Any]:
    """Return the choices in which a reading differs from the library's."""
    default = asdict(Reading())
    return {k: v for k, v in asdict(reading).items() if v != default[k]}


def sets(reading: Reading) -> list[str]:
    """Return the names of the sets that a reading is in."""
    plain = is_plain(reading)
    return [
        name for name, x in zip(SETS, (True, plain, plain and is_open(reading))) if x
    ]


def search() -> dict[str, Any]:
    """Count all readings, and try all targets."""
    targets = Targets()
    for base in bases():
        targets.add(base)
    matches = [
        {
            "differs": differences(reading),
            "sets": sets(reading),
            "one stream": one_stream(reading),
            "two streams": {third: two_streams(reading, third) for third in THIRD},
        }
        for reading in targets.matches
    ]
    return {
        "readings": targets.readings,
        "matches": sorted(matches, key=lambda match: len(match["differs"])),
        "false targets": {
            "number": targets.met["any"].size,
            "met": {name: int(met.sum()) for name, met in targets.met.items()},
        },
    }


# --- the book's page ------------------------------------------------------------------


def families(found: dict[str, Any]) -> dict[str, Counter[str]]:
    """Count the matches of each set by what matters of their differences."""
    counted: dict[str, Counter[str]] = {}
    for match in found["matches"]:
        differs = {k: v for k, v in match["differs"].items() if k not in DETAILS}
        name = ", ".join(f"`{k}`: {v}" for k, v in differs.items())
        counted.setdefault(name, Counter()).update(match["sets"])
    return counted


def tables(found: dict[str, Any]) -> list[str]:
    """Format the rows of the tables of the book's page: the sets, and the families."""
    total = sum(families(found).values(), Counter())
    false = found["false targets"]
    by_set = [
        (
            name.capitalize(),
            f"{found['readings'][name]:,}",
            f"{total[name]}",
            f"{100 * false['met'][name] / false['number']:.2g}\N{NO-BREAK SPACE}%",
        )
        for name in SETS
    ]
    by_family = [
        (name or "nothing else", *(f"{number[name]}" for name in SETS))
        for name, number in families(found).items()
    ]
    return ["\n".join(map(_row, rows)) for rows in (by_set, by_family)]


def _row(cells: Iterable[str]) -> str:
    """Format a row of a ``list-table``."""
    return "* - " + "\n  - ".join(cells)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    found = search()
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n\n".join(tables(found)))


if __name__ == "__main__":
    main()
