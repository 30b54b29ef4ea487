"""The skeleton as a graph, and what the three graph networks have in common.

ST-GCN (Yan et al., AAAI 2018), 2s-AGCN (Shi et al., CVPR 2019) and CTR-GCN (Chen et
al., ICCV 2021) are stacks of ten blocks: a graph unit that mixes the joints of a frame,
a temporal unit, and a residual connection. They differ in the two units.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from torch import Tensor, nn
from torch.nn.functional import relu

from skellib.layouts import Layout
from skellib.models import FrequencyAttention
from skellib.models.normalisation import JointNormalisation

CHANNELS = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
"""Output channels of the blocks; where they double, the frames are halved."""


def spatial_partition(layout: Layout) -> Tensor:
    """Build the adjacency of a skeleton in three subsets (ST-GCN, Section 3.4).

    The neighbours of a joint, at most one bone away, are those as far from the centre
    as the joint itself (it is one of them), those nearer to the centre (centripetal)
    and those further away (centrifugal). Distances are numbers of bones to the nearest
    joint of ``layout.center``. Each subset is averaged, as in ST-GCN's definition; the
    rows of an empty one are zero.

    Args:
        layout: skeleton layout with N joints.

    Returns:
        (3, N, N) float32: with ``A[k]``, joint i receives ``A[k, i, j] x_j``.
    """
    linked = np.eye(layout.size, dtype=bool)
    for bone in layout.bones:
        linked[bone, bone[::-1]] = True
    centre = [joint for joint, _ in layout.center]
    away = shortest_path(linked, unweighted=True)[centre].min(0)
    step = away[None, :] - away[:, None]  # how much further j is than i
    subsets = linked & np.stack([step == 0, step < 0, step > 0])
    mean = subsets / subsets.sum(-1, keepdims=True).clip(1)
    return torch.tensor(mean, dtype=torch.float32)


def scaled(channels: int, width: float) -> int:
    """Multiply channels by a width, to a multiple of 8, as CTR-GCN's units require."""
    return max(8, 8 * round(channels * width / 8))


def convolution(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1
) -> nn.Sequential:
    """Build a convolution over time, (B, C, T, N), with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            (kernel, 1),
            stride=(stride, 1),
            padding=(kernel // 2, 0),
        ),
        nn.BatchNorm2d(out_channels),
    )


def shortcut(in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    """Build the identity, or a pointwise convolution if the shape changes."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return convolution(in_channels, out_channels, stride=stride)


class Block(nn.Module):
    """Apply a graph unit and a temporal unit, with a residual connection.

    Args:
        graph, temporal: the units.
        residual: residual path; None for the first block, which has none.
    """

    def __init__(
        self, graph: nn.Module, temporal: nn.Module, residual: nn.Module | None
    ) -> None:
        super().__init__()
        self.graph, self.temporal, self.residual = graph, temporal, residual

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to (B, C', T', N)."""
        h = self.temporal(self.graph(x))
        return relu(h if self.residual is None else h + self.residual(x))


class GraphNetwork(nn.Module):
    """Classify clips by ten blocks and the average over time, joints and bodies.

    Args:
        graph_unit: called with the channels before and after, and the adjacency of
            :func:`spatial_partition`.
        temporal_unit: called with the channels and the stride.
        shared_normalisation: whether bodies share the statistics and scales of the
            input's normalisation.
        num_classes: number of classes.
        layout: skeleton layout with N joints.
        in_channels, bodies, frames: ``d``, ``M`` and ``T`` of a clip.
        width: factor of all channels.
        frequency_attention, reduction: as of
            :class:`skellib.models.FrequencyAttention`, which comes before the first
            block; none of these papers has it.
    """

    def __init__(
        self,
        graph_unit: Callable[[int, int, Tensor], nn.Module],
        temporal_unit: Callable[[int, int], nn.Module],
        *,
        num_classes: int,
        layout: Layout,
        shared_normalisation: bool = False,
        in_channels: int = 3,
        bodies: int = 2,
        frames: int = 64,
        width: float = 1.0,
        frequency_attention: str = "none",
        reduction: int = 32,
    ) -> None:
        super().__init__()
        self.normalise = JointNormalisation(
            in_channels, layout.size * (1 if shared_normalisation else bodies)
        )
        self.shared_normalisation = shared_normalisation
        self.attention = FrequencyAttention(
            frames, layout.size, frequency_attention, reduction
        )
        adjacency, channels = spatial_partition(layout), in_channels
        self.blocks = nn.Sequential()
        for i, each in enumerate(CHANNELS):
            wider = i > 0 and each > CHANNELS[i - 1]
            out, stride = scaled(each, width), 2 if wider else 1
            residual = shortcut(channels, out, stride) if i else None
            graph = graph_unit(channels, out, adjacency)
            self.blocks.append(Block(graph, temporal_unit(out, stride), residual))
            channels = out
        self.classifier = nn.Linear(channels, num_classes)

    def normalised(self, x: Tensor) -> Tensor:
        """Normalise clips (B, d, T, N, M); return their bodies, (B M, d, T, N)."""
        bodies, joints = x.shape[4], x.shape[3]
        if self.shared_normalisation:
            return self.normalise(x.movedim(4, 1).flatten(0, 1))
        stacked = self.normalise(x.transpose(3, 4).flatten(3))  # (B, d, T, M N)
        return stacked.unflatten(3, (bodies, joints)).movedim(3, 1).flatten(0, 1)

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Map clips (B, d, T, N, M) to the features (B, 256) of the classifier."""
        h = self.blocks(self.attention(self.normalised(x)))
        return {"fused": h.mean((2, 3)).unflatten(0, (len(x), -1)).mean(1)}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map clips (B, d, T, N, M) to logits (B, classes) under ``"fused"``."""
        return {"fused": self.classifier(self.features(x)["fused"])}
