"""Residual frequency attention and its variants (Section III-B, Eq. 1-5, Table VII).

Eq. 1 splits the discrete Fourier transform of every channel into a cosine part (the
real part) and a sinusoidal part (the imaginary part). Masks learnt from the channel
mean weigh the two, and the inverse transform leads back to space and time.

The learnt masks are not symmetric, so the inverse transform of the masked spectrum is
complex; its real part is the output. That real part depends on a mask M only through
the average of M(u, v) and M(-u, -v). With masks made symmetric so, half of the
spectrum suffices (``rfft2``), and the result is the same.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from skellib.variants import FREQUENCY_ATTENTION


class MaskNetwork(nn.Module):
    """The attention weights of one map (Eq. 2).

    Two fully connected layers with nothing between them, then a sigmoid, as written.

    Args:
        frames: ``T'``.
        joints: ``N'``.
        reduction: the ratio of the bottleneck (the paper's lambda in Section III-B).
    """

    def __init__(self, frames: int, joints: int, reduction: int = 32) -> None:
        super().__init__()
        size = frames * joints
        hidden = max(1, size // reduction)
        self.reduce = nn.Linear(size, hidden)
        self.expand = nn.Linear(hidden, size)

    def forward(self, mean: Tensor) -> Tensor:
        """Map a channel mean (B, 1, T, N) to weights in (0, 1), (B, 1, T, N)."""
        weights = torch.sigmoid(self.expand(self.reduce(mean.flatten(1))))
        return weights.view_as(mean)


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off on the device of ``x``, where that device has it."""
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()  # the meta device, on which networks are counted


def symmetric_half(mask: Tensor) -> Tensor:
    """Average a mask with its mirror image, and keep the half that ``rfft2`` keeps.

    ``mask`` (..., T, N) over the frequencies u, v gives (M(u, v) + M(-u, -v)) / 2 for
    v = 0 ... N // 2, shape (..., T, N // 2 + 1).
    """
    mirrored = mask.flip(-2, -1).roll((1, 1), (-2, -1))
    half = mask.shape[-1] // 2 + 1
    return (0.5 * (mask + mirrored))[..., :half]


class FrequencyAttention(nn.Module):
    """Attention over the frequencies of a skeleton sequence (Eq. 1-5; Table VII).

    Args:
        frames: ``T'``.
        joints: ``N'``.
        kind: a row of Table VII, by :data:`skellib.variants.FREQUENCY_ATTENTION`.
            ``"none"``: no attention; ``"amplitude"``: a mask on the magnitude, the
            phase kept; ``"sine"``, ``"cosine"``: a mask on that component, the other
            one passes; ``"shared"``: one mask network for both; ``"dependent"``: one
            each; ``"residual"``: ``"dependent"`` plus the input (Eq. 5);
            ``"spatio_temporal"``: the mask network applied to the input itself, plus
            the input.
        reduction: the ratio of the mask networks' bottleneck.

    Raises:
        ValueError: for an unknown ``kind``.
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
        """The weights of the cosine and of the sinusoidal component (Eq. 2).

        Takes ``x`` (B, C, T, N) and returns two maps (B, 1, T, N) over all
        frequencies, zero frequency first; ones where a component passes unweighted.

        Raises:
            ValueError: for ``"spatio_temporal"``, whose one mask is over time and
                joints, not over frequencies.
        """
        variant = self.variant
        if variant.attend:
            raise ValueError(f"{self.kind} attention has no frequency masks")
        if variant.magnitude:
            magnitude = torch.fft.fft2(x).abs().mean(1, keepdim=True)
            mask = self._weights(variant.cosine, magnitude)
            return mask, mask
        # The transform is linear: the mean over channels may come before it.
        spectrum = torch.fft.fft2(x.mean(1, keepdim=True))
        cosine = self._weights(variant.cosine, spectrum.real)
        return cosine, self._weights(variant.sine, spectrum.imag)

    def _weights(self, network: str | None, component: Tensor) -> Tensor:
        """Compute a component's weights; ones where no network weighs it."""
        if network is None:
            return torch.ones_like(component)
        return self.get_submodule(network)(component)

    def attend(self, x: Tensor) -> Tensor:
        """Mask the spectrum of ``x`` (B, C, T, N) and transform back (Eq. 3-4)."""
        m_cos, m_sin = self.masks(x)
        spectrum = torch.fft.rfft2(x)
        f_cos = spectrum.real * symmetric_half(m_cos)
        f_sin = spectrum.imag * symmetric_half(m_sin)
        return torch.fft.irfft2(torch.complex(f_cos, f_sin), s=x.shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``X'`` (B, C, T, N) to ``X''`` of the same shape (Eq. 5).

        Computed in float32 also under autocast: half precision has neither the range
        of the zero frequency nor an FFT for every length.
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
