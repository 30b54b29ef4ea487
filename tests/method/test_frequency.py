"""Test frequency attention against Eq. 1-5, term by term in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skellib.models import FrequencyAttention
from skellib.models.frequency import symmetric_half
from skellib.variants import FREQUENCY_ATTENTION

MASKED = [k for k, v in FREQUENCY_ATTENTION.items() if v.masks and not v.attend]


def dft_by_sums(x):
    """Compute F_cos and F_sin of Eq. 1 by the double sum over t and n."""
    frames, joints = x.shape[-2:]
    f_cos, f_sin = torch.zeros_like(x), torch.zeros_like(x)
    for u in range(frames):
        for v in range(joints):
            for t in range(frames):
                for n in range(joints):
                    angle = -2 * math.pi * (u * t / frames + v * n / joints)
                    f_cos[..., u, v] += x[..., t, n] * math.cos(angle)
                    f_sin[..., u, v] += x[..., t, n] * math.sin(angle)
    return f_cos, f_sin


def full_complex(attention, x):
    """Compute Eq. 3-5 with the whole complex spectrum; return the real part."""
    spectrum = torch.fft.fft2(x)
    m_cos, m_sin = attention.masks(x)
    masked = torch.complex(spectrum.real * m_cos, spectrum.imag * m_sin)
    attended = torch.fft.ifft2(masked).real
    return x + attended if attention.kind == "residual" else attended


def make(kind, frames=6, joints=5, reduction=4):
    attention = FrequencyAttention(frames, joints, kind, reduction).double()
    for parameter in attention.parameters():  # masks far from one half
        torch.nn.init.normal_(parameter, std=0.5)
    return attention


def test_eq_1_is_the_fft():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    f_cos, f_sin = dft_by_sums(x)
    spectrum = torch.fft.fft2(x)
    torch.testing.assert_close(f_cos, spectrum.real)
    torch.testing.assert_close(f_sin, spectrum.imag)


@pytest.mark.parametrize("kind", ["dependent", "residual"])
def test_eq_2_to_5_by_sums(kind):
    attention, x = make(kind), torch.randn(2, 3, 6, 5, dtype=torch.float64)
    f_cos, f_sin = dft_by_sums(x)

    def mask(network, component):
        mean = component.mean(1).flatten(1)
        hidden = mean @ network.reduce.weight.T + network.reduce.bias
        z = hidden @ network.expand.weight.T + network.expand.bias
        return (1 / (1 + torch.exp(-z))).view(2, 1, 6, 5)

    m_cos, m_sin = mask(attention.cosine, f_cos), mask(attention.sine, f_sin)
    expected = torch.zeros_like(x)
    for t in range(6):
        for n in range(5):
            for u in range(6):
                for v in range(5):
                    angle = 2 * math.pi * (u * t / 6 + v * n / 5)
                    # the real part of (F_cos' + j F_sin') e^(j angle)
                    expected[..., t, n] += (
                        (f_cos * m_cos)[..., u, v] * math.cos(angle)
                        - (f_sin * m_sin)[..., u, v] * math.sin(angle)
                    ) / 30
    if kind == "residual":
        expected += x
    torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize("shape", [(6, 5), (5, 6), (6, 6), (5, 5), (1, 4), (4, 1)])
@pytest.mark.parametrize("kind", MASKED)
def test_half_spectrum_equals_full_complex(kind, shape):
    attention = make(kind, *shape)
    x = torch.randn(3, 4, *shape, dtype=torch.float64)
    torch.testing.assert_close(attention(x), full_complex(attention, x))


@settings(deadline=None, max_examples=40)
@given(frames=st.integers(1, 9), joints=st.integers(1, 9), seed=st.integers(0, 99))
def test_half_spectrum_for_any_mask(frames, joints, seed):
    generator = torch.Generator().manual_seed(seed)
    x, m_cos, m_sin = torch.rand(
        3, frames, joints, generator=generator, dtype=torch.float64
    )
    full = torch.fft.fft2(x)
    masked = torch.complex(full.real * m_cos, full.imag * m_sin)
    half = torch.fft.rfft2(x)
    halved = torch.complex(
        half.real * symmetric_half(m_cos), half.imag * symmetric_half(m_sin)
    )
    torch.testing.assert_close(
        torch.fft.irfft2(halved, s=(frames, joints)), torch.fft.ifft2(masked).real
    )


def test_masks_are_not_symmetric_and_so_the_inverse_is_complex():
    """The inverse transform is complex, so that the real part has to be taken."""
    attention, x = make("dependent"), torch.randn(1, 3, 6, 5, dtype=torch.float64)
    m_cos, m_sin = attention.masks(x)
    spectrum = torch.fft.fft2(x)
    masked = torch.complex(spectrum.real * m_cos, spectrum.imag * m_sin)
    assert torch.fft.ifft2(masked).imag.abs().max() > 1e-3


def test_no_attention_passes_its_input():
    x = torch.randn(1, 3, 6, 5)
    assert make("none")(x) is x
    assert all((mask == 1).all() for mask in make("none").masks(x))


def test_amplitude_keeps_the_phase_of_what_its_mask_keeps():
    """A mask that is symmetric scales magnitudes and does not change phases."""
    attention, x = make("amplitude"), torch.randn(2, 3, 6, 5, dtype=torch.float64)
    mask, same = attention.masks(x)
    assert mask is same
    symmetric = 0.5 * (mask + mask.flip(-2, -1).roll((1, 1), (-2, -1)))
    before, after = torch.fft.fft2(x), torch.fft.fft2(attention(x))
    torch.testing.assert_close(after, before * symmetric)


def test_amplitude_only_drops_the_phase():
    attention, x = make("amplitude_only"), torch.randn(2, 3, 6, 5, dtype=torch.float64)
    f_cos, f_sin = dft_by_sums(x)
    magnitude = (f_cos.square() + f_sin.square()).sqrt()
    weighted = attention.mask(magnitude.mean(1, keepdim=True)) * magnitude
    # Of a real spectrum the real part of the inverse has cosines only (Eq. 4).
    expected = dft_by_sums(weighted)[0] / 30
    torch.testing.assert_close(attention(x), expected)
    # Where the movement happens is lost with the phase.
    torch.testing.assert_close(attention(x.roll((2, 1), (2, 3))), expected)


@pytest.mark.parametrize(("kind", "kept"), [("sine", "real"), ("cosine", "imag")])
def test_one_component_passes(kind, kept):
    attention, x = make(kind), torch.randn(2, 3, 6, 5, dtype=torch.float64)
    before, after = torch.fft.fft2(x), torch.fft.fft2(attention(x))
    torch.testing.assert_close(getattr(after, kept), getattr(before, kept))
    assert not torch.allclose(after, before)


def test_shared_is_dependent_with_one_network():
    shared, dependent = make("shared"), make("dependent")
    dependent.cosine.load_state_dict(shared.mask.state_dict())
    dependent.sine.load_state_dict(shared.mask.state_dict())
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(shared(x), dependent(x))


def test_residual_is_dependent_plus_input():
    residual, dependent = make("residual"), make("dependent")
    dependent.load_state_dict(residual.state_dict())
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(residual(x), x + dependent(x))


def test_spatio_temporal_weighs_the_input_itself():
    attention, x = make("spatio_temporal"), torch.rand(2, 3, 6, 5).double() + 0.1
    share = attention(x) / x - 1
    assert ((share > 0) & (share < 1)).all()
    torch.testing.assert_close(share, share[:, :1].expand_as(share))
    with pytest.raises(ValueError, match="masks no components"):
        attention.masks(x)


def test_bottleneck():
    attention = FrequencyAttention(64, 64)
    assert attention.cosine.reduce.weight.shape == (128, 4096)
    assert attention.sine.expand.weight.shape == (4096, 128)


def test_unknown_kind():
    with pytest.raises(ValueError, match="'phase' is none of none, amplitude"):
        FrequencyAttention(4, 4, "phase")


@pytest.mark.parametrize("kind", FREQUENCY_ATTENTION)
def test_gradients_reach_every_parameter(kind):
    attention, x = make(kind), torch.randn(2, 3, 6, 5, dtype=torch.float64)
    x.requires_grad_()
    attention(x).square().sum().backward()
    for name, parameter in [("input", x), *attention.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_runs_in_float32_under_autocast():
    attention, x = FrequencyAttention(8, 7), torch.randn(2, 3, 8, 7)
    plain = attention(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = attention(x)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, plain, rtol=0, atol=0)


def test_half_precision_input_is_lifted():
    attention, x = FrequencyAttention(8, 7), torch.randn(2, 3, 8, 7).bfloat16()
    assert attention(x).dtype == torch.float32
