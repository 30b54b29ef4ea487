"""The transform network: new joints and new coordinate systems (Section III-A).

Both transforms are linear and have no activation between them, so that their order
does not change the result; the skeleton transform goes first because it then works on
``d`` channels instead of ``K d``.
"""

from __future__ import annotations

from torch import Tensor, nn

from skellib.variants import TRANSFORMS, resolve


def two_convolutions(in_channels: int, out_channels: int) -> nn.Module:
    """Build the CNN of the same depth that Table V compares with: linear, 3 x 3."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
    )


class TransformNetwork(nn.Module):
    """Adaptive transforms of a skeleton sequence (Section III-A; Table V).

    Args:
        channels: ``d``, the coordinates of a joint.
        joints: ``N``, the joints of the input.
        kind: a row of Table V, by :data:`skellib.variants.TRANSFORMS`. ``"none"``: raw
            data; ``"coordinate"``: every joint in ``K`` oblique coordinate systems,
            ``J_i = C_i^T J_0``; ``"skeleton"``: ``N'`` joints, each a combination of
            the ``N``, ``S' = W_s S``; ``"both"``; ``"cnn"``: two linear convolutions.
        coordinate_systems: ``K``.
        new_joints: ``N'``.

    Attributes:
        out_channels: ``K d`` where coordinates are transformed, else ``d``.
        out_joints: ``N'`` where joints are transformed, else ``N``.

    Raises:
        ValueError: for an unknown ``kind``.
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
