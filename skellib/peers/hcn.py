"""HCN, hierarchical co-occurrence of joints (C. Li et al., IJCAI 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from skellib.layouts import Layout
from skellib.models import FrequencyAttention
from skellib.peers.graph import scaled
from skellib.preprocessing import velocity
from skellib.variants import NORMALISATIONS


def _halve() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)  # so that any number of frames passes


class CoOccurrence(nn.Module):
    """Compute the features of a body's positions or velocities (conv1 to conv4).

    The first two layers see one joint each. Then joints become channels, so that conv3
    sees all joints of a frame at once: their co-occurrence.

    Args:
        in_channels, joints, frames: ``d``, ``N`` and ``T`` of a clip.
        normalisation: a name in :data:`skellib.variants.NORMALISATIONS`.
        channels: output channels of the four layers.
        dropout: probability of dropping a channel.
        attention: kind of frequency attention before the first layer, not in the paper.
        reduction: reduction ratio of the attention.
    """

    def __init__(
        self,
        in_channels: int,
        joints: int,
        frames: int,
        normalisation: str,
        channels: list[int],
        dropout: float,
        attention: str,
        reduction: int,
    ) -> None:
        super().__init__()
        one, two, three, four = channels
        self.normalise = NORMALISATIONS.find(normalisation)(in_channels, joints)
        self.attention = FrequencyAttention(frames, joints, attention, reduction)
        self.conv1 = nn.Conv2d(in_channels, one, 1)
        self.conv2 = nn.Conv2d(one, two, (3, 1), padding=(1, 0))
        self.conv3 = nn.Conv2d(joints, three, 3, padding=1)
        self.conv4 = nn.Conv2d(three, four, 3, padding=1)
        self.dropout, self.pool = nn.Dropout2d(dropout), _halve()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, d, T, N) to (B, C, T / 4, C_2 / 4); C_2 are conv2's channels."""
        h = self.conv2(relu(self.conv1(self.attention(self.normalise(x)))))
        h = self.pool(self.conv3(h.transpose(1, 3)))
        return self.pool(self.dropout(self.conv4(h)))


class HCN(nn.Module):
    """Classify clips by HCN: positions and velocities, the maximum over bodies.

    Table XI's 2.648 M parameters and 0.393 G operations (NTU, 64 frames, two bodies)
    are of the reproduction that its footnote names. That one has 64 channels in conv2
    and 512 in fc7, for 64 frames; the paper has half of both, for 32 frames.

    Args:
        num_classes: number of classes.
        layout: skeleton layout with N joints; its bones are not used.
        in_channels, frames: ``d`` and ``T`` of a clip.
        bodies: not used; bodies share all weights.
        width: factor of all channels.
        normalisation: normalisation of the input, in
            :data:`skellib.variants.NORMALISATIONS`; the paper has none. That of our
            network adds 12 parameters.
        dropout: probability of dropping a channel, or an element of the last features.
        velocity_padding: as of :func:`skellib.preprocessing.velocity`.
        frequency_attention, reduction: as of
            :class:`skellib.models.FrequencyAttention`, which comes before the first
            layer of both streams; the paper has none.
    """

    CHANNELS = (64, 64, 32, 64, 128, 256, 512)

    def __init__(
        self,
        *,
        num_classes: int,
        layout: Layout,
        in_channels: int = 3,
        bodies: int = 2,
        frames: int = 64,
        width: float = 1.0,
        normalisation: str = "none",
        dropout: float = 0.5,
        velocity_padding: str = "end",
        frequency_attention: str = "none",
        reduction: int = 32,
    ) -> None:
        super().__init__()
        self.velocity_padding = velocity_padding
        *first, five, six, seven = (scaled(each, width) for each in self.CHANNELS)
        self.streams = nn.ModuleDict(
            {
                name: CoOccurrence(
                    in_channels,
                    layout.size,
                    frames,
                    normalisation,
                    first,
                    dropout,
                    frequency_attention,
                    reduction,
                )
                for name in ("position", "velocity")
            }
        )
        self.conv5 = nn.Conv2d(2 * first[-1], five, 3, padding=1)
        self.conv6 = nn.Conv2d(five, six, 3, padding=1)
        self.drop_channels, self.pool = nn.Dropout2d(dropout), _halve()
        self.fc7 = nn.Linear(six * -(-frames // 16) * -(-first[1] // 16), seven)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(seven, num_classes)

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Map clips (B, d, T, N, M) to the features (B, 512) of the classifier."""
        moving = velocity(x, self.velocity_padding)
        parts = [
            stream(each.movedim(4, 1).flatten(0, 1))
            for stream, each in zip(self.streams.values(), (x, moving))
        ]
        h = torch.cat(parts, 1)
        for layer in (self.conv5, self.conv6):
            h = self.pool(self.drop_channels(relu(layer(h))))
        h = h.flatten(1).unflatten(0, (len(x), -1)).amax(1)  # over bodies
        return {"fused": self.dropout(relu(self.fc7(h)))}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map clips (B, d, T, N, M) to logits (B, classes) under ``"fused"``."""
        return {"fused": self.classifier(self.features(x)["fused"])}
