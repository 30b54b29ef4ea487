"""ST-GCN, spatial temporal graph convolution (S. Yan et al., AAAI 2018)."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from skellib.peers.graph import GraphNetwork, convolution


class SpatialConvolution(nn.Module):
    """Mix the joints of a frame along the bones, ``sum_k W_k f (A_k * M_k)``.

    Args:
        in_channels, out_channels: channels before and after.
        adjacency: (3, N, N) of :func:`skellib.peers.graph.spatial_partition`.
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.adjacency: Tensor
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.importance = nn.Parameter(torch.empty_like(adjacency))
        self.convolution = nn.Conv2d(in_channels, len(adjacency) * out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make all bones equally important (Section 3.5)."""
        nn.init.ones_(self.importance)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to (B, C', T, N)."""
        graph = self.adjacency * self.importance
        h = self.convolution(x).unflatten(1, (len(graph), -1))
        return relu(self.norm(torch.einsum("bkctn,kmn->bctm", h, graph)))


def temporal_convolution(channels: int, stride: int, dropout: float) -> nn.Module:
    """Build the temporal unit: 9 frames, batch normalisation, dropout."""
    layers = convolution(channels, channels, kernel=9, stride=stride)
    return layers.append(nn.Dropout(dropout))


class STGCN(GraphNetwork):
    """Classify clips by ST-GCN with spatial partitioning.

    Table XI's 3.099 M parameters and 3.492 G operations (NTU, 64 frames, two bodies)
    are those of the released network, which has ten blocks; the paper speaks of nine.

    Args:
        dropout: probability of dropping an element at the end of a unit.
        shape: further arguments of :class:`skellib.peers.graph.GraphNetwork`.
    """

    def __init__(self, *, dropout: float = 0.5, **shape: Any) -> None:
        temporal = partial(temporal_convolution, dropout=dropout)
        super().__init__(
            SpatialConvolution, temporal, shared_normalisation=True, **shape
        )
