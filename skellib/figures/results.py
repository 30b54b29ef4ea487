"""Results: training history, result tables, differences, single runs, Fig. 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

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

QUANTITIES = {
    "loss": ("loss",),
    "accuracy": ("accuracy", "top1"),
    "learning rate": ("learning_rate",),
}
LEAST_SPAN = 4.0
"""Percentage points that an axis of accuracies shows at least."""

MEAN, INTERVAL = "measured, mean", "95 % interval"
ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 6}

Rows = Sequence[Mapping[str, Any]]


@styled
def history(
    record_history: Mapping[str, Sequence[float]] | Sequence[Any],
    title: str | None = None,
) -> Figure:
    """Draw loss, accuracy and learning rate per epoch, for training and test.

    Args:
        record_history: a run record's history (one entry per epoch), or name -> one
            value per epoch. Names that contain "loss", "top1" or "accuracy", and
            "learning_rate" go to their panel; the rest of the name ("test") labels the
            line, "train" where nothing is left. Accuracies are fractions. An epoch
            without a value (None or NaN) is left out. "epoch" numbers the epochs;
            without it they count from 1.
        title: the figure's title.

    Raises:
        InputError: none of the three quantities is there.
    """
    frame = _by_epoch(record_history)
    drawn = {quantity: _of(frame, words) for quantity, words in QUANTITIES.items()}
    drawn = {quantity: lines for quantity, lines in drawn.items() if lines}
    if not drawn:
        raise InputError(
            f"history: no loss, accuracy or learning_rate among {sorted(frame)}"
        )
    figure, axes = panels(1, len(drawn), (WIDTH, 2.6))
    for ax, (quantity, lines) in zip(axes[0], drawn.items(), strict=True):
        _draw_quantity(ax, quantity, lines)
    if title:
        figure.suptitle(title, fontweight="bold", fontsize=10)
    return figure


def _by_epoch(table: Mapping[str, Sequence[float]] | Sequence[Any]) -> pd.DataFrame:
    """Tabulate a history: one row per epoch, one column per quantity."""
    if isinstance(table, Mapping):
        frame = pd.DataFrame({k: pd.Series(v, dtype=float) for k, v in table.items()})
    else:
        frame = pd.DataFrame([dict(row) for row in table], dtype=float)
    if "epoch" in frame:
        return frame.set_index("epoch")
    return frame.set_axis(range(1, len(frame) + 1))


def _of(frame: pd.DataFrame, words: Sequence[str]) -> dict[str, pd.Series]:
    """Find the columns of one quantity, by the name of their line."""
    return {
        name.replace(word, "").strip("_ ") or "train": frame[name]
        for name in frame
        for word in words
        if word in name
    }


def _draw_quantity(ax: Axes, quantity: str, lines: Mapping[str, pd.Series]) -> None:
    """Draw one panel of a history; lines with gaps get markers."""
    for i, (name, values) in enumerate(sorted(lines.items(), reverse=True)):
        sns.lineplot(
            x=values.index, y=values.to_numpy(), label=name, color=CATEGORICAL[i % 12],
            ls=DASHES[i % 6], marker="o" if values.hasnans else "", ms=5,
            errorbar=None, legend=False, ax=ax,
        )  # fmt: skip
    ax.set(title=quantity, xlabel="epoch", ylabel="")
    ax.grid(True)
    if len(lines) > 1:
        ax.legend(handlelength=3)
    ax.set_ylim(bottom=0)
    if quantity == "accuracy":
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        ax.set_ylim(top=1)
    elif quantity == "learning rate":
        ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)


@styled
def dots(
    table: Rows,
    title: str | None = None,
    label: str = "accuracy (%)",
    ax: Axes | None = None,
) -> Figure:
    """Draw a result table as dots: mean, 95 % interval and the paper's number.

    Args:
        table: rows with "label", and, where known, "mean", "low" and "high" (the
            interval's ends), "n" (seeds) and "paper", all in the unit of `label`. A row
            without a mean is marked as not run, or with its "note".
        title: the axes' title.
        label: the horizontal axis's label.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: there is no row.
    """
    if not table:
        raise InputError("dots: the table has no row")
    figure, ax = canvas(ax, (WIDTH, 1.15 + 0.34 * len(table)))
    _draw_marks(ax, table, range(len(table)), size=7)
    for y, row in enumerate(table):
        note = row.get("note", f"n = {row['n']}" if row.get("n") else "not run")
        if row.get("n") or row.get("mean") is None:
            ax.annotate(
                note, (1.01, y), xycoords=ax.get_yaxis_transform(), va="center",
                fontsize=7.5, color=PALETTE["middle"],
            )  # fmt: skip
    ax.set_yticks(range(len(table)), [str(row["label"]) for row in table], fontsize=8.5)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.margins(x=0.08)
    ax.set_xlabel(label)
    ax.grid(True)
    ax.legend(**ABOVE)
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)
    if title:
        ax.set_title(title, pad=26, loc="left")
    return figure


def _draw_marks(ax: Axes, rows: Rows, at: Sequence[float], size: float) -> None:
    """Draw each row's interval, mean and paper's number at its height.

    Args:
        ax: the axes to draw into.
        rows: mappings with "mean", "low", "high" and "paper", where known.
        at: the height of each row.
        size: the diameter of a dot in points.
    """
    columns = ["mean", "low", "high", "paper"]
    frame = pd.DataFrame(list(rows), columns=columns, dtype=float).assign(y=list(at))
    known = frame.notna().any()
    blue, orange = PALETTE["accent"], PALETTE["right"]
    if known["mean"]:
        sns.scatterplot(
            frame, x="mean", y="y", s=(size + 1) ** 2, color=blue, linewidth=0,
            zorder=3, label=MEAN, legend=False, ax=ax,
        )  # fmt: skip
    if known["low"]:
        ax.hlines(
            "y", "low", "high", data=frame, color=blue, alpha=0.4, lw=0.55 * size,
            capstyle="round", label=INTERVAL,
        )  # fmt: skip
    if known["paper"]:
        sns.scatterplot(
            frame, x="paper", y="y", marker="D", s=(0.85 * size) ** 2,
            facecolor="white", edgecolor=orange, linewidth=0.23 * size, zorder=4,
            label="paper", legend=False, ax=ax,
        )  # fmt: skip
    ax.set_ylabel("")


@styled
def gains(rows: Mapping[str, Rows]) -> Figure:
    """Draw differences to a table's baseline row, one panel per size of network.

    Args:
        rows: by size of the network, the result of
            :func:`skellib.reproduction.render.baseline_differences`.

    Raises:
        InputError: there is no size, or one without a row.
    """
    if not rows:
        raise InputError("gains: there is no size of network")
    lines = sum(map(len, rows.values()))
    figure, axes = panels(len(rows), 1, (WIDTH, len(rows) * 1.45 + 0.275 * lines))
    for ax, (size, marks) in zip(axes.flat, rows.items(), strict=True):
        label = f"{size}: difference to the baseline row (points)"
        dots(marks, label=label, ax=ax)
        ax.axvline(0, color=PALETTE["muted"], lw=1, zorder=1)
    return figure


@styled
def effects(table: Rows, title: str | None = None) -> Figure:
    """Draw the effects of factors with their intervals, the largest first.

    Args:
        table: rows with "factor" and "mean", the ends "low" and "high" of the interval
            of each effect alone, and "family_low" and "family_high" of the interval
            that holds for all together, drawn as a thin line.
        title: the axes' title.

    Raises:
        InputError: there is no effect.
    """
    if not table:
        raise InputError("effects: there is no effect")
    ordered = sorted(table, key=lambda row: -abs(row["mean"]))
    figure = dots(
        [{"label": row["factor"], **row} for row in ordered],
        label="effect: high level minus low level (points)",
    )
    ax = figure.axes[0]
    for text in ax.texts:
        text.remove()
    ends = np.array([[row["family_low"], row["family_high"]] for row in ordered])
    ax.hlines(
        range(len(ordered)), *ends.T, color=PALETTE["accent"], lw=1,
        label="for all together",
    )  # fmt: skip
    ax.axvline(0, color=PALETTE["muted"], lw=1, zorder=1)
    ax.legend(**ABOVE)
    if title:
        ax.set_title(title, pad=26, loc="left")
    return figure


@styled
def waterfall(table: pd.DataFrame) -> Figure:
    """Draw levels that steps reach one after another, as floating bars.

    Args:
        table: a line for each step of each profile of each network, in order:
            "network" (a panel each), "profile", "step", "mean" and "paper" (the
            paper's level, a line across).

    Raises:
        InputError: there is no step.
    """
    if table.empty:
        raise InputError("waterfall: there is no step")
    networks = list(table.groupby("network", sort=False))
    profiles = list(dict.fromkeys(table["profile"]))
    figure, axes = panels(1, len(networks), (WIDTH, 3.4), sharey=True)
    for ax, (network, rows) in zip(axes[0], networks, strict=True):
        steps = list(dict.fromkeys(rows["step"]))
        ax.axhline(
            rows["paper"].iloc[0], color=PALETTE["right"], ls="--", label="paper"
        )
        for i, profile in enumerate(profiles):
            own = rows[rows["profile"] == profile]
            _draw_bars(ax, own, [steps.index(s) for s in own["step"]], i, profile)
        ax.set_xticks(range(len(steps)), [s.replace(" ", "\n") for s in steps])
        ax.set_title(network)
        ax.grid(True, axis="y")
    axes[0, 0].set_ylabel("accuracy (%)")
    low = table["mean"].min()
    axes[0, 0].set_ylim(10 * np.floor(low / 10), 100)
    axes[0, 0].legend(loc="lower right")
    return figure


def _draw_bars(
    ax: Axes, rows: pd.DataFrame, at: Sequence[int], profile: int, label: str
) -> None:
    """Draw the bars of a profile: the first from the bottom, each other from its last.

    A bar with a hatch goes down.
    """
    x = np.array(at) + 0.38 * (profile - 0.5)
    mean = rows["mean"].to_numpy()
    start = np.concatenate([[0.0], mean[:-1]])
    bars = ax.bar(
        x, mean - start, 0.34, bottom=start, label=label,
        color=CATEGORICAL[profile], edgecolor="white", linewidth=0,
    )  # fmt: skip
    for bar, top, level in zip(bars, np.maximum(start, mean), mean, strict=True):
        bar.set_hatch("" if level == top else "///")
        ax.annotate(
            f"{level:.1f}", (bar.get_x() + 0.17, top), (0, 2), ha="center",
            textcoords="offset points", fontsize=7, color=PALETTE["ink"],
        )  # fmt: skip


@styled
def comparisons(
    rows: Mapping[str, Rows],
    label: str = "difference (points)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw groups of differences, one line per group: dots measured, diamonds printed.

    The axis fits the dots: an interval so wide that they could not be told apart, as
    that of two seeds can be, is cut off at the frame.

    Args:
        rows: by the group's name its differences, each with "mean", "low", "high"
            (None where not known) and "paper".
        label: the horizontal axis's label.
        title: the axes' title.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: there is no group.
    """
    if not rows:
        raise InputError("comparisons: there is no group")
    figure, ax = canvas(ax, (WIDTH, 1.2 + 0.42 * len(rows)))
    ax.axvline(0, color=PALETTE["muted"], lw=1, zorder=1)
    marks = [each for group in rows.values() for each in group]
    places = [y for i, g in enumerate(rows.values()) for y in _spread(i, len(g))]
    _draw_marks(ax, marks, places, size=5)
    for y in range(1, len(rows)):
        ax.axhline(y - 0.5, color=PALETTE["faint"], lw=0.8, zorder=0)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel=label)
    _limit_to_dots(ax, marks)
    ax.tick_params(axis="y", length=0)
    if any(each.get("paper") is not None for each in marks):
        ax.legend(**ABOVE)
    if title:
        ax.set_title(title, pad=26, loc="left")
    return figure


def _spread(center: float, count: int) -> np.ndarray:
    """Spread the marks of one line around its height."""
    return center + (np.linspace(-0.3, 0.3, count) if count > 1 else np.zeros(count))


def _limit_to_dots(ax: Axes, marks: Rows) -> None:
    """Limit the axis to three times the farthest dot, whatever the intervals."""
    dots = [abs(m[k]) for m in marks for k in ("mean", "paper") if m.get(k) is not None]
    reach = 3 * max(dots, default=0.0)
    low, high = ax.get_xlim()
    if reach:
        ax.set_xlim(max(low, -reach), min(high, reach))


@styled
def by_seed(runs: Any, title: str | None = None, label: str = "accuracy (%)") -> Figure:
    """Draw the single runs of a table, one line per seed.

    Parallel lines mean that a row changes every seed alike, crossing lines that the
    change depends on the seed.

    Args:
        runs: data frame with a line for each row and a column for each seed
            (:func:`skellib.reproduction.render.runs_by_seed`); NaN where not run.
        title: the axes' title.
        label: the vertical axis's label.

    Raises:
        InputError: there is no run.
    """
    if not np.isfinite(array(runs, 2, "by_seed")).any():
        raise InputError("by_seed: there is no run")
    figure, ax = canvas(None, (WIDTH, 3.4))
    count = len(runs.columns)
    wide = runs.rename(columns="seed {}".format).set_axis(range(len(runs)))
    long = wide.melt(var_name="seed", value_name="value", ignore_index=False)
    sns.pointplot(
        long.reset_index(), x="index", y="value", hue="seed", errorbar=None, ax=ax,
        lw=1.4, ms=5, linestyles=[*DASHES * count][:count],
        palette=sns.color_palette(CATEGORICAL, count),
    )  # fmt: skip
    ax.set_xticks(range(len(runs)), list(runs.index), rotation=25, ha="right")
    ax.set(xlim=(-0.4, len(runs) - 0.6), xlabel="", ylabel=label)
    ax.grid(True)
    sns.move_legend(ax, **ABOVE, title=None)
    if title:
        ax.set_title(title, pad=26, loc="left")
    return figure


@styled
def mutual_weight(
    lambdas: Sequence[float],
    mean: Any,
    interval: Any,
    paper: Any = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw accuracy against the weight of the mutual loss (Fig. 9, one data set).

    Args:
        lambdas: (L,) weights, evenly spaced on the axis whatever their values.
        mean: (L,) accuracies in per cent; NaN where not run.
        interval: (L, 2) ends of the 95 % intervals.
        paper: (L,) the paper's numbers; NaN where it gives none.
        title: the axes' title, such as the data set.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: the lengths do not fit.
    """
    mean, interval = array(mean, 1, "mean"), array(interval, 2, "interval")
    if not len(lambdas) == len(mean) == len(interval):
        raise InputError(
            f"mutual_weight: {len(lambdas)} weights, {len(mean)} means, "
            f"{len(interval)} intervals"
        )
    figure, ax = canvas(ax, (5.4, 3.2))
    at = [f"{value:g}" for value in lambdas]
    options: dict[str, Any] = {"errorbar": None, "ms": 6, "ax": ax}
    if np.isfinite(mean).any():
        # A band would leave out a point whose neighbours have no interval.
        low, high = interval.T
        blue = PALETTE["accent"]
        ax.vlines(at, low, high, color=blue, alpha=0.3, lw=4, label=INTERVAL)
        sns.pointplot(x=at, y=mean, color=blue, lw=1.8, label=MEAN, **options)
    if paper is not None:
        sns.pointplot(
            x=at, y=array(paper, 1, "paper"), color=PALETTE["right"], marker="D",
            ls="--", mfc="white", mew=1.6, lw=1.4, label="paper", **options,
        )  # fmt: skip
    low, high = ax.get_ylim()
    spare = max(0.0, LEAST_SPAN - (high - low)) / 2  # no drama in tenths of a point
    ax.set(xlim=(-0.3, len(at) - 0.7), ylim=(low - spare, high + spare))
    ax.set(xlabel=r"weight of the mutual loss, $\lambda$", ylabel="accuracy (%)")
    ax.grid(True)
    ax.legend()
    if title:
        ax.set_title(title)
    return figure
