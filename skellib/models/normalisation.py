"""The normalisation of the raw input, which takes the place of a chosen scale."""

from __future__ import annotations

from torch import Tensor, nn

from skellib.errors import check_choice

NORMALISATIONS = ("channels", "joints", "none")


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


def input_normalisation(kind: str, channels: int, joints: int) -> nn.Module:
    """The first layer of a stream: "to normalize the scale" (IV-A), not of what.

    Args:
        kind: ``"channels"``: batch normalisation of each coordinate over all joints;
            ``"joints"``: of each coordinate of each joint; ``"none"``.
        channels: ``d``.
        joints: ``N``, those of all bodies where they are stacked.

    Raises:
        ValueError: for an unknown ``kind``.
    """
    check_choice("normalisation", kind, NORMALISATIONS)
    if kind == "channels":
        return nn.BatchNorm2d(channels)
    return JointNormalisation(channels, joints) if kind == "joints" else nn.Identity()
