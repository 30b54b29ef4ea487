"""The transform network: new joints and new coordinate systems (Section III-A).

Both transforms are linear and have no activation between them, so that their order does
not change the result. The skeleton transform comes first because it then operates on
``d`` channels instead of ``K d``.
"""

from __future__ import annotations

from torch import Tensor, nn

from skellib.variants import TRANSFORMS, resolve


def two_convolutions(in_channels: int, out_channels: int) -> nn.Module:
    """Build the CNN that Table V compares with: two linear 3 x 3 convolutions."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
    )


class TransformNetwork(nn.Module):
    """Apply learnt transforms to a skeleton sequence (Section III-A; Table V).

    Args:
        channels: ``d``, number of coordinates of a joint.
        joints: ``N``, number of joints of the input.
        kind: a row of Table V, a name in :data:`skellib.variants.TRANSFORMS`.
            ``"none"``: the raw data; ``"coordinate"``: each joint in ``K`` oblique
            coordinate systems, ``J_i = C_i^T J_0``; ``"skeleton"``: ``N'`` joints, each
            a linear combination of the ``N``, ``S' = W_s S``; ``"both"``; ``"cnn"``:
            two linear convolutions.
        coordinate_systems: ``K``, number of coordinate systems.
        new_joints: ``N'``, number of new joints.

    Attributes:
        out_channels: ``K d`` if coordinates are transformed, else ``d``.
        out_joints: ``N'`` if joints are transformed, else ``N``.

    Raises:
        ValueError: if ``kind`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> transform = sk.TransformNetwork(3, 20, coordinate_systems=4, new_joints=32)
        >>> transform(torch.zeros(2, 3, 16, 20)).shape  # (B, K d, T, N')
        torch.Size([2, 12, 16, 32])
    """

    def __init__(
        self,
        channels: int,
        joints: int,
        *,
        kind: str = "both",
        coordinate_systems: int = 10,
        new_joints: int = 64,
    ) -> None:
        super().__init__()
        variant = TRANSFORMS.find(kind)
        wide = coordinate_systems * channels
        self.kind = kind
        self.out_channels = wide if variant.coordinates or variant.build else channels
        self.out_joints = new_joints if variant.joints else joints
        if variant.joints:
            self.skeleton = nn.Linear(joints, new_joints, bias=False)  # W_s
        if variant.coordinates:
            self.coordinate = nn.Linear(channels, wide, bias=False)  # C^T
        if variant.build:
            self.other = resolve(variant.build)(channels, wide)
        self.variant = variant

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``x`` (B, d, T, N) to ``X'`` (B, out_channels, T, out_joints)."""
        if self.variant.joints:
            x = self.skeleton(x)
        if self.variant.coordinates:
            x = self.coordinate(x.movedim(1, -1)).movedim(-1, 1)
        return self.other(x) if self.variant.build else x

    def extra_repr(self) -> str:
        return f"kind={self.kind!r}"
