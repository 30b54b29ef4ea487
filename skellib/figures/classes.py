"""Results by class: confusion, signed changes, features in the plane (Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from skellib.errors import InputError
from skellib.figures.style import (
    CATEGORICAL,
    DIVERGING,
    MARKERS,
    PALETTE,
    SEQUENTIAL,
    WIDTH,
    array,
    canvas,
    panels,
    readable_on,
    signed,
    styled,
)

NAMED = 20
"""Classes: with more, a figure shows neither their names nor the cells' values."""


@styled
def confusion(
    matrix: Any,
    classes: Sequence[str],
    normalise: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a confusion matrix: a row per true class, a column per predicted class.

    Args:
        matrix: (classes, classes) counts.
        classes: their names.
        normalise: show each row's shares in per cent; a row without clips stays empty.
        title: the axes' title.
        ax: axes to draw into; a new figure by default.

    Raises:
        InputError: the matrix and the names do not fit.
    """
    counts = array(matrix, 2, "confusion").astype(float)
    number = len(classes)
    if counts.shape != (number, number):
        raise InputError(f"confusion: shape {counts.shape} for {number} classes")
    shown = 100 * _shares(counts) if normalise else counts
    figure, ax = canvas(ax, _matrix_size(number))
    named = number <= NAMED
    label = "share of the true class (%)" if normalise else "clips"
    every = False if named else 10
    sns.heatmap(
        shown, mask=(shown < 0.5) & named, annot=named, fmt=".0f", cmap=SEQUENTIAL,
        vmin=0, vmax=100 if normalise else max(counts.max(), 1), square=True, ax=ax,
        xticklabels=every, yticklabels=every, cbar_kws={"label": label, "shrink": 0.8},
    )  # fmt: skip
    if named:
        _label_cells(ax, classes, classes, rotation=45)
    else:
        ax.tick_params(length=0, labelrotation=0)
    ax.set(xlabel="predicted class", ylabel="true class")
    if title:
        ax.set_title(title)
    return figure


@styled
def confusions(
    matrices: Mapping[str, Any], classes: Sequence[str], normalise: bool = True
) -> Figure:
    """Draw confusion matrices at a readable size, side by side only where they fit.

    Args:
        matrices: title -> (classes, classes) counts.
        classes: their names.
        normalise: as in :func:`confusion`.

    Raises:
        InputError: there is no matrix, or one does not fit the names.
    """
    if not matrices:
        raise InputError("confusions: there is no matrix")
    width, height = _matrix_size(len(classes))
    columns = min(len(matrices), max(1, int(1.3 * WIDTH / width)))
    rows = -(-len(matrices) // columns)
    figure, axes = panels(rows, columns, (columns * width, rows * height))
    for ax in axes.flat[len(matrices) :]:
        ax.remove()
    for ax, (title, matrix) in zip(axes.flat, matrices.items(), strict=False):
        confusion(matrix, classes, normalise, title, ax)
    return figure


def _matrix_size(classes: int) -> tuple[float, float]:
    """Return the inches that a confusion matrix needs to be read."""
    return min(WIDTH, 3.4 + 0.3 * classes), min(6.4, 2.0 + 0.3 * classes)


def _shares(counts: np.ndarray) -> np.ndarray:
    """Divide each row by its sum; a row without counts stays 0."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, where=totals > 0, out=np.zeros_like(counts))


def _label_cells(
    ax: Axes, rows: Sequence[str], columns: Sequence[str], rotation: float
) -> None:
    """Name a heat map's rows and columns; make the cells' values readable."""
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, rotation=0)
    ax.set_xticks(
        np.arange(len(columns)) + 0.5, columns, rotation=rotation, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    ax.tick_params(length=0)
    mesh: Any = ax.collections[0]
    shown = ~np.ma.getmaskarray(mesh.get_array()).ravel()
    for text, color in zip(ax.texts, mesh.get_facecolor()[shown], strict=True):
        text.set_color(readable_on(color[:3]))


@styled
def changes(
    values: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str | None = None,
    label: str = "change (points)",
    ax: Axes | None = None,
) -> Figure:
    """Draw signed changes in a grid, each in its cell; gains blue, losses orange.

    Args:
        values: (rows, columns); NaN where there is none.
        rows, columns: their names.
        title: the axes' title.
        label: the colour scale's label.
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
    gains_blue = DIVERGING.reversed()
    sns.heatmap(
        grid, annot=np.vectorize(signed)(grid), fmt="", cmap=gains_blue, vmin=-bound,
        vmax=bound, cbar_kws={"label": label, "pad": 0.02}, ax=ax,
    )  # fmt: skip
    _label_cells(ax, rows, columns, rotation=20)
    if title:
        ax.set_title(title)
    return figure


@styled
def embedding(
    points: Any,
    labels: Any,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw features in the plane, with each class's number at its centre (Fig. 8).

    Args:
        points: (clips, 2), as t-SNE gives.
        labels: (clips,) class numbers from 0.
        classes: names for the legend, which is left out with more than 20.
        title: the axes' title, such as the loss.
        ax: axes to draw into, without a legend; a new figure by default.

    Raises:
        InputError: points and labels do not fit.
    """
    points, labels = array(points, 2, "points"), array(labels, 1, "labels")
    if points.shape != (len(labels), 2):
        raise InputError(f"embedding: points {points.shape} for {len(labels)} labels")
    legend = bool(classes) and ax is None and len(classes or ()) <= NAMED
    figure, ax = canvas(ax, (WIDTH if classes else 5.2, 4.6))
    present = np.unique(labels)
    sns.scatterplot(
        x=points[:, 0], y=points[:, 1], hue=labels, style=labels, s=16, alpha=0.75,
        linewidth=0.4, palette={i: CATEGORICAL[i % 12] for i in present},
        markers={i: MARKERS[(i // 12 + i) % 12] for i in present}, legend=legend, ax=ax,
    )  # fmt: skip
    for label in present:
        ax.annotate(
            str(label), np.median(points[labels == label], axis=0), ha="center",
            va="center", fontsize=10, fontweight="bold", color=PALETTE["ink"],
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    sns.despine(ax=ax, left=True, bottom=True)
    if classes and legend:
        handles, _ = ax.get_legend_handles_labels()
        names = [f"{label}  {classes[label]}" for label in present]
        ax.legend(
            handles, names, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.4
        )
    if title:
        ax.set_title(title)
    return figure
