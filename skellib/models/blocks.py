"""Local blocks and synchronous local and non-local blocks (Section III-C, Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import relu

from skellib.models.nonlocal_ import NonLocal
from skellib.variants import DROPOUT_PLACES, DROPOUTS, ORDERS


def _convolution(in_channels: int, out_channels: int, k_t: int, k_s: int) -> nn.Conv2d:
    """Build a convolution that keeps (T, N); batch normalisation supplies the bias."""
    padding = (k_t // 2, k_s // 2)
    return nn.Conv2d(in_channels, out_channels, (k_t, k_s), padding=padding, bias=False)


class LocalBlock(nn.Module):
    """Apply the baseline block, with local units only (Fig. 4b, Eq. 12).

    A temporal (k x 1) and a spatial (1 x k) convolution are applied in parallel and
    summed. A spatio-temporal convolution (k x k) follows, then the residual connection,
    batch normalisation, ReLU and dropout.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: kernel size ``k``, odd.
        order: ``"parallel"``, as above; or ``"sequential"``: temporal, then spatial,
            then spatio-temporal.
        dropout: probability of dropping an element or a channel.
        dropout_kind: what is dropped: ``"element"``, a single value; or ``"channel"``,
            a whole channel of a clip.
        dropout_at: position of dropout: ``"end"``, the output of the block;
            ``"inside"``, the input of the spatio-temporal unit; or ``"pooled"``: the
            caller applies ``self.dropout`` after the pooling that follows. The paper
            says only that each block has dropout.

    Raises:
        ValueError: if ``order``, ``dropout_kind`` or ``dropout_at`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> block = sk.LocalBlock(in_channels=3, out_channels=8)
        >>> block(torch.zeros(2, 3, 16, 20)).shape  # (B, C, T, N)
        torch.Size([2, 8, 16, 20])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        order: str = "parallel",
        dropout: float = 0.2,
        dropout_kind: str = "element",
        dropout_at: str = "end",
    ) -> None:
        super().__init__()
        self.order = ORDERS.check(order)
        self.dropout_at = DROPOUT_PLACES.check(dropout_at)
        spatial_in = in_channels if order == "parallel" else out_channels
        self.temporal = _convolution(in_channels, out_channels, kernel, 1)
        self.spatial = _convolution(spatial_in, out_channels, 1, kernel)
        self.spatiotemporal = _convolution(out_channels, out_channels, kernel, kernel)
        same = in_channels == out_channels
        self.residual = (
            nn.Identity() if same else _convolution(in_channels, out_channels, 1, 1)
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.dropout = DROPOUTS.find(dropout_kind)(dropout)

    def unit_t(self, x: Tensor) -> Tensor:
        """Apply the temporal unit to (B, in_channels, T, N)."""
        return self.temporal(x)

    def unit_s(self, x: Tensor) -> Tensor:
        """Apply the spatial unit to (B, in_channels or out_channels, T, N)."""
        return self.spatial(x)

    def unit_st(self, x: Tensor) -> Tensor:
        """Apply the spatio-temporal unit to (B, out_channels, T, N)."""
        return self.spatiotemporal(x)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, T, N) to (B, out_channels, T, N)."""
        if self.order == "parallel":
            h = self.unit_t(x) + self.unit_s(x)
        else:
            h = self.unit_s(self.unit_t(x))
        if self.dropout_at == "inside":
            h = self.dropout(h)
        h = relu(self.norm(self.unit_st(h) + self.residual(x)))
        return self.dropout(h) if self.dropout_at == "end" else h


class SLnLBlock(LocalBlock):
    """Apply a synchronous local and non-local block (Section III-C, Fig. 4c).

    Each unit of a local block has a non-local partner with the same input, and the two
    outputs are summed, so that detailed and semantic features are extracted together.
    Since ``W_w`` is zero at first, a new block computes exactly what its local block
    computes.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        axes: units that have a non-local partner: ``("t",)`` is the paper's tSLnL,
            ``("s",)`` its sSLnL and ``("t", "s", "st")`` its SLnL (Table IX).
        embed_ratio: ``L`` divided by ``out_channels``.
        local: further arguments of :class:`LocalBlock`.

    Raises:
        ValueError: if one of ``axes``, or an argument in ``local``, is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> block = sk.SLnLBlock(in_channels=3, out_channels=8, axes=("t", "s"))
        >>> block(torch.zeros(2, 3, 16, 20)).shape  # (B, C, T, N)
        torch.Size([2, 8, 16, 20])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        axes: Sequence[str] = ("t", "s", "st"),
        embed_ratio: float = 1.0,
        **local: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, **local)
        units = {"t": self.temporal, "s": self.spatial, "st": self.spatiotemporal}
        embed = max(1, round(embed_ratio * out_channels))
        # Not `units[axis]`: unknown axes must reach NonLocal, which reports them.
        self.partners = nn.ModuleDict(
            {
                axis: NonLocal(
                    units.get(axis, self.spatiotemporal).in_channels,
                    out_channels,
                    embed,
                    axes=axis,
                )
                for axis in axes
            }
        )

    def _with_partner(self, axis: str, x: Tensor, local: Tensor) -> Tensor:
        return local + self.partners[axis](x) if axis in self.partners else local

    def unit_t(self, x: Tensor) -> Tensor:
        return self._with_partner("t", x, self.temporal(x))

    def unit_s(self, x: Tensor) -> Tensor:
        return self._with_partner("s", x, self.spatial(x))

    def unit_st(self, x: Tensor) -> Tensor:
        return self._with_partner("st", x, self.spatiotemporal(x))
