"""The transform network: new joints and new coordinate systems (Section III-A).

Both transforms are linear and have no activation between them, so that their order
does not change the result; the skeleton transform goes first because it then works on
``d`` channels instead of ``K d``.
"""

from __future__ import annotations

from torch import Tensor, nn

from skellib.errors import check_choice

KINDS = ("none", "coordinate", "skeleton", "both", "cnn")


class TransformNetwork(nn.Module):
    """Adaptive transforms of a skeleton sequence (Section III-A; Table V).

    Args:
        channels: ``d``, the coordinates of a joint.
        joints: ``N``, the joints of the input.
        kind: a row of Table V. ``"none"``: raw data; ``"coordinate"``: every joint
            in ``K`` oblique coordinate systems, ``J_i = C_i^T J_0``; ``"skeleton"``:
            ``N'`` joints, each a combination of the ``N``, ``S' = W_s S``;
            ``"both"``; ``"cnn"``: two linear 3 x 3 convolutions, the variant of the
            same depth.
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
        check_choice("transform", kind, KINDS)
        wide = coordinate_systems * channels
        self.out_channels = channels if kind in ("none", "skeleton") else wide
        self.out_joints = new_joints if kind in ("skeleton", "both") else joints
        if kind in ("skeleton", "both"):
            self.skeleton = nn.Linear(joints, new_joints, bias=False)  # W_s
        if kind in ("coordinate", "both"):
            self.coordinate = nn.Linear(channels, wide, bias=False)  # C^T
        if kind == "cnn":
            self.convolutions = nn.Sequential(
                nn.Conv2d(channels, wide, 3, padding=1, bias=False),
                nn.Conv2d(wide, wide, 3, padding=1, bias=False),
            )
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``x`` (B, d, T, N) to ``X'`` (B, out_channels, T, out_joints)."""
        if self.kind == "cnn":
            return self.convolutions(x)
        if self.kind in ("skeleton", "both"):
            x = self.skeleton(x)
        if self.kind in ("coordinate", "both"):
            x = self.coordinate(x.movedim(1, -1)).movedim(-1, 1)
        return x

    def extra_repr(self) -> str:
        return f"kind={self.kind!r}"
