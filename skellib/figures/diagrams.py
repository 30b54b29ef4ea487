"""Diagrams: the network (Fig. 2), attention (Fig. 3), blocks (Fig. 4), fusion (Fig. 6).

Drawn from names, shapes and options, so that they can be made from the real modules.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skellib.errors import InputError
from skellib.figures.sheet import Point, Sheet
from skellib.figures.style import PALETTE, WIDTH, Picture, styled

POLICIES = {
    "position": "position only",
    "velocity": "velocity only",
    "sum": "sum",
    "concatenation": "concatenation",
    "multi_task": "pseudo multi-task learning",
    "mutual": "multi-task with mutual learning",
}
KINDS = {  # what a stage's name contains -> its colour
    "transform": "#2B636C",
    "attention": "#D76223",
    "slnl": "#521F59",
    "local": "#1575BD",
    "pool": "#8A919C",
}


@styled
def network_diagram(
    stages: Sequence[tuple[str, Sequence[int]]],
    title: str | None = None,
    streams: Sequence[str] = ("position", "velocity"),
    axes: Sequence[str] = ("channels", "frames", "joints"),
) -> Figure:
    """Draw the network from its stages: boxes, and the shape after each (Fig. 2).

    Args:
        stages: (name, shape without the batch) of one stream's stages in order, such as
            from forward hooks on the real network. Names that contain "transform",
            "attention", "SLnL", "local" or "pool" have their own colour.
        title: the title.
        streams: the streams, one row each; with two, their features are joined.
        axes: what the numbers of a shape are; shorter shapes fill the first of them.

    Raises:
        InputError: there is no stage, or a shape has more numbers than `axes`.
    """
    if not stages or any(len(shape) > len(axes) for _, shape in stages):
        raise InputError(
            f"network_diagram: stages with shapes of {tuple(axes)} expected"
        )
    rows, row = len(streams), 1.42
    height = rows * row + 0.22 * len(axes) + (0.5 if title else 0.25)
    sheet = Sheet(WIDTH, height)
    left, right = 0.98, WIDTH - 1.62
    step = (right - left) / len(stages)
    places = [left + step * (i + 0.5) for i in range(len(stages))]
    levels = [height - (0.45 if title else 0.1) - row * (i + 0.5) for i in range(rows)]
    for stream, y in zip(streams, levels, strict=True):
        _stream(sheet, stream, [name for name, _ in stages], places, y, step)
        sheet.line((right - step / 2, y), (right + 0.02, y))
    _heads(sheet, streams, levels, right)
    for k, axis in enumerate(axes):
        y = levels[-1] - row / 2 - 0.08 - 0.2 * k
        sheet.text((0.8, y), axis, PALETTE["middle"], 7, ha="right")
        for x, (_, shape) in zip(places, stages, strict=True):
            if k < len(shape):
                sheet.text((x, y), f"{shape[k]}", PALETTE["ink"], 7.5)
    if title:
        sheet.text((WIDTH / 2, height - 0.2), title, fontsize=10, fontweight="bold")
    return sheet.figure


def _stream(
    sheet: Sheet,
    stream: str,
    names: Sequence[str],
    places: Sequence[float],
    y: float,
    step: float,
) -> None:
    """Draw one stream: its input and a box per stage, joined by arrows."""
    box = (min(0.72 * step, 0.5), 1.2)
    sheet.box((0.42, y), (0.74, 0.34), stream, PALETTE.get(stream, PALETTE["middle"]))
    start = 0.79
    for x, name in zip(places, names, strict=True):
        sheet.arrow((start, y), (x - box[0] / 2, y))
        sheet.box((x, y), box, name, _stage_color(name), rotation=90, fontsize=8)
        start = x + box[0] / 2


def _stage_color(name: str) -> str:
    found = (color for word, color in KINDS.items() if word in name.lower())
    return next(found, PALETTE["middle"])


def _heads(
    sheet: Sheet, streams: Sequence[str], levels: Sequence[float], x: float
) -> None:
    """Draw the features at the end of the rows and, for two streams, the joint one."""
    outputs = [(stream, y) for stream, y in zip(streams, levels, strict=True)]
    feature, classifier = x + 0.42, x + 1.2
    if len(streams) == 2:
        middle = sum(levels) / 2
        outputs.append(("fused", middle))
        for y in levels:
            sheet.arrow(
                (feature, y), (feature, middle + (0.17 if y > middle else -0.17))
            )
    for name, y in outputs:
        color = PALETTE.get(name, PALETTE["middle"])
        if name != "fused":
            sheet.arrow((x, y), (feature - 0.22, y))
        sheet.box(
            (feature, y), (0.44, 0.34), f"$f_{{{_letter(name)}}}$", color, fill=False
        )
        sheet.arrow((feature + 0.22, y), (classifier - 0.36, y))
        sheet.box((classifier, y), (0.72, 0.34), f"FC $p^{{{_letter(name)}}}$", color)


def _letter(name: str) -> str:
    return {"position": "p", "velocity": "v", "fused": "c"}.get(name, name[0])


@styled
def fusion_diagram(policy: str, features: int = 256, ax: Axes | None = None) -> Figure:
    """Draw one policy for position and velocity features (a panel of Fig. 6).

    Args:
        policy: "position", "velocity", "sum", "concatenation", "multi_task", or
            "mutual": multi-task with the mimicry loss of Eq. 20-21.
        features: length of one stream's feature.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: the policy is not known.
    """
    if policy not in POLICIES:
        raise InputError(f"fusion policy {policy!r} is none of {', '.join(POLICIES)}")
    single = policy in ("position", "velocity")
    heights = {"position": 1.75, "fused": 1.05, "velocity": 0.35}
    if single:
        heights = {policy: 0.35 if ax is None else 1.05}
    sheet = Sheet(4.2, max(heights.values()) + 0.65, ax)
    top = max(heights.values()) + 0.48
    sheet.text((2.1, top), POLICIES[policy], fontsize=9, fontweight="bold")
    for name in [policy] if single else ["position", "velocity"]:
        y, letter = heights[name], _letter(name)
        sheet.box(
            (0.48, y), (0.86, 0.38), f"{name}\nstream", PALETTE[name], fontsize=7.5
        )
        sheet.arrow((0.91, y), (1.14, y))
        _feature(sheet, (1.42, y), f"$f_{letter}$\n{features}", PALETTE[name])
        if single or policy in ("multi_task", "mutual"):
            _branch(sheet, name, 1.7, y)
    if not single:
        _join(sheet, policy, features, heights)
        _branch(sheet, "fused", 2.38, heights["fused"])
    if policy == "mutual":
        _divergences(sheet, heights)
    return sheet.figure


def _feature(sheet: Sheet, at: Point, text: str, color: str) -> None:
    sheet.box(at, (0.56, 0.38), text, color, fill=False, fontsize=7.5)


def _join(sheet: Sheet, policy: str, features: int, heights: dict[str, float]) -> None:
    """Join the two features: add them, or put them side by side."""
    middle, add = heights["fused"], policy == "sum"
    for name, side in (("position", 1), ("velocity", -1)):
        start = (1.42, heights[name] - 0.19 * side)
        if add:
            sheet.arrow(start, (1.42, middle + 0.1 * side))
        else:
            sheet.line(start, (1.42, middle))
    sheet.arrow((1.42, middle), (1.82, middle))
    if add:
        sheet.sign((1.42, middle))
    length = features if add else 2 * features
    _feature(sheet, (2.1, middle), f"$f_c$\n{length}", PALETTE["fused"])


def _branch(sheet: Sheet, name: str, x: float, y: float) -> None:
    """Draw the way from a feature to its classifier, probability and loss."""
    sheet.arrow((x, y), (2.6, y))
    sheet.box((2.78, y), (0.36, 0.3), "FC", PALETTE["middle"], fontsize=7.5)
    sheet.arrow((2.96, y), (3.14, y))
    sheet.box((3.32, y), (0.36, 0.3), f"$p^{_letter(name)}$", PALETTE[name])
    sheet.arrow((3.5, y), (3.64, y))
    sheet.box((3.9, y), (0.52, 0.3), "SMFL", PALETTE[name], fill=False, fontsize=7.5)


def _divergences(sheet: Sheet, heights: dict[str, float]) -> None:
    """Draw the three pairwise divergences between the probabilities."""
    accent = PALETTE["right"]
    top, middle, low = (heights[name] for name in ("position", "fused", "velocity"))
    for upper, lower in ((top, middle), (middle, low)):
        sheet.arrow((3.32, upper - 0.15), (3.32, lower + 0.15), accent, both=True)
        sheet.text((3.25, (upper + lower) / 2), "$D$", accent, ha="right")
    sheet.arrow((3.48, top - 0.15), (3.48, low + 0.15), accent, bend=-0.16, both=True)
    sheet.text((3.66, (top + middle) / 2), "$D$", accent, ha="left")


@styled
def fusion_diagrams(
    policies: Sequence[str] = ("sum", "concatenation", "multi_task", "mutual"),
    features: int = 256,
) -> Figure:
    """Draw fusion policies side by side, two per row (Fig. 6)."""
    rows = -(-len(policies) // 2)
    figure = Picture(figsize=(WIDTH, 2.1 * rows), layout="constrained")
    for ax in figure.subplots(rows, 2, squeeze=False).flat:
        ax.axis("off")
    for ax, policy in zip(figure.axes, policies, strict=False):
        fusion_diagram(policy, features, ax)
    return figure


@styled
def attention_diagram(kind: str = "residual", reduction: int = 32) -> Figure:
    """Draw frequency attention or one of its variants (Fig. 3, Table VII).

    Args:
        kind: of `skellib.models.FrequencyAttention`: "amplitude", "sine", "cosine",
            "shared", "dependent" or "residual".
        reduction: the ratio of the mask networks' bottleneck, for its label.

    Raises:
        InputError: the kind has no diagram.
    """
    rows = {
        "amplitude": [("$F_A$", "M", True)],
        "sine": [(r"$F_{\cos}$", "", False), (r"$F_{\sin}$", r"\sin", True)],
        "cosine": [(r"$F_{\cos}$", r"\cos", True), (r"$F_{\sin}$", "", False)],
    }
    both = [(r"$F_{\cos}$", r"\cos", True), (r"$F_{\sin}$", r"\sin", True)]
    rows |= dict.fromkeys(("shared", "dependent", "residual"), both)
    if kind not in rows:
        raise InputError(f"attention diagram {kind!r} is none of {', '.join(rows)}")
    residual = kind == "residual"
    height = 2.85 if residual else 1.9 if kind == "amplitude" else 2.5
    sheet = Sheet(WIDTH, height)
    ends, middle = PALETTE["position"], 0.75 if kind == "amplitude" else 1.25
    sheet.box((0.35, middle), (0.5, 0.4), "$X'$", ends)
    sheet.arrow((0.6, middle), (0.82, middle))
    sheet.box((1.15, middle), (0.62, 0.5), "2-D\nFFT", PALETTE["middle"])
    levels = [middle] if len(rows[kind]) == 1 else [middle + 0.6, middle - 0.6]
    for (component, mask, weighted), y in zip(rows[kind], levels, strict=True):
        _component(sheet, component, mask, weighted, y, middle, kind, reduction)
    if kind == "amplitude":
        sheet.line((1.15, middle - 0.25), (1.15, 0.15), (5.6, 0.15))
        sheet.arrow((5.6, 0.15), (5.6, middle - 0.25))
        sheet.text((3.4, 0.26), r"phase $F_\phi$, kept", PALETTE["middle"], 7.5)
    sheet.box((5.6, middle), (0.62, 0.5), "2-D\nIFFT", PALETTE["middle"])
    sheet.arrow((5.91, middle), (6.1 if residual else 6.5, middle))
    if residual:
        sheet.sign((6.2, middle))
        sheet.line((0.35, middle + 0.2), (0.35, 2.55), (6.2, 2.55), color=ends)
        sheet.arrow((6.2, 2.55), (6.2, middle + 0.1), ends)
        sheet.text((3.4, 2.68), "residual in the spatio-temporal domain", ends, 7.5)
        sheet.arrow((6.3, middle), (6.5, middle))
    sheet.box((6.72, middle), (0.44, 0.4), "$X''$", ends)
    return sheet.figure


def _component(
    sheet: Sheet,
    component: str,
    mask: str,
    weighted: bool,
    y: float,
    middle: float,
    kind: str,
    reduction: int,
) -> None:
    """Draw one part of the spectrum: its mask network and the product with it."""
    corner = y != middle
    start = (1.15, middle + (0.25 if y > middle else -0.25)) if corner else (1.46, y)
    sheet.arrow(start, (1.72, y), corner=corner)
    sheet.box((1.98, y), (0.52, 0.36), component, PALETTE["accent"], fill=False)
    if weighted:
        network = PALETTE["right"]
        last = r"FC $\sigma$"
        side = 0.45 if y >= middle else -0.45
        for x, name in ((2.72, "mean"), (3.42, f"FC\n÷ {reduction}"), (4.12, last)):
            sheet.box((x, y + side), (0.52, 0.36), name, network, fontsize=7.5)
        sheet.arrow(
            (1.98, y + (0.18 if side > 0 else -0.18)), (2.46, y + side), corner=True
        )
        sheet.arrow((2.98, y + side), (3.16, y + side))
        sheet.arrow((3.68, y + side), (3.86, y + side))
        label = "$M$" if kind in ("amplitude", "shared") else rf"$M_{{{mask}}}$"
        sheet.line((4.38, y + side), (4.86, y + side))
        sheet.arrow((4.86, y + side), (4.86, y + (0.1 if side > 0 else -0.1)))
        sheet.text((4.62, y + side + 0.13), label, network)
        sheet.arrow((2.24, y), (4.76, y))
        sheet.sign((4.86, y), "×")
    out = 4.96 if weighted else 2.24
    if corner:
        sheet.line((out, y), (5.6, y))
        sheet.arrow((5.6, y), (5.6, middle + (0.25 if y > middle else -0.25)))
    else:
        sheet.arrow((out, y), (5.29, y))


@styled
def block_diagram(axes: Sequence[str] = ("t", "s", "st"), kernel: int = 3) -> Figure:
    """Draw a local block (no axes), or one with non-local partners (Fig. 4b, 4c).

    Args:
        axes: the non-local partners, of "t", "s", "st"; none for the local block.
        kernel: k of the convolutions.

    Raises:
        InputError: an axis is not known.
    """
    if not set(axes) <= {"t", "s", "st"}:
        raise InputError(f"block diagram: axes {tuple(axes)} are not among t, s, st")
    sheet = Sheet(WIDTH, 2.7)
    middle, k = 1.2, kernel
    sheet.arrow((0.1, middle), (0.55, middle))
    sheet.text((0.2, middle + 0.14), "$X$")
    units = (
        ("t", f"tLocal\n{k} × 1", (1.6, 1.75)),
        ("s", f"sLocal\n1 × {k}", (1.6, 0.65)),
        ("st", f"stLocal\n{k} × {k}", (3.95, middle)),
    )
    for axis, text, (x, y) in units:
        entry = 0.55 if axis != "st" else 2.95
        places = [(x, y + 0.25), (x, y - 0.25)] if axis in axes else [(x, y)]
        boxes = [(text, PALETTE["accent"]), (f"{axis}NonLocal\n1 × 1", "#521F59")]
        for place, (name, color) in zip(places, boxes, strict=False):
            sheet.box(place, (1.0, 0.4), name, color, fontsize=7.5)
            sheet.line((entry, middle), (entry, place[1]))
            sheet.arrow((entry, place[1]), (x - 0.5, place[1]))
            sheet.line((x + 0.5, place[1]), (x + 0.85, place[1]), (x + 0.85, middle))
    sheet.line((2.45, middle), (2.95, middle))
    sheet.sign((2.45, middle))
    if "st" in axes:
        sheet.sign((4.8, middle))
    sheet.arrow((4.9 if "st" in axes else 4.8, middle), (5.05, middle))
    sheet.sign((5.15, middle))
    sheet.line((0.55, middle), (0.55, 2.45), (5.15, 2.45), color=PALETTE["position"])
    sheet.arrow((5.15, 2.45), (5.15, middle + 0.1), PALETTE["position"])
    sheet.text(
        (2.85, 2.57), "residual (1 × 1 where channels change)", PALETTE["position"], 7.5
    )
    sheet.arrow((5.25, middle), (5.55, middle))
    sheet.box((6.0, middle), (0.86, 0.6), "BN, ReLU,\ndropout", PALETTE["middle"])
    sheet.arrow((6.43, middle), (6.9, middle))
    sheet.text((6.75, middle + 0.14), "$Y$")
    return sheet.figure
