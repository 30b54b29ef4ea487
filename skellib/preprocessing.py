"""From packed clips to batches: centring, crop, resize, velocity (Section IV-A).

Every function works on whole batches with tensor operations on the device that holds
the data; there is no loop over clips. ``joints`` is the packed form (F, M, N, C), the
frames of all clips one after the other; ``starts`` and ``lengths`` say which frames
belong to which clip.

A joint whose values are all exactly zero in a frame was not tracked. It stays zero
through centring: it then lies in the body centre, not at minus the origin. The same
rule keeps an absent second body at zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skellib.layouts import Layout
from skellib.variants import ORIGINS, PADDINGS


def tracked(joints: Tensor) -> Tensor:
    """Which joints were tracked: (..., C) to a boolean (...)."""
    return (joints != 0).any(-1)


def _first_frame_with_body(present: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Index (n,) of the first frame of each clip in which ``present`` (F,) is true.

    The clip's first frame where there is none.
    """
    frames = torch.arange(len(present), device=present.device)
    # next_present[f]: the first frame from f on that has a body.
    far = torch.where(present, frames, len(present))
    next_present = far.flip(0).cummin(0).values.flip(0)
    first = next_present[starts]
    return torch.where(first < starts + lengths, first, starts)


def origins(joints: Tensor, starts: Tensor, lengths: Tensor, layout: Layout) -> Tensor:
    """The body centre of each clip's first frame, (n, dims).

    The first frame that has a body counts, and in it the first body that is present.
    Where the layout names several joints, those that were tracked are averaged with
    the layout's weights; where none was, all tracked joints of the body are.

    Args:
        joints: (F, M, N, C) packed frames.
        starts: (n,) first frame of each clip.
        lengths: (n,) frames of each clip.
        layout: names the centre joints and the number of spatial coordinates.
    """
    seen = tracked(joints)  # (F, M, N)
    frame = _first_frame_with_body(seen.any(-1).any(-1), starts, lengths)
    body = seen[frame].any(-1).int().argmax(-1)  # (n,) the first one present
    clips = torch.arange(len(frame), device=joints.device)
    skeleton = joints[frame][clips, body, :, : layout.dims].double()  # (n, N, dims)
    known = seen[frame][clips, body].double()  # (n, N)
    weights = torch.zeros(layout.size, dtype=torch.float64, device=joints.device)
    for joint, weight in layout.center:
        weights[joint] = weight
    weights = known * weights
    lost = weights.sum(-1, keepdim=True) == 0
    weights = torch.where(lost, known, weights)
    total = weights.sum(-1, keepdim=True).clamp_min(1e-12)
    return ((weights / total).unsqueeze(-1) * skeleton).sum(1)


def center(
    joints: Tensor,
    starts: Tensor,
    lengths: Tensor,
    layout: Layout,
    origin: str = "first",
) -> Tensor:
    """Move each clip's origin to the body centre of its first frame (Section IV-A).

    Takes and returns (F, M, N, C). One origin serves all frames and all bodies of a
    clip, so that motion through the room and the distance of two people stay as they
    are. Channels beyond the layout's spatial ones (a confidence score) and untracked
    joints are left alone.

    Args:
        joints, starts, lengths, layout: as in :func:`origins`.
        origin: ``"first"``: as above; ``"every"``: each frame has an origin of its
            own, as in the first author's feeder of an earlier paper. Motion through
            the room is lost then.

    Raises:
        ValueError: for another ``origin``.
    """
    ORIGINS.check(origin)
    owner, frames = frames_of(starts, lengths)  # clips may be a subset, in any order
    if origin == "first":
        shift = origins(joints, starts, lengths, layout)[owner]
    else:  # each frame is a clip by itself
        shift = origins(joints, frames, torch.ones_like(frames), layout)
    # float64 until after the subtraction, so that half-precision storage loses once.
    space = joints[..., : layout.dims].double()
    moved = space[frames] - shift[:, None, None]
    moved = moved * tracked(joints[frames]).unsqueeze(-1)
    centred = joints.clone()
    centred[frames, ..., : layout.dims] = moved.to(joints.dtype)
    return centred


def frames_of(starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The frames of some clips, one clip after another.

    Args:
        starts, lengths: (n,) first frame of each clip, and how many it has.

    Returns:
        For each frame the position of its clip among these, and the frame's index.
    """
    clips = torch.arange(len(starts), device=starts.device)
    owner = torch.repeat_interleave(clips, lengths)
    within = torch.arange(len(owner), device=starts.device)
    within = within - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    return owner, starts[owner] + within


def random_crop(
    lengths: Tensor,
    generator: torch.Generator,
    ratio: tuple[float, float] = (0.5, 1.0),
    min_frames: int = 1,
) -> tuple[Tensor, Tensor]:
    """Draw a contiguous part of each clip (Section IV-A).

    The part's share of the clip is uniform in ``ratio``, its position uniform among
    those possible. Returned are the offset from the clip's start and the length, both
    (n,) int64; the length is at least 1 and, where a clip has as many, ``min_frames``.

    Args:
        lengths: (n,) frames of each clip, on the generator's device.
        generator: the source of randomness; two draws per clip, whatever the values.
        ratio: bounds of the share.
        min_frames: a least number of frames (1: the text; the first author's feeder of
            another paper used 64).
    """
    draws = torch.rand(
        2, len(lengths), generator=generator, device=lengths.device, dtype=torch.float64
    )
    low, high = ratio
    share = low + (high - low) * draws[0]
    kept = (share * lengths).round().long()
    kept = torch.minimum(kept.clamp_min(max(1, min_frames)), lengths)
    offset = (draws[1] * (lengths - kept + 1)).long()
    return torch.minimum(offset, lengths - kept), kept


def central_crop(lengths: Tensor, ratio: float = 0.95) -> tuple[Tensor, Tensor]:
    """The central part of each clip: offset and length, (n,) each (Section IV-A)."""
    kept = (ratio * lengths.double()).round().long()
    kept = torch.minimum(kept.clamp_min(1), lengths)
    return (lengths - kept) // 2, kept


def crop_resize(
    joints: Tensor,
    starts: Tensor,
    lengths: Tensor,
    frames: int,
    align_corners: bool = False,
) -> Tensor:
    """Gather parts of the packed frames and resize them in time (Section IV-A).

    Equal to ``torch.nn.functional.interpolate(part, size=frames, mode="linear")`` on
    each part by itself: two gathers and one interpolation for the whole batch.

    Args:
        joints: (F, M, N, C) packed frames.
        starts: (B,) first frame of each part, an index into ``joints``.
        lengths: (B,) frames of each part, at least 1.
        frames: ``T``.
        align_corners: whether the first and the last frame stay the first and the
            last, as ``interpolate`` has it.

    Returns:
        (B, C, T, N, M) float32.
    """
    target = torch.arange(frames, device=joints.device, dtype=torch.float32)
    length = lengths.float().unsqueeze(1)
    if align_corners:
        position = target * ((length - 1) / max(1, frames - 1))  # (B, T)
    else:
        position = ((target + 0.5) * (length / frames) - 0.5).clamp_min(0)
    left = position.long()
    last = (lengths - 1).unsqueeze(1)
    left = torch.minimum(left, last)
    right = torch.minimum(left + 1, last)
    weight = (position - left).view(*position.shape, 1, 1, 1)
    first = starts.unsqueeze(1)
    a = joints[first + left].float()  # (B, T, M, N, C)
    b = joints[first + right].float()
    return torch.lerp(a, b, weight).permute(0, 4, 1, 3, 2)


PITCH_AXIS, YAW_AXIS = 0, 1
"""To the right of a camera, and upward (or downward) in its picture."""


def supports_rotation(layout: Layout) -> bool:
    """Whether joints have a depth, behind an upward axis that yaw turns about."""
    return layout.dims == 3 and layout.up[0] == YAW_AXIS


def rotate(joints: Tensor, degrees: float | Tensor, axis: int) -> Tensor:
    """Rotate points about a coordinate axis through the origin.

    Args:
        joints: (..., 3 or more channels); channels after the third stay as they are.
        degrees: by the right-hand rule; one number, or some that broadcast over (...).
        axis: 0, 1 or 2. About 0, to the right of a camera, a turn of 90 degrees moves
            the second axis to the third.

    Raises:
        ValueError: there is no such axis, or no third coordinate.
    """
    if axis not in range(3) or joints.shape[-1] < 3:
        raise ValueError(f"turned: axis {axis} of {joints.shape[-1]} coordinates")
    one, other = (axis + 1) % 3, (axis + 2) % 3
    angle = torch.deg2rad(
        torch.as_tensor(degrees, dtype=torch.float64, device=joints.device)
    )
    cos, sin = angle.cos().to(joints.dtype), angle.sin().to(joints.dtype)
    result = joints.clone()
    result[..., one] = cos * joints[..., one] - sin * joints[..., other]
    result[..., other] = sin * joints[..., one] + cos * joints[..., other]
    return result


def sample_rotations(
    clips: int, generator: torch.Generator, pitch: float, yaw: float
) -> Tensor:
    """Draw two angles for each clip. Not in the paper, which turns nothing.

    Args:
        clips: how many.
        generator: the source of randomness; two draws per clip, whatever the bounds.
        pitch, yaw: the largest angle either way, in degrees.

    Returns:
        (2, clips) float64: pitch and yaw, uniform within their bounds.
    """
    draws = torch.rand(2, clips, generator=generator, dtype=torch.float64)
    return (2 * draws - 1) * torch.tensor([[pitch], [yaw]], dtype=torch.float64)


def rotate_clips(x: Tensor, angles: Tensor) -> Tensor:
    """Turn whole clips about the origin: by yaw, and what comes of that by pitch.

    Yaw is about the upward axis, as if the person had turned; pitch about the axis to
    the camera's right, as if the camera had nodded.

    Args:
        x: (B, C, T, N, M) with three coordinates, centred.
        angles: (2, B) degrees of pitch and of yaw.
    """
    pitch, yaw = angles[:, :, None, None, None]
    x = rotate(x.movedim(1, -1), yaw, YAW_AXIS)
    return rotate(x, pitch, PITCH_AXIS).movedim(-1, 1)


def velocity(x: Tensor, padding: str = "end") -> Tensor:
    """The differences of successive frames, padded to T frames (Section III-E, IV-A).

    Takes and returns (B, C, T, N, M).

    Args:
        x: positions.
        padding: where the frame that is missing is filled in. ``"end"``:
            ``v[t] = x[t + 1] - x[t]``, ``v[T - 1] = 0``; ``"start"``:
            ``v[t] = x[t] - x[t - 1]``, ``v[0] = 0``; ``"repeat"``: as ``"end"``, with
            ``v[T - 1] = v[T - 2]``.

    Raises:
        ValueError: for another ``padding``.
    """
    PADDINGS.check(padding)
    v = torch.zeros_like(x)
    steps = x[:, :, 1:] - x[:, :, :-1]
    if padding == "start":
        v[:, :, 1:] = steps
    else:
        v[:, :, :-1] = steps
    if padding == "repeat" and x.shape[2] > 1:
        v[:, :, -1] = steps[:, :, -1]
    return v
