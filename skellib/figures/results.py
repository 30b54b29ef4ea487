"""Results: training history, confusion, result tables, features (Fig. 8), Fig. 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from skellib.errors import InputError
from skellib.figures.style import (
    CATEGORICAL,
    DASHES,
    DIVERGING,
    MARKERS,
    PALETTE,
    SEQUENTIAL,
    WIDTH,
    array,
    canvas,
    panels,
    readable_on,
    styled,
)

QUANTITIES = {
    "loss": ("loss",),
    "accuracy": ("accuracy", "top1"),
    "learning rate": ("learning_rate",),
}
LEAST_SPAN = 4.0
"""Percentage points that an axis of accuracies shows at least."""


@styled
def history(
    record_history: Mapping[str, Sequence[float]] | Sequence[Any],
    title: str | None = None,
) -> Figure:
    """Loss, accuracy and learning rate per epoch, for training and test.

    Args:
        record_history: a run record's history (an entry an epoch), or name -> one value
            an epoch. Names that contain "loss", "top1" or "accuracy", and
            "learning_rate" go to their panel; the rest of the name ("test") is the
            line's, "train" where nothing is left. Accuracies are fractions. An epoch
            without a value (None or NaN) is left out. "epoch" numbers the epochs, which
            else count from 1.
        title: a title.

    Raises:
        InputError: none of the three quantities is there.
    """
    columns = _columns(record_history)
    epochs = columns.pop("epoch", None)
    drawn = {
        quantity: {
            key.replace(word, "").strip("_ ") or "train": values
            for key, values in columns.items()
            for word in words
            if word in key
        }
        for quantity, words in QUANTITIES.items()
    }
    drawn = {quantity: lines for quantity, lines in drawn.items() if lines}
    if not drawn:
        raise InputError(
            f"history: no loss, accuracy or learning_rate among {sorted(columns)}"
        )
    figure, axes = panels(1, len(drawn), (WIDTH, 2.6))
    for ax, (quantity, lines) in zip(axes[0], drawn.items(), strict=True):
        for i, (name, values) in enumerate(sorted(lines.items(), reverse=True)):
            time = np.arange(1, len(values) + 1) if epochs is None else epochs
            there = np.isfinite(values)
            ax.plot(
                time[there], values[there], label=name, color=CATEGORICAL[i % 12],
                ls=DASHES[i % 6], marker="" if there.all() else "o", ms=3.5,
            )  # fmt: skip
        ax.set(title=quantity, xlabel="epoch")
        ax.grid(True)
        if len(lines) > 1:
            ax.legend(handlelength=3)
        if quantity == "accuracy":
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
            ax.set_ylim(0, 1)
        elif quantity == "loss":
            ax.set_ylim(bottom=0)
        else:
            ax.set_ylim(bottom=0)
            ax.ticklabel_format(
                axis="y", style="sci", scilimits=(0, 0), useMathText=True
            )
    if title:
        figure.suptitle(title, fontweight="bold", fontsize=10)
    return figure


def _columns(
    table: Mapping[str, Sequence[float]] | Sequence[Any],
) -> dict[str, np.ndarray]:
    """Name -> (epochs,) values, None as NaN."""
    if not isinstance(table, Mapping):
        rows = [dict(row) for row in table]
        keys = dict.fromkeys(key for row in rows for key in row)
        table = {key: [row.get(key, np.nan) for row in rows] for key in keys}
    return {
        key: np.array([np.nan if value is None else value for value in values], float)
        for key, values in table.items()
    }


@styled
def confusion(
    matrix: Any,
    classes: Sequence[str],
    normalise: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A confusion matrix, a row for each true class, a column for each predicted one.

    Args:
        matrix: (classes, classes) counts.
        classes: their names.
        normalise: show each row's shares in per cent; a row without clips stays empty.
        title: a title.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: the matrix and the names do not fit.
    """
    counts = array(matrix, 2, "confusion").astype(float)
    size = len(classes)
    if counts.shape != (size, size):
        raise InputError(f"confusion: shape {counts.shape} for {size} classes")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, where=totals > 0, out=np.zeros_like(counts))
    shown = 100 * shares if normalise else counts
    figure, ax = canvas(ax, (min(WIDTH, 3.4 + 0.3 * size), min(6.4, 2.0 + 0.3 * size)))
    top = 100.0 if normalise else max(float(counts.max()), 1.0)
    image = ax.imshow(shown, cmap=SEQUENTIAL, vmin=0, vmax=top)
    if size <= 20:
        for (row, column), value in np.ndenumerate(shown):
            if value >= 0.5:
                color = readable_on(SEQUENTIAL(value / top)[:3])
                ax.text(
                    column, row, f"{value:.0f}", ha="center", va="center", fontsize=7,
                    color=color,
                )  # fmt: skip
        ax.set_yticks(range(size), classes)
        ax.set_xticks(
            range(size), classes, rotation=45, ha="right", rotation_mode="anchor"
        )
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    label = "share of the true class (%)" if normalise else "clips"
    figure.colorbar(image, ax=ax, label=label, shrink=0.8).outline.set_visible(False)
    if title:
        ax.set_title(title)
    return figure


@styled
def dots(
    table: Sequence[Mapping[str, Any]],
    title: str | None = None,
    label: str = "accuracy (%)",
    ax: Axes | None = None,
) -> Figure:
    """A result table as dots: mean, 95 % interval and the paper's number, row by row.

    Args:
        table: rows with "label", and, where known, "mean", "low" and "high" (the
            interval's ends), "n" (seeds) and "paper", all in the unit of `label`. A row
            without a mean says that it was not run.
        title: a title.
        label: the horizontal axis.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: there is no row.
    """
    if not table:
        raise InputError("dots: the table has no row")
    figure, ax = canvas(ax, (WIDTH, 1.15 + 0.34 * len(table)))
    for y, row in enumerate(table):
        mean, low, high = (row.get(key) for key in ("mean", "low", "high"))
        paper, n = row.get("paper"), row.get("n")
        ax.axhline(y, color=PALETTE["faint"], lw=0.8, zorder=0)
        if low is not None and high is not None:
            ax.plot([low, high], [y, y], color=PALETTE["accent"], lw=4, alpha=0.4)
        if mean is not None:
            ax.plot(mean, y, "o", color=PALETTE["accent"], ms=7)
        if paper is not None:
            ax.plot(
                paper,
                y,
                "D",
                mfc="white",
                mec=PALETTE["right"],
                mew=1.6,
                ms=6,
                zorder=4,
            )
        note = f"n = {n}" if n else "" if mean is not None else "not run"
        ax.annotate(
            note, (1.01, y), xycoords=ax.get_yaxis_transform(), va="center",
            fontsize=7.5, color=PALETTE["middle"],
        )  # fmt: skip
    ax.set_yticks(range(len(table)), [str(row["label"]) for row in table], fontsize=8.5)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.margins(x=0.08)
    ax.set_xlabel(label)
    ax.grid(True, axis="x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    marks = [
        ax.plot([], [], "o", color=PALETTE["accent"], ms=7, label="measured, mean")[0],
        ax.plot(
            [], [], color=PALETTE["accent"], lw=4, alpha=0.4, label="95 % interval"
        )[0],
        ax.plot(
            [], [], "D", mfc="white", mec=PALETTE["right"], mew=1.6, ms=6, label="paper"
        )[0],
    ]
    ax.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    if title:
        ax.set_title(title, pad=26, loc="left")
    return figure


@styled
def gains(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Differences to a table's baseline row, a panel of :func:`dots` for each profile.

    Args:
        rows: by profile, what :func:`skellib.reproduction.render.gains` made.

    Raises:
        InputError: there is no profile, or one without a row.
    """
    if not rows:
        raise InputError("gains: there is no profile")
    lines = sum(map(len, rows.values()))
    figure, axes = panels(len(rows), 1, (WIDTH, len(rows) * 1.45 + 0.275 * lines))
    for ax, (profile, marks) in zip(axes.flat, rows.items(), strict=True):
        label = f"profile {profile}: difference to the baseline row (points)"
        dots(marks, label=label, ax=ax)
        ax.axvline(0, color=PALETTE["muted"], lw=1, zorder=1)
    return figure


@styled
def by_seed(runs: Any, title: str | None = None, label: str = "accuracy (%)") -> Figure:
    """The single runs of a table: a line for each seed, a place for each row.

    Parallel lines: what a row changes, it changes for every seed. Crossing ones: it
    depends on the draw.

    Args:
        runs: data frame, a line for each row and a column for each seed
            (:func:`skellib.reproduction.render.by_seed`); NaN where not run.
        title: a title.
        label: the vertical axis.

    Raises:
        InputError: there is no run.
    """
    values = array(runs, 2, "by_seed")
    if not np.isfinite(values).any():
        raise InputError("by_seed: there is no run")
    figure, ax = canvas(None, (WIDTH, 3.4))
    at = np.arange(len(values))
    for i, seed in enumerate(runs.columns):
        ax.plot(
            at, values[:, i], marker="o", ms=5, lw=1.4, ls=DASHES[i % 6],
            color=CATEGORICAL[i % 12], label=f"seed {seed}",
        )  # fmt: skip
    ax.set_xticks(at, list(runs.index), rotation=25, ha="right")
    ax.set(xlim=(-0.4, len(at) - 0.6), ylabel=label)
    ax.grid(True)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(runs.columns))
    if title:
        ax.set_title(title, pad=26, loc="left")
    return figure


@styled
def embedding(
    points: Any,
    labels: Any,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Features in the plane, with each class's number at its centre (Fig. 8).

    Args:
        points: (clips, 2), as t-SNE gives.
        labels: (clips,) class numbers from 0.
        classes: names for the legend; none with more than 20.
        title: a title, such as the loss.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: points and labels do not fit.
    """
    points, labels = array(points, 2, "points"), array(labels, 1, "labels")
    if points.shape != (len(labels), 2):
        raise InputError(f"embedding: points {points.shape} for {len(labels)} labels")
    own = ax is None
    figure, ax = canvas(ax, (WIDTH if classes else 5.2, 4.6))
    for label in np.unique(labels):
        mine = points[labels == label]
        ax.scatter(
            mine[:, 0], mine[:, 1], s=16, color=CATEGORICAL[label % 12], alpha=0.75,
            lw=0.4, edgecolor="white", marker=MARKERS[(label // 12 + label) % 12],
            label=f"{label}  {classes[label]}" if classes else str(label),
        )  # fmt: skip
    for label in np.unique(labels):
        ax.annotate(
            str(label), np.median(points[labels == label], axis=0), ha="center",
            va="center", fontsize=10, fontweight="bold", color=PALETTE["ink"],
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if classes and own and len(classes) <= 20:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.4)
    if title:
        ax.set_title(title)
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
    """Accuracy against the weight of the mutual loss (Fig. 9, one data set).

    Args:
        lambdas: (L,) weights, at even distances on the axis whatever their values.
        mean: (L,) accuracies in per cent; NaN where not run.
        interval: (L, 2) ends of the 95 % intervals.
        paper: (L,) the paper's numbers; NaN where it gives none.
        title: a title, such as the data set.
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
    at = np.arange(len(lambdas))
    if np.isfinite(mean).any():
        # A band would leave out a point whose neighbours have no interval.
        ends = {
            "ymin": interval[:, 0],
            "ymax": interval[:, 1],
            "label": "95 % interval",
        }
        ax.vlines(at, color=PALETTE["accent"], alpha=0.3, lw=4, **ends)
        ax.plot(at, mean, "o-", color=PALETTE["accent"], label="measured, mean")
    if paper is not None:
        ax.plot(
            at, array(paper, 1, "paper"), "D--", color=PALETTE["right"], mfc="white",
            mew=1.6, lw=1.4, label="paper",
        )  # fmt: skip
    low, high = ax.get_ylim()
    spare = max(0.0, LEAST_SPAN - (high - low)) / 2  # no drama in tenths of a point
    ax.set(xlim=(-0.3, len(at) - 0.7), ylim=(low - spare, high + spare))
    ax.set_xticks(at, [f"{value:g}" for value in lambdas])
    ax.set(xlabel=r"weight of the mutual loss, $\lambda$", ylabel="accuracy (%)")
    ax.grid(True)
    ax.legend()
    if title:
        ax.set_title(title)
    return figure


@styled
def changes(
    values: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str | None = None,
    label: str = "change (points)",
    ax: Axes | None = None,
) -> Figure:
    """Signed changes in a grid, each written in its cell; gains blue, losses orange.

    Args:
        values: (rows, columns); NaN where there is none.
        rows, columns: their names.
        title: a title.
        label: of the colour scale.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: the values and the names do not fit.
    """
    grid = array(values, 2, "changes").astype(float)
    if grid.shape != (len(rows), len(columns)):
        raise InputError(
            f"changes: shape {grid.shape} for {len(rows)} rows, {len(columns)} columns"
        )
    figure, ax = canvas(ax, (WIDTH, 1.3 + 0.34 * len(rows)))
    bound = float(np.nanmax(np.abs(grid), initial=1.0))
    colours = DIVERGING.reversed()
    image = ax.imshow(grid, cmap=colours, vmin=-bound, vmax=bound, aspect="auto")
    for (i, j), value in np.ndenumerate(grid):
        if np.isfinite(value):
            text = f"{value:+.0f}".replace("-", "\u2212")
            back = colours((value + bound) / (2 * bound))[:3]
            ax.text(j, i, text, ha="center", va="center", color=readable_on(back))
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(range(len(columns)), columns, rotation=20, ha="right")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    figure.colorbar(image, ax=ax, label=label, pad=0.02).outline.set_visible(False)
    if title:
        ax.set_title(title)
    return figure


@styled
def comparisons(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    label: str = "difference (points)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Groups of differences, a line a group: measured dots, the paper's diamonds.

    The axis is made for the dots: an interval so wide that they could not be told
    apart, as that of two seeds can be, runs out of the frame.

    Args:
        rows: by the group's name its differences, each with "mean", "low", "high"
            (None where not known) and "paper".
        label: the horizontal axis.
        title: a title.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: there is no group.
    """
    if not rows:
        raise InputError("comparisons: there is no group")
    figure, ax = canvas(ax, (WIDTH, 1.2 + 0.42 * len(rows)))
    ax.axvline(0, color=PALETTE["muted"], lw=1, zorder=1)
    for y, group in enumerate(rows.values()):
        ax.axhline(y + 0.5, color=PALETTE["faint"], lw=0.8, zorder=0)
        offsets = np.linspace(-0.3, 0.3, len(group)) if len(group) > 1 else [0.0]
        for offset, each in zip(offsets, group, strict=True):
            _difference_mark(ax, y + float(offset), each)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel=label)
    _limit_to_dots(ax, [each for group in rows.values() for each in group])
    ax.tick_params(axis="y", length=0)
    if any(each.get("paper") is not None for group in rows.values() for each in group):
        ax.plot([], [], "o", color=PALETTE["accent"], ms=5, label="measured")
        ax.plot([], [], "D", mfc="w", mec=PALETTE["right"], ms=4.5, label="paper")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    if title:
        ax.set_title(title)
    return figure


def _limit_to_dots(ax: Axes, marks: Sequence[Mapping[str, Any]]) -> None:
    """Let no interval take the axis further than three times the farthest dot."""
    dots = [abs(m[k]) for m in marks for k in ("mean", "paper") if m.get(k) is not None]
    reach = 3 * max(dots, default=0.0)
    low, high = ax.get_xlim()
    if reach:
        ax.set_xlim(max(low, -reach), min(high, reach))


def _difference_mark(ax: Axes, y: float, each: Mapping[str, Any]) -> None:
    """One difference: its interval, its mean, and the paper's number."""
    mean, low, high = (each.get(key) for key in ("mean", "low", "high"))
    if low is not None and high is not None:
        ax.plot([low, high], [y, y], color=PALETTE["accent"], lw=2.5, alpha=0.4)
    if mean is not None:
        ax.plot(mean, y, "o", color=PALETTE["accent"], ms=5)
    if each.get("paper") is not None:
        ax.plot(
            each["paper"], y, "D", mfc="white", mec=PALETTE["right"], mew=1.3, ms=4.5,
            zorder=4,
        )  # fmt: skip
