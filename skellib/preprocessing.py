"""Preprocess clips: align, centre, crop, resize, velocities (Section IV-A).

All functions are batched tensor operations on the device that holds the data; none
loops over clips. ``joints`` has the packed form (F, M, N, C): the frames of all clips
are concatenated, and ``starts`` and ``lengths`` give the frames of each clip.

A joint whose values are all exactly zero in a frame was not tracked. Centring leaves it
at zero, which is then the body centre. For the same reason an absent second body stays
at zero.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.variants import (
    ALIGNMENTS,
    CROP_ROUNDINGS,
    MODALITIES,
    ORIGINS,
    PADDINGS,
)

PITCH_AXIS, YAW_AXIS = 0, 1
"""Axes to the camera's right, and up (or down) in its image."""


def tracked(joints: Tensor) -> Tensor:
    """Return which joints were tracked, from (..., C) to boolean (...)."""
    return (joints != 0).any(-1)


def _first_frame_with_body(present: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Find each clip's first frame in which ``present`` (F,) is true.

    Returns:
        Frame indices (n,); the clip's first frame if ``present`` is true in none.
    """
    frames = torch.arange(len(present), device=present.device)
    # next_present[f]: the first frame from f on that has a body.
    far = torch.where(present, frames, len(present))
    next_present = far.flip(0).cummin(0).values.flip(0)
    first = next_present[starts]
    return torch.where(first < starts + lengths, first, starts)


def origins(joints: Tensor, starts: Tensor, lengths: Tensor, layout: Layout) -> Tensor:
    """Compute the body centre in each clip's first frame (Section IV-A).

    It is that of the first body present in the first frame that has one. If the layout
    has several centre joints, those that were tracked are averaged with the layout's
    weights; if none was tracked, all tracked joints of the body are averaged.

    Args:
        joints: (F, M, N, C) packed frames.
        starts: (n,) index of the first frame of each clip.
        lengths: (n,) number of frames of each clip.
        layout: skeleton layout with the centre joints and the number of coordinates.

    Returns:
        (n, dims) float64, in the units of ``joints``.
    """
    seen = tracked(joints)  # (F, M, N)
    frame = _first_frame_with_body(seen.any(-1).any(-1), starts, lengths)
    body = seen[frame].any(-1).int().argmax(-1)  # (n,) first one present
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
    """Move the origin to the body centre of each clip's first frame (Section IV-A).

    All frames and bodies of a clip share one origin, so that motion through the room
    and the distance between two people are preserved. Untracked joints, and channels
    that are not coordinates (such as a confidence score), are left unchanged.

    Args:
        joints: (F, M, N, C) packed frames of all clips.
        starts: (n,) index of the first frame of each clip.
        lengths: (n,) number of frames of each clip.
        layout: skeleton layout with the centre joints and the number of coordinates.
        origin: ``"first"``, as above; ``"every"``: each frame has its own origin, which
            discards motion through the room; or ``"spine"``: likewise, at the middle of
            the spine, as in the first author's public code.

    Returns:
        (F, M, N, C), in the units of ``joints``.

    Raises:
        ValueError: if ``origin`` is unknown.
        InputError: if the layout has no joint in the middle of the spine.

    Example:
        >>> import skellib as sk, torch
        >>> joints = torch.rand(30, 1, 20, 3)  # two clips of 10 and 20 frames
        >>> starts, lengths = torch.tensor([0, 10]), torch.tensor([10, 20])
        >>> centred = sk.center(joints, starts, lengths, sk.LAYOUTS["kinect20"])
        >>> centred[starts, 0, 0].abs().max() < 1e-6  # joint 0 is the body centre
        tensor(True)
    """
    ORIGINS.check(origin)
    if origin == "spine":
        layout = _centred_on_spine(layout)
    owner, frames = frame_indices(starts, lengths)
    if origin == "first":
        shift = origins(joints, starts, lengths, layout)[owner]
    else:  # as if each frame were a clip
        shift = origins(joints, frames, torch.ones_like(frames), layout)
    # Subtract in float64: with half-precision storage only the result is rounded.
    space = joints[..., : layout.dims].double()
    moved = space[frames] - shift[:, None, None]
    moved = moved * tracked(joints[frames]).unsqueeze(-1)
    centred = joints.clone()
    centred[frames, ..., : layout.dims] = moved.to(joints.dtype)
    return centred


def _centred_on_spine(layout: Layout) -> Layout:
    """Return the layout with the middle of the spine as the body centre."""
    for name in ("middle of the spine", "spine", "torso"):
        if name in layout.joints:
            return replace(layout, center=((layout.joints.index(name), 1.0),))
    raise InputError(
        f"preprocessing.origin: layout {layout.name!r} has no joint in the middle of "
        "the spine; set it to every"
    )


_FRONT = ("right shoulder", "left shoulder", "right hip", "left hip")


def align(
    joints: Tensor, starts: Tensor, lengths: Tensor, layout: Layout, kind: str
) -> Tensor:
    """Rotate clips about the origin to a common front (not in the paper).

    All frames and bodies of a clip are rotated alike, so that a body faces the camera:
    the first one that has both shoulders and both hips, in the first frame that has
    such a body. A clip without such a frame stays as it is, and untracked joints stay
    at zero. To rotate about the body centre, centre the clips before or after: the
    result is the same.

    Args:
        joints: (F, M, N, C) packed frames of all clips.
        starts: (n,) index of the first frame of each clip.
        lengths: (n,) number of frames of each clip.
        layout: skeleton layout with three coordinates, shoulders and hips.
        kind: ``"none"``; ``"yaw"``: about the vertical, until the sum of the lines
            across the shoulders and across the hips has no depth; or ``"body"``: about
            all axes, until also the line from the middle of the hips to the middle of
            the shoulders is vertical.

    Returns:
        (F, M, N, C), in the units of ``joints``.

    Raises:
        ValueError: if ``kind`` is unknown.
        InputError: if the layout has no depth, or no shoulders and hips.

    Example:
        >>> import skellib as sk, torch
        >>> joints = torch.rand(30, 1, 20, 3)  # two clips of 10 and 20 frames
        >>> starts, lengths = torch.tensor([0, 10]), torch.tensor([10, 20])
        >>> layout = sk.LAYOUTS["kinect20"]
        >>> aligned = sk.align(joints, starts, lengths, layout, "body")
        >>> across = aligned[starts, 0, 8] - aligned[starts, 0, 4]  # the shoulders
        >>> across += aligned[starts, 0, 16] - aligned[starts, 0, 12]  # and the hips
        >>> across[:, 2].abs().max() < 1e-5
        tensor(True)
    """
    if ALIGNMENTS.check(kind) == "none":
        return joints
    owner, frames = frame_indices(starts, lengths)
    rotation = _front_rotation(joints, starts, lengths, layout, kind)[owner]
    space = joints[frames, ..., :3].double()
    aligned = joints.clone()
    aligned[frames, ..., :3] = torch.einsum("fij,fmnj->fmni", rotation, space).to(
        joints.dtype
    )
    return aligned


def _front_rotation(
    joints: Tensor, starts: Tensor, lengths: Tensor, layout: Layout, kind: str
) -> Tensor:
    """Compute the rotation of each clip to its front, (n, 3, 3) float64."""
    if not (supports_rotation(layout) and {*_FRONT} <= {*layout.joints}):
        raise InputError(
            f"preprocessing.align: {kind!r} needs three coordinates, the second "
            f"vertical, and the joints {', '.join(_FRONT)}, which layout "
            f"{layout.name!r} lacks; set it to none"
        )
    needed = joints[:, :, [layout.joints.index(name) for name in _FRONT], :3]
    complete = tracked(needed).all(-1)  # (F, M)
    frame = _first_frame_with_body(complete.any(-1), starts, lengths)
    body = complete[frame].int().argmax(-1)
    corners = needed[frame, body].double()  # (n, 4, 3)
    right, left, right_hip, left_hip = corners.unbind(1)
    sign = layout.up[1]
    # A person who faces the camera has the right side at +x if y is up, else at -x.
    x = sign * (right - left + right_hip - left_hip)
    y = torch.zeros_like(x)
    y[:, YAW_AXIS] = 1
    if kind == "body":
        y = sign * normalize(right + left - right_hip - left_hip, dim=1)
    x = normalize(x - (x * y).sum(1, keepdim=True) * y, dim=1)
    rotation = torch.stack([x, y, torch.linalg.cross(x, y)], 1)
    # Without such a frame, or with joints that coincide, there is no front.
    exists = complete[frame, body] & (torch.linalg.det(rotation) > 0.5)
    return torch.where(exists[:, None, None], rotation, torch.eye(3).to(rotation))


def frame_indices(starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """List the frames of some clips, one clip after another.

    Args:
        starts: (n,) index of the first frame of each clip; clips in any order.
        lengths: (n,) number of frames of each clip.

    Returns:
        For each frame, the position of its clip in ``starts``, and the frame's index.
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
    """Sample a contiguous crop of each clip (Section IV-A).

    The fraction that is kept is uniform in ``ratio``, and the position is uniform among
    the possible ones.

    Args:
        lengths: (n,) number of frames of each clip, on the generator's device.
        generator: random generator; it always yields two numbers per clip.
        ratio: bounds of the fraction.
        min_frames: minimum number of frames; shorter clips are kept whole. The paper
            has none; the first author's public code uses 64.

    Returns:
        Offsets from the start of each clip, and lengths (at least 1), both (n,) int64.
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


def central_crop(
    lengths: Tensor, ratio: float = 0.95, rounding: str = "kept"
) -> tuple[Tensor, Tensor]:
    """Compute the central crop of each clip (Section IV-A).

    Args:
        lengths: (n,) number of frames of each clip.
        ratio: fraction of the clip that is kept.
        rounding: ``"kept"``: the number of frames that are kept is rounded to the
            nearest one; or ``"cut"``: the number that is cut at either end is rounded
            down, as in the first author's public code, so that a ratio of 0.95 keeps
            clips of fewer than 40 frames whole.

    Returns:
        Offsets from the start of each clip, and lengths (at least 1), both (n,) int64.

    Raises:
        ValueError: if ``rounding`` is unknown.
    """
    if CROP_ROUNDINGS.check(rounding) == "cut":
        offset = ((1 - ratio) * lengths.double() / 2).long()
        return offset, lengths - 2 * offset
    kept = (ratio * lengths.double()).round().long()
    kept = torch.minimum(kept.clamp_min(1), lengths)
    return (lengths - kept) // 2, kept


def spread_crops(
    lengths: Tensor, ratio: float, rounding: str, count: int
) -> list[tuple[Tensor, Tensor]]:
    """Compute crops of each clip at even distances; not in the paper.

    Args:
        lengths, ratio, rounding: as of :func:`central_crop`.
        count: number of crops. One is the central crop; of several, the first begins
            with the clip and the last ends with it.

    Returns:
        For each crop the offsets from the start of each clip, and the lengths, both
        (n,) int64.
    """
    offset, kept = central_crop(lengths, ratio, rounding)
    if count == 1:
        return [(offset, kept)]
    spare = lengths - kept
    return [(spare * place // (count - 1), kept) for place in range(count)]


def crop_resize(
    joints: Tensor,
    starts: Tensor,
    lengths: Tensor,
    frames: int,
    align_corners: bool = False,
) -> Tensor:
    """Crop clips and resize them to ``T`` frames (Section IV-A).

    The result equals ``torch.nn.functional.interpolate(crop, size=T, mode="linear")``
    applied to each crop, but takes two gathers and one interpolation per batch.

    Args:
        joints: (F, M, N, C) packed frames of all clips.
        starts: (B,) index into ``joints`` of the first frame of each crop.
        lengths: (B,) number of frames of each crop, at least 1.
        frames: ``T``, number of frames of the result.
        align_corners: as in ``interpolate``: whether the first and last frame of a crop
            are the first and last frame of the result.

    Returns:
        (B, C, T, N, M) float32, in the units of ``joints``.

    Example:
        >>> import skellib as sk, torch
        >>> joints = torch.rand(30, 1, 20, 3)  # crops of 9 and 18 of 30 frames
        >>> starts, lengths = torch.tensor([0, 12]), torch.tensor([9, 18])
        >>> sk.crop_resize(joints, starts, lengths, frames=64).shape
        torch.Size([2, 3, 64, 20, 1])
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


def supports_rotation(layout: Layout) -> bool:
    """Return whether a layout has three coordinates, the second of them vertical."""
    return layout.dims == 3 and layout.up[0] == YAW_AXIS


def rotate(joints: Tensor, degrees: float | Tensor, axis: int) -> Tensor:
    """Rotate points about a coordinate axis through the origin.

    Rotation is an augmentation of this book; the paper uses none.

    Args:
        joints: (..., C) with C of 3 or more; channels after the third are unchanged.
        degrees: angle by the right-hand rule: a number, or a tensor that broadcasts
            with (...). 90 degrees about axis 0 take the second axis to the third.
        axis: axis of rotation: 0, 1 or 2.

    Returns:
        (..., C), in the units of ``joints``.

    Raises:
        ValueError: if there is no such axis or no third coordinate.

    Example:
        >>> import skellib as sk, torch
        >>> sk.rotate(torch.tensor([0.0, 1.0, 0.0]), degrees=90, axis=0).round()
        tensor([0., 0., 1.])
    """
    if axis not in range(3) or joints.shape[-1] < 3:
        raise ValueError(f"rotate: axis {axis} of {joints.shape[-1]} coordinates")
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
    """Sample a pitch and a yaw angle for each clip (not in the paper).

    Args:
        clips: number of clips.
        generator: random generator; it always yields two numbers per clip.
        pitch, yaw: largest absolute angle, in degrees.

    Returns:
        (2, clips) float64: pitch and yaw in degrees, uniform within their bounds.
    """
    draws = torch.rand(2, clips, generator=generator, dtype=torch.float64)
    return (2 * draws - 1) * torch.tensor([[pitch], [yaw]], dtype=torch.float64)


def rotate_clips(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate whole clips about the origin, first by yaw, then by pitch.

    Yaw is about the vertical axis, as if the person had turned; pitch is about the axis
    to the camera's right, as if the camera had been tilted.

    Args:
        x: (B, C, T, N, M) centred clips with three coordinates.
        angles: (2, B) pitch and yaw, in degrees.

    Returns:
        (B, C, T, N, M).
    """
    pitch, yaw = angles[:, :, None, None, None]
    x = rotate(x.movedim(1, -1), yaw, YAW_AXIS)
    return rotate(x, pitch, PITCH_AXIS).movedim(-1, 1)


def displace_joints(x: Tensor, offsets: Tensor) -> Tensor:
    """Displace the joints of whole clips (not in the paper).

    A joint has one offset for all frames of its clip, as if the sensor had estimated
    other proportions of the body; velocities are unchanged. Joints that are not tracked
    in any frame, and bodies in frames from which they are absent, stay at zero.

    Args:
        x: (B, C, T, N, M) clips.
        offsets: (B, dims, N, M), in the units of ``x``; further channels are unchanged.

    Returns:
        (B, C, T, N, M).
    """
    seen = (x != 0).any(1, keepdim=True)
    seen = seen.any(2, keepdim=True) & seen.any(3, keepdim=True)
    displaced = x.clone()
    displaced[:, : offsets.shape[1]] += offsets.to(x).unsqueeze(2) * seen
    return displaced


def bones(x: Tensor, layout: Layout) -> Tensor:
    """Replace each joint by the bone from its parent to it (Shi et al., CVPR 2019).

    The first joint of the layout's tree has no parent, and its bone is zero. So are the
    bones of a joint that is not tracked. Channels other than coordinates are unchanged.

    Args:
        x: (B, C, T, N, M) positions.
        layout: skeleton layout with the bones.

    Returns:
        (B, C, T, N, M), in the units of ``x``.
    """
    parent = torch.tensor(layout.parents, device=x.device)
    space = x[:, : layout.dims]
    seen = (space != 0).any(1, keepdim=True)
    vectors = (space - space[:, :, :, parent]) * (seen & seen[:, :, :, parent])
    return torch.cat([vectors, x[:, layout.dims :]], 1)


def modality(x: Tensor, layout: Layout, kind: str) -> Tensor:
    """Convert positions to what the network receives: joints, bones, or their motion.

    Args:
        x: (B, C, T, N, M) positions.
        layout: skeleton layout with the bones.
        kind: a name in :data:`skellib.variants.MODALITIES`; ``"joint"`` is ``x``,
            ``"motion"`` its :func:`velocity`.

    Returns:
        (B, C, T, N, M).

    Raises:
        ValueError: if ``kind`` is unknown.
    """
    of_bones, moving = MODALITIES.find(kind)
    x = bones(x, layout) if of_bones else x
    return velocity(x) if moving else x


def velocity(x: Tensor, padding: str = "end") -> Tensor:
    """Compute velocities: differences of consecutive frames (Sections III-E, IV-A).

    Args:
        x: (B, C, T, N, M) positions.
        padding: how the T - 1 differences are padded to T frames. ``"end"``:
            ``v[t] = x[t + 1] - x[t]`` and ``v[T - 1] = 0``; ``"start"``:
            ``v[t] = x[t] - x[t - 1]`` and ``v[0] = 0``; ``"repeat"``: as ``"end"``, but
            ``v[T - 1] = v[T - 2]``; ``"resized"``: the differences are resized to T
            frames as a clip is, as in the first author's public code.

    Returns:
        (B, C, T, N, M), in the units of ``x`` per frame.

    Raises:
        ValueError: if ``padding`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> x = torch.tensor([0.0, 1.0, 3.0]).view(1, 1, 3, 1, 1)
        >>> sk.velocity(x).flatten()
        tensor([1., 2., 0.])
    """
    PADDINGS.check(padding)
    v = torch.zeros_like(x)
    steps = x[:, :, 1:] - x[:, :, :-1]
    if padding == "resized" and x.shape[2] > 1:
        flat = steps.movedim(2, -1).flatten(1, -2)  # (B, C N M, T - 1)
        flat = interpolate(flat, size=x.shape[2], mode="linear")
        return flat.view(*v.movedim(2, -1).shape).movedim(-1, 2)
    if padding == "start":
        v[:, :, 1:] = steps
    else:
        v[:, :, :-1] = steps
    if padding == "repeat" and x.shape[2] > 1:
        v[:, :, -1] = steps[:, :, -1]
    return v
