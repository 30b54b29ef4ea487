"""The whole network: streams, classifiers and their fusion (Fig. 2, Fig. 6).

Shapes use the paper's letters: a batch is (B, d, T, N, M), with d coordinates, T
frames, N joints and M bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from skellib.errors import check_choice
from skellib.initialisation import initialise
from skellib.models.blocks import LocalBlock, SLnLBlock
from skellib.models.frequency import FrequencyAttention
from skellib.models.normalisation import input_normalisation
from skellib.models.transform import TransformNetwork
from skellib.preprocessing import PADDINGS, velocity

FUSIONS = ("position", "velocity", "sum", "concatenation", "multi_task")
POOLINGS = ("time", "both")
BODIES = ("joints", "maximum")


class Stream(nn.Module):
    """One stream of Fig. 2: joints in, one feature vector per clip out.

    Input normalisation, transform network, frequency attention, ``M_1`` SLnL blocks,
    local blocks, and the average over time and joints. The arguments are those of
    :class:`SLnLRFA`.
    """

    def __init__(
        self,
        *,
        channels: int,
        joints: int,
        bodies: int,
        frames: int,
        normalisation: str,
        transform: str,
        coordinate_systems: int,
        new_joints: int,
        frequency_attention: str,
        reduction: int,
        slnl_blocks: int,
        axes: Sequence[str],
        embed_ratio: float,
        widths: Sequence[int],
        kernels: Sequence[int],
        order: str,
        pooling: str,
        combine_bodies: str,
        dropout: float,
        dropout_at: str,
    ) -> None:
        super().__init__()
        self.combine_bodies = combine_bodies
        self.pool = (2, 1) if pooling == "time" else (2, 2)
        stacked = joints * bodies if combine_bodies == "joints" else joints
        self.normalise = input_normalisation(normalisation, channels, stacked)
        self.transform = TransformNetwork(
            channels,
            stacked,
            kind=transform,
            coordinate_systems=coordinate_systems,
            new_joints=new_joints,
        )
        self.attention = FrequencyAttention(
            frames, self.transform.out_joints, frequency_attention, reduction
        )
        self.blocks = nn.ModuleList()
        width = self.transform.out_channels
        for i, (out, kernel) in enumerate(zip(widths, kernels, strict=True)):
            options: dict[str, Any] = {
                "kernel": kernel,
                "order": order,
                "dropout": dropout,
                "dropout_at": dropout_at,
            }
            if i < slnl_blocks:
                options |= {"axes": axes, "embed_ratio": embed_ratio}
            kind = SLnLBlock if i < slnl_blocks else LocalBlock
            self.blocks.append(kind(width, out, **options))
            width = out
        self.out_features = width

    def transformed(self, x: Tensor) -> Tensor:
        """``X'``: (B, d, T, N, M) to (B M', K d, T, N'), the attention's input.

        M' is 1 where the bodies are stacked as joints, else M.
        """
        b, d, t, n, m = x.shape
        if self.combine_bodies == "joints":
            x = x.transpose(3, 4).reshape(b, d, t, m * n)
        else:
            x = x.movedim(4, 1).reshape(b * m, d, t, n)
        return self.transform(self.normalise(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, d, T, N, M) to features (B, out_features)."""
        h = self.attention(self.transformed(x))
        for i, block in enumerate(self.blocks):
            h = block(h)
            if i % 2 == 1:
                h = max_pool2d(h, self.pool)
        h = h.mean((2, 3))
        if self.combine_bodies == "maximum":
            h = h.unflatten(0, (x.shape[0], -1)).amax(1)
        return h


class SLnLRFA(nn.Module):
    """SLnL-rFA, every variant of the paper's tables (Fig. 2, Fig. 6, Table XI).

    Without arguments beyond the data's shape this is the final model: both
    transforms, residual frequency attention, three SLnL blocks, two streams and three
    classifiers. Mutual learning changes the loss, not the network.

    Args:
        classes: number of classes.
        channels, joints, bodies, frames: ``d``, ``N``, ``M``, ``T`` of the input.
        normalisation: of the raw input, see :func:`input_normalisation`.
        transform: see :class:`TransformNetwork`.
        coordinate_systems: ``K``.
        new_joints: ``N'``.
        frequency_attention: see :class:`FrequencyAttention`.
        reduction: the ratio of its bottleneck.
        slnl_blocks: ``M_1``; the other blocks are local.
        axes: the non-local partners of those blocks, see :class:`SLnLBlock`.
        embed_ratio: ``L`` as a multiple of a block's output channels.
        widths: output channels of the blocks.
        kernels: ``k`` of all blocks, or one for each.
        order: see :class:`LocalBlock`.
        pooling: after every second block: over ``"time"``, or over ``"both"``.
        combine_bodies: ``"joints"``: bodies are stacked as further joints, one pass;
            ``"maximum"``: one pass for each body with shared weights, and the
            element-wise maximum of their features.
        dropout, dropout_at: in each block, see :class:`LocalBlock`.
        fusion: a row of Table X (Fig. 6): ``"position"`` or ``"velocity"``: one
            stream; ``"sum"``, ``"concatenation"`` of the features; ``"multi_task"``:
            concatenation, and a classifier for each stream beside.
        velocity_padding: see :func:`skellib.preprocessing.velocity`.
        initialisation: see :func:`initialise`.

    Raises:
        ValueError: for an unknown option, or more SLnL blocks than blocks.
    """

    def __init__(
        self,
        *,
        classes: int,
        channels: int = 3,
        joints: int = 25,
        bodies: int = 1,
        frames: int = 64,
        normalisation: str = "channels",
        transform: str = "both",
        coordinate_systems: int = 10,
        new_joints: int = 64,
        frequency_attention: str = "residual",
        reduction: int = 32,
        slnl_blocks: int = 3,
        axes: Sequence[str] = ("t", "s", "st"),
        embed_ratio: float = 1.0,
        widths: Sequence[int] = (64, 64, 128, 128, 256, 256),
        kernels: int | Sequence[int] = 3,
        order: str = "parallel",
        pooling: str = "time",
        combine_bodies: str = "joints",
        dropout: float = 0.2,
        dropout_at: str = "end",
        fusion: str = "multi_task",
        velocity_padding: str = "end",
        initialisation: str = "uniform",
    ) -> None:
        super().__init__()
        check_choice("fusion", fusion, FUSIONS)
        check_choice("pooling", pooling, POOLINGS)
        check_choice("combine_bodies", combine_bodies, BODIES)
        check_choice("velocity_padding", velocity_padding, PADDINGS)
        if not 0 <= slnl_blocks <= len(widths):
            raise ValueError(
                f"slnl_blocks is {slnl_blocks}, but there are {len(widths)} blocks"
            )
        if isinstance(kernels, int):
            kernels = (kernels,) * len(widths)
        names = (fusion,) if fusion in ("position", "velocity") else FUSIONS[:2]
        self.fusion, self.velocity_padding = fusion, velocity_padding
        self.streams = nn.ModuleDict()
        for name in names:
            self.streams[name] = Stream(
                channels=channels,
                joints=joints,
                bodies=bodies,
                frames=frames,
                normalisation=normalisation,
                transform=transform,
                coordinate_systems=coordinate_systems,
                new_joints=new_joints,
                frequency_attention=frequency_attention,
                reduction=reduction,
                slnl_blocks=slnl_blocks,
                axes=axes,
                embed_ratio=embed_ratio,
                widths=widths,
                kernels=kernels,
                order=order,
                pooling=pooling,
                combine_bodies=combine_bodies,
                dropout=dropout,
                dropout_at=dropout_at,
            )
        width = widths[-1]
        joined = 2 * width if fusion in ("concatenation", "multi_task") else width
        self.classifiers = nn.ModuleDict({"fused": nn.Linear(joined, classes)})
        if fusion == "multi_task":
            self.classifiers["position"] = nn.Linear(width, classes)
            self.classifiers["velocity"] = nn.Linear(width, classes)
        initialise(self, initialisation)

    def stream_inputs(self, x: Tensor) -> dict[str, Tensor]:
        """The input of each stream: the positions ``x``, or their velocity."""
        inputs = {}
        if "position" in self.streams:
            inputs["position"] = x
        if "velocity" in self.streams:
            inputs["velocity"] = velocity(x, self.velocity_padding)
        return inputs

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Features before the classifiers, by classifier.

        ``x`` (B, d, T, N, M) gives (B, 256) for each stream and, under ``"fused"``,
        what the deciding classifier sees: (B, 512) where features are concatenated.
        """
        inputs = self.stream_inputs(x)
        features = {name: self.streams[name](part) for name, part in inputs.items()}
        parts = list(features.values())
        if self.fusion in ("concatenation", "multi_task"):
            features["fused"] = torch.cat(parts, 1)
        else:
            features["fused"] = torch.stack(parts).sum(0)
        return features

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map (B, d, T, N, M) to logits (B, classes), by classifier.

        ``"fused"`` is always there and decides (Section III-E, inference by p^c); with
        ``fusion="multi_task"`` ``"position"`` and ``"velocity"`` are there too.
        """
        features = self.features(x)
        return {
            name: classifier(features[name])
            for name, classifier in self.classifiers.items()
        }
