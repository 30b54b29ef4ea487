"""The palette and style that every figure of the book shares.

Colours were chosen by their distance in Oklab under normal vision and under simulated
deuteranopia and protanopia (Machado et al. 2009); ``tests/book/test_figures.py`` keeps
the distances. No figure tells by colour alone: lines differ by dash or marker as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

from skellib.errors import InputError

PALETTE = {
    "left": "#0072B2",
    "right": "#D55E00",
    "middle": "#555B66",
    "position": "#0B6E5F",
    "velocity": "#D0679D",
    "fused": "#E0A100",
    "accent": "#1575BD",
    "muted": "#8A919C",
    "ink": "#23272F",
    "faint": "#E6E9EE",
}

CATEGORICAL = (
    "#1575BD", "#D76223", "#60968B", "#521F59", "#FAAC1A", "#6CCAFA",
    "#651A00", "#1DDEA3", "#222CA5", "#89440D", "#2FA0E2", "#2B636C",
)  # fmt: skip
DASHES = ("-", "--", "-.", ":", (0, (9, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")

SEQUENTIAL = LinearSegmentedColormap.from_list(
    "skellib.sequential",
    ["#FBFCFD", "#CDE6EC", "#86C3D1", "#3B93B5", "#20619C", "#243A7B", "#1B1A47"],
)
DIVERGING = LinearSegmentedColormap.from_list(
    "skellib.diverging",
    ["#083B66", "#1F78B4", "#8FC1E0", "#FAFAFA", "#F2B48A", "#D55E00", "#6E2C00"],
)

DPI = 130
WIDTH = 7.0  # inches: the width of a page's text column

RC: Any = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": PALETTE["ink"],
    "axes.labelcolor": PALETTE["ink"],
    "axes.edgecolor": PALETTE["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.prop_cycle": cycler(color=CATEGORICAL),
    "grid.color": PALETTE["faint"],
    "grid.linewidth": 0.8,
    "xtick.color": PALETTE["muted"],
    "ytick.color": PALETTE["muted"],
    "xtick.labelcolor": PALETTE["ink"],
    "ytick.labelcolor": PALETTE["ink"],
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "lines.dash_capstyle": "round",
    "image.interpolation": "nearest",
}

P = ParamSpec("P")
R = TypeVar("R")


class Picture(Figure):
    """A figure that shows itself once in a notebook and that pyplot does not own.

    A figure made by pyplot is drawn twice when a cell returns it, and stays in memory
    until it is closed.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.1)
        return buffer.getvalue()


def style() -> None:
    """Set matplotlib's rcParams to the book's style, for other plots."""
    mpl.rcParams.update(RC)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` under the book's style, and leave rcParams as they were."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(RC):
            return function(*args, **kwargs)

    return wrapper


def canvas(
    ax: Axes | None = None, size: tuple[float, float] = (WIDTH, 3.2)
) -> tuple[Figure, Axes]:
    """Return the given axes' figure and axes, or new ones of `size` inches."""
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert isinstance(figure, Figure)
        return figure, ax
    figure = Picture(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def panels(
    rows: int, columns: int, size: tuple[float, float], **options: Any
) -> tuple[Figure, np.ndarray]:
    """Make a figure with a grid of axes: (figure, axes (rows, columns))."""
    figure = Picture(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def array(values: Any, ndim: int | None = None, name: str = "values") -> np.ndarray:
    """Convert an array, a list or a tensor (detached, moved to the CPU) to NumPy.

    Raises:
        InputError: the number of axes is not `ndim`.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    result = np.asarray(values)
    if ndim is not None and result.ndim != ndim:
        raise InputError(f"{name}: {ndim} axes expected, got shape {result.shape}")
    return result


def signed(value: float, digits: int = 0) -> str:
    """Write a number with its sign, a true minus; what rounds to 0 has no sign."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "\u2212") if float(text) else text[1:]


def tint(color: str, amount: float) -> tuple[float, float, float]:
    """Mix `color` with white: 0 leaves it as it is, 1 gives white."""
    red, green, blue = to_rgb(color)
    return (
        red + (1 - red) * amount,
        green + (1 - green) * amount,
        blue + (1 - blue) * amount,
    )


def readable_on(color: Any) -> str:
    """Choose white or ink, whichever is easier to read on `color`."""
    red, green, blue = to_rgb(color)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    return "white" if light < 0.55 else PALETTE["ink"]
