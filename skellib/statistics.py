"""What a few seeds can say: means with intervals, paired differences, verdicts.

Values are accuracies in per cent, one a seed (or one a fold); differences are in
percentage points. With few seeds an interval is wide, and that is the point of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from skellib.errors import InputError

CONFIDENCE = 0.95
MAX_EXACT_PAIRS = 12
"""The most pairs whose 2^n sign flips are all tried."""

MIN_PAIRS = 3
"""The least pairs that a verdict takes: two give the spread by a single number."""

CONCLUSIVE = ("reproduced", "opposite")
"""The verdicts of a difference whose interval leaves out zero."""

# Accuracies are multiples of 1 / clips, so seeds may well differ by exactly the same
# amount. Then there is no estimate of the spread, only rounding errors of this size.
NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Summary:
    """Values of independent runs.

    Attributes:
        n: number of values.
        mean: their mean.
        sd: standard deviation of a value (n - 1); none where n is 1.
        low, high: 95 % Student interval of the mean; none where n is 1.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """Values minus those of a baseline, pair by pair.

    Attributes:
        n: number of pairs.
        mean: mean difference.
        low, high: 95 % Student interval of the mean difference; none where n is 1.
        p: two-sided; chance of a mean at least as far from 0 if every difference were
            as likely to have the other sign. None where n is 1.
        sd: standard deviation of a difference (n - 1); none where n is 1.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None
    sd: float | None = None


def _finite(values: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name}: expected one or more numbers in a row")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: all numbers must be finite, got {array.tolist()}")
    return array


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and 95 % Student interval of the mean.

    Raises:
        InputError: if there is no value, or one is not finite.
    """
    x = _finite(values, "values")
    n, mean = len(x), float(x.mean())
    if n == 1:
        return Summary(1, mean, None, None, None)
    sd = float(x.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sd / n**0.5
    return Summary(n, mean, sd, mean - half, mean + half)


def paired(values: Sequence[float], baseline_values: Sequence[float]) -> Difference:
    """The paired difference of a row to its baseline.

    The p value is that of the exact sign-flip permutation test up to 12 pairs, which
    assumes nothing of the distribution but cannot fall below 2 / 2^n (0.06 with 5
    seeds); that of the paired t test beyond.

    Args:
        values: of the row, one a seed.
        baseline_values: of the baseline, of the same seeds in the same order.

    Raises:
        InputError: if the two are not of one length, or not finite.
    """
    x = _finite(values, "values")
    y = _finite(baseline_values, "baseline_values")
    if len(x) != len(y):
        raise InputError(f"baseline_values: {len(y)} numbers, but values has {len(x)}")
    difference = x - y
    summary = summarise(difference.tolist())
    p = _sign_flips(difference) if 1 < len(x) <= MAX_EXACT_PAIRS else None
    if len(x) > MAX_EXACT_PAIRS and difference.std() > NO_SPREAD:
        p = float(stats.ttest_rel(x, y).pvalue)
    return Difference(summary.n, summary.mean, summary.low, summary.high, p, summary.sd)


def pairs_needed(sd: float, difference: float, power: float = 0.8) -> int:
    """How many pairs show a true difference, in this share of such experiments.

    The least n of which the 95 % Student interval leaves out zero with probability
    ``power``, by the noncentral t distribution (J. Cohen, 1988, chapter 2).

    Args:
        sd: standard deviation of a paired difference.
        difference: the true mean difference, in the same unit.
        power: the probability of seeing it, above 0.05 and below 1.

    Raises:
        InputError: if one of them is not in its range.
    """
    if not (sd >= 0 and difference != 0 and 1 - CONFIDENCE < power < 1):
        raise InputError(
            f"pairs_needed: sd {sd}, difference {difference} and power {power}; sd is "
            "0 or more, the difference is not 0, and power in (0.05, 1)"
        )

    def seen(n: int) -> float:
        critical = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
        shift = abs(difference) / max(sd, NO_SPREAD) * n**0.5
        return float(
            stats.nct.sf(critical, n - 1, shift)
            + stats.nct.cdf(-critical, n - 1, shift)
        )

    high = 2
    while seen(high) < power:
        high *= 2
    low = high // 2
    while high - low > 1:  # below low it is not seen often enough, at high it is
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) >= power else (middle, high)
    return high


@dataclass(frozen=True)
class VarianceShares:
    """What the spread of a table of rows and seeds consists of; the parts sum to 1.

    Attributes:
        rows: between the means of the rows.
        seeds: between the means of the seeds.
        rest: neither: what a seed does to one row and not to the others.
        rows_p, seeds_p: p values of the F test of either share against the rest: that
            chance alone makes the means of the rows (the seeds) as different.
    """

    rows: float
    seeds: float
    rest: float
    rows_p: float
    seeds_p: float


def variance_shares(values: Sequence[Sequence[float]]) -> VarianceShares:
    """Split the sum of squares of a table (two-way analysis of variance, one a cell).

    Args:
        values: one sequence a row, one value a seed, the same seeds in each.

    Raises:
        InputError: if there are not two rows and two seeds, or nothing differs.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise InputError("shares: expected numbers for two or more rows and seeds")
    mean = table.mean()
    total = ((table - mean) ** 2).sum()
    if total <= NO_SPREAD:
        raise InputError("shares: all values are the same")
    rows = float(table.shape[1] * ((table.mean(1) - mean) ** 2).sum() / total)
    seeds = float(table.shape[0] * ((table.mean(0) - mean) ** 2).sum() / total)
    rest = max(0.0, 1 - rows - seeds)
    freedom = table.shape[0] - 1, table.shape[1] - 1

    def p(share: float, df: int) -> float:
        """Of one share; the rest has the product of both degrees of freedom."""
        spare = freedom[0] * freedom[1]
        ratio = share / df / (rest / spare) if rest else np.inf
        return float(stats.f.sf(ratio, df, spare))

    return VarianceShares(rows, seeds, rest, p(rows, freedom[0]), p(seeds, freedom[1]))


def _sign_flips(difference: np.ndarray) -> float:
    """Two-sided p value of the mean among those of all 2^n choices of signs."""
    test = stats.permutation_test(
        (difference,),
        lambda x, axis: x.mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    return float(test.pvalue)


def verdict(
    difference: Difference | None,
    reported: float | None,
    profile: str,
    unit: str = "seed",
) -> str:
    """Whether a difference went the way that the paper says, in words.

    It is about the sign alone: the size is for the reader to compare. Of twenty rows
    without any effect about one leaves 0 outside its interval by chance.

    Args:
        difference: measured; none where it was not.
        reported: the paper's difference, in percentage points; none where it has none.
        profile: of the runs; ``"quick"`` is never judged.
        unit: what a pair is: ``"seed"`` or ``"fold"``.

    Returns:
        ``"reproduced"`` or ``"opposite"`` where the interval leaves out 0, ``"not
        resolved with 3 seeds"`` where it does not, cannot be had or is of fewer than
        three pairs, ``""`` where there is nothing to compare.
    """
    if difference is None:
        return ""
    if profile == "quick":
        return "no verdict (quick)"
    if not reported:
        return ""
    agrees = difference.mean * reported > 0
    if difference.low is None or difference.high is None:
        sign = "same sign" if agrees else "opposite sign"
        return f"one {unit}: {sign if difference.mean else 'equal'}, resolves nothing"
    excludes_0 = difference.low > 0 or difference.high < 0
    too_few = difference.n < MIN_PAIRS or difference.high - difference.low < NO_SPREAD
    if not excludes_0 or too_few:
        return f"not resolved with {difference.n} {unit}s"
    return "reproduced" if agrees else "opposite"
