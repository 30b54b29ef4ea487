"""Widgets to explore a spectrum, the losses and a confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from skellib.errors import InputError
from skellib.figures.skeletons import bodies
from skellib.figures.style import array
from skellib.figures.widgets.page import (
    Widget,
    button,
    canvas,
    coordinates,
    select,
    skeleton,
    slider,
    widget,
)
from skellib.layouts import Layout


def spectrum_explorer(
    clip: Any, layout: Layout, title: str | None = None, fps: float = 30
) -> Widget:
    """Let the reader remove frequencies of a clip and see it move without them.

    The two-dimensional transform of Eq. 1, over time and over joints, is taken of each
    coordinate; what is removed is removed from all three. The original is drawn pale.

    Args:
        clip: (T, M, N, C) or (T, N, C), of which the first body is shown; resize it to
            at most 64 frames.
        layout: its skeleton layout, with three coordinates.
        title: a heading.
        fps: frames per second.

    Raises:
        InputError: if the clip does not fit the layout, is longer, or has no depth.
    """
    joints = bodies(clip, layout)[:, 0, :, :3]
    frames = len(joints)
    if layout.dims != 3 or frames > 64:
        raise InputError(
            f"spectrum_explorer: {frames} frames of layout {layout.name!r}; it takes "
            "at most 64, in three coordinates"
        )
    settings = {
        "clip": coordinates(np.moveaxis(joints, -1, 0)),
        "frames": frames,
        "joints": layout.size,
        "fps": fps,
        **skeleton(layout),
    }
    body = (
        '<div class="row">'
        + canvas(_MOVING, "With the frequencies that are left")
        + canvas(_SPECTRUM, "Frequency over time (right) and joints (up)", "pick")
        + "</div>"
        '<div class="controls">'
        f"{slider('cutoff', 'Keep up to', 0, frames // 2, frames // 2)}</div>"
        f'<div class="bar">{button("play", "Play")}{button("all", "Keep all")}'
        f"{button('swap', 'Swap kept and removed')}</div>"
        '<output class="answer" aria-live="polite"></output>'
    )
    return widget("spectrum", settings, body, title, ("maths",))


_MOVING = "Moving skeleton after the inverse transform, over the original, drawn pale."
_SPECTRUM = (
    "Spectrum. Above, the size of each temporal frequency; below, the magnitude of "
    "each pair of a temporal and a joint frequency. Drag over either to remove or "
    "restore frequencies; or move by the arrow keys and press space for one pair, "
    "enter for all pairs of a temporal frequency."
)


def loss_explorer(
    gamma: float = 2.0, margin: float = 0.6, title: str | None = None
) -> Widget:
    """Draw the losses of Section III-D while the reader changes gamma and m (Fig. 5).

    Args:
        gamma, margin: values at the start.
        title: a heading.
    """
    chart = (
        "Chart of the five losses over the probability of the true class; the table "
        "holds their values. Click, or use the arrow keys, to move the line."
    )
    names = {
        "CE": "cross entropy",
        "FL": "focal loss",
        "SMCE": "soft-margin CE",
        "SMFL": "soft-margin focal",
        "SM": "soft margin alone",
    }
    rows = "".join(
        f'<tr><th scope="row"><canvas class="key" aria-hidden="true"></canvas>'
        f"{escape(text)}</th><td></td></tr>"
        for text in names.values()
    )
    body = (
        f'<div class="row">{canvas(chart, "Probability of the true class", "pick")}'
        f"<table><caption></caption><tbody>{rows}</tbody></table></div>"
        f'<div class="controls">{slider("gamma", "Focus γ", 0, 5, gamma, 0.1)}'
        f"{slider('margin', 'Margin m', 0, 2, margin, 0.1)}"
        f"{slider('p', 'Probability p', 0.01, 0.99, 0.6, 0.01)}"
        f"{select('shown', 'Show', ['the loss', 'its gradient (true score)'])}</div>"
    )
    return widget("losses", {"names": list(names)}, body, title, ("maths",))


def confusion_explorer(
    counts: Any,
    classes: Sequence[str],
    clips: Mapping[tuple[int, int], Sequence[Any]] | None = None,
    layout: Layout | None = None,
    title: str | None = None,
    fps: float = 30,
) -> Widget:
    """Let the reader choose a cell of a confusion matrix and see what is in it.

    Args:
        counts: (classes, classes) clips by true and predicted class, or
            (runs, classes, classes); the matrix shows the sum, a cell each run.
        classes: names of the classes.
        clips: some clips of a cell, (T, M, N, C) or (T, N, C), by its true and its
            predicted class.
        layout: skeleton layout of the clips, with three coordinates.
        title: a heading.
        fps: frames per second.

    Raises:
        InputError: if the counts do not fit the classes, or clips the layout.
    """
    counts = array(counts)
    counts = counts[None] if counts.ndim == 2 else counts
    if counts.ndim != 3 or counts.shape[1:] != (len(classes),) * 2:
        raise InputError(
            f"confusion_explorer: counts {counts.shape} for {len(classes)} classes"
        )
    if clips and (layout is None or layout.dims != 3):
        raise InputError("confusion_explorer: clips need a layout with 3 coordinates")
    settings: dict[str, Any] = {
        "counts": counts.astype(int).tolist(),
        "classes": list(classes),
        "fps": fps,
        "clips": {},
    }
    for (true, found), each in (clips or {}).items():
        assert layout is not None
        settings["clips"][f"{true} {found}"] = [_shown(clip, layout) for clip in each]
        settings.update(skeleton(layout))
    total = counts.sum(0)
    head = "".join(f'<th scope="col">{i + 1}</th>' for i in range(len(classes)))
    rows = "".join(
        f'<tr><th scope="row">{i + 1} {escape(name)}</th>'
        + "".join(_cell(total[i, j], name, classes[j]) for j in range(len(classes)))
        + "</tr>"
        for i, name in enumerate(classes)
    )
    player = (
        f'<div class="row">{canvas("Clips of the chosen cell.", css="wide")}</div>'
        f'<div class="bar">{button("play", "Play")}</div>'
        if clips
        else ""
    )
    body = (
        '<div class="scroll"><table><caption>True classes in rows, predicted in columns'
        f'</caption><thead><tr><th scope="col">class</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<output class="answer" aria-live="polite"></output>{player}'
    )
    return widget("confusion", settings, body, title, ("maths",))


def _shown(clip: Any, layout: Layout) -> dict[str, Any]:
    """Prepare the first body of a clip to be drawn about its middle."""
    joints = bodies(clip, layout)[:, 0, :, :3].astype(float)
    joints = joints - (joints.min((0, 1)) + joints.max((0, 1))) / 2
    return {"joints": coordinates(joints), "frames": len(joints)}


def _cell(count: int, true: str, found: str) -> str:
    label = escape(f"{count} clips of {true}, taken for {found}")
    return (
        f'<td><button type="button" tabindex="-1" aria-label="{label}">'
        f"{count or '·'}</button></td>"
    )
