"""AGCN, the stream of 2s-AGCN: an adaptive graph (L. Shi et al., CVPR 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from skellib.peers.graph import GraphNetwork, convolution, shortcut


class AdaptiveConvolution(nn.Module):
    """Mix the joints by an adaptive graph, ``sum_k W_k f (A_k + B_k + C_k)`` (Eq. 3).

    ``A`` is the skeleton, ``B`` is learnt for all clips, and ``C`` is computed for each
    clip: the softmax over j of ``theta(x_i) . phi(x_j)`` (Eq. 4-5). Here the product is
    averaged over channels and frames, since the plain sum saturates the softmax. The
    paper initialises ``B``, ``theta`` and ``phi`` to zero; if both factors of a product
    are zero, neither learns, and so ``theta`` and ``phi`` are not.

    Args:
        in_channels, out_channels: channels before and after.
        adjacency: ``A``, (3, N, N).
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.adjacency: Tensor
        self.register_buffer("adjacency", adjacency, persistent=False)
        subsets, embed = len(adjacency), out_channels // 4
        self.learnt = nn.Parameter(torch.empty_like(adjacency))
        self.theta = nn.Conv2d(in_channels, subsets * embed, 1)
        self.phi = nn.Conv2d(in_channels, subsets * embed, 1)
        self.convolution = nn.Conv2d(in_channels, subsets * out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.residual = shortcut(in_channels, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Begin with the skeleton alone."""
        nn.init.zeros_(self.learnt)

    def similarity(self, x: Tensor) -> Tensor:
        """Compute ``C`` of clips (B, C, T, N): (B, 3, N, N), whose rows sum to 1."""
        subsets = len(self.adjacency)
        theta, phi = (
            layer(x).unflatten(1, (subsets, -1)).flatten(2, 3)  # (B, 3, C T, N)
            for layer in (self.theta, self.phi)
        )
        return (theta.mT @ phi / theta.shape[2]).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to (B, C', T, N)."""
        graph = self.adjacency + self.learnt + self.similarity(x)
        h = self.convolution(x).unflatten(1, (graph.shape[1], -1))
        h = self.norm(torch.einsum("bkctn,bkmn->bctm", h, graph))
        return relu(h + self.residual(x))


class AGCN(GraphNetwork):
    """Classify clips by one stream of 2s-AGCN: joints, or bones.

    2s-AGCN is the sum of the scores of two such networks, one of which is trained on
    bones. Table XI counts its layers alone: 3.451 M parameters and 3.994 G operations a
    stream (NTU, 64 frames, two bodies), 6.902 M and 7.987 G in all. The learnt graphs
    ``B``, 3 x 25 x 25 in each of ten blocks, are 0.019 M more, since the profiler looks
    into layers only: 3.470 M a stream.

    Args:
        shape: arguments of :class:`skellib.peers.graph.GraphNetwork`.
    """

    def __init__(self, **shape: Any) -> None:
        super().__init__(AdaptiveConvolution, temporal_convolution, **shape)


def temporal_convolution(channels: int, stride: int) -> nn.Module:
    """Build the temporal unit: 9 frames and batch normalisation."""
    return convolution(channels, channels, kernel=9, stride=stride)
