"""Curves: losses (Fig. 5), divergences (Eq. 20-21), joint trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skellib.errors import InputError
from skellib.figures.style import (
    CATEGORICAL,
    DASHES,
    PALETTE,
    WIDTH,
    array,
    canvas,
    panels,
    styled,
)


@styled
def loss_curves(
    curves: Mapping[str, tuple[Any, Any]],
    ax: Axes | None = None,
    title: str | None = None,
    limit: float = 5.0,
) -> Figure:
    """Draw losses against the probability of the true class (Fig. 5).

    Args:
        curves: name -> (p_t, loss), two arrays of one length; put (gamma, m) in the
            name, as the paper does.
        ax: axes to draw into; a new figure by default.
        title: a title.
        limit: the highest loss shown; the cross entropy has no bound at p_t = 0.
    """
    figure, ax = canvas(ax, (WIDTH, 3.8))
    for i, (name, (p_true, loss)) in enumerate(curves.items()):
        ax.plot(
            array(p_true, 1, name), array(loss, 1, name), label=name,
            color=CATEGORICAL[i % 12], ls=DASHES[i % 6], lw=2,
        )  # fmt: skip
    ax.set(
        xlim=(0, 1), ylim=(0, limit), ylabel="loss",
        xlabel="probability of the true class, $p_t$",
    )  # fmt: skip
    ax.grid(True)
    ax.axvspan(0.6, 1, color=PALETTE["faint"], alpha=0.5, lw=0, zorder=0)
    ax.text(
        0.8, 0.985, "well-classified examples", ha="center", va="top", fontsize=8,
        color=PALETTE["middle"], transform=ax.get_xaxis_transform(),
    )  # fmt: skip
    ax.legend(
        title=r"loss $(\gamma, m)$", loc="upper right", bbox_to_anchor=(1, 0.93),
        handlelength=3.2,
    )  # fmt: skip
    if title:
        ax.set_title(title)
    return figure


def _entropy(p: np.ndarray) -> np.ndarray:
    """Return the entropy of (p, 1 - p) in nats."""
    return -p * np.log(p) - (1 - p) * np.log1p(-p)


@styled
def divergences(p: Sequence[float] = (0.5, 0.9), ax: Axes | None = None) -> Figure:
    """Draw half the Jeffreys divergence and Jensen-Shannon (Eq. 20-21), two classes.

    One branch gives its first class the probability p, the other q; each p is a colour.
    The first divergence, which Eq. 20 sums to, grows without bound as q nears 0 or 1;
    the second, whose name the paper uses, stays below log 2.

    Raises:
        InputError: a p is not inside (0, 1).
    """
    if not all(0 < value < 1 for value in p):
        raise InputError(f"divergences: every p must lie inside (0, 1), got {tuple(p)}")
    figure, ax = canvas(ax, (WIDTH, 3.4))
    q = np.linspace(0.001, 0.999, 999)
    for i, value in enumerate(p):
        logit = np.log(value) - np.log1p(-value) - np.log(q) + np.log1p(-q)
        half_jeffreys = (value - q) * logit / 2
        entropies = (_entropy(np.array(value)) + _entropy(q)) / 2
        jensen_shannon = _entropy((value + q) / 2) - entropies
        color = CATEGORICAL[i % 12]
        ax.plot(q, half_jeffreys, color=color, label=f"½ Jeffreys, p = {value:g}")
        name = f"Jensen–Shannon, p = {value:g}"
        ax.plot(q, jensen_shannon, color=color, ls="--", label=name)
    ax.axhline(np.log(2), color=PALETTE["muted"], lw=1, ls=":")
    ax.annotate(
        "log 2", (0.55, np.log(2)), (0, 3), textcoords="offset points", fontsize=8,
        color=PALETTE["middle"],
    )  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 2), ylabel="divergence (nats)")
    ax.set_xlabel("the other branch's probability of the class, q")
    ax.grid(True)
    ax.legend(loc="upper center", ncols=len(p), handlelength=3)
    return figure


@styled
def trajectories(
    x: Any,
    joints: Sequence[int],
    labels: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    coordinates: Sequence[str] = ("x", "y", "z"),
    relative: bool = False,
    unit: str = "m",
) -> Figure:
    """Draw coordinates of joints over time, several clips over each other.

    Shows what a step of the preprocessing does: before and after the crop or the
    resize, position against velocity.

    Args:
        x: (T, N, C), or a list of such arrays, whose lengths may differ.
        joints: indices of the joints to show, a row of panels each.
        labels: a name for each array of the list.
        names: the layout's joint names, for the rows' titles.
        coordinates: a name for each channel that is shown, a column of panels each.
        relative: run each clip from 0 to 1 instead of counting its frames.
        unit: of the values, for the axis.

    Raises:
        InputError: an array lacks a joint or a channel.
    """
    given = list(x) if isinstance(x, (list, tuple)) else [x]
    clips = [array(clip, 3, "trajectories") for clip in given]
    _check_clips(clips, joints, coordinates)
    figure, axes = panels(
        len(joints), len(coordinates), (WIDTH, 0.7 + 1.45 * len(joints)), sharex=True
    )
    for row, joint in zip(axes, joints, strict=True):
        for channel, ax in enumerate(row):
            _draw_curves(ax, [clip[:, joint, channel] for clip in clips], relative)
        row[0].set_ylabel(f"{names[joint] if names else f'joint {joint}'}\n({unit})")
    _same_span(axes)
    for ax, coordinate in zip(axes[0], coordinates, strict=True):
        ax.set_title(coordinate)
    for ax in axes[-1]:
        ax.set_xlabel("share of the clip" if relative else "frame")
    if labels:
        figure.legend(
            axes[0, 0].lines, labels, loc="outside upper center", ncols=len(labels),
            handlelength=3,
        )  # fmt: skip
    return figure


def _check_clips(
    clips: Sequence[np.ndarray], joints: Sequence[int], coordinates: Sequence[str]
) -> None:
    for clip in clips:
        if max(joints) >= clip.shape[1] or len(coordinates) > clip.shape[2]:
            raise InputError(
                f"trajectories: shape {clip.shape} has no joint {max(joints)} or fewer "
                f"than {len(coordinates)} channels"
            )


def _draw_curves(ax: Axes, curves: Sequence[np.ndarray], relative: bool) -> None:
    """Draw one panel: a line per clip, against its frames or its share of the clip."""
    for i, curve in enumerate(curves):
        last = len(curve) - 1
        ax.plot(
            np.linspace(0, 1 if relative else last, len(curve)), curve, lw=1.6,
            color=CATEGORICAL[i % 12], ls=DASHES[i % 6], marker="" if last else "o",
        )  # fmt: skip
    ax.grid(True)


def _same_span(axes: np.ndarray) -> None:
    """Give all panels one scale, each centred on its own curve."""
    limits = [ax.get_ylim() for ax in axes.flat]
    half = max(high - low for low, high in limits) / 2
    for ax, (low, high) in zip(axes.flat, limits, strict=True):
        ax.set_ylim((low + high) / 2 - half, (low + high) / 2 + half)
