"""The normalisation of the raw input, "to normalize the scale" (Section IV-A).

The paper does not say of what; each function here takes ``d`` and ``N`` and builds one
reading, by :data:`skellib.variants.NORMALISATIONS`.
"""

from __future__ import annotations

from torch import Tensor, nn


class JointNormalisation(nn.BatchNorm1d):
    """Batch normalisation of each coordinate of each joint by itself.

    As ST-GCN and its followers normalise; :class:`torch.nn.BatchNorm2d` normalises
    each coordinate over all joints instead, which keeps the skeleton's proportions.
    """

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__(channels * joints)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to the same shape."""
        joints = x.shape[-1]
        flat = x.transpose(2, 3).flatten(1, 2)  # (B, C N, T)
        return super().forward(flat).unflatten(1, (-1, joints)).transpose(2, 3)


def over_channels(channels: int, joints: int) -> nn.Module:
    """Build the batch normalisation of each coordinate over all joints."""
    return nn.BatchNorm2d(channels)


def nothing(channels: int, joints: int) -> nn.Module:
    """Build no normalisation."""
    return nn.Identity()
