"""A sheet for diagrams: boxes, arrows and signs on axes measured in inches."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from skellib.figures.style import PALETTE, Picture, readable_on, tint

Point = tuple[float, float]


class Sheet:
    """Axes without a frame, `width` x `height` inches, for boxes and arrows."""

    def __init__(self, width: float, height: float, ax: Axes | None = None) -> None:
        if ax is None:
            self.figure: Any = Picture(figsize=(width, height))
            ax = self.figure.add_axes((0, 0, 1, 1))
        else:
            self.figure = ax.get_figure(root=True)
        ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        ax.axis("off")
        self.ax = ax

    def box(
        self,
        center: Point,
        size: Point,
        text: str,
        color: str,
        fill: bool = True,
        rotation: float = 0,
        fontsize: float = 8,
    ) -> None:
        """Draw a rounded box around a text, filled or only outlined."""
        x, y, (width, height) = *center, size
        self.ax.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2), width, height,
                boxstyle="round,pad=0,rounding_size=0.07", edgecolor=color,
                facecolor=color if fill else tint(color, 0.9), linewidth=1.2, zorder=3,
            )
        )  # fmt: skip
        ink = readable_on(color) if fill else PALETTE["ink"]
        self.text(center, text, ink, fontsize, rotation)

    def text(
        self,
        at: Point,
        text: str,
        color: str = PALETTE["ink"],
        fontsize: float = 8,
        rotation: float = 0,
        **options: Any,
    ) -> None:
        options = {"ha": "center", "va": "center", **options}
        self.ax.text(
            *at, text, color=color, fontsize=fontsize, rotation=rotation, zorder=4,
            linespacing=1.25, **options,
        )  # fmt: skip

    def arrow(
        self,
        start: Point,
        end: Point,
        color: str = PALETTE["middle"],
        bend: float = 0,
        both: bool = False,
        corner: bool = False,
    ) -> None:
        """Draw an arrow: bent, two-headed, or (`corner`) first vertical, then level."""
        path = "angle,angleA=90,angleB=0,rad=6" if corner else f"arc3,rad={bend}"
        self.ax.add_patch(
            FancyArrowPatch(
                start, end, arrowstyle="<|-|>" if both else "-|>", mutation_scale=9,
                connectionstyle=path, color=color, linewidth=1.3, shrinkA=0, shrinkB=0,
                zorder=2,
            )
        )  # fmt: skip

    def line(self, *points: Point, color: str = PALETTE["middle"]) -> None:
        self.ax.plot(*zip(*points, strict=True), color=color, lw=1.3, zorder=1.5)

    def sign(self, center: Point, text: str = "+") -> None:
        """Draw a small circle with a sign, for a sum or a product."""
        self.ax.plot(
            *center, "o", ms=12, mfc="white", mec=PALETTE["ink"], mew=1.2, zorder=3
        )
        self.text(center, text, fontsize=10)
