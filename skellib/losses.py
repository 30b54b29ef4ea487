"""The losses of Section III-D and III-E, computed from logits.

With p_t the probability of the true class, gamma the focusing parameter and m the
margin: SM is Eq. 13, SMCE Eq. 14, FL Eq. 16, SMFL Eq. 17, the mimicry loss Eq. 20-21.
All but :func:`soft_margin` take logits (B, classes) and targets (B,) and stay finite,
with finite gradients, where p_t is 0 or 1 in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from skellib.variants import DIVERGENCES, LOSSES


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(f"reduction {reduction!r} is none of none, mean, sum")


def _log_p_true(logits: Tensor, target: Tensor) -> Tensor:
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    log_p = functional.log_softmax(logits, dim=-1)
    return log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def soft_margin(p_true: Tensor, margin: float) -> Tensor:
    """The soft-margin term of a probability (Eq. 13), in [0, m], element by element.

    ``log(e^m + (1 - e^m) p)``, written as ``log1p((e^m - 1)(1 - p))``.
    """
    return torch.log1p(math.expm1(margin) * (1 - p_true))


def cross_entropy(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The softmax loss, ``-log p_t``."""
    return _reduce(-_log_p_true(logits, target), reduction)


def focal(
    logits: Tensor, target: Tensor, gamma: float = 2.0, reduction: str = "mean"
) -> Tensor:
    """The focal loss (Eq. 16): ``-(1 - p_t)^gamma log p_t``."""
    return soft_margin_focal(logits, target, gamma, 0.0, reduction)


def soft_margin_cross_entropy(
    logits: Tensor, target: Tensor, margin: float = 0.6, reduction: str = "mean"
) -> Tensor:
    """SMCE (Eq. 14), as Eq. 15 has it: cross-entropy, the true score lowered by m."""
    shift = functional.one_hot(target, logits.shape[-1]).to(logits.dtype) * margin
    return cross_entropy(logits - shift, target, reduction)


def soft_margin_focal(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    margin: float = 0.6,
    reduction: str = "mean",
) -> Tensor:
    """SMFL (Eq. 17): ``log(e^m + (1 - e^m) p_t) - (1 - p_t)^gamma log p_t``.

    ``gamma=0`` is SMCE, ``margin=0`` the focal loss, both 0 cross-entropy.
    """
    log_p = _log_p_true(logits, target)
    missed = -torch.expm1(log_p)  # 1 - p_t, exact also where p_t is near 1
    loss = torch.log1p(math.expm1(margin) * missed)
    if gamma == 0:
        return _reduce(loss - log_p, reduction)
    # The derivative of a power below 1 is infinite at 0; the product's limit is 0.
    focus = missed.clamp_min(torch.finfo(missed.dtype).tiny) ** gamma
    return _reduce(loss - focus * log_p, reduction)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of each row, from log-probabilities."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def jeffreys(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Compute half the sum of a row's two Kullback-Leibler divergences (Eq. 20)."""
    return 0.5 * (_kl(log_p, log_q) + _kl(log_q, log_p))


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Compute the Jensen-Shannon divergence of each row, from log-probabilities."""
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (_kl(log_p, log_mean) + _kl(log_q, log_mean))


def mimicry(logits: Sequence[Tensor], divergence: str = "jeffreys") -> Tensor:
    """The mimicry loss of mutual learning (Eq. 20-21), mean over the batch.

    ``"jeffreys"`` is Eq. 20 summed over the branches k: each pair of branches adds
    half the sum of its two Kullback-Leibler divergences. Eq. 21 calls that a
    Jensen-Shannon divergence, which it is not; ``"jensen_shannon"`` is the true one,
    summed over the pairs. Gradients reach both branches of a pair.

    Args:
        logits: one (B, classes) for each branch.
        divergence: see above.

    Raises:
        ValueError: for an unknown divergence.
    """
    between = DIVERGENCES.find(divergence)
    logs = [functional.log_softmax(branch, dim=-1) for branch in logits]
    total = logs[0].new_zeros(logs[0].shape[:-1])
    for log_p, log_q in combinations(logs, 2):
        total = total + between(log_p, log_q)
    return total.mean()


def objective(
    logits: dict[str, Tensor],
    target: Tensor,
    *,
    kind: str = "soft_margin_focal",
    gamma: float = 2.0,
    margin: float = 0.6,
    mutual_weight: float = 0.1,
    divergence: str = "jeffreys",
) -> Tensor:
    """The total loss (Eq. 18, 19, 22): the sum of the branches, plus the mimicry.

    Args:
        logits: (B, classes) for each branch; one branch or three.
        target: (B,).
        kind: of each branch's loss, by :data:`skellib.variants.LOSSES`.
        gamma, margin: of that loss.
        mutual_weight: the paper's lambda of Eq. 22.
        divergence: see :func:`mimicry`.
    """
    branches = list(logits.values())
    loss = LOSSES.find(kind)
    supervised = [loss(z, target, gamma=gamma, margin=margin) for z in branches]
    total = torch.stack(supervised).sum()
    if mutual_weight > 0:
        total = total + mutual_weight * mimicry(branches, divergence)
    return total
