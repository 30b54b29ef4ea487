"""Test batches: order and crops of an epoch, and how processes share them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skellib import batches, layouts
from skellib.batches import DeviceClips, epoch_generator
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.preprocessing import align, rotate_clips
from skellib.settings import PreprocessingConfig

CROP = PreprocessingConfig(frames=8)


@pytest.fixture
def dataset():
    """Make clips that can be identified by their first joint."""
    generator = np.random.default_rng(0)
    clips = []
    for i in range(10):
        clip = generator.normal(size=(int(generator.integers(1, 20)), 1, 20, 3))
        clip[:, :, 1] = i + 1
        clip[:, :, 0] = 0
        clip[0, :, 0] = 1e-9  # tracked, and at the origin
        clips.append(clip.astype(np.float32))
    return PackedDataset.from_clips(
        clips,
        label=np.arange(10) % 3,
        subject=np.ones(10, dtype=int),
        name=[f"clip{i}" for i in range(10)],
        layout=layouts.get("kinect20"),
        classes=("a", "b", "c"),
        key="toy",
        source="a test",
    )


def numbers(x):
    """Identify the clip in each row of a batch."""
    return (x[:, 0, 0, 1, 0].round().long() - 1).tolist()


def test_an_epoch_has_every_clip_once_the_last_batch_included(dataset):
    clips = DeviceClips(dataset)
    batches = list(clips.training(4, CROP, seed=0, epoch=0))
    assert [len(y) for _, y in batches] == [4, 4, 2]
    seen = [i for x, _ in batches for i in numbers(x)]
    assert sorted(seen) == list(range(10))
    for x, y in batches:
        assert x.shape[1:] == (3, 8, 20, 1) and x.dtype == torch.float32
        assert [i % 3 for i in numbers(x)] == y.tolist()


def test_same_seed_and_epoch_same_batches_else_others(dataset):
    clips = DeviceClips(dataset)

    def first(seed, epoch):
        return next(clips.training(10, CROP, seed=seed, epoch=epoch))[0]

    assert torch.equal(first(0, 3), first(0, 3))
    # Workers seeded by their number alone would repeat the crops in each epoch.
    assert not torch.equal(first(0, 3), first(0, 4))
    assert not torch.equal(first(0, 3), first(1, 3))
    assert epoch_generator(0, 1).initial_seed() != epoch_generator(1, 0).initial_seed()


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch(dataset, world):
    clips = DeviceClips(dataset)
    shares = [
        list(clips.training(4, CROP, seed=0, epoch=0, rank=rank, world=world))
        for rank in range(world)
    ]
    whole = list(clips.training(4, CROP, seed=0, epoch=0))
    for step, (x, _) in enumerate(whole):
        parts = [numbers(share[step][0]) for share in shares]
        assert (
            len({len(part) for part in parts}) == 1
        )  # all processes have equally many
        assert {i for part in parts for i in part} == set(numbers(x))


def test_inference_is_in_order_with_every_clip(dataset):
    clips = DeviceClips(dataset)
    batches = list(clips.inference(4, CROP))
    assert [i for x, _ in batches for i in numbers(x)] == list(range(10))
    assert torch.cat([y for _, y in batches]).tolist() == dataset.label.tolist()


def test_inference_rounds_the_crop_as_configured(dataset):
    clips = DeviceClips(dataset)
    whole = PreprocessingConfig(frames=8, test_crop_ratio=1)
    equal = PreprocessingConfig(frames=8, test_crop_rounding="cut")
    x, y = (next(clips.inference(10, crop))[0] for crop in (whole, equal))
    assert torch.equal(x, y)  # no clip has 40 frames
    assert not torch.equal(x, next(clips.inference(10, CROP))[0])


def test_a_subset_is_the_same_clips(dataset):
    whole = torch.cat([x for x, _ in DeviceClips(dataset).inference(4, CROP)])
    part = DeviceClips(dataset.subset([7, 2]))
    x = torch.cat([x for x, _ in part.inference(4, CROP)])
    assert torch.equal(x, whole[[7, 2]])
    assert len(part.joints) == dataset.lengths[[7, 2]].sum()  # only their frames


@pytest.mark.parametrize("values", [1, 100, 700])
def test_centring_in_pieces_changes_nothing(dataset, monkeypatch, values):
    order = [7, 2, 0, 9, 4, 1]
    whole = DeviceClips(dataset.subset(order))
    monkeypatch.setattr(batches, "_CHUNK", values)
    assert torch.equal(DeviceClips(dataset.subset(order)).joints, whole.joints)


def test_half_precision_stays_on_the_device_and_is_converted_by_the_batch(dataset):
    fields = "label subject name layout classes key source".split()
    facts = {field: getattr(dataset, field) for field in fields}
    rounded = [dataset.clip(i).astype(np.float16) for i in range(len(dataset))]
    half, full = (
        DeviceClips(PackedDataset.from_clips(rounded, dtype=dtype, **facts))
        for dtype in (np.float16, np.float32)
    )
    assert half.joints.dtype == torch.float16 and full.joints.dtype == torch.float32
    for (x, _), (y, _) in zip(half.inference(4, CROP), full.inference(4, CROP)):
        assert x.dtype == torch.float32
        # Rounded again after centring: by 2^-11 of values up to 16.
        assert (x - y).abs().max() <= 16 * 2**-11


TURNED = PreprocessingConfig(frames=8, max_pitch=10, max_yaw=60)


def test_turned_clips_are_the_same_clips_each_by_angles_of_its_own(dataset):
    clips = DeviceClips(dataset)
    straight, turned = (
        torch.cat([x for x, _ in clips.training(4, crop, seed=0, epoch=1)])
        for crop in (CROP, TURNED)
    )
    # Three points determine the rotation of a clip: x_rotated = R x.
    points, images = (x[:, :, 0, [3, 8, 14], 0].double() for x in (straight, turned))
    matrix = images @ points.inverse()
    torch.testing.assert_close(
        matrix @ matrix.mT, torch.eye(3).double().expand(10, 3, 3), atol=1e-3, rtol=0
    )
    whole = torch.einsum("bij,bjtnm->bitnm", matrix, straight.double())
    torch.testing.assert_close(whole, turned.double(), atol=2e-3, rtol=0)
    # The vertical is tilted by at most the largest pitch; all yaws differ.
    assert (matrix[:, 1, 1] >= np.cos(np.deg2rad(10)) - 1e-4).all()
    yaw = torch.atan2(matrix[:, 0, 2], matrix[:, 0, 0]).rad2deg()
    assert yaw.abs().max() <= 60 and yaw.std() > 15
    assert len(set(yaw.round(decimals=2).tolist())) == 10


def test_inference_turns_nothing(dataset):
    clips = DeviceClips(dataset)
    for (x, _), (y, _) in zip(clips.inference(4, CROP), clips.inference(4, TURNED)):
        assert torch.equal(x, y)


def test_processes_turn_a_clip_alike(dataset):
    clips = DeviceClips(dataset)

    def epoch(**share):
        return torch.cat(
            [x for x, _ in clips.training(4, TURNED, seed=0, epoch=0, **share)]
        )

    whole = epoch()
    for rank in range(2):
        for x in epoch(rank=rank, world=2):
            assert any(torch.equal(x, each) for each in whole)


def test_turns_cost_no_draw(dataset, monkeypatch):
    """Rotation does not change the order and the crops."""
    seen = []
    monkeypatch.setattr(
        batches, "rotate_clips", lambda x, angles: seen.append(angles) or x
    )
    clips = DeviceClips(dataset)
    plain = list(clips.training(4, CROP, seed=2, epoch=3))
    turned = list(clips.training(4, TURNED, seed=2, epoch=3))
    assert all(torch.equal(x, y) for (x, _), (y, _) in zip(plain, turned))
    assert [angles.shape for angles in seen] == [(2, 4), (2, 4), (2, 2)]
    monkeypatch.undo()
    (x, _), (y, _) = turned[0], next(clips.training(4, TURNED, seed=2, epoch=3))
    assert torch.equal(rotate_clips(x, seen[0]), y)


@pytest.mark.parametrize("kind", ["yaw", "body"])
def test_clips_are_aligned_about_their_centre(dataset, monkeypatch, kind):
    settings = PreprocessingConfig(frames=8, align=kind)
    monkeypatch.setattr(batches, "_CHUNK", 700)
    clips, plain = DeviceClips(dataset, preprocessing=settings), DeviceClips(dataset)
    where = plain.starts, plain.lengths, plain.layout
    expected = align(plain.joints.double(), *where, kind).float()
    torch.testing.assert_close(clips.joints, expected)
    assert not torch.allclose(clips.joints, plain.joints)


NOISY = PreprocessingConfig(frames=8, joint_noise=0.5)


def test_noise_displaces_the_joints_of_training_clips(dataset):
    clips = DeviceClips(dataset)
    plain, noisy, again, later = (
        torch.cat([x for x, _ in clips.training(4, crop, seed=0, epoch=epoch)])
        for crop, epoch in ((CROP, 1), (NOISY, 1), (NOISY, 1), (NOISY, 2))
    )
    # The order and the crops are the same, and so is the offset in all frames.
    offset = (noisy - plain)[:, :, 4:]
    torch.testing.assert_close(offset, offset[:, :, :1].expand_as(offset))
    assert offset[:, :, 0].std().item() == pytest.approx(0.5, rel=0.15)
    assert torch.equal(noisy, again) and not torch.equal(noisy, later)
    for (x, _), (y, _) in zip(clips.inference(4, CROP), clips.inference(4, NOISY)):
        assert torch.equal(x, y)


def test_processes_displace_a_clip_alike(dataset):
    clips = DeviceClips(dataset)
    whole = torch.cat([x for x, _ in clips.training(4, NOISY, seed=0, epoch=0)])
    for rank in range(2):
        share = clips.training(4, NOISY, seed=0, epoch=0, rank=rank, world=2)
        for x in torch.cat([x for x, _ in share]):
            assert any(torch.equal(x, each) for each in whole)


def test_joints_without_depth_are_not_turned():
    flat = PackedDataset.from_clips(
        [np.ones((4, 1, 18, 3), np.float32)] * 2,
        label=[0, 1],
        subject=[1, 1],
        name=["a", "b"],
        layout=layouts.get("openpose18"),
        classes=("a", "b"),
        key="flat",
        source="a test",
    )
    clips = DeviceClips(flat)
    assert len(list(clips.training(1, CROP, seed=0, epoch=0))) == 2
    with pytest.raises(InputError, match="openpose18 cannot be rotated; set both to 0"):
        next(clips.training(1, PreprocessingConfig(max_yaw=30), seed=0, epoch=0))
