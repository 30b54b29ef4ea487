"""An interactive skeleton player: a canvas and a small script, about 10 kB a clip."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from skellib.errors import InputError
from skellib.figures.skeletons import bodies, present, project
from skellib.figures.widgets.page import Widget, button, canvas, skeleton, widget
from skellib.layouts import Layout

MISSING = -32768  # the value that marks a joint as not tracked
LARGEST = 30000  # coordinates span -LARGEST to LARGEST: finer than 1 mm below 60 m


def player(
    clip: Any,
    layout: Layout,
    fps: float = 30,
    title: str | None = None,
    label: str | None = None,
    view: tuple[float, float] = (20.0, 12.0),
) -> Widget:
    """Make an interactive player of one clip.

    Play and pause, a scrubber, drag or arrow keys to turn. It starts paused where the
    reader prefers reduced motion. Untracked joints and absent bodies (zero) are not
    drawn; the joints of bodies after the first are hollow. The same clip always gives
    the same bytes.

    Args:
        clip: (T, M, N, C) or (T, N, C) coordinates.
        layout: its skeleton layout.
        fps: frames per second.
        title: a heading.
        label: a caption under the clip.
        view: azimuth and elevation in degrees at the start.

    Raises:
        InputError: the clip's shape does not fit the layout.
    """
    return players([clip], layout, None if label is None else [label], title, fps, view)


def players(
    clips: Sequence[Any],
    layout: Layout | Sequence[Layout],
    titles: Sequence[str] | None = None,
    title: str | None = None,
    fps: float = 30,
    view: tuple[float, float] = (20.0, 12.0),
) -> Widget:
    """Play several clips side by side, on one time axis, rotated together.

    A clip shorter than the longest stays at its last frame.

    Args:
        clips: each (T, M, N, C) or (T, N, C).
        layout: one for all clips, or one each.
        titles: a caption for each clip.
        title: a heading.
        fps: frames per second.
        view: azimuth and elevation in degrees at the start.

    Raises:
        InputError: nothing to show, counts differ, or a shape does not fit its layout.
    """
    layouts = [layout] * len(clips) if isinstance(layout, Layout) else list(layout)
    captions = [""] * len(clips) if titles is None else list(titles)
    if not clips or not len(clips) == len(layouts) == len(captions):
        raise InputError(
            f"players: {len(clips)} clips, {len(layouts)} layouts and {len(captions)} "
            "titles; give at least one clip, and as many of each"
        )
    packed = [_pack(clip, own) for clip, own in zip(clips, layouts, strict=True)]
    frames = max(clip["shape"][0] for clip in packed)
    settings = {
        "clips": packed,
        "frames": frames,
        "fps": fps,
        "view": np.radians(view).round(4).tolist(),
    }
    body = (
        f'<div class="row">{"".join(_canvas(text, title) for text in captions)}</div>'
        f'<div class="bar">{button("play", "Play")}'
        f'<input type="range" min="0" max="{frames - 1}" value="0" aria-label="Frame">'
        f"<output>1 / {frames}</output></div>"
    )
    return widget("player", settings, body, title)


def _canvas(caption: str, title: str | None) -> str:
    name = " ".join(["Moving skeleton:", caption or title or "one clip"])
    hint = "Drag or use the arrow keys to rotate, the space bar to play or pause."
    return canvas(f"{name}. {hint}", caption)


def _pack(clip: Any, layout: Layout) -> dict[str, Any]:
    """Pack one clip for the script: 16-bit screen coordinates, bones and extent."""
    clip = bodies(clip, layout)
    seen = present(clip)
    points = project(clip, layout, (0.0, 0.0))
    if seen.any():
        low, high = np.percentile(points[seen], [1, 99], axis=0)
        points = points - (low + high) / 2
    unit = LARGEST / (np.abs(points[seen]).max(initial=0.0) or 1.0)
    whole = np.where(seen[..., None], points * unit, MISSING).round().astype("<i2")
    drawn = whole[seen].astype(float) if seen.any() else np.full((1, 3), LARGEST)
    reach, floor = np.hypot(drawn[:, 0], drawn[:, 2]), np.percentile(drawn[:, 1], 0.5)
    return {
        "data": base64.b64encode(whole.tobytes()).decode(),
        "shape": list(whole.shape[:3]),
        **skeleton(layout),
        "flat": layout.dims == 2,
        "radius": int(max(np.percentile(reach, 99), 1)),
        "floor": int(floor),
        "top": int(max(np.percentile(drawn[:, 1], 99.9), floor + 1)),
    }
