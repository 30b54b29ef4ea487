"""The method as a straightforward script would build it, to measure ours against.

Every part computes what the library's computes, with the same names of parameters: the
affinity matrix is stored and normalised, the whole complex spectrum is transformed,
feature maps are contiguous, clips are cropped and resized one by one, and Adam updates
one parameter at a time. Only the paper's own settings are there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, interpolate, max_pool2d

from skellib.data import PackedDataset
from skellib.settings import ModelConfig


class NonLocal(nn.Module):
    """Equations 6 to 11, with the affinity matrix in memory."""

    def __init__(self, inputs: int, outputs: int, axes: str) -> None:
        super().__init__()
        self.axes = axes
        self.phi = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.psi = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.g = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.w = nn.Conv2d(outputs, outputs, 1, bias=False)
        nn.init.zeros_(self.w.weight)

    def rows(self, x: Tensor) -> Tensor:
        """Arrange (B, C, T, N) as (groups, positions, C)."""
        if self.axes == "t":
            return x.permute(0, 3, 2, 1).flatten(0, 1)
        if self.axes == "s":
            return x.permute(0, 2, 3, 1).flatten(0, 1)
        return x.flatten(2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        b, _, t, n = x.shape
        phi, psi, g = (
            self.rows(self.phi(x)),
            self.rows(self.psi(x)),
            self.rows(self.g(x)),
        )
        affinity = torch.softmax(phi @ psi.transpose(1, 2), dim=-1)
        y = affinity @ g
        if self.axes == "t":
            y = y.reshape(b, n, t, -1).permute(0, 3, 2, 1)
        elif self.axes == "s":
            y = y.reshape(b, t, n, -1).permute(0, 3, 1, 2)
        else:
            y = y.transpose(1, 2).reshape(b, -1, t, n)
        return self.w(y.contiguous())


class Block(nn.Module):
    """A local block (Eq. 12), or an SLnL block with partners."""

    def __init__(
        self, inputs: int, outputs: int, k: int, axes: tuple[str, ...], drop: float
    ) -> None:
        super().__init__()
        p, self.drop = k // 2, drop
        self.temporal = nn.Conv2d(inputs, outputs, (k, 1), padding=(p, 0), bias=False)
        self.spatial = nn.Conv2d(inputs, outputs, (1, k), padding=(0, p), bias=False)
        self.spatiotemporal = nn.Conv2d(outputs, outputs, k, padding=p, bias=False)
        self.residual = (
            nn.Identity()
            if inputs == outputs
            else nn.Conv2d(inputs, outputs, 1, bias=False)
        )
        self.norm = nn.BatchNorm2d(outputs)
        self.partners = nn.ModuleDict(
            {
                axis: NonLocal(outputs if axis == "st" else inputs, outputs, axis)
                for axis in axes
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.temporal(x) + self.spatial(x)
        for axis in ("t", "s"):
            if axis in self.partners:
                h = h + self.partners[axis](x)
        y = self.spatiotemporal(h)
        if "st" in self.partners:
            y = y + self.partners["st"](h)
        y = torch.relu(self.norm(y + self.residual(x)))
        return dropout(y, self.drop, self.training)


class Mask(nn.Module):
    """A mask network (Eq. 2)."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Linear(size, hidden), nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.expand(self.reduce(x.flatten(1))))
        return weights.view(len(x), 1, *x.shape[-2:])


class FrequencyAttention(nn.Module):
    """Equations 1 to 5 on the full complex spectrum; the real part of the inverse."""

    def __init__(self, frames: int, joints: int, reduction: int) -> None:
        super().__init__()
        size = frames * joints
        self.cosine = Mask(size, max(1, size // reduction))
        self.sine = Mask(size, max(1, size // reduction))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(x)
        f_cos, f_sin = spectrum.real, spectrum.imag
        m_cos = self.cosine(f_cos.mean(1, keepdim=True))
        m_sin = self.sine(f_sin.mean(1, keepdim=True))
        masked = torch.complex(m_cos * f_cos, m_sin * f_sin)
        return x + torch.fft.ifft2(masked).real


class Transform(nn.Module):
    """The skeleton and the coordinate transform (Section III-A)."""

    def __init__(self, channels: int, joints: int, config: ModelConfig) -> None:
        super().__init__()
        systems = config.coordinate_systems
        self.skeleton = nn.Linear(joints, config.new_joints, bias=False)
        self.coordinate = nn.Linear(channels, systems * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.skeleton(x)
        return self.coordinate(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


class Stream(nn.Module):
    """One stream of Fig. 2, up to its features."""

    def __init__(
        self, channels: int, joints: int, frames: int, config: ModelConfig
    ) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels)
        self.transform: nn.Module = nn.Identity()
        self.attention: nn.Module = nn.Identity()
        width = channels
        if config.transform == "both":
            self.transform = Transform(channels, joints, config)
            width, joints = config.coordinate_systems * channels, config.new_joints
        if config.frequency_attention == "residual":
            self.attention = FrequencyAttention(frames, joints, config.reduction)
        self.blocks = nn.ModuleList()
        for i, (out, k) in enumerate(zip(config.channels, config.kernel_sizes)):
            axes = config.axes if i < config.slnl_blocks else ()
            self.blocks.append(Block(width, out, k, axes, config.dropout))
            width = out

    def forward(self, x: Tensor) -> Tensor:
        b, d, t, n, m = x.shape
        x = x.permute(0, 1, 2, 4, 3).reshape(b, d, t, m * n)
        h = self.attention(self.transform(self.normalise(x)))
        for i, block in enumerate(self.blocks):
            h = block(h)
            if i % 2 == 1:
                h = max_pool2d(h, (2, 1))
        return h.mean((2, 3))


class Network(nn.Module):
    """The two streams with their three classifiers (Fig. 6).

    Args:
        classes, channels, joints, bodies, frames: shape of the input and the output.
        config: configuration; transforms ``"both"`` or ``"none"``, frequency attention
            ``"residual"`` or ``"none"``, and the default of every other variant.
    """

    def __init__(
        self,
        classes: int,
        channels: int,
        joints: int,
        bodies: int,
        frames: int,
        config: ModelConfig,
    ) -> None:
        super().__init__()
        names, width = ("position", "velocity"), config.channels[-1]
        self.streams = nn.ModuleDict(
            {name: Stream(channels, joints * bodies, frames, config) for name in names}
        )
        self.classifiers = nn.ModuleDict({"fused": nn.Linear(2 * width, classes)})
        for name in names:
            self.classifiers[name] = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        v = torch.zeros_like(x)
        v[:, :, :-1] = x[:, :, 1:] - x[:, :, :-1]
        found = {
            "position": self.streams["position"](x),
            "velocity": self.streams["velocity"](v),
        }
        found["fused"] = torch.cat([found["position"], found["velocity"]], 1)
        return {name: self.classifiers[name](found[name]) for name in found}


def sample(clip: np.ndarray, offset: int, kept: int, frames: int) -> Tensor:
    """Centre, crop and resize one clip (T, M, N, C) to (C, frames, N, M)."""
    clip = clip.astype(np.float64)
    seen = (clip != 0).any(-1)
    centred = np.where(seen[..., None], clip - clip[0, 0, 0], 0.0)
    crop = torch.from_numpy(centred[offset : offset + kept].astype(np.float32))
    flat = crop.reshape(kept, -1).T[None]
    resized = interpolate(flat, size=frames, mode="linear")[0]
    return resized.T.reshape(frames, *clip.shape[1:]).permute(3, 0, 2, 1)


def batches(
    dataset: PackedDataset, batch_size: int, frames: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Make the batches of an epoch clip by clip, as a data loader's workers do."""
    for part in np.array_split(
        rng.permutation(len(dataset)), len(dataset) // batch_size
    ):
        clips = []
        for number in part:
            clip = np.asarray(dataset.clip(number))
            kept = max(1, round(rng.uniform(0.5, 1.0) * len(clip)))
            offset = rng.integers(len(clip) - kept + 1)
            clips.append(sample(clip, offset, kept, frames))
        label = torch.tensor([int(dataset.label[number]) for number in part])
        yield torch.stack(clips), label
