"""Compute the losses of Sections III-D and III-E from logits.

p_t is the probability of the true class, gamma the focusing parameter and m the margin.
The soft margin is Eq. 13, soft-margin cross-entropy (SMCE) Eq. 14, the focal loss
Eq. 16, the soft-margin focal loss (SMFL) Eq. 17, the mimicry loss Eq. 20-21. All but
:func:`soft_margin` take logits (B, classes) and targets (B,). They and their gradients
are finite even if p_t is 0 or 1 in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
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
    """Compute the soft-margin term of probabilities, elementwise (Eq. 13).

    ``log(e^m + (1 - e^m) p)``, computed as ``log1p((e^m - 1)(1 - p))``.

    Args:
        p_true: (...) probabilities of the true class.
        margin: ``m``.

    Returns:
        (...), in [0, m].
    """
    return torch.log1p(math.expm1(margin) * (1 - p_true))


def cross_entropy(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Compute the cross-entropy ``-log p_t``; see :func:`soft_margin_focal`."""
    return _reduce(-_log_p_true(logits, target), reduction)


def focal(
    logits: Tensor, target: Tensor, gamma: float = 2.0, reduction: str = "mean"
) -> Tensor:
    """Compute the focal loss ``-(1 - p_t)^gamma log p_t`` (Eq. 16)."""
    return soft_margin_focal(logits, target, gamma, 0.0, reduction)


def soft_margin_cross_entropy(
    logits: Tensor, target: Tensor, margin: float = 0.6, reduction: str = "mean"
) -> Tensor:
    """Compute SMCE (Eq. 14) by Eq. 15: cross-entropy with the true logit less m."""
    shift = functional.one_hot(target, logits.shape[-1]).to(logits.dtype) * margin
    return cross_entropy(logits - shift, target, reduction)


def soft_margin_focal(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    margin: float = 0.6,
    reduction: str = "mean",
) -> Tensor:
    """Compute the soft-margin focal loss (Eq. 17).

    ``log(e^m + (1 - e^m) p_t) - (1 - p_t)^gamma log p_t``. It is soft-margin
    cross-entropy if ``gamma`` is 0, the focal loss if ``margin`` is 0, and
    cross-entropy if both are 0.

    Args:
        logits: (B, classes).
        target: (B,) class indices.
        gamma: focusing parameter.
        margin: ``m``, the soft margin.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, over the batch.

    Returns:
        A scalar, or (B,) without reduction.

    Raises:
        ValueError: if ``reduction`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> logits = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
        >>> target = torch.tensor([0, 0])
        >>> sk.soft_margin_focal(logits, target, reduction="none")  # right, wrong
        tensor([0.0147, 4.4668])
    """
    log_p = _log_p_true(logits, target)
    missed = -torch.expm1(log_p)  # 1 - p_t, accurate also for p_t near 1
    loss = torch.log1p(math.expm1(margin) * missed)
    if gamma == 0:
        return _reduce(loss - log_p, reduction)
    # For gamma < 1 the power has an infinite derivative at 0; that of the loss is 0.
    focus = missed.clamp_min(torch.finfo(missed.dtype).tiny) ** gamma
    return _reduce(loss - focus * log_p, reduction)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Compute KL(p || q) of each row from log-probabilities."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def jeffreys(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Compute half the sum of both Kullback-Leibler divergences of each row (Eq. 20).

    Args:
        log_p, log_q: (B, classes) log-probabilities.

    Returns:
        (B,).
    """
    return 0.5 * (_kl(log_p, log_q) + _kl(log_q, log_p))


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Compute the Jensen-Shannon divergence of each row.

    Args:
        log_p, log_q: (B, classes) log-probabilities.

    Returns:
        (B,).
    """
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (_kl(log_p, log_mean) + _kl(log_q, log_mean))


def mimicry(logits: Sequence[Tensor], divergence: str = "jeffreys") -> Tensor:
    """Compute the mimicry loss of mutual learning (Eq. 20-21), mean over the batch.

    ``"jeffreys"`` is Eq. 20 summed over the branches: each pair of branches contributes
    half the sum of its two Kullback-Leibler divergences. Eq. 21 calls this a
    Jensen-Shannon divergence, which it is not; ``"jensen_shannon"`` is the actual one,
    summed over the pairs. Gradients flow into both branches of a pair.

    Args:
        logits: one (B, classes) for each branch.
        divergence: a name in :data:`skellib.variants.DIVERGENCES`, see above.

    Returns:
        A scalar.

    Raises:
        ValueError: if ``divergence`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> branch = torch.tensor([[1.0, 0.0, 0.0]])
        >>> sk.mimicry([branch, branch]), sk.mimicry([branch, -branch])
        (tensor(0.), tensor(0.4208))
    """
    between = DIVERGENCES.find(divergence)
    logs = [functional.log_softmax(branch, dim=-1) for branch in logits]
    total = logs[0].new_zeros(logs[0].shape[:-1])
    for log_p, log_q in combinations(logs, 2):
        total = total + between(log_p, log_q)
    return total.mean()


def _over_classes(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor) -> Tensor:
    """Compute the mean of a loss over all clips and all classes as the target."""
    clips, classes = logits.shape
    every = torch.arange(classes, device=logits.device).repeat(clips)
    return loss(logits.repeat_interleave(classes, 0), every)


def objective(
    logits: dict[str, Tensor],
    target: Tensor,
    *,
    kind: str = "soft_margin_focal",
    gamma: float = 2.0,
    margin: float = 0.6,
    mutual_weight: float = 0.1,
    divergence: str = "jeffreys",
    label_smoothing: float = 0,
) -> Tensor:
    """Compute the total loss of all branches (Eq. 18, 19, 22).

    It is the sum of the supervised losses of the branches, plus the weighted mimicry
    loss between them.

    Args:
        logits: (B, classes) for each branch, by name; one branch or three.
        target: (B,) class indices.
        kind: supervised loss, a name in :data:`skellib.variants.LOSSES`.
        gamma, margin: parameters of the supervised loss.
        mutual_weight: lambda in Eq. 22; 0 switches mutual learning off.
        divergence: divergence of the mimicry loss, see :func:`mimicry`.
        label_smoothing: share of the supervised loss that is its mean over all classes
            as the target.

    Returns:
        A scalar, the mean over the batch.

    Raises:
        ValueError: if ``kind`` or ``divergence`` is unknown.

    Example:
        >>> import skellib as sk, torch
        >>> logits = {name: torch.zeros(2, 5) for name in ("position", "velocity")}
        >>> target = torch.tensor([0, 1])
        >>> one = sk.soft_margin_focal(logits["position"], target)
        >>> sk.objective(logits, target) == 2 * one  # equal branches mimic each other
        tensor(True)
    """
    branches = list(logits.values())
    loss = partial(LOSSES.find(kind), gamma=gamma, margin=margin)
    supervised = torch.stack([loss(z, target) for z in branches]).sum()
    total = supervised
    if label_smoothing > 0:
        uniform = torch.stack([_over_classes(loss, z) for z in branches]).sum()
        total = torch.lerp(supervised, uniform, label_smoothing)
    if mutual_weight > 0:
        total = total + mutual_weight * mimicry(branches, divergence)
    return total
