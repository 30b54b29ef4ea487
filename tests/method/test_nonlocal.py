"""Test non-local modules against Eq. 6-11, as loops in float64."""

from __future__ import annotations

import math

import pytest
import torch

from skellib.models import NonLocal

B, P, Q, L, T, N = 2, 3, 4, 5, 4, 3


def make(axes):
    module = NonLocal(P, Q, L, axes=axes).double()
    torch.nn.init.normal_(module.w.weight)
    return module


def neighbours(axes, t, n):
    """Return Omega, the positions that (t, n) attends to."""
    if axes == "t":
        return [(s, n) for s in range(T)]
    if axes == "s":
        return [(t, m) for m in range(N)]
    return [(s, m) for s in range(T) for m in range(N)]


def by_loops(module, x, axes):
    w_phi, w_psi, w_g, w_w = (
        part.weight.detach()[:, :, 0, 0]
        for part in (module.phi, module.psi, module.g, module.w)
    )
    out = torch.zeros(B, Q, T, N, dtype=torch.float64)
    for b in range(B):
        for t in range(T):
            for n in range(N):
                weights, values = [], []
                for s, m in neighbours(axes, t, n):
                    product = (w_phi @ x[b, :, t, n]) @ (w_psi @ x[b, :, s, m])
                    weights.append(math.exp(product))
                    values.append(w_g @ x[b, :, s, m])
                z = sum(weights)
                y = sum(w / z * v for w, v in zip(weights, values, strict=True))
                out[b, :, t, n] = w_w @ y
    return out


@pytest.mark.parametrize("axes", ["t", "s", "st"])
def test_equals_loops(axes):
    module, x = make(axes), torch.randn(B, P, T, N, dtype=torch.float64)
    torch.testing.assert_close(module(x), by_loops(module, x, axes))


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("t", (B, N, T, T)), ("s", (B, T, N, N)), ("st", (B, 1, T * N, T * N))],
)
def test_affinity_is_what_forward_weighs_with(axes, shape):
    module, x = make(axes), torch.randn(B, P, T, N, dtype=torch.float64)
    affinity = module.affinity(x)
    assert affinity.shape == shape
    torch.testing.assert_close(affinity.sum(-1), torch.ones(shape[:-1]).double())
    g = module.g(x)
    if axes == "t":
        y = torch.einsum("bnts,bcsn->bctn", affinity, g)
    elif axes == "s":
        y = torch.einsum("btnm,bctm->bctn", affinity, g)
    else:
        y = torch.einsum("bps,bcs->bcp", affinity[:, 0], g.flatten(2)).view_as(g)
    torch.testing.assert_close(module(x), module.w(y))


@pytest.mark.parametrize("axes", ["t", "s", "st"])
def test_a_new_module_adds_nothing(axes):
    x = torch.randn(B, P, T, N)
    assert (NonLocal(P, Q, L, axes=axes)(x) == 0).all()


def test_one_position_attends_to_itself():
    module = make("t")
    x = torch.randn(B, P, 1, N, dtype=torch.float64)
    torch.testing.assert_close(module(x), module.w(module.g(x)))


def test_equivariance_to_the_order_of_positions():
    """Permuting the frames permutes the result and has no other effect."""
    module, x = make("st"), torch.randn(B, P, T, N, dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(module(x[:, :, order]), module(x)[:, :, order])


def test_unknown_axes():
    with pytest.raises(ValueError, match="'ts' is none of t, s, st"):
        NonLocal(P, Q, L, axes="ts")
