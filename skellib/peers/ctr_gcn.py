"""CTR-GCN, channel-wise topology refinement (Y. Chen et al., ICCV 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from skellib.peers.graph import GraphNetwork, convolution, shortcut


class RefinedConvolution(nn.Module):
    """Mix the joints of each channel by a graph of its own (Section 3.2).

    The graph is ``A + alpha Q``: ``A`` is learnt for all clips, from the skeleton on;
    ``Q`` is computed for each clip and channel from the differences of the joints,
    ``xi(tanh(psi(x_i) - phi(x_j)))``, with psi and phi averaged over time.

    Args:
        in_channels, out_channels: channels before and after.
        adjacency: the skeleton, (3, N, N).
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.skeleton: Tensor
        self.register_buffer("skeleton", adjacency, persistent=False)
        subsets, embed = len(adjacency), max(8, in_channels // 8)
        self.topology = nn.Parameter(torch.empty_like(adjacency))
        self.alpha = nn.Parameter(torch.empty(1))
        self.psi = nn.Conv2d(in_channels, subsets * embed, 1)
        self.phi = nn.Conv2d(in_channels, subsets * embed, 1)
        self.xi = nn.Conv2d(subsets * embed, subsets * out_channels, 1, groups=subsets)
        self.convolution = nn.Conv2d(in_channels, subsets * out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.residual = shortcut(in_channels, out_channels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with the skeleton, not refined."""
        self.topology.copy_(self.skeleton)
        nn.init.zeros_(self.alpha)

    def refinement(self, x: Tensor) -> Tensor:
        """Compute ``Q`` of clips (B, C, T, N): (B, 3, C', N, N)."""
        psi, phi = (layer(x).mean(2) for layer in (self.psi, self.phi))
        pairs = torch.tanh(psi.unsqueeze(3) - phi.unsqueeze(2))
        return self.xi(pairs).unflatten(1, (len(self.skeleton), -1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to (B, C', T, N)."""
        graph = self.topology.unsqueeze(1) + self.alpha * self.refinement(x)
        h = self.convolution(x).unflatten(1, (graph.shape[1], -1))
        h = self.norm(torch.einsum("bkctn,bkcmn->bctm", h, graph))
        return relu(h + self.residual(x))


class MultiScaleConvolution(nn.Module):
    """Look at several spans of time in parallel (Fig. 4).

    A quarter of the channels each: convolutions over 5 frames, and over 5 with one
    between any two; the maximum of 3 frames; and a pointwise convolution.

    Args:
        channels: channels before and after, a multiple of 4.
        stride: stride over time.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        part = channels // 4
        branches: list[nn.Module] = []
        for dilation in (1, 2):
            span = nn.Conv2d(
                part,
                part,
                (5, 1),
                stride=(stride, 1),
                padding=(2 * dilation, 0),
                dilation=(dilation, 1),
            )
            layers = convolution(channels, part)
            branches.append(layers.extend([nn.ReLU(), span, nn.BatchNorm2d(part)]))
        maximum = nn.MaxPool2d((3, 1), stride=(stride, 1), padding=(1, 0))
        layers = convolution(channels, part)
        branches.append(layers.extend([nn.ReLU(), maximum, nn.BatchNorm2d(part)]))
        branches.append(convolution(channels, part, stride=stride))
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to (B, C, T', N)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class CTRGCN(GraphNetwork):
    """Classify clips by CTR-GCN, one modality of the four that its ensemble sums.

    It has 1.447 M parameters and needs 1.94 G multiply-accumulates (NTU, 64 frames, two
    bodies). The 1.46 M that is often quoted is for the 120 classes of NTU RGB+D 120.

    Args:
        shape: arguments of :class:`skellib.peers.graph.GraphNetwork`.
    """

    def __init__(self, **shape: Any) -> None:
        super().__init__(RefinedConvolution, MultiScaleConvolution, **shape)
