"""Pictures of data cards and of what a search for duplicates found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skellib.errors import InputError
from skellib.figures.skeletons import layout_sketch, rest_pose
from skellib.figures.style import (
    PALETTE,
    SEQUENTIAL,
    WIDTH,
    Picture,
    array,
    canvas,
    styled,
)
from skellib.layouts import LAYOUTS

if TYPE_CHECKING:
    from IPython.display import HTML

MANY = 30  # classes: more have no name beside their bar

if TYPE_CHECKING:
    from skellib.readers.cards import DataCard
    from skellib.readers.info import DatasetInfo


@styled
def data_card(card: DataCard) -> Figure:
    """Draw what a data set holds: clips by class, their lengths, missing joints.

    Beside a class's bar stands its clips' median length. The skeleton shows where
    joints are missing: marked are those that ever are, the darker, the more often.

    Raises:
        InputError: the card's layout is not one of the library's.
    """
    if card.layout not in LAYOUTS:
        raise InputError(f"layout {card.layout!r}: unknown: its pose cannot be drawn")
    named = len(card.classes) <= MANY
    height = max(4.0, 0.9 + 0.17 * len(card.classes)) if named else 4.0
    figure = Picture(figsize=(WIDTH, height), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.35, 1))
    _classes(card, figure.add_subplot(grid[:, 0]), named)
    _lengths(card, figure.add_subplot(grid[0, 1]))
    _missing(card, figure.add_subplot(grid[1, 1]))
    return figure


def _classes(card: DataCard, ax: Axes, named: bool) -> None:
    clips = [each.clips for each in card.classes]
    rank = np.arange(len(clips))
    if named:
        ax.barh(rank, clips, color=PALETTE["accent"], height=0.72)
        ax.set_yticks(rank, [each.name for each in card.classes])
        ax.tick_params(axis="y", length=0, labelsize=8 if len(clips) <= 12 else 7)
        ax.set_ylim(len(clips) - 0.4, -0.6)
        ax.set_xlim(0, 1.22 * max(clips))
        for y, each in enumerate(card.classes):
            frames = each.median_frames
            beside = "" if frames is None else f"{frames:g} frames"
            for text, gap, side, color in (
                (str(each.clips), -3, "right", "white"),
                (beside, 3, "left", PALETTE["middle"]),
            ):
                ax.annotate(
                    text, (each.clips, y), (gap, 0), textcoords="offset points",
                    ha=side, va="center_baseline", fontsize=6.5, color=color,
                )  # fmt: skip
    else:
        ax.fill_between(
            rank, sorted(clips, reverse=True), step="mid", color=PALETTE["accent"]
        )
        ax.set(ylabel="clips", ylim=(0, None), xlim=(0, len(clips) - 1))
        ax.set_xlabel("classes, largest first")
    ax.set_title(f"{card.clips:,} clips of {len(clips)} classes")
    if named:
        ax.set_xlabel("clips")


def _lengths(card: DataCard, ax: Axes) -> None:
    lengths = card.lengths
    ax.stairs(lengths.counts, lengths.edges, fill=True, color=PALETTE["accent"])
    ax.axvline(lengths.median, color=PALETTE["ink"], lw=1.2, ls="--")
    ax.annotate(
        f"median {lengths.median:g}", (lengths.median, 1), (4, -1),
        xycoords=("data", "axes fraction"), textcoords="offset points",
        va="top", fontsize=8,
    )  # fmt: skip
    ax.set(
        title=f"{lengths.min} to {lengths.max} frames", xlabel="frames", ylabel="clips"
    )


def _missing(card: DataCard, ax: Axes) -> None:
    layout = LAYOUTS[card.layout]
    layout_sketch(layout, ax, numbers=False)
    share = np.array(card.missing)
    pose = rest_pose(layout)
    top = share.max() or 1.0
    for (x, y), part in zip(pose, share, strict=True):
        if part > 0:
            color = SEQUENTIAL(0.25 + 0.7 * part / top)
            ax.plot(x, y, "o", ms=8.5, mfc=color, mec=PALETTE["ink"], mew=0.8, zorder=4)
    ax.set_title("missing joints", pad=2)
    if card.missing_frames:
        lines = [
            f"in {card.missing_frames:,}",
            f"of {card.frames:,} frames,",
            f"{card.missing_clips:,} clips;",
            "a joint at most",
            f"{100 * share.max():.2g} %",
        ]
    else:
        lines = ["none"]
    ax.text(
        1.0, 0.5, "\n".join(lines), transform=ax.transAxes, va="center", fontsize=8,
        color=PALETTE["ink"],
    )  # fmt: skip


@styled
def nearest_distances(
    counts: Any,
    step: float,
    limit: float,
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how far each clip is from the one most similar to it.

    Args:
        counts: (steps,) clips by distance in units of the typical one, in steps from 0.
        step: the width of a step.
        limit: below it two clips count as near; shaded.
        ax: axes to draw into; a new figure by default.
        title: the title.
    """
    figure, ax = canvas(ax, (WIDTH, 2.6))
    counts = array(counts, 1, "counts")
    edges = step * np.arange(len(counts) + 1)
    ax.axvspan(0, limit, color=PALETTE["fused"], alpha=0.25, lw=0)
    ax.stairs(counts, edges, fill=True, color=PALETTE["accent"])
    ax.axvline(1, color=PALETTE["ink"], lw=1.2, ls="--")
    for x, text in ((limit / 2, "near"), (1.02, "typical")):
        ax.text(
            x, 1.01, text, transform=ax.get_xaxis_transform(), fontsize=8,
            ha="center" if x < limit else "left", va="bottom",
        )  # fmt: skip
    last = int(np.flatnonzero(counts).max(initial=0)) + 1
    ax.set(
        xlim=(0, max(edges[last], 1.2)), ylabel="clips",
        xlabel="distance to the most similar other clip (typical = 1)",
    )  # fmt: skip
    if title:
        ax.set_title(title, pad=16)
    return figure


def facts_table(facts: DatasetInfo) -> HTML:
    """Tabulate what is known of a data set beside its files."""
    from IPython.display import HTML

    rows: list[tuple[str, str]] = [("What", escape(facts.what))]
    rows.append(("Contents", escape(facts.contents)))
    homes = "<br>".join(f'<a href="{h}">{escape(h)}</a>' for h in facts.home)
    rows.append(("From", homes or "made by the library, nothing to fetch"))
    rows.append(("Cite", escape(facts.citation)))
    rows.append(("Terms", escape(facts.terms)))
    protocols = (f"{escape(name)}: {escape(n)}" for name, n in facts.protocols)
    rows.append(("Train / test", "<br>".join(protocols)))
    rows.append(("Quirks", _bullets(facts.quirks)))
    if facts.prepare:
        command = f"python -m skellib {facts.prepare}"
        rows.append(("Prepare", f"<code>{escape(command)}</code>"))
    body = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{label}</th>'
        f'<td style="text-align:left">{text}</td></tr>'
        for label, text in rows
    )
    return HTML(f'<table class="dataframe words"><tbody>{body}</tbody></table>')


def _bullets(texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<ul style="margin:0;padding-left:1.2em">{items}</ul>'
