"""Batches: order and crops of an epoch, and how processes share them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skellib import batches, layouts
from skellib.batches import Crop, DeviceClips, epoch_generator
from skellib.data import PackedDataset

CROP = Crop(frames=8)


@pytest.fixture
def dataset():
    """Clips whose first joint tells their number; the hip centre stays at zero."""
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
    """Which clip each row of a batch is."""
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
    # The fault of workers seeded by their number alone: every epoch the same crops.
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
        assert len({len(part) for part in parts}) == 1  # all wait for each other
        assert {i for part in parts for i in part} == set(numbers(x))


def test_inference_is_in_order_with_every_clip(dataset):
    clips = DeviceClips(dataset)
    batches = list(clips.inference(4, CROP))
    assert [i for x, _ in batches for i in numbers(x)] == list(range(10))
    assert torch.cat([y for _, y in batches]).tolist() == dataset.label.tolist()


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
    monkeypatch.setattr(batches, "_PIECE", values)
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
        # Rounded once more, after centring: by 2^-11 of values up to 16.
        assert (x - y).abs().max() <= 16 * 2**-11
