"""Residual frequency attention and its variants (Section III-B, Eq. 1-5, Table VII).

Eq. 1 splits the discrete Fourier transform of each channel into a cosine component (the
real part) and a sinusoidal component (the imaginary part). Masks computed from their
channel means weight the two components, and the inverse transform returns to the
spatio-temporal domain.

The masks are not symmetric, so that the inverse transform of the masked spectrum is
complex; the output is its real part. The real part depends on a mask M only through the
average of M(u, v) and M(-u, -v). With masks averaged in this way, half of the spectrum
(``rfft2``) gives the same result.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from skellib.variants import FREQUENCY_ATTENTION


class MaskNetwork(nn.Module):
    """Compute the attention weights of one component (Eq. 2).

    Two fully connected layers without an activation between them, then a sigmoid, as in
    the paper.

    Args:
        frames: ``T'``, number of frames.
        joints: ``N'``, number of joints.
        reduction: reduction ratio of the bottleneck (lambda in Section III-B).
    """

    def __init__(self, frames: int, joints: int, reduction: int = 32) -> None:
        super().__init__()
        size = frames * joints
        hidden = max(1, size // reduction)
        self.reduce = nn.Linear(size, hidden)
        self.expand = nn.Linear(hidden, size)

    def forward(self, mean: Tensor) -> Tensor:
        """Map a channel mean (B, 1, T, N) to weights (B, 1, T, N) in (0, 1)."""
        weights = torch.sigmoid(self.expand(self.reduce(mean.flatten(1))))
        return weights.view_as(mean)


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Disable autocast on the device of ``x``, if that device supports it."""
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()  # the meta device, on which operations are counted


def symmetric_half(mask: Tensor) -> Tensor:
    """Average a mask with its mirror image and keep the half that ``rfft2`` returns.

    Args:
        mask: (..., T, N) over the frequencies u and v.

    Returns:
        (M(u, v) + M(-u, -v)) / 2 for v = 0 ... N // 2, (..., T, N // 2 + 1).
    """
    mirrored = mask.flip(-2, -1).roll((1, 1), (-2, -1))
    half = mask.shape[-1] // 2 + 1
    return (0.5 * (mask + mirrored))[..., :half]


class FrequencyAttention(nn.Module):
    """Attend to the frequencies of a skeleton sequence (Eq. 1-5; Table VII).

    Args:
        frames: ``T'``, number of frames.
        joints: ``N'``, number of joints.
        kind: a row of Table VII, a name in
            :data:`skellib.variants.FREQUENCY_ATTENTION`. ``"none"``: no attention;
            ``"amplitude"``: a mask on the magnitude, with the phase preserved;
            ``"amplitude_only"``: the same with the phase dropped;
            ``"sine"``, ``"cosine"``: a mask on this component only; ``"shared"``: one
            mask network for both components; ``"dependent"``: one mask network for
            each; ``"residual"``: ``"dependent"`` plus the input (Eq. 5);
            ``"spatio_temporal"``: a mask on the input itself, plus the input.
        reduction: reduction ratio of the mask networks' bottleneck.

    Raises:
        ValueError: if ``kind`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> attention = sk.FrequencyAttention(frames=16, joints=20)
        >>> x = torch.rand(2, 8, 16, 20)  # (B, C, T, N)
        >>> attention(x).shape, attention.masks(x)[0].shape
        (torch.Size([2, 8, 16, 20]), torch.Size([2, 1, 16, 20]))

        Before the first layer of a model of your own:

        >>> model = torch.nn.Sequential(
        ...     sk.FrequencyAttention(frames=16, joints=20),
        ...     torch.nn.Conv2d(3, 64, kernel_size=3, padding=1))
        >>> model(torch.rand(2, 3, 16, 20)).shape
        torch.Size([2, 64, 16, 20])
    """

    def __init__(
        self,
        frames: int,
        joints: int,
        kind: str = "residual",
        reduction: int = 32,
    ) -> None:
        super().__init__()
        self.kind, self.variant = kind, FREQUENCY_ATTENTION.find(kind)
        for name in self.variant.masks:
            self.add_module(name, MaskNetwork(frames, joints, reduction))

    def masks(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the weights of the cosine and the sinusoidal component (Eq. 2).

        Args:
            x: (B, C, T, N).

        Returns:
            Two masks (B, 1, T, N) over all frequencies, zero frequency first; ones for
            a component that is not weighted.

        Raises:
            ValueError: for ``"spatio_temporal"``, which masks frames and joints instead
                of frequencies, and for ``"amplitude_only"``, which has no components.
        """
        variant = self.variant
        if variant.attend:
            raise ValueError(f"{self.kind} attention masks no components")
        if variant.magnitude:
            magnitude = torch.fft.fft2(x).abs().mean(1, keepdim=True)
            mask = self._weights(variant.cosine, magnitude)
            return mask, mask
        # The transform is linear: average the channels first.
        spectrum = torch.fft.fft2(x.mean(1, keepdim=True))
        cosine = self._weights(variant.cosine, spectrum.real)
        return cosine, self._weights(variant.sine, spectrum.imag)

    def _weights(self, network: str | None, component: Tensor) -> Tensor:
        """Compute a component's weights; ones without a mask network."""
        if network is None:
            return torch.ones_like(component)
        return self.get_submodule(network)(component)

    def attend(self, x: Tensor) -> Tensor:
        """Mask the spectrum of ``x`` (B, C, T, N) and transform it back (Eq. 3-4)."""
        masks = [symmetric_half(mask) for mask in self.masks(x)]
        components = torch.view_as_real(torch.fft.rfft2(x))  # cosine, sinusoidal
        masked = torch.view_as_complex(components * torch.stack(masks, -1))
        return torch.fft.irfft2(masked, s=x.shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``X'`` (B, C, T, N) to ``X''`` of the same shape (Eq. 5).

        The computation is in float32 even under autocast: the zero frequency can exceed
        the range of half precision, which also lacks an FFT of arbitrary length.
        """
        variant = self.variant
        if not (variant.masks or variant.attend):
            return x
        with _full_precision(x):
            x = x if x.dtype == torch.float64 else x.float()
            attended = variant.attend(self, x) if variant.attend else self.attend(x)
            return x + attended if variant.residual else attended

    def extra_repr(self) -> str:
        return f"kind={self.kind!r}"
