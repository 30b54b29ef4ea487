"""Maps: spectra (Fig. 1), attention masks (Fig. 3), affinity (Fig. 4d), matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from skellib.errors import InputError
from skellib.figures.style import (
    DIVERGING,
    PALETTE,
    SEQUENTIAL,
    WIDTH,
    array,
    canvas,
    panels,
    styled,
)


@styled
def frequency_map(
    values: Any, title: str | None = None, ax: Axes | None = None, log: bool = True
) -> Figure:
    """Draw a spectrum with zero frequency in the centre (one panel of Fig. 1).

    Args:
        values: (T, N) the DFT of Eq. 1, complex or its magnitude, in the transform's
            own order (zero frequency first).
        title: the title, such as the class.
        ax: axes to draw into; a new figure by default.
        log: show log(1 + magnitude); turn it off for a mean of log-magnitudes.
    """
    figure, ax = canvas(ax, (3.6, 3.4))
    shown = _magnitude(values, log)
    label = "log(1 + magnitude)" if log else "log-magnitude"
    image = _spectrum(ax, shown, float(shown.min()), float(shown.max()), title)
    figure.colorbar(image, ax=ax, label=label, shrink=0.85).outline.set_visible(False)
    return figure


@styled
def frequency_maps(
    maps: Sequence[Any], titles: Sequence[str] | None = None, log: bool = True
) -> Figure:
    """Draw spectra side by side on one colour scale (Fig. 1); see `frequency_map`.

    Raises:
        InputError: there is no map.
    """
    if not len(maps):
        raise InputError("frequency_maps: no map given")
    shown = [_magnitude(values, log) for values in maps]
    low, high = min(map(np.min, shown)), max(map(np.max, shown))
    columns = min(len(shown), 4)
    rows = -(-len(shown) // columns)
    figure, axes = panels(
        rows, columns, (WIDTH, 0.6 + 6.4 / columns * rows), sharex=True, sharey=True
    )
    for ax in axes.flat[len(shown) :]:
        ax.axis("off")
    for i, values in enumerate(shown):
        ax = axes.flat[i]
        image = _spectrum(ax, values, low, high, titles[i] if titles else None)
        ax.label_outer()
    label = "log(1 + magnitude)" if log else "log-magnitude"
    bar = figure.colorbar(image, ax=axes, label=label, shrink=0.75, aspect=24)
    bar.outline.set_visible(False)
    return figure


@styled
def masks(
    m_cos: Any, m_sin: Any, titles: tuple[str, str] = ("cosine", "sine")
) -> Figure:
    """Draw the two attention masks of Eq. 2, zero frequency in the centre (Fig. 3).

    Args:
        m_cos, m_sin: (T, N) weights in [0, 1], in the transform's own order; leading
            axes of size 1 are dropped.
        titles: over the two panels.
    """
    figure, axes = panels(1, 2, (WIDTH, 3.5), sharey=True)
    for ax, values, name, tex in zip(
        axes[0], (m_cos, m_sin), titles, ("cos", "sin"), strict=True
    ):
        mask = np.squeeze(array(values))
        image = _spectrum(
            ax, array(mask, 2, "mask"), 0, 1, rf"{name} mask $M_{{\mathrm{{{tex}}}}}$"
        )
        ax.label_outer()
    bar = figure.colorbar(image, ax=axes, label="attention weight", shrink=0.8)
    bar.outline.set_visible(False)
    return figure


def _magnitude(values: Any, log: bool) -> np.ndarray:
    values = array(values, 2, "spectrum")
    if not log:
        return values.real.astype(float)
    if np.isrealobj(values) and (values < 0).any():
        raise InputError("spectrum: a magnitude is negative; pass log=False for logs")
    return np.log1p(np.abs(values))


def _spectrum(
    ax: Axes, values: np.ndarray, low: float, high: float, title: str | None
) -> AxesImage:
    """Draw one spectrum, shifted: u along x from -T/2, v along y from -N/2."""
    frames, joints = values.shape
    left, bottom = -(frames // 2) - 0.5, -(joints // 2) - 0.5
    image = ax.imshow(
        np.fft.fftshift(values).T, origin="lower", cmap=SEQUENTIAL, vmin=low, vmax=high,
        extent=(left, left + frames, bottom, bottom + joints), aspect="auto",
    )  # fmt: skip
    ax.set_box_aspect(1)
    ax.set(xlabel="temporal frequency $u$", ylabel="joint frequency $v$")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    _open_frame(ax)
    if title:
        ax.set_title(title)
    return image


def _open_frame(ax: Axes) -> None:
    ax.spines[:].set(visible=True, color=PALETTE["faint"])
    ax.tick_params(length=2)


@styled
def affinity(
    field: Any | Mapping[str, Any],
    target: tuple[int, int],
    names: Sequence[str] | None = None,
    scale: str = "own",
) -> Figure:
    """Draw how much each position contributes to a target (Fig. 4d, computed).

    Args:
        field: (T, N) contributions to the target, or name -> such a map, drawn side by
            side, as for a convolution and a non-local module.
        target: (frame, joint), marked with a ring.
        names: joint names for the vertical axis.
        scale: "own", each map against its own largest value, or "shared".

    Raises:
        InputError: a map is not (T, N), the target lies outside, or the scale is not
            known.
    """
    if scale not in ("own", "shared"):
        raise InputError(f"affinity: scale must be 'own' or 'shared', not {scale!r}")
    fields = field if isinstance(field, Mapping) else {"": field}
    maps = {name: np.abs(array(each, 2, "affinity")) for name, each in fields.items()}
    largest = max(float(each.max()) for each in maps.values())
    height = 3.0 if not names else max(2.6, 0.9 + 0.14 * len(names))
    figure, axes = panels(1, len(maps), (WIDTH, height), sharey=True)
    for ax, (name, each) in zip(axes[0], maps.items(), strict=True):
        if not (0 <= target[0] < each.shape[0] and 0 <= target[1] < each.shape[1]):
            raise InputError(f"affinity: target {target} lies outside {each.shape}")
        peak = largest if scale == "shared" else float(each.max())
        image = ax.imshow(
            each.T / (peak or 1.0), cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto"
        )
        ax.plot(
            *target, "o", ms=9, mfc="none", mec=PALETTE["right"], mew=2,
            label="target position",
        )  # fmt: skip
        ax.set(xlabel="frame", title=name)
        _open_frame(ax)
    axes[0, 0].set_ylabel("joint")
    if names:
        axes[0, 0].set_yticks(range(len(names)), names, fontsize=7)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, aspect=26)
    bar.set_label(f"share of the largest{' of all' if scale == 'shared' else ''}")
    bar.outline.set_visible(False)
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center")
    return figure


@styled
def matrix(
    weights: Any,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    title: str | None = None,
    labels: tuple[str, str] = ("new joint", "joint"),
    ax: Axes | None = None,
) -> Figure:
    """Draw a signed matrix, such as the skeleton transform W_s (N', N), white at 0.

    Args:
        weights: (rows, columns).
        rows, columns: names, such as the joints'; numbers by default.
        title: the title.
        labels: what a row and what a column is.
        ax: axes to draw into; a new figure by default.
    """
    weights = array(weights, 2, "matrix")
    height = float(np.clip(1.4 + WIDTH * 0.6 * np.divide(*weights.shape), 2.0, 5.2))
    figure, ax = canvas(ax, (WIDTH, height))
    bound = float(np.abs(weights).max()) or 1.0
    image = ax.imshow(weights, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto")
    ax.set(ylabel=labels[0], xlabel=labels[1])
    if rows is not None:
        ax.set_yticks(range(len(rows)), rows, fontsize=7)
    if columns is not None:
        ax.set_xticks(
            range(len(columns)), columns, rotation=50, ha="right", fontsize=7,
            rotation_mode="anchor",
        )  # fmt: skip
    _open_frame(ax)
    figure.colorbar(image, ax=ax, label="weight", pad=0.02).outline.set_visible(False)
    if title:
        ax.set_title(title)
    return figure
