"""Normalise the raw input, "to normalize the scale" (Section IV-A).

The paper does not say over which axes. Each entry of
:data:`skellib.variants.NORMALISATIONS` builds one interpretation from ``d`` and ``N``.
"""

from __future__ import annotations

from torch import Tensor, nn


class JointNormalisation(nn.BatchNorm1d):
    """Normalise each coordinate of each joint separately, as ST-GCN does.

    :class:`torch.nn.BatchNorm2d` instead normalises each coordinate over all joints,
    which preserves the proportions of the skeleton.

    Args:
        channels: ``d``, number of coordinates.
        joints: ``N``, number of joints.
    """

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__(channels * joints)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, N) to the same shape."""
        joints = x.shape[-1]
        flat = x.transpose(2, 3).flatten(1, 2)  # (B, C N, T)
        return super().forward(flat).unflatten(1, (-1, joints)).transpose(2, 3)


def channel_normalisation(channels: int, joints: int) -> nn.Module:
    """Build batch normalisation of each coordinate over all joints."""
    return nn.BatchNorm2d(channels)


def no_normalisation(channels: int, joints: int) -> nn.Module:
    """Build the identity."""
    return nn.Identity()
