"""Test centring, cropping, resizing and velocity against loops over clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from skellib import layouts
from skellib.errors import InputError
from skellib.preprocessing import (
    align,
    center,
    central_crop,
    crop_resize,
    displace_joints,
    random_crop,
    rotate,
    rotate_clips,
    sample_rotations,
    tracked,
    velocity,
)
from skellib.variants import PADDINGS

KINECT = layouts.get("kinect20")
OPENPOSE = layouts.get("openpose18")


def packed(lengths, bodies=1, joints=20, channels=3, dtype=torch.float32):
    lengths = torch.tensor(lengths)
    frames = torch.randn(int(lengths.sum()), bodies, joints, channels, dtype=dtype)
    return frames, lengths.cumsum(0) - lengths, lengths


# --- centring ---------------------------------------------------------------


def test_origin_is_the_hip_centre_of_the_first_frame_of_each_clip():
    joints, starts, lengths = packed([4, 1, 7])
    centred = center(joints, starts, lengths, KINECT)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        clip = slice(start, start + length)
        torch.testing.assert_close(centred[clip], joints[clip] - joints[start, 0, 0])


def test_a_subset_in_any_order_leaves_the_other_frames_alone():
    joints, starts, lengths = packed([4, 3, 5])
    pick = torch.tensor([2, 0])
    centred = center(joints, starts[pick], lengths[pick], KINECT)
    whole = center(joints, starts, lengths, KINECT)
    assert torch.equal(centred[:4], whole[:4])
    assert torch.equal(centred[7:], whole[7:])
    assert torch.equal(centred[4:7], joints[4:7])


def test_every_frame_by_its_own_centre():
    joints, starts, lengths = packed([4, 1, 7], bodies=2)
    joints[2, 0] = 0  # the first body is absent: use the centre of the second
    centred = center(joints, starts, lengths, KINECT, "every")
    own = joints[:, 0, 0].clone()
    own[2] = joints[2, 1, 0]
    expected = joints - own[:, None, None]
    expected[2, 0] = 0
    torch.testing.assert_close(centred, expected)
    part = center(joints, starts[[2]], lengths[[2]], KINECT, "every")
    assert torch.equal(part[5:], centred[5:]) and torch.equal(part[:5], joints[:5])
    with pytest.raises(ValueError, match="origin 'last' is none of first, every"):
        center(joints, starts, lengths, KINECT, "last")


@pytest.mark.parametrize(
    ("name", "joint"),
    [
        ("kinect20", "spine"),
        ("utd20", "spine"),
        ("ntu25", "middle of the spine"),
        ("sbu15", "torso"),
    ],
)
def test_every_frame_by_the_middle_of_its_spine(name, joint):
    layout = layouts.get(name)
    joints, starts, lengths = packed([4, 2], bodies=2, joints=layout.size)
    centred = center(joints, starts, lengths, layout, "spine")
    middle = joints[:, 0, layout.joints.index(joint)]
    torch.testing.assert_close(centred, joints - middle[:, None, None])


def test_a_layout_without_a_spine():
    joints, starts, lengths = packed([3], joints=18)
    with pytest.raises(InputError, match=r"'openpose18' has no joint.*set it to every"):
        center(joints, starts, lengths, OPENPOSE, "spine")


def test_untracked_joints_and_absent_bodies_stay_zero():
    joints, starts, lengths = packed([6], bodies=2)
    joints[2, 0, 5] = 0  # one joint is missing in one frame
    joints[3:, 1] = 0  # the second body leaves
    centred = center(joints, starts, lengths, KINECT)
    assert (centred[2, 0, 5] == 0).all()
    assert (centred[3:, 1] == 0).all()
    torch.testing.assert_close(centred[:3, 1], joints[:3, 1] - joints[0, 0, 0])


def test_the_first_frame_that_has_a_body_counts():
    joints, starts, lengths = packed([3, 6], bodies=2)
    joints[3:5] = 0  # no body in the first two frames of the second clip
    joints[5, 0] = 0  # then only the second body
    centred = center(joints, starts, lengths, KINECT)
    torch.testing.assert_close(centred[6, 0], joints[6, 0] - joints[5, 1, 0])


def test_a_clip_without_any_body_stays_zero():
    joints, starts, lengths = packed([3, 4])
    joints[:3] = 0
    centred = center(joints, starts, lengths, KINECT)
    assert (centred[:3] == 0).all()
    torch.testing.assert_close(centred[3:], joints[3:] - joints[3, 0, 0])


def test_a_lost_centre_joint_is_replaced_by_the_mean_of_the_tracked_ones():
    joints, starts, lengths = packed([2])
    joints[0, 0, 0] = 0
    centred = center(joints, starts, lengths, KINECT)
    expected = joints[1, 0] - joints[0, 0, 1:].mean(0)
    torch.testing.assert_close(centred[1, 0], expected)


def test_openpose_centres_in_the_plane_between_neck_and_hips():
    joints, starts, lengths = packed([3], joints=18)
    names = OPENPOSE.joints
    neck, right, left = (
        joints[0, 0, names.index(name), :2]
        for name in ("neck", "right hip", "left hip")
    )
    origin = 0.5 * neck + 0.25 * right + 0.25 * left
    centred = center(joints, starts, lengths, OPENPOSE)
    torch.testing.assert_close(centred[..., :2], joints[..., :2] - origin)
    assert torch.equal(centred[..., 2], joints[..., 2])  # the score


def test_moving_a_clip_through_the_room_changes_nothing():
    joints, starts, lengths = packed([5], dtype=torch.float64)
    moved = joints + torch.tensor([3.0, -1.0, 2.0])
    torch.testing.assert_close(
        center(joints, starts, lengths, KINECT), center(moved, starts, lengths, KINECT)
    )


# --- a common front ---------------------------------------------------------

FRONTAL = [name for name in layouts.LAYOUTS if layouts.get(name).dims == 3]


def front_of(clip, layout, kind):
    """Compute the rotation of one clip (T, M, N, C) in NumPy, body by body."""
    n = layout.joints.index
    for frame in clip:
        for body in frame[..., :3].astype(np.float64):
            right, left, right_hip, left_hip = (
                body[n(f"{side} {name}")]
                for name in ("shoulder", "hip")
                for side in ("right", "left")
            )
            if not all(p.any() for p in (right, left, right_hip, left_hip)):
                continue
            up = layout.up[1]
            across = up * ((right - left) + (right_hip - left_hip))
            if kind == "yaw":
                angle = np.arctan2(across[2], across[0])
                c, s = np.cos(angle), np.sin(angle)
                return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
            spine = up * ((right + left) / 2 - (right_hip + left_hip) / 2)
            frame_of_body, _ = np.linalg.qr(np.stack([spine, across], 1))
            y, x = (frame_of_body * np.sign(frame_of_body.T @ [spine, across][0])).T
            y, x = (v * np.sign(v @ w) for v, w in ((y, spine), (x, across)))
            return np.stack([x, y, np.cross(x, y)])
    return np.eye(3)


@pytest.mark.parametrize("name", FRONTAL)
@pytest.mark.parametrize("kind", ["yaw", "body"])
def test_alignment_clip_by_clip(name, kind):
    layout = layouts.get(name)
    lengths = [4, 1, 7, 3, 2]
    joints, starts, lengths = packed(lengths, bodies=2, joints=layout.size, channels=4)
    left_hip = layout.joints.index("left hip")
    joints[0, 0, left_hip] = 0  # the second body is the first complete one
    joints[5:7, :, left_hip] = 0  # then frame 7 is
    joints[12:15, :, left_hip] = 0  # no frame of the fourth clip is complete
    joints[12, 0, 0] = 0
    pick = torch.tensor([2, 0, 3])  # the other clips stay as they are
    aligned = align(joints, starts[pick], lengths[pick], layout, kind)
    expected = joints.double()
    for i in pick.tolist():
        clip = slice(int(starts[i]), int(starts[i] + lengths[i]))
        rotation = torch.from_numpy(front_of(joints[clip].numpy(), layout, kind))
        expected[clip, ..., :3] = expected[clip, ..., :3] @ rotation.T
    torch.testing.assert_close(aligned, expected.float())
    assert torch.equal(aligned[12:15], joints[12:15])
    assert (aligned[5:7, :, left_hip] == 0).all()


def seen_from(joints, yaw, pitch=0.0):
    """Rotate packed frames (F, M, N, C) as another camera would see them."""
    return rotate(rotate(joints, yaw, axis=1), pitch, axis=0)


@pytest.mark.parametrize(("kind", "pitch"), [("yaw", 0.0), ("body", 25.0)])
def test_clips_seen_from_three_cameras_become_equal(kind, pitch):
    joints, starts, lengths = packed([5, 8], dtype=torch.float64)
    views = [seen_from(joints, yaw, pitch * yaw / 90) for yaw in (-45, 0, 130)]
    first, *others = (
        center(align(view, starts, lengths, KINECT, kind), starts, lengths, KINECT)
        for view in views
    )
    for other in others:
        torch.testing.assert_close(other, first)
    assert not torch.allclose(views[0], views[1])


@pytest.mark.parametrize("kind", ["yaw", "body"])
def test_centring_before_or_after_alignment_is_the_same(kind):
    joints, starts, lengths = packed([5, 8], dtype=torch.float64)
    where = starts, lengths, KINECT
    torch.testing.assert_close(
        center(align(joints, *where, kind), *where),
        align(center(joints, *where), *where, kind),
    )


def test_joints_that_coincide_have_no_front():
    joints, starts, lengths = packed([3])
    joints[0, 0, [4, 8, 12, 16]] = 1.0
    for kind in ("yaw", "body"):
        assert torch.equal(align(joints, starts, lengths, KINECT, kind), joints)


def test_what_cannot_be_aligned():
    joints, starts, lengths = packed([3], joints=18)
    assert align(joints, starts, lengths, OPENPOSE, "none") is joints
    with pytest.raises(InputError, match=r"align: 'yaw' needs.*'openpose18'.*to none"):
        align(joints, starts, lengths, OPENPOSE, "yaw")
    with pytest.raises(ValueError, match="'roll' is none of none, yaw, body"):
        align(joints, starts, lengths, OPENPOSE, "roll")
    arm = layouts.Layout(
        name="custom arm",
        joints=("left shoulder", "left elbow"),
        bones=((0, 1),),
        center=((0, 1.0),),
        pairs=(),
        up=(1, 1),
        dims=3,
    )
    with pytest.raises(InputError, match="right shoulder.*'custom arm' lacks"):
        align(joints[:, :, :2], starts, lengths, arm, "body")


def test_displaced_joints_keep_their_velocity_and_what_is_untracked():
    x = torch.randn(2, 4, 6, 5, 2)
    x[0, :, 2:, :, 1] = 0  # a body leaves
    x[1, :, :, 3] = 0  # a joint is never tracked
    x[0, :, 0, 2, 0] = 0  # one that is at the origin in a frame, or lost
    offsets = torch.randn(2, 3, 5, 2)
    moved = displace_joints(x, offsets)
    assert (moved[0, :, 2:, :, 1] == 0).all() and (moved[1, :, :, 3] == 0).all()
    assert torch.equal(moved[:, 3], x[:, 3])  # not a coordinate
    expected = offsets[0, :, None, :, 0].expand(3, 6, 5)
    torch.testing.assert_close(moved[0, :3, ..., 0] - x[0, :3, ..., 0], expected)
    torch.testing.assert_close(velocity(moved)[0, ..., 0], velocity(x)[0, ..., 0])


# --- resizing ---------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    frames=st.integers(1, 48),
    seed=st.integers(0, 999),
    corners=st.booleans(),
)
def test_crop_resize_equals_interpolate_on_each_crop(lengths, frames, seed, corners):
    generator = torch.Generator().manual_seed(seed)
    joints, starts, lengths = packed(lengths, bodies=2, joints=3)
    offset, kept = random_crop(lengths, generator)
    batch = crop_resize(joints, starts + offset, kept, frames, corners)
    assert batch.shape == (len(lengths), 3, frames, 3, 2)
    for i in range(len(lengths)):
        first = int(starts[i] + offset[i])
        part = joints[first : first + int(kept[i])]  # (K, M, N, C)
        rows = part.flatten(1).T.unsqueeze(0)  # (1, M N C, K)
        resized = interpolate(rows, size=frames, mode="linear", align_corners=corners)
        expected = resized[0].T.view(frames, *part.shape[1:]).permute(3, 0, 2, 1)
        torch.testing.assert_close(batch[i], expected, rtol=1e-5, atol=1e-5)


def test_a_clip_of_one_frame_is_repeated():
    joints, starts, lengths = packed([1])
    batch = crop_resize(joints, starts, lengths, 8)
    torch.testing.assert_close(
        batch[0, :, :, :, 0], joints[0, 0].T.unsqueeze(1).expand(3, 8, 20)
    )
    assert (velocity(batch) == 0).all()


def test_half_precision_storage_gives_float32_batches():
    joints, starts, lengths = packed([5])
    assert crop_resize(joints.half(), starts, lengths, 4).dtype == torch.float32


# --- crops ------------------------------------------------------------------


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=20),
    least=st.sampled_from([1, 64]),
    seed=st.integers(0, 999),
)
def test_crops_lie_in_their_clip(lengths, least, seed):
    lengths = torch.tensor(lengths)
    generator = torch.Generator().manual_seed(seed)
    offset, kept = random_crop(lengths, generator, min_frames=least)
    assert (offset >= 0).all() and (offset + kept <= lengths).all()
    assert (kept >= torch.minimum(lengths, torch.tensor(least))).all()
    assert (kept >= (lengths / 2).floor()).all()
    start, size = central_crop(lengths)
    assert (size >= 1).all() and (start + size <= lengths).all()
    assert ((lengths - size - 2 * start).abs() <= 1).all()  # in the middle


def test_crop_ratio_and_position_are_uniform():
    lengths = torch.full((20000,), 1000)
    offset, kept = random_crop(lengths, torch.Generator().manual_seed(1))
    share = kept / 1000
    assert share.min() >= 0.5 and share.max() <= 1
    assert np.allclose(
        np.quantile(share, [0.25, 0.5, 0.75]), [0.625, 0.75, 0.875], atol=0.01
    )
    place = offset / (lengths - kept).clamp_min(1)
    assert np.allclose(
        np.quantile(place, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02
    )


def test_short_clips_are_cropped_too():
    """With a minimum of 64 frames, most N-UCLA clips would never be cropped."""
    lengths = torch.full((1000,), 30)
    _, kept = random_crop(lengths, torch.Generator().manual_seed(0))
    assert (kept < 30).float().mean() > 0.9
    _, floored = random_crop(lengths, torch.Generator().manual_seed(0), min_frames=64)
    assert (floored == 30).all()


def test_central_crop_of_the_paper():
    start, kept = central_crop(torch.tensor([100, 20, 1]))
    assert kept.tolist() == [95, 19, 1]
    assert start.tolist() == [2, 0, 0]


def test_central_crop_with_equal_cuts():
    lengths = torch.arange(1, 200)
    start, kept = central_crop(lengths, 0.95, "cut")
    # 2.5 % at either end, in exact arithmetic.
    assert start.tolist() == [int(t) * 25 // 1000 for t in lengths]
    assert torch.equal(kept, lengths - 2 * start)
    assert (kept[:39] == lengths[:39]).all() and kept[39] == 38
    assert (central_crop(lengths, 0.01, "cut")[1] >= 1).all()
    with pytest.raises(ValueError, match="'up' is none of kept, cut"):
        central_crop(lengths, 0.95, "up")


# --- velocity ---------------------------------------------------------------


def test_velocity():
    x = torch.randn(2, 3, 5, 4, 1)
    v = velocity(x)
    for t in range(4):
        torch.testing.assert_close(v[:, :, t], x[:, :, t + 1] - x[:, :, t])
    assert (v[:, :, 4] == 0).all()


def test_velocity_padded_elsewhere():
    x = torch.randn(2, 3, 5, 4, 1)
    steps = x.diff(dim=2)
    start, repeat = velocity(x, "start"), velocity(x, "repeat")
    assert torch.equal(start[:, :, 1:], steps) and (start[:, :, 0] == 0).all()
    assert torch.equal(repeat, torch.cat([steps, steps[:, :, -1:]], 2))
    for padding in PADDINGS:  # a clip of one frame does not move
        assert (velocity(x[:, :, :1], padding) == 0).all()
    with pytest.raises(ValueError, match="padding 'both' is none of end, start"):
        velocity(x, "both")


def test_velocity_resized():
    """The differences are resized joint by joint as a clip of T - 1 frames is."""
    x = torch.randn(2, 3, 6, 4, 2)
    v = velocity(x, "resized")
    for b, c, n, m in np.ndindex(2, 3, 4, 2):
        steps = x[b, c, :, n, m].diff().view(1, 1, 5)
        expected = interpolate(steps, size=6, mode="linear", align_corners=False)
        torch.testing.assert_close(v[b, c, :, n, m], expected.flatten())


def test_tracked():
    joints = torch.ones(2, 1, 3, 3)
    joints[0, 0, 1] = 0
    joints[1, 0, 2, :2] = 0  # only two of three coordinates
    assert tracked(joints).tolist() == [[[True, False, True]], [[True, True, True]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_centring_keeps_the_storage_type(dtype):
    joints, starts, lengths = packed([3])
    assert center(joints.to(dtype), starts, lengths, KINECT).dtype == dtype


def test_a_turn_by_hand():
    x = torch.tensor([1.0, 2.0, 3.0, 0.5])  # the fourth channel is not a coordinate
    assert rotate(x, 90, 0).tolist() == pytest.approx([1, -3, 2, 0.5])
    assert rotate(x, 90, 1).tolist() == pytest.approx([3, 2, -1, 0.5])
    assert rotate(x, 90, 2).tolist() == pytest.approx([-2, 1, 3, 0.5])
    with pytest.raises(ValueError, match="axis 3"):
        rotate(x, 10, 3)
    with pytest.raises(ValueError, match="2 coordinates"):
        rotate(x[:2], 10, 0)


@given(degrees=st.floats(-360, 360), axis=st.integers(0, 2))
def test_a_turn_keeps_lengths_and_is_undone_by_its_opposite(degrees, axis):
    x = torch.randn(7, 3, dtype=torch.float64)
    there = rotate(x, degrees, axis)
    assert torch.allclose(there.norm(dim=-1), x.norm(dim=-1))
    assert torch.allclose(rotate(there, -degrees, axis), x)
    assert torch.equal(there[:, axis], x[:, axis])


@given(seed=st.integers(0, 2**32 - 1))
def test_turns_are_uniform_within_their_bounds(seed):
    def draw(pitch, yaw):
        return sample_rotations(500, torch.Generator().manual_seed(seed), pitch, yaw)

    angles = draw(10, 60)
    assert angles.shape == (2, 500) and angles.dtype == torch.float64
    # The mean of 500 uniform numbers in +-1 has a standard deviation of 0.026; the
    # largest of them is below 0.95 with a probability of 0.975^500 = 3e-6.
    for bound, each in zip((10, 60), angles):
        assert 0.95 * bound < each.abs().max() <= bound
        assert each.mean().abs() < 0.2 * bound
    assert torch.equal(angles, draw(10, 60))
    assert torch.equal(angles[0], draw(10, 0)[0])  # independent of the other bound
    assert not draw(10, 0)[1].any() and not draw(0, 60)[0].any()


def test_a_clip_is_turned_by_yaw_and_then_by_pitch():
    x = torch.randn(2, 4, 5, 3, 2, dtype=torch.float64)  # a confidence as well
    angles = torch.tensor([[0.0, 20.0], [90.0, -50.0]], dtype=torch.float64)
    there = rotate_clips(x, angles)
    assert there.shape == x.shape and torch.equal(there[:, 3], x[:, 3])
    # The first clip: 90 degrees about the vertical axis.
    torch.testing.assert_close(there[0, 0], x[0, 2])
    torch.testing.assert_close(there[0, 1], x[0, 1])
    torch.testing.assert_close(there[0, 2], -x[0, 0])
    a, b = np.deg2rad([20.0, -50.0])
    pitch = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    yaw = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    both = np.einsum("ij,jtnm->itnm", np.array(pitch) @ yaw, x[1, :3].numpy())
    np.testing.assert_allclose(there[1, :3].numpy(), both, atol=1e-12)
