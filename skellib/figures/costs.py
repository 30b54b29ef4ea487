"""Speed and cost: ways to compute a step, its components, and how the cost grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skellib.errors import InputError
from skellib.figures.style import (
    CATEGORICAL,
    PALETTE,
    WIDTH,
    canvas,
    panels,
    readable_on,
    styled,
)

Rows = Sequence[Mapping[str, Any]]


@styled
def speed_ratios(rows: Rows, value: str = "train_times") -> Figure:
    """Draw how many times as fast as the naive build each variant is.

    Args:
        rows: rows with "profile", "network", "threads", "variant" and ``value``, as in
            ``benchmarks/results/speed.json``; a panel for each number of threads.
        value: name of the ratio.

    Raises:
        InputError: there is no row.
    """
    if not rows:
        raise InputError("speed_ratios: there is no row")
    frame = pd.DataFrame(list(rows))
    frame["case"] = frame["profile"] + ", " + frame["network"]
    threads = sorted(frame["threads"].unique())
    cases, variants = frame["case"].nunique(), frame["variant"].nunique()
    size = (WIDTH, 1.2 + 0.17 * cases * variants)
    figure, axes = panels(1, len(threads), size, sharex=True, sharey=True)
    for ax, number in zip(axes[0], threads, strict=True):
        part = frame[frame["threads"] == number]
        sns.barplot(
            part, x=value, y="case", hue="variant", palette=CATEGORICAL[:variants],
            saturation=1, legend=False, ax=ax,
        )  # fmt: skip
        for bars in ax.containers:
            ax.bar_label(bars, fmt="%.1f", fontsize=6.5, padding=2)
        ax.axvline(1, color=PALETTE["ink"], lw=0.8)
        ax.set(title="1 thread" if number == 1 else f"{number} threads", ylabel="")
        ax.set(xlabel="times the speed of the naive build")
        ax.grid(True, axis="x")
        ax.margins(x=0.12)
    names = list(frame["variant"].unique())
    bars = axes[0, 0].containers
    figure.legend(bars, names, loc="outside upper center", ncols=variants)
    return figure


@styled
def component_shares(parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw what each component costs of a training step: one bar per network.

    Args:
        parts: milliseconds by component, by name of the network.

    Raises:
        InputError: there is no network.
    """
    if not parts:
        raise InputError("component_shares: there is no network")
    frame = pd.DataFrame(parts).T
    shares = 100 * frame.div(frame.sum(axis=1), axis=0)
    figure, ax = canvas(None, (WIDTH, 1.3 + 0.5 * len(frame)))
    left = np.zeros(len(shares))
    for color, (name, values) in zip(CATEGORICAL, shares.items(), strict=False):
        bars = ax.barh(list(shares.index), values, left=left, color=color, label=name)
        texts = [f"{value:.0f}" if value >= 3 else "" for value in values]
        ax.bar_label(
            bars, texts, label_type="center", fontsize=7.5, color=readable_on(color)
        )
        left += values.to_numpy()
    ax.set(xlabel="share of a training step (%)", xlim=(0, 100))
    ax.invert_yaxis()
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    sns.despine(ax=ax, left=True)
    return figure


@styled
def growth(sweeps: Mapping[str, Rows], titles: Mapping[str, str]) -> Figure:
    """Draw the time of a step against a setting, beside the model of operations.

    The model is scaled to the measured time where both are least, so that a line that
    stays on the dots says that time grows as the operations do.

    Args:
        sweeps: by setting, rows with "value", "ms" and "gmacs".
        titles: name of the axis of each setting; settings not in it are left out.

    Raises:
        InputError: there is no setting.
    """
    if not titles:
        raise InputError("growth: there is no setting")
    figure, axes = panels(1, len(titles), (WIDTH, 2.5))
    for ax, (setting, title) in zip(axes[0], titles.items(), strict=True):
        _draw_growth(ax, pd.DataFrame(list(sweeps[setting])), title)
    axes[0, 0].set_ylabel("training step (ms)")
    axes[0, 0].legend()
    return figure


def _draw_growth(ax: Axes, points: pd.DataFrame, title: str) -> None:
    """Draw one panel of :func:`growth`."""
    first = points.loc[points["gmacs"].idxmin()]
    model = points["gmacs"] * first["ms"] / first["gmacs"]
    ax.plot(points["value"], model, "--", color=PALETTE["middle"], label="operations")
    ax.plot(
        points["value"], points["ms"], "o", color=PALETTE["accent"], label="measured"
    )
    ax.set(xlabel=title, ylim=(0, None), xticks=points["value"])
    ax.grid(True)
