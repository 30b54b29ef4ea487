"""A data set on a device, and its batches.

The packed frames live on the device that computes; a batch is a gather and an
interpolation there. No worker processes, no Python for each clip. What an epoch draws
at random depends on the seed and the epoch alone, so that a resumed run draws the
same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.preprocessing import (
    center,
    central_crop,
    crop_resize,
    frames_of,
    random_crop,
    rotate_clips,
    sample_rotations,
    supports_rotation,
)
from skellib.settings import PreprocessingConfig

_PIECE = 2**22
"""Values that are centred at a time: that takes several copies in double precision."""


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The generator of one epoch's order and crops, of these two numbers alone."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


class DeviceClips:
    """The clips of a (part of a) data set, centred, on a device.

    They stay in the data set's precision; a batch is converted as it is made.

    Args:
        dataset: the clips; only their frames are copied.
        device: where they go.
        preprocessing: where the origin is, and how batches are cropped and resized.
    """

    def __init__(
        self,
        dataset: PackedDataset,
        device: torch.device | str = "cpu",
        preprocessing: PreprocessingConfig | None = None,
    ) -> None:
        self.preprocessing = preprocessing or PreprocessingConfig()
        lengths = np.asarray(dataset.lengths)
        starts = np.cumsum(lengths) - lengths
        self.layout = dataset.layout
        self.lengths = torch.from_numpy(lengths).to(device)
        self.starts = torch.from_numpy(starts).to(device)
        self.label = torch.from_numpy(np.asarray(dataset.label)).to(device)
        shape = dataset.joints.shape[1:]
        self.joints = torch.empty(
            (int(lengths.sum()), *shape),
            dtype=getattr(torch, dataset.joints.dtype.name),
            device=device,
        )
        piece = starts * int(np.prod(shape)) // _PIECE
        cuts = np.flatnonzero(np.diff(piece)) + 1
        for clips in np.split(np.arange(len(self)), cuts):
            part = _centred(dataset, clips, device, self.preprocessing.origin)
            first = int(starts[clips[0]])
            self.joints[first : first + len(part)] = part

    def __len__(self) -> int:
        return len(self.label)

    def _batch(self, part: Tensor, crop: PreprocessingConfig) -> tuple[Tensor, Tensor]:
        """The batch of a plan (3, B): clips, offsets and lengths of their crops."""
        clips, offset, kept = part
        starts = self.starts[clips] + offset
        x = crop_resize(self.joints, starts, kept, crop.frames, crop.align_corners)
        return x, self.label[clips]

    def training(
        self,
        batch_size: int,
        preprocessing: PreprocessingConfig | None = None,
        *,
        seed: int,
        epoch: int,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of one epoch: shuffled clips, random crops.

        Args:
            batch_size: clips in a batch, over all processes; the last may be smaller.
            preprocessing: how to crop, resize and rotate; as at the start by default.
            seed, epoch: what the order and the crops depend on.
            rank, world: this process's number, and how many share each batch.

        Yields:
            ``x`` (B, C, T, N, M) float32 and the labels (B,).

        Raises:
            InputError: the clips are to be turned and have no depth.
        """
        crop = preprocessing or self.preprocessing
        if crop.rotates and not supports_rotation(self.layout):
            raise InputError(
                "preprocessing.max_pitch and preprocessing.max_yaw: joints of "
                f"{self.layout.name} cannot be rotated; set both to 0"
            )
        generator = epoch_generator(seed, epoch)
        device = self.joints.device
        order = torch.randperm(len(self), generator=generator)
        offset, kept = random_crop(
            self.lengths.cpu(), generator, crop.crop_ratio, crop.min_crop_frames
        )
        # Drawn last: without rotation the draws before are what they always were.
        angles = sample_rotations(len(self), generator, crop.max_pitch, crop.max_yaw)
        plan = torch.stack([order, offset[order], kept[order]]).to(device)
        angles = angles[:, order].to(device)
        for part in torch.arange(len(self), device=device).split(batch_size):
            if world > 1:  # all take as many, the first clips twice if need be
                size = -(-len(part) // world)
                mine = torch.arange(size, device=device) * world + rank
                part = part[mine % len(part)]
            x, label = self._batch(plan[:, part], crop)
            yield (rotate_clips(x, angles[:, part]) if crop.rotates else x), label

    def inference(
        self, batch_size: int, preprocessing: PreprocessingConfig | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of all clips in order, central crops; shapes as in training."""
        crop = preprocessing or self.preprocessing
        offset, kept = central_crop(self.lengths, crop.test_crop_ratio)
        clips = torch.arange(len(self), device=self.joints.device)
        for part in torch.stack([clips, offset, kept]).split(batch_size, dim=1):
            yield self._batch(part, crop)


def _centred(
    dataset: PackedDataset,
    clips: np.ndarray,
    device: torch.device | str,
    origin: str,
) -> Tensor:
    """The frames of some clips, one clip after another, on a device."""
    starts, lengths = (
        torch.from_numpy(np.asarray(each)[clips])
        for each in (dataset.starts, dataset.lengths)
    )
    _, frames = frames_of(starts, lengths)
    joints = torch.from_numpy(np.asarray(dataset.joints)[frames.numpy()]).to(device)
    starts = lengths.cumsum(0) - lengths  # among the frames that were taken
    counts = lengths.to(device)
    return center(joints, starts.to(device), counts, dataset.layout, origin)
