"""The non-local module in one and two dimensions (Section III-C1, Eq. 6-11)."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from skellib.variants import AXES

# Every kernel but cuDNN's, whose gradient is not finite for products that are not
# scaled (PyTorch 2.11 in bfloat16 on an H200).
KERNELS = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


def _to_sequences(x: Tensor, axes: str) -> Tensor:
    """View (B, C, T, N) as (B, groups, positions, C): who attends to whom."""
    if axes == "t":  # every joint by itself, along time
        return x.permute(0, 3, 2, 1)
    if axes == "s":  # every frame by itself, along the joints
        return x.permute(0, 2, 3, 1)
    return x.flatten(2).transpose(1, 2).unsqueeze(1)


def _from_sequences(y: Tensor, axes: str, frames: int, joints: int) -> Tensor:
    """The inverse of :func:`_to_sequences`: (B, groups, positions, C) to images."""
    if axes == "t":
        return y.permute(0, 3, 2, 1)
    if axes == "s":
        return y.permute(0, 3, 1, 2)
    return y.squeeze(1).transpose(1, 2).unflatten(2, (frames, joints))


class ZeroConv(nn.Conv2d):
    """A 1 x 1 convolution without bias whose weights start at zero (``W_w``)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, bias=False)

    def reset_parameters(self) -> None:
        super().reset_parameters()  # draws as any layer does, then forgets it
        nn.init.zeros_(self.weight)


class NonLocal(nn.Module):
    """An embedded-Gaussian non-local module (Eq. 6-11; Fig. 4a), no residual inside.

    ``y_i = W_w sum_j softmax_j(phi(x_i) . psi(x_j)) g(x_j)``, j over all positions.
    The product is not scaled (Eq. 8), and ``W_w`` starts at zero, so that a new
    module adds nothing to what it is merged into.

    Args:
        in_channels: ``P``.
        out_channels: ``Q``.
        embed_channels: ``L``.
        axes: ``"t"``: the positions are the frames of one joint; ``"s"``: the joints
            of one frame; ``"st"``: all joints of all frames.

    Raises:
        ValueError: for unknown ``axes``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embed_channels: int,
        axes: str = "st",
    ) -> None:
        super().__init__()
        self.axes = AXES.check(axes)
        self.phi = nn.Conv2d(in_channels, embed_channels, 1, bias=False)  # Eq. 9
        self.psi = nn.Conv2d(in_channels, embed_channels, 1, bias=False)  # Eq. 10
        self.g = nn.Conv2d(in_channels, out_channels, 1, bias=False)  # Eq. 7
        self.w = ZeroConv(out_channels)  # Eq. 11

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, P, T, N) to (B, Q, T, N)."""
        frames, joints = x.shape[-2:]
        # scaled_dot_product_attention never stores the positions x positions matrix.
        with sdpa_kernel(KERNELS) if x.is_cuda else nullcontext():
            y = scaled_dot_product_attention(
                _to_sequences(self.phi(x), self.axes),
                _to_sequences(self.psi(x), self.axes),
                _to_sequences(self.g(x), self.axes),
                scale=1.0,
            )
        return self.w(_from_sequences(y, self.axes, frames, joints))

    @torch.no_grad()
    def affinity(self, x: Tensor) -> Tensor:
        """The weights with which each position looks at the others (Eq. 6, 8).

        ``x`` (B, P, T, N) gives (B, groups, positions, positions), rows summing to 1;
        groups and positions are (N, T) for ``"t"``, (T, N) for ``"s"`` and (1, T N)
        for ``"st"``. For pictures: this does store the matrix.
        """
        phi = _to_sequences(self.phi(x), self.axes)
        psi = _to_sequences(self.psi(x), self.axes)
        return torch.softmax(phi @ psi.transpose(-1, -2), dim=-1)

    def extra_repr(self) -> str:
        return f"axes={self.axes!r}"
