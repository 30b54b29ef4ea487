"""The whole network: streams, classifiers and their fusion (Fig. 2, Fig. 6).

Shapes use the symbols of the paper: a batch is (B, d, T, N, M), with d coordinates, T
frames, N joints and M bodies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from skellib.initialisation import initialise
from skellib.models.blocks import LocalBlock, SLnLBlock
from skellib.models.frequency import FrequencyAttention
from skellib.models.transform import TransformNetwork
from skellib.preprocessing import velocity
from skellib.settings import ModelConfig
from skellib.variants import FUSIONS, NORMALISATIONS, POOLINGS


class Stream(nn.Module):
    """Compute the features of one stream of Fig. 2.

    It consists of input normalisation, the transform network, frequency attention,
    ``M_1`` SLnL blocks, local blocks, and the average over time and joints.

    Args:
        channels: ``d``, coordinates of a joint.
        joints: ``N``, joints of a body.
        bodies: ``M``, bodies of a clip.
        frames: ``T``, frames of a clip.
        config: configuration of the network.

    Attributes:
        out_features: length of the feature vector.
    """

    def __init__(
        self, channels: int, joints: int, bodies: int, frames: int, config: ModelConfig
    ) -> None:
        super().__init__()
        self.combine_bodies = config.combine_bodies
        self.pool = POOLINGS.find(config.pooling)
        stacked = joints * bodies if config.combine_bodies == "joints" else joints
        self.normalise = NORMALISATIONS.find(config.normalisation)(channels, stacked)
        self.transform = TransformNetwork(
            channels,
            stacked,
            kind=config.transform,
            coordinate_systems=config.coordinate_systems,
            new_joints=config.new_joints,
        )
        self.attention = FrequencyAttention(
            frames,
            self.transform.out_joints,
            config.frequency_attention,
            config.reduction,
        )
        width = self.transform.out_channels
        local = config.model_dump(
            include={"order", "dropout", "dropout_kind", "dropout_at"}
        )
        slnl = config.model_dump(include={"axes", "embed_ratio"})
        self.blocks = nn.ModuleList()
        block: LocalBlock
        for i, (out, kernel) in enumerate(zip(config.channels, config.kernel_sizes)):
            if i < config.slnl_blocks:
                block = SLnLBlock(width, out, kernel=kernel, **local, **slnl)
            else:
                block = LocalBlock(width, out, kernel=kernel, **local)
            self.blocks.append(block)
            width = out
        self.out_features = width

    def transformed(self, x: Tensor) -> Tensor:
        """Compute ``X'``, the input of the attention (Section III-A).

        Args:
            x: (B, d, T, N, M).

        Returns:
            (B M', K d, T, N'); M' is 1 if bodies are stacked as joints, else M.
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
            if block.dropout_at == "pooled":
                h = block.get_submodule("dropout")(h)
        h = h.mean((2, 3))
        if self.combine_bodies == "maximum":
            h = h.unflatten(0, (x.shape[0], -1)).amax(1)
        return h


class SLnLRFA(nn.Module):
    """Classify clips by SLnL-rFA or one of its variants (Fig. 2, Fig. 6, Table XI).

    By default it is the final model of the paper: both transforms, residual frequency
    attention, three SLnL blocks, two streams and three classifiers. Mutual learning
    affects the loss, not the network.

    Args:
        num_classes: number of classes.
        in_channels: ``d``, coordinates of a joint.
        joints: ``N``, joints of a body.
        bodies: ``M``, bodies of a clip.
        frames: ``T``, frames of a clip.
        config: configuration of the network; that of the final model by default.
        options: settings of :class:`skellib.settings.ModelConfig` that differ from
            ``config``.

    Raises:
        ValueError: if an option or value is unknown, or ``slnl_blocks`` exceeds the
            number of blocks.

    Example:
        >>> import skellib as sk, torch
        >>> model = sk.SLnLRFA(num_classes=10, joints=20, frames=16)
        >>> logits = model(torch.zeros(2, 3, 16, 20, 1))  # (B, d, T, N, M)
        >>> {name: tuple(each.shape) for name, each in logits.items()}
        {'fused': (2, 10), 'position': (2, 10), 'velocity': (2, 10)}
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        joints: int = 25,
        bodies: int = 1,
        frames: int = 64,
        config: ModelConfig | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        given = config.model_dump() if config else {}
        config = ModelConfig(**{**given, **options})
        self.config, self.fusion = config, FUSIONS.find(config.fusion)
        unknown = {*self.fusion.streams} - {"position", "velocity"}
        if unknown:
            raise ValueError(f"fusion {config.fusion!r}: no input for {min(unknown)!r}")
        self.streams = nn.ModuleDict(
            {
                name: Stream(in_channels, joints, bodies, frames, config)
                for name in self.fusion.streams
            }
        )
        width = config.channels[-1]
        joined = len(self.streams) * width if self.fusion.concatenate else width
        self.classifiers = nn.ModuleDict({"fused": nn.Linear(joined, num_classes)})
        if self.fusion.classifiers:
            for name in self.streams:
                self.classifiers[name] = nn.Linear(width, num_classes)
        initialise(self, config.initialisation)

    def stream_inputs(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the input of each stream: positions ``x`` or their velocities.

        Args:
            x: (B, d, T, N, M).

        Returns:
            (B, d, T, N, M) for each stream, by name.
        """
        inputs = {}
        if "position" in self.streams:
            inputs["position"] = x
        if "velocity" in self.streams:
            inputs["velocity"] = velocity(x, self.config.velocity_padding)
        return inputs

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the features that the classifiers receive.

        Args:
            x: (B, d, T, N, M).

        Returns:
            Features by classifier: (B, 256) for each stream, and their sum (B, 256) or
            concatenation (B, 512) under ``"fused"``.
        """
        inputs = self.stream_inputs(x)
        features = {name: self.streams[name](part) for name, part in inputs.items()}
        parts = list(features.values())
        if self.fusion.concatenate:
            features["fused"] = torch.cat(parts, 1)
        else:
            features["fused"] = torch.stack(parts).sum(0)
        return features

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the logits of each classifier.

        Args:
            x: (B, d, T, N, M).

        Returns:
            Logits (B, classes) by classifier: ``"fused"``, which predicts the class
            (p^c in Section III-E), and with ``fusion="multi_task"`` also
            ``"position"`` and ``"velocity"``.
        """
        features = self.features(x)
        return {
            name: classifier(features[name])
            for name, classifier in self.classifiers.items()
        }
