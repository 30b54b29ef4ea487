"""Uncertainty from the choice of test clips and of test subjects.

Intervals over seeds speak of the method, on these test clips. Those here speak of other
clips, or of other people, for the networks at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skellib.errors import InputError
from skellib.statistics import CONFIDENCE, Summary

RESAMPLES = 5000


def bootstrap(scores: ArrayLike, groups: ArrayLike | None = None) -> Summary:
    """Compute the interval of a mean over clips by resampling clips or their subjects.

    It is Student's interval with the bootstrap's standard error, by the number of
    resampled units: with a handful of subjects a plain bootstrap is too narrow. The
    resamples have a fixed seed.

    Args:
        scores: (n,) a number per clip: 100 or 0 for the accuracy in per cent, or the
            difference of two networks; with several seeds, their mean.
        groups: (n,) subject of each clip; all clips of a subject are drawn together. By
            default each clip is drawn by itself.

    Returns:
        The mean, its interval, the number of units, and the standard deviation between
        units of the same weight.

    Raises:
        InputError: if the lengths differ, a score is not finite, or there are fewer
            than two units.
    """
    x = np.asarray(scores, dtype=np.float64)
    names = np.arange(len(x)) if groups is None else np.asarray(groups)
    if x.ndim != 1 or x.shape != names.shape or not np.isfinite(x).all():
        raise InputError(f"bootstrap: {x.shape} scores and {names.shape} groups")
    group = np.unique(names, return_inverse=True)[1]
    n = int(group.max(initial=-1)) + 1
    if n < 2:
        raise InputError(f"bootstrap: {n} units; two or more are needed")
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    means = (drawn @ np.bincount(group, x)) / (drawn @ np.bincount(group))
    se = float(means.std(ddof=1)) * (n / (n - 1)) ** 0.5
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * se
    mean = float(x.mean())
    return Summary(n, mean, se * n**0.5, mean - half, mean + half)


@dataclass(frozen=True)
class McNemar:
    """Hold McNemar's test of two networks on the same clips.

    Attributes:
        only_first, only_second: clips that one of them alone classifies correctly.
        p: two-sided p value of the exact test: the probability of a split at least as
            uneven if either were as likely to be the one that is right.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """Compare two networks by the clips on which only one of them is right.

    Args:
        first, second: (n,) which clips each classifies correctly, see
            :meth:`skellib.records.TestLogits.correct`.

    Raises:
        InputError: if the lengths differ.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise InputError(f"mcnemar: {a.shape} and {b.shape} clips")
    one, other = int((a & ~b).sum()), int((b & ~a).sum())
    p = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    return McNemar(one, other, float(p))
