"""The non-local module in one and two dimensions (Section III-C1, Eq. 6-11)."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, scaled_dot_product_attention

from skellib.variants import AXES

# All kernels but cuDNN's, whose gradient is not finite for unscaled products (PyTorch
# 2.11 in bfloat16 on an H200).
KERNELS = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


def _to_sequences(x: Tensor, axes: str) -> Tensor:
    """Rearrange (B, C, T, N) to (B, groups, positions, C): attend within a group."""
    if axes == "t":  # along time, each joint separately
        return x.permute(0, 3, 2, 1)
    if axes == "s":  # along the joints, each frame separately
        return x.permute(0, 2, 3, 1)
    return x.flatten(2).transpose(1, 2).unsqueeze(1)


def _from_sequences(y: Tensor, axes: str, frames: int, joints: int) -> Tensor:
    """Invert :func:`_to_sequences`: (B, groups, positions, C) to (B, C, T, N)."""
    if axes == "t":
        return y.permute(0, 3, 2, 1)
    if axes == "s":
        return y.permute(0, 3, 1, 2)
    return y.squeeze(1).transpose(1, 2).unflatten(2, (frames, joints))


def _attend(query: Tensor, key: Tensor, value: Tensor, axes: str) -> Tensor:
    """Sum values by the softmax of unscaled products of queries and keys (Eq. 6, 8)."""
    if axes != "st" and query.device.type == "cpu":
        # A matrix of frames or of joints is small, and faster than the fused kernel.
        return torch.softmax(query @ key.transpose(-1, -2), dim=-1) @ value
    # scaled_dot_product_attention does not store the (positions, positions) matrix.
    with sdpa_kernel(KERNELS) if query.is_cuda else nullcontext():
        return scaled_dot_product_attention(query, key, value, scale=1.0)


class ZeroConv(nn.Conv2d):
    """Apply a 1 x 1 convolution without bias, initialised to zero (``W_w``)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, bias=False)

    def reset_parameters(self) -> None:
        # Use up as many random numbers as any layer, so that later layers agree.
        super().reset_parameters()
        nn.init.zeros_(self.weight)


class NonLocal(nn.Module):
    """Apply an embedded-Gaussian non-local module (Eq. 6-11; Fig. 4a).

    ``y_i = W_w sum_j softmax_j(phi(x_i) . psi(x_j)) g(x_j)``, over all positions j.
    The product is not scaled (Eq. 8). There is no residual connection, and ``W_w`` is
    zero at first, so that a new module contributes nothing.

    Args:
        in_channels: ``P``, channels of the input.
        out_channels: ``Q``, channels of the output.
        embed_channels: ``L``, channels of the embeddings phi and psi.
        axes: what the positions are: ``"t"``, the frames of one joint; ``"s"``, the
            joints of one frame; ``"st"``, all joints of all frames.

    Raises:
        ValueError: if ``axes`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> module = sk.NonLocal(3, 8, embed_channels=8, axes="t")
        >>> x = torch.rand(2, 3, 16, 20)  # (B, C, T, N)
        >>> module(x).shape, module.affinity(x).shape
        (torch.Size([2, 8, 16, 20]), torch.Size([2, 20, 16, 16]))
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
        if x.device.type == "cpu":  # on a GPU it has not been measured
            y = self._by_few_products(_to_sequences(x, self.axes).contiguous())
            return _from_sequences(y, self.axes, frames, joints)
        y = _attend(
            _to_sequences(self.phi(x), self.axes),
            _to_sequences(self.psi(x), self.axes),
            _to_sequences(self.g(x), self.axes),
            self.axes,
        )
        return self.w(_from_sequences(y, self.axes, frames, joints))

    def _by_few_products(self, x: Tensor) -> Tensor:
        """Compute the same for sequences (B, groups, positions, P) with fewer products.

        The sum over j is linear, so ``W_w W_g`` can be applied as one matrix before or
        after it; and ``phi(x_i) . psi(x_j) = (W_psi^T W_phi x_i) . x_j``. Whichever
        needs the shorter vectors is computed.
        """
        w_phi, w_psi, w_g, w_w = (
            layer.weight.flatten(1) for layer in (self.phi, self.psi, self.g, self.w)
        )
        (embed, inputs), outputs = w_phi.shape, len(w_g)
        if 2 * inputs <= embed + outputs:
            query = linear(x, w_psi.T @ w_phi)
            return linear(_attend(query, x, x, self.axes), w_w @ w_g)
        projected = linear(x, torch.cat([w_phi, w_psi, w_w @ w_g]))
        query, key, value = projected.split([embed, embed, outputs], -1)
        return _attend(query, key, value, self.axes)

    @torch.no_grad()
    def affinity(self, x: Tensor) -> Tensor:
        """Compute the attention weights between positions, for figures (Eq. 6, 8).

        Args:
            x: (B, P, T, N).

        Returns:
            (B, groups, positions, positions) with rows that sum to 1. The numbers of
            groups and positions are N and T for ``"t"``, T and N for ``"s"``, 1 and
            T N for ``"st"``.
        """
        phi = _to_sequences(self.phi(x), self.axes)
        psi = _to_sequences(self.psi(x), self.axes)
        return torch.softmax(phi @ psi.transpose(-1, -2), dim=-1)

    def extra_repr(self) -> str:
        return f"axes={self.axes!r}"
