"""Test the losses against their equations in float64, and at the limits of float32."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy
from torch.nn.functional import cross_entropy as torch_cross_entropy

from skellib.losses import (
    cross_entropy,
    focal,
    mimicry,
    objective,
    soft_margin,
    soft_margin_cross_entropy,
    soft_margin_focal,
)

GAMMAS = [0.0, 0.5, 1.0, 2.0, 3.0]
MARGINS = [0.0, 0.4, 0.6, 2.0]


def logits_and_target(rows=6, classes=5):
    return torch.randn(rows, classes, dtype=torch.float64) * 2, torch.arange(rows) % 5


def probability(z, y):
    return torch.softmax(z, 1)[torch.arange(len(y)), y]


@pytest.mark.parametrize("m", MARGINS)
def test_soft_margin_is_eq_13(m):
    p = torch.linspace(0, 1, 11, dtype=torch.float64)
    expected = [math.log(math.exp(m) + (1 - math.exp(m)) * v) for v in p.tolist()]
    torch.testing.assert_close(
        soft_margin(p, m), torch.tensor(expected, dtype=torch.float64)
    )
    assert soft_margin(p, m).min() >= 0
    assert soft_margin(p, m).max() <= m + 1e-12


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("m", MARGINS)
def test_soft_margin_focal_is_eq_17(gamma, m):
    z, y = logits_and_target()
    p = probability(z, y)
    em = math.exp(m)
    expected = torch.log(em + (1 - em) * p) - (1 - p) ** gamma * torch.log(p)
    torch.testing.assert_close(
        soft_margin_focal(z, y, gamma, m, reduction="none"), expected
    )


def test_special_cases():
    z, y = logits_and_target()
    torch.testing.assert_close(cross_entropy(z, y), torch_cross_entropy(z, y))
    torch.testing.assert_close(soft_margin_focal(z, y, 0, 0), cross_entropy(z, y))
    torch.testing.assert_close(
        soft_margin_focal(z, y, 0, 0.4), soft_margin_cross_entropy(z, y, 0.4)
    )
    torch.testing.assert_close(soft_margin_focal(z, y, 3, 0), focal(z, y, 3))


@settings(deadline=None)
@given(
    z=st.lists(st.floats(-30, 30), min_size=2, max_size=6),
    m=st.floats(0, 5),
)
def test_eq_15_identity(z, m):
    """SMCE (Eq. 14, from p_t) is cross-entropy with the true logit less m."""
    p = softmax(z)
    others = math.exp(m) * p[1:].sum()
    eq_14 = math.log(p[0] + others) - math.log(p[0])
    eq_15 = soft_margin_cross_entropy(
        torch.tensor([z], dtype=torch.float64), torch.tensor([0]), m
    )
    assert eq_15.item() == pytest.approx(eq_14, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_reductions(reduction):
    z, y = logits_and_target()
    each = soft_margin_focal(z, y, reduction="none")
    expected = each if reduction == "none" else getattr(each, reduction)()
    torch.testing.assert_close(soft_margin_focal(z, y, reduction=reduction), expected)
    with pytest.raises(ValueError, match="'median' is none of"):
        soft_margin_focal(z, y, reduction="median")


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("m", MARGINS)
def test_gradients(gamma, m):
    z, y = logits_and_target()
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: soft_margin_focal(z, y, gamma, m), z)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("m", MARGINS)
@pytest.mark.parametrize("score", [-1e4, -200.0, -90.0, 90.0, 200.0, 1e4])
def test_finite_where_p_is_0_or_1_in_float32(gamma, m, score):
    z = torch.tensor([[score, 0.0, 0.0]], requires_grad=True)
    loss = soft_margin_focal(z, torch.tensor([0]), gamma, m)
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()
    if score < 0:  # a misclassified clip: the focal factor is 1, the margin term is m
        assert loss.item() == pytest.approx(-score + math.log(2) + m, rel=1e-5)
    else:
        assert loss.item() == pytest.approx(0, abs=1e-6)


def test_half_precision_logits_are_lifted():
    z, y = logits_and_target()
    assert soft_margin_focal(z.bfloat16(), y).dtype == torch.float32


def jeffreys_by_hand(ps):
    """Eq. 20 summed over the branches: D_k = 1/2 sum_{j != k} KL(p_j || p_k)."""
    return sum(
        0.5 * entropy(pj, pk)
        for k, pk in enumerate(ps)
        for j, pj in enumerate(ps)
        if j != k
    )


def branches():
    return [torch.randn(4, 5, dtype=torch.float64) for _ in range(3)]


def test_mimicry_is_eq_20_by_hand():
    zs = branches()
    rows = [jeffreys_by_hand([softmax(z[i].numpy()) for z in zs]) for i in range(4)]
    assert mimicry(zs).item() == pytest.approx(sum(rows) / 4, rel=1e-12)


def test_true_jensen_shannon_of_each_pair():
    zs = branches()
    rows = []
    for i in range(4):
        p, v, c = (softmax(z[i].numpy()) for z in zs)
        rows.append(sum(jensenshannon(a, b) ** 2 for a, b in [(p, v), (v, c), (c, p)]))
    assert mimicry(zs, "jensen_shannon").item() == pytest.approx(sum(rows) / 4)


@pytest.mark.parametrize("divergence", ["jeffreys", "jensen_shannon"])
def test_mimicry_properties(divergence):
    zs = branches()
    same = [zs[0]] * 3
    assert mimicry(same, divergence).item() == pytest.approx(0, abs=1e-12)
    assert mimicry(zs, divergence) > 0
    reordered = mimicry([zs[2], zs[0], zs[1]], divergence)
    torch.testing.assert_close(mimicry(zs, divergence), reordered)
    leaves = [z.clone().requires_grad_() for z in zs]
    assert torch.autograd.gradcheck(lambda *z: mimicry(z, divergence), leaves)


def test_jensen_shannon_is_bounded_and_jeffreys_is_not():
    far = [torch.tensor([[50.0, 0.0]]), torch.tensor([[0.0, 50.0]])]
    assert mimicry(far, "jensen_shannon").item() == pytest.approx(math.log(2))
    assert mimicry(far).item() > 40


def test_unknown_divergence():
    with pytest.raises(ValueError, match="'hellinger' is none of"):
        mimicry(branches(), "hellinger")


def test_objective_is_eq_19_and_22():
    zs = dict(zip(("fused", "position", "velocity"), branches(), strict=True))
    y = torch.tensor([0, 1, 2, 3])
    supervised = sum(soft_margin_focal(z, y, 2.0, 0.4) for z in zs.values())
    torch.testing.assert_close(
        objective(zs, y, gamma=2.0, margin=0.4, mutual_weight=0), supervised
    )
    torch.testing.assert_close(
        objective(zs, y, gamma=2.0, margin=0.4, mutual_weight=0.1),
        supervised + 0.1 * mimicry(list(zs.values())),
    )
