"""Keep a data set on a device and make batches of it.

The packed frames stay on the device that trains; a batch is a gather and an
interpolation there, without worker processes or Python code for each clip. The random
numbers of an epoch depend only on the seed and the epoch, so that a resumed run gets
the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.preprocessing import (
    align,
    center,
    crop_resize,
    displace_joints,
    frame_indices,
    modality,
    random_crop,
    rotate_clips,
    sample_rotations,
    spread_crops,
    supports_rotation,
)
from skellib.settings import PreprocessingConfig

_CHUNK = 2**22
"""Number of values centred at a time, since that takes several float64 copies."""


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Create the random generator of one epoch from the seed and the epoch number."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


class DeviceClips:
    """Hold the centred clips of a data set on a device and make batches of them.

    The clips keep the data set's precision; batches are float32 (Section IV-A).

    Args:
        dataset: data set or subset of n clips; only the frames of its clips are copied.
        device: device that holds the clips.
        preprocessing: how clips are aligned, centred, cropped and resized; the paper's
            settings by default.

    Attributes:
        joints: (F, M, N, C) aligned and centred frames of all clips.
        starts, lengths: (n,) first frame and number of frames of each clip.
        label: (n,) class indices.
        layout: skeleton layout.

    Example:
        >>> import skellib as sk
        >>> clips = sk.DeviceClips(sk.load("synthetic")[0].subset(range(8)))
        >>> x, y = next(clips.training(batch_size=4, seed=0, epoch=0))
        >>> x.shape, y.shape
        (torch.Size([4, 3, 64, 20, 1]), torch.Size([4]))
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
        chunk = starts * int(np.prod(shape)) // _CHUNK
        cuts = np.flatnonzero(np.diff(chunk)) + 1
        for clips in np.split(np.arange(len(self)), cuts):
            part = _centred_frames(dataset, clips, device, self.preprocessing)
            first = int(starts[clips[0]])
            self.joints[first : first + len(part)] = part

    def __len__(self) -> int:
        return len(self.label)

    def _batch(self, part: Tensor, crop: PreprocessingConfig) -> tuple[Tensor, Tensor]:
        """Make a batch of crops, given as (3, B) clip indices, offsets and lengths."""
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
        """Make the batches of one training epoch: shuffled clips, random crops.

        Args:
            batch_size: clips per batch over all processes; the last may be smaller.
            preprocessing: how to crop, resize, rotate and displace, if not as in the
                constructor.
            seed, epoch: seeds of the order, the crops, the rotations and the noise.
            rank, world: number of this process, and number of processes that share
                each batch.

        Yields:
            Clips (B, C, T, N, M) float32 and their labels (B,).

        Raises:
            InputError: if clips without depth are to be rotated.
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
        # Sampled last, so that the order and the crops do not depend on rotation.
        angles = sample_rotations(len(self), generator, crop.max_pitch, crop.max_yaw)
        offsets = None
        if crop.joint_noise:
            shape = (len(self), self.layout.dims, *self.joints.shape[2:0:-1])
            offsets = crop.joint_noise * torch.randn(shape, generator=generator)
            offsets = offsets[order].to(device)
        plan = torch.stack([order, offset[order], kept[order]]).to(device)
        angles = angles[:, order].to(device)
        for part in torch.arange(len(self), device=device).split(batch_size):
            if world > 1:  # equal shares, if necessary with the first clips repeated
                size = -(-len(part) // world)
                mine = torch.arange(size, device=device) * world + rank
                part = part[mine % len(part)]
            x, label = self._batch(plan[:, part], crop)
            if crop.rotates:
                x = rotate_clips(x, angles[:, part])
            if offsets is not None:
                x = displace_joints(x, offsets[part])
            yield modality(x, self.layout, crop.modality), label

    def inference(
        self,
        batch_size: int,
        preprocessing: PreprocessingConfig | None = None,
        crop_number: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Make batches of all clips in order, with central crops by default.

        Args:
            batch_size: clips per batch; the last may be smaller.
            preprocessing: how to crop and resize, if not as in the constructor.
            crop_number: which of the ``test_crops``, from 0.

        Yields:
            Clips (B, C, T, N, M) float32 and their labels (B,).
        """
        crop = preprocessing or self.preprocessing
        offset, kept = spread_crops(
            self.lengths,
            crop.test_crop_ratio,
            crop.test_crop_rounding,
            crop.test_crops,
        )[crop_number]
        clips = torch.arange(len(self), device=self.joints.device)
        for part in torch.stack([clips, offset, kept]).split(batch_size, dim=1):
            x, label = self._batch(part, crop)
            yield modality(x, self.layout, crop.modality), label


def _centred_frames(
    dataset: PackedDataset,
    clips: np.ndarray,
    device: torch.device | str,
    preprocessing: PreprocessingConfig,
) -> Tensor:
    """Copy the frames of some clips to a device; align and centre them."""
    starts, lengths = (
        torch.from_numpy(np.asarray(each)[clips])
        for each in (dataset.starts, dataset.lengths)
    )
    _, frames = frame_indices(starts, lengths)
    joints = torch.from_numpy(np.asarray(dataset.joints)[frames.numpy()]).to(device)
    starts = (lengths.cumsum(0) - lengths).to(device)  # in the copied frames
    clips_of = starts, lengths.to(device), dataset.layout
    if preprocessing.align != "none":  # half precision is rounded once, at the end
        joints = align(joints.double(), *clips_of, preprocessing.align)
    return center(joints, *clips_of, preprocessing.origin)
