"""Skeletons: layout sketches (Fig. 7) and strobe strips of a clip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skellib.errors import InputError
from skellib.figures.style import PALETTE, WIDTH, array, canvas, panels, styled, tint
from skellib.layouts import Layout

# A rest pose in metres, seen from the front: x of the body's left side (the viewer's
# right), height above the ground. Neighbouring joints are kept apart for their numbers.
REST = {
    "head": (0.0, 1.74),
    "nose": (0.0, 1.66),
    "inner eye": (0.07, 1.755),
    "eye": (0.10, 1.83),
    "outer eye": (0.19, 1.83),
    "ear": (0.24, 1.75),
    "mouth": (0.09, 1.56),
    "neck": (0.0, 1.50),
    "shoulder centre": (0.0, 1.34),
    "spine": (0.0, 1.12),
    "hip centre": (0.0, 0.92),
    "chest": (0.0, 1.27),
    "navel": (0.0, 1.08),
    "clavicle": (0.12, 1.36),
    "shoulder": (0.24, 1.36),
    "elbow": (0.42, 1.12),
    "wrist": (0.54, 0.88),
    "hand": (0.63, 0.72),
    "hand tip": (0.72, 0.57),
    "index finger": (0.66, 0.72),
    "pinky": (0.55, 0.70),
    "thumb": (0.43, 0.73),
    "hip": (0.17, 0.84),
    "knee": (0.19, 0.48),
    "ankle": (0.21, 0.14),
    "foot": (0.34, 0.03),
    "heel": (0.10, 0.03),
    "big toe": (0.25, 0.02),
    "small toe": (0.37, 0.05),
}
ALIASES = {
    "shoulder center": "shoulder centre",
    "spine shoulder": "shoulder centre",
    "hip center": "hip centre",
    "pelvis": "hip centre",
    "middle of the hips": "hip centre",
    "spine base": "hip centre",
    "base of the spine": "hip centre",
    "spine mid": "spine",
    "middle of the spine": "spine",
    "torso": "spine",
    "tip of the hand": "hand tip",
}


def rest_pose(layout: Layout) -> np.ndarray:
    """Return a standing pose of `layout` for sketches: (N, 2), metres, from the front.

    Raises:
        InputError: the pose has no place for a joint's name.
    """
    parts = [_part(name) for name in layout.joints]
    if parts.count("spine") == 2:  # NTU's "spine" is the joint between the shoulders
        parts[layout.joints.index("spine")] = "shoulder centre"
    pose = []
    for joint, part in enumerate(parts):
        if part not in REST:
            raise InputError(
                f"layout {layout.name!r}: no rest position is known for joint "
                f"{layout.joints[joint]!r}; pass positions (N, 2)"
            )
        x, y = REST[part]
        pose.append((-x if layout.side(joint) == "right" else x, y))
    return np.array(pose)


def _part(name: str) -> str:
    """Return the body part that a joint's name means, without its side."""
    words = re.sub(r"[\s_-]+", " ", name.lower()).split()
    part = " ".join(word for word in words if word not in ("left", "right"))
    return ALIASES.get(part, part)


def bone_side(layout: Layout, bone: tuple[int, int]) -> str:
    """Return the side that a bone belongs to: left, right or middle."""
    sides = [layout.side(joint) for joint in bone]
    return next((side for side in sides if side != "middle"), "middle")


@styled
def layout_sketch(
    layout: Layout,
    ax: Axes | None = None,
    numbers: bool = True,
    positions: Any = None,
    first: int = 0,
) -> Figure:
    """Draw a skeleton layout in a standing pose, seen from the front (Fig. 7).

    The body's left is on the viewer's right. Numbers are the joints' indices in the
    layout, counted from `first`.

    Args:
        layout: the skeleton layout.
        ax: axes to draw into; a new figure by default.
        numbers: write each joint's number.
        positions: (N, 2) another pose, y up; by default `rest_pose(layout)`.
        first: the number of the first joint.
    """
    figure, ax = canvas(ax, (2.6, 3.2))
    xy = rest_pose(layout) if positions is None else array(positions, 2, "positions")
    for bone in layout.bones:
        ax.plot(
            *xy[list(bone)].T, color=PALETTE[bone_side(layout, bone)], lw=3.2, zorder=1
        )
    for joint, (x, y) in enumerate(xy):
        color = PALETTE[layout.side(joint)]
        size = 10.0 if numbers else 6.0
        ax.plot(x, y, "o", ms=size, mfc="white", mec=color, mew=1.2, zorder=2)
        if numbers:
            ax.annotate(
                str(joint + first), (x, y), ha="center", va="center_baseline",
                fontsize=6.0, color=color, fontweight="bold", zorder=3,
            )  # fmt: skip
    ax.set_aspect("equal")
    if positions is None:  # one scale for all layouts
        ax.set(xlim=(-0.82, 0.82), ylim=(-0.06, 1.92))
    else:
        ax.margins(0.07)
    ax.axis("off")
    return figure


@styled
def layout_sketches(
    layouts: Sequence[Layout],
    titles: Sequence[str] | None = None,
    numbers: bool = True,
) -> Figure:
    """Draw layout sketches, each with its name and number of joints (Fig. 7).

    Args:
        layouts: the skeleton layouts, one panel each.
        titles: in the same order; a layout without one shows its own name.
        numbers: write each joint's number.

    Raises:
        InputError: there is no layout, or there are more titles than layouts.
    """
    titles = list(titles or ())
    if not layouts or len(titles) > len(layouts):
        raise InputError(
            f"layout_sketches: {len(layouts)} layouts, {len(titles)} titles"
        )
    titles += [layout.name for layout in layouts[len(titles) :]]
    rows = -(-len(layouts) // 4)
    per_row = -(-len(layouts) // rows)  # five are 3 + 2, not 4 + 1
    figure, axes = panels(rows, per_row, (WIDTH, 2.85 * rows))
    for ax in axes.flat[len(layouts) :]:
        ax.remove()
    for ax, layout, title in zip(axes.flat, layouts, titles, strict=False):
        layout_sketch(layout, ax, numbers)
        ax.set_title(f"{title}\n", pad=2)
        ax.text(
            0.5, 1.0, f"{layout.size} joints", transform=ax.transAxes, ha="center",
            va="bottom", fontsize=8, color=PALETTE["middle"],
        )  # fmt: skip
    sides = {"right": "right side of the body", "middle": "middle"}
    sides["left"] = "left side of the body"
    handles = [
        Line2D([], [], lw=3.2, color=PALETTE[k], label=v) for k, v in sides.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def present(points: Any) -> np.ndarray:
    """Tell where a joint was tracked, that is, is not all 0: (..., C) to (...)."""
    return (array(points) != 0).any(axis=-1)


def view_axes(layout: Layout, view: tuple[float, float]) -> np.ndarray:
    """Return the screen's axes (right, up, to the viewer) in clip coordinates: (3, 3).

    Azimuth and elevation, in degrees, move the viewer around and above the body; (0, 0)
    looks along the axis of depth, as the recording camera did. Coordinates are taken as
    right-handed, which those of Kinect sensors are, so that left stays left. A layout
    in the plane is shown as it is, from any view.
    """
    axis, sign = layout.up
    if layout.dims == 2:
        return np.stack([np.eye(3)[1 - axis], sign * np.eye(3)[axis], np.zeros(3)])
    up, look = sign * np.eye(3)[axis], np.eye(3)[1 if axis == 2 else 2]
    right = np.cross(look, up)
    azimuth, elevation = np.radians(view)
    right, look = (
        np.cos(azimuth) * right + np.sin(azimuth) * look,
        np.cos(azimuth) * look - np.sin(azimuth) * right,
    )
    raised = np.cos(elevation) * up + np.sin(elevation) * look
    towards = np.sin(elevation) * up - np.cos(elevation) * look
    return np.stack([right, raised, towards])


def project(points: Any, layout: Layout, view: tuple[float, float]) -> np.ndarray:
    """Project points (..., C) on the screen: (..., 3) as right, up, to the viewer.

    Channels that are not coordinates (a score) are left out.
    """
    points = array(points)[..., : layout.dims].astype(float)
    return points @ view_axes(layout, view)[:, : layout.dims].T


@styled
def skeleton_frames(
    clip: Any,
    layout: Layout,
    frames: int | Sequence[int] = 6,
    view: tuple[float, float] = (20.0, 8.0),
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a clip as a strip of its skeletons, from the first, pale, to the last, dark.

    Bodies that are absent in a frame (all zero) and joints that were not tracked (zero)
    are left out. Each frame's scene is centred on its place in the strip; heights above
    the ground line are kept.

    Args:
        clip: (T, M, N, C) or (T, N, C) coordinates.
        layout: its skeleton layout.
        frames: how many, evenly spaced, or which ones.
        view: azimuth and elevation in degrees, see `view_axes`.
        ax: axes to draw into; a new figure by default.
        title: the title.

    Raises:
        InputError: the clip's shape does not fit, or a frame is not in it.
    """
    clip = bodies(clip, layout)
    chosen = _chosen(frames, len(clip))
    points = project(clip[chosen], layout, view)
    seen = present(clip[chosen])
    points, ground, step = _in_a_row(points, seen)
    figure, ax = canvas(ax, (WIDTH, 2.6))
    width = step * (len(chosen) - 1)
    ax.plot(
        [-step / 2, width + step / 2], [ground] * 2, color=PALETTE["faint"], lw=3,
        zorder=0,
    )  # fmt: skip
    for place, frame in enumerate(chosen):
        fade = 0.62 * (1 - place / max(len(chosen) - 1, 1))
        for body in range(clip.shape[1]):
            _draw_body(ax, points[place, body], seen[place, body], layout, fade, place)
        ax.annotate(
            f"{frame}" if place else f"frame {frame}", (place * step, ground), (0, -6),
            textcoords="offset points", ha="center", va="top", fontsize=8,
            color=PALETTE["middle"],
        )  # fmt: skip
    ax.set_aspect("equal")
    ax.axis("off")
    if title:
        ax.set_title(title)
    return figure


def bodies(clip: Any, layout: Layout) -> np.ndarray:
    """Return the clip as (T, M, N, C); a single body's (T, N, C) gets its axis M.

    Raises:
        InputError: the shape does not fit the layout, or there is no frame.
    """
    clip = array(clip)
    if clip.ndim == 3:
        clip = clip[:, None]
    fits = clip.ndim == 4 and len(clip) and clip.shape[2] == layout.size
    if not fits or clip.shape[3] < layout.dims:
        raise InputError(
            f"clip: shape {clip.shape} is not (T, M, {layout.size}, C >= {layout.dims})"
            f" as layout {layout.name!r} needs"
        )
    return clip


def _chosen(frames: int | Sequence[int], length: int) -> list[int]:
    if isinstance(frames, int):
        return sorted(set(np.linspace(0, length - 1, frames).round().astype(int)))
    missing = [frame for frame in frames if not 0 <= frame < length]
    if missing:
        raise InputError(f"frames: {missing[0]} is not in a clip of {length} frames")
    return list(frames)


def _in_a_row(points: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Centre each frame's scene on its place in the row; return ground and step too."""
    if not seen.any():
        return points, 0.0, 1.0
    points = points.copy()
    widths = []
    for frame, mask in zip(points, seen, strict=True):
        if mask.any():
            x = frame[..., 0][mask]
            frame[..., 0] -= (x.min() + x.max()) / 2
            widths.append(float(np.ptp(x)))
    height = float(np.ptp(points[..., 1][seen]))
    step = (max(*widths, 0.35 * height) or 1.0) * 1.12
    points[..., 0] += step * np.arange(len(points)).reshape(-1, 1, 1)
    return points, float(points[..., 1][seen].min()), step


def _draw_body(
    ax: Axes,
    points: np.ndarray,
    seen: np.ndarray,
    layout: Layout,
    fade: float,
    place: int,
) -> None:
    """Draw bones, those far from the viewer first, then joints; skip an absent body."""
    bones = [bone for bone in layout.bones if seen[list(bone)].all()]
    bones.sort(key=lambda bone: points[list(bone), 2].mean())
    if bones:
        colors = [tint(PALETTE[bone_side(layout, bone)], fade) for bone in bones]
        segments = [points[list(bone), :2] for bone in bones]
        ax.add_collection(
            LineCollection(
                segments,
                colors=colors,
                linewidths=2.4,
                capstyle="round",
                zorder=place + 1,
            )
        )
    if seen.any():
        colors = [
            tint(PALETTE[layout.side(int(j))], fade) for j in np.flatnonzero(seen)
        ]
        ax.scatter(points[seen, 0], points[seen, 1], s=7, c=colors, zorder=place + 1.5)
