"""How often the rule by which claims are judged says what, where the truth is known.

Runs are simulated: the true means of the rows are the paper's printed numbers, or all
the same; the rest is normal with one standard deviation. A seed's effect is the same in
all rows of a table and leaves the differences, so that none is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from skellib.reproduction.claims import CLAIMS, Claim, Comparison, family
from skellib.reproduction.paper_tables import TABLES, UCLA, Column
from skellib.simultaneous import Family

PAIRED_SDS = (1.1, 2.0, 4.4)
"""Standard deviations of a paired difference, in points.

That of rows with the same initial weights, with and without rotated clips, and that of
all comparisons of the first edition, whose rows did not share their initial weights.
"""
SEEDS = (3, 10, 20, 40)
TRUTHS = ("the paper's steps", "no step")


def printed_claims(column: Column) -> tuple[Claim, ...]:
    """Return the claims whose every comparison has printed numbers in a column."""
    return tuple(
        claim
        for claim in CLAIMS
        if all(each.claimed(column) is not None for each in claim.comparisons)
    )


def rule_table(
    paired_sds: Sequence[float] = PAIRED_SDS,
    seeds: Sequence[int] = SEEDS,
    experiments: int = 4000,
    column: Column = UCLA,
) -> pd.DataFrame:
    """Tabulate the verdicts on claims in simulated experiments.

    Args:
        paired_sds: standard deviations of the difference of two runs with one seed.
        seeds: numbers of seeds of every row.
        experiments: number of simulated experiments for each line; the generator has a
            fixed seed.
        column: column whose printed numbers are the steps. Only claims whose every
            comparison is printed there are judged.

    Returns:
        By ``truth`` (see :data:`TRUTHS`), ``paired sd`` and ``seeds``: the mean number
        of ``claims`` that are ``supported``, ``contradicted`` and ``bounded``;
        ``excluded``, the bounded ones whose gain is below the least that is printed;
        ``any false``, the share of experiments with a comparison on the wrong side of
        zero (or on a side, where there is no step); and ``detectable``, the largest of
        the gains that are shown with 80 % probability.
    """
    claims = printed_claims(column)
    lines = {}
    for truth, sd, n in product(TRUTHS, paired_sds, seeds):
        step = 1.0 if truth == TRUTHS[0] else 0.0
        lines[truth, sd, n] = _simulate(claims, column, step, sd, n, experiments)
    return pd.DataFrame(lines).T.rename_axis(["truth", "paired sd", "seeds"])


Intervals = dict[Comparison, np.ndarray]
"""Ends of intervals, (2, experiments), by comparison."""


def _simulate(
    claims: Sequence[Claim], column: Column, step: float, sd: float, n: int, count: int
) -> dict[str, float]:
    """Simulate one line of the table; ``step`` scales the printed differences."""
    generator = np.random.default_rng(0)
    intervals: Intervals = {}
    gains = []
    for number in dict.fromkeys(each.table for c in claims for each in c.comparisons):
        pairs = family(number, claims)
        truth = step * np.array([pair.claimed(column) or 0.0 for pair in pairs])
        ends, gain = _intervals(pairs, truth, sd, n, count, generator)
        intervals |= dict(zip(pairs, ends, strict=True))
        gains.append(gain)
    low, high = np.array([*intervals.values()]).swapaxes(0, 1)
    wrong = high < 0 if step else (high < 0) | (low > 0)
    words = pd.DataFrame([_judge(claim, column, intervals) for claim in claims]).sum()
    return {
        "claims": len(claims),
        **words.to_dict(),
        "any false": wrong.any(0).mean(),
        "detectable": max(gains),
    }


def _intervals(
    pairs: Sequence[Comparison],
    truth: np.ndarray,
    sd: float,
    n: int,
    count: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Simulate the simultaneous intervals of one table.

    In the balanced model the means of the rows and the variance of the rest are
    independent, so that no single run need be drawn.

    Returns:
        Ends of the intervals, (pairs, 2, experiments), and the detectable gain.
    """
    labels = [row.label for row in TABLES[pairs[0].table].rows if row.ours]
    contrast = np.zeros((len(pairs), len(labels)))
    for k, pair in enumerate(pairs):
        contrast[k, [labels.index(pair.better), labels.index(pair.worse)]] = 1, -1
    together = Family(contrast @ contrast.T / 2, (len(labels) - 1) * (n - 1))
    means = generator.normal(0, sd / (2 * n) ** 0.5, (len(labels), count))
    estimate = truth[:, None] + contrast @ means
    scale = generator.chisquare(together.df, count) / together.df
    half = together.factor * sd / n**0.5 * np.sqrt(scale)
    ends = np.stack([estimate - half, estimate + half], axis=1)
    return ends, together.detectable * sd / n**0.5


def _judge(claim: Claim, column: Column, intervals: Intervals) -> dict[str, float]:
    """Return in what share of the experiments a claim has which verdict.

    The same rule as :func:`skellib.reproduction.claims.combine`, for all at once.
    """
    low, high = np.array([intervals[each] for each in claim.comparisons]).swapaxes(0, 1)
    supported, contradicted = (low > 0).all(0), (high < 0).any(0)
    bounded = ~supported & ~contradicted
    at_most = np.where(low > 0, np.inf, high).min(0)
    printed = min(each.claimed(column) or 0.0 for each in claim.comparisons)
    found = {
        "supported": supported,
        "contradicted": contradicted,
        "bounded": bounded,
        "excluded": bounded & (at_most < printed),
    }
    return {word: float(share.mean()) for word, share in found.items()}
