"""Statistics of a few runs: means with intervals, paired differences, verdicts.

Values are accuracies in per cent, one per seed (or per fold); differences are in
percentage points. With few seeds the intervals are wide, as they should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import count

import numpy as np
from scipy import stats

from skellib.errors import InputError

CONFIDENCE = 0.95
MAX_EXACT_PAIRS = 12
"""Largest number of pairs for which all 2^n sign flips are evaluated."""

MIN_PAIRS = 3
"""Smallest number of pairs for a verdict: two do not estimate the variance well."""

CONCLUSIVE = ("supported", "contradicted")
"""Verdicts on a difference whose interval excludes zero."""

VERDICTS = (*CONCLUSIVE, "bounded")
"""The three verdicts, see :func:`verdict`."""

ROUNDING_ERROR = 1e-9
"""Smallest standard deviation that is not attributed to rounding.

Accuracies are multiples of 1 / clips, so that all seeds can have the same difference;
its variance cannot be estimated then.
"""


@dataclass(frozen=True)
class Summary:
    """Hold the mean and the interval of independent runs.

    Attributes:
        n: number of values.
        mean: mean of the values.
        sd: standard deviation of the values (n - 1); None if n is 1.
        low, high: 95 % Student interval of the mean; None if n is 1.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """Hold the difference between two rows, paired by seed or fold.

    Attributes:
        n: number of pairs.
        mean: mean difference.
        low, high: 95 % interval of the mean difference: Student's for two rows alone
            (:func:`paired`), simultaneous for the rows of a table
            (:func:`skellib.simultaneous.compare_rows`). None if the spread is unknown.
        p: two-sided p value by the method of the interval; of :func:`paired` by sign
            flips. None if the spread is unknown.
        sd: standard deviation of the differences; None if it is unknown.
        detectable: smallest true difference whose interval would exclude zero with
            80 % probability; None if it is unknown.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None
    sd: float | None = None
    detectable: float | None = None


def _finite(values: Sequence[float], name: str) -> np.ndarray:
    """Convert values to an array (n,); refuse an empty or non-finite one."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name}: expected a sequence of one or more numbers")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: all numbers must be finite, got {array.tolist()}")
    return array


def summarise(values: Sequence[float]) -> Summary:
    """Compute the mean, the standard deviation and the 95 % interval of the mean.

    Args:
        values: values of independent runs.

    Raises:
        InputError: if there is no value, or a value is not finite.
    """
    x = _finite(values, "values")
    n, mean = len(x), float(x.mean())
    if n == 1:
        return Summary(1, mean, None, None, None)
    sd = float(x.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sd / n**0.5
    return Summary(n, mean, sd, mean - half, mean + half)


def paired(values: Sequence[float], baseline_values: Sequence[float]) -> Difference:
    """Compute the paired difference between a row and its baseline.

    Up to 12 pairs, the p value is that of the exact sign-flip permutation test, which
    assumes no distribution but cannot be less than 2 / 2^n (0.06 with 5 seeds). Beyond
    12 pairs, it is that of the paired t test.

    Args:
        values: values of the row, one per seed.
        baseline_values: values of the baseline, for the same seeds in the same order.

    Raises:
        InputError: if the lengths differ, or a value is not finite.
    """
    x = _finite(values, "values")
    y = _finite(baseline_values, "baseline_values")
    if len(x) != len(y):
        raise InputError(f"baseline_values: {len(y)} numbers, but values has {len(x)}")
    difference = x - y
    summary = summarise(difference.tolist())
    p = _sign_flips(difference) if 1 < len(x) <= MAX_EXACT_PAIRS else None
    if len(x) > MAX_EXACT_PAIRS and difference.std() > ROUNDING_ERROR:
        p = float(stats.ttest_rel(x, y).pvalue)
    return Difference(summary.n, summary.mean, summary.low, summary.high, p, summary.sd)


def pairs_needed(sd: float, difference: float, power: float = 0.8) -> int:
    """Compute how many pairs are needed to detect a difference.

    It is the smallest n for which the 95 % Student interval excludes zero with
    probability ``power``, by the noncentral t distribution (J. Cohen, 1988, chapter 2).

    Args:
        sd: standard deviation of the paired differences.
        difference: true mean difference, in the same unit.
        power: probability of detecting it, above 0.05 and below 1.

    Raises:
        InputError: if an argument is out of range.
    """
    if not (sd >= 0 and difference != 0 and 1 - CONFIDENCE < power < 1):
        raise InputError(
            f"pairs_needed: sd {sd}, difference {difference} and power {power}; sd is "
            "0 or more, the difference is not 0, and power in (0.05, 1)"
        )

    def detected(n: int) -> float:
        """Compute the probability that the interval of n pairs excludes zero."""
        critical = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
        shift = abs(difference) / max(sd, ROUNDING_ERROR) * n**0.5
        return float(
            stats.nct.sf(critical, n - 1, shift)
            + stats.nct.cdf(-critical, n - 1, shift)
        )

    high = 2
    while detected(high) < power:
        high *= 2
    low = high // 2
    while high - low > 1:  # low pairs are too few, high pairs are enough
        middle = (low + high) // 2
        low, high = (low, middle) if detected(middle) >= power else (middle, high)
    return high


@dataclass(frozen=True)
class VarianceShares:
    """Hold the shares of the variance in a table of rows and seeds; they sum to 1.

    Attributes:
        rows: share between the means of the rows.
        seeds: share between the means of the seeds.
        rest: remaining share: effects of a seed on some rows but not on others.
        rows_p, seeds_p: p values of the F tests of ``rows`` and ``seeds`` against
            ``rest``.
    """

    rows: float
    seeds: float
    rest: float
    rows_p: float
    seeds_p: float


def variance_shares(values: Sequence[Sequence[float]]) -> VarianceShares:
    """Decompose the variance of a table (two-way analysis of variance, unreplicated).

    Args:
        values: one sequence per row, with one value per seed; the same seeds in each.

    Raises:
        InputError: if there are fewer than two rows or two seeds, or all values are the
            same.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise InputError("shares: expected numbers for two or more rows and seeds")
    mean = table.mean()
    total = ((table - mean) ** 2).sum()
    if total <= ROUNDING_ERROR:
        raise InputError("shares: all values are the same")
    rows = float(table.shape[1] * ((table.mean(1) - mean) ** 2).sum() / total)
    seeds = float(table.shape[0] * ((table.mean(0) - mean) ** 2).sum() / total)
    rest = max(0.0, 1 - rows - seeds)
    freedom = table.shape[0] - 1, table.shape[1] - 1

    def p(share: float, df: int) -> float:
        """Compute the p value of one share; df are its degrees of freedom."""
        spare = freedom[0] * freedom[1]
        ratio = share / df / (rest / spare) if rest else np.inf
        return float(stats.f.sf(ratio, df, spare))

    return VarianceShares(rows, seeds, rest, p(rows, freedom[0]), p(seeds, freedom[1]))


def _sign_flips(difference: np.ndarray) -> float:
    """Compute the two-sided p value of the mean over all 2^n choices of signs."""
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
    """Judge whether a difference has the sign that the paper reports.

    Args:
        difference: measured difference; None if there is none.
        reported: the paper's difference, in percentage points; None if there is none.
        profile: profile of the runs; ``"quick"`` is never judged.
        unit: what is paired: ``"seed"`` or ``"fold"``.

    Returns:
        ``"supported"`` if the interval lies on the paper's side of zero;
        ``"contradicted"`` if it lies on the other; ``"bounded"`` if it includes zero,
        so that a difference beyond its end is excluded, see :func:`bound`. ``"not
        judged (2 seeds)"`` with fewer than three pairs or without any spread; ``""`` if
        there is nothing to compare.
    """
    if difference is None:
        return ""
    if profile == "quick":
        return "no verdict (quick)"
    if not reported:
        return ""
    if difference.low is None or difference.high is None:
        agrees = difference.mean * reported > 0
        sign = "same sign" if agrees else "opposite sign"
        return f"one {unit}: {sign if difference.mean else 'equal'}, resolves nothing"
    width = difference.high - difference.low
    if difference.n < MIN_PAIRS or width < ROUNDING_ERROR:
        return f"not judged ({difference.n} {unit}{'s' * (difference.n > 1)})"
    if difference.low <= 0 <= difference.high:
        return "bounded"
    return CONCLUSIVE[difference.mean * reported < 0]


def bound(difference: Difference, reported: float) -> float | None:
    """Return the largest size, with the paper's sign, that the interval leaves open.

    It is negative if the interval lies on the other side of zero, and None if there is
    no interval.

    Args:
        difference: measured difference.
        reported: the paper's difference; only its sign matters.
    """
    if difference.low is None or difference.high is None:
        return None
    return difference.high if reported > 0 else -difference.low


def grim(
    percentages: Sequence[float],
    n: int,
    digits: int = 1,
    rounding: str = ROUND_HALF_UP,
) -> list[bool]:
    """Test which printed percentages can be k of n clips (Brown and Heathers, 2017).

    A percentage that cannot be is not the accuracy of a single run on n clips. The mean
    of r runs is a multiple of 1 / (r n): for these, give r n as ``n``.

    Args:
        percentages: as printed.
        n: number of clips.
        digits: number of digits after the point in print.
        rounding: how they were rounded, a constant of :mod:`decimal`; ``ROUND_DOWN`` if
            further digits were cut off.

    Returns:
        For each percentage, whether there is such a k.

    Example:
        >>> from skellib.statistics import grim
        >>> grim([66.7, 70.0], n=3)
        [True, False]
    """
    unit = Decimal(1).scaleb(-digits)
    printed = [Decimal(f"{value:.{digits}f}") for value in percentages]

    def possible(value: Decimal) -> bool:
        below = int(value * n / 100)  # no other share is closer than one of the two
        shares = (Decimal(100 * k) / n for k in (below, below + 1) if k <= n)
        return any(share.quantize(unit, rounding) == value for share in shares)

    return [possible(value) for value in printed]


def grim_smallest(
    percentages: Sequence[float], digits: int = 1, rounding: str = ROUND_HALF_UP
) -> int:
    """Return the smallest n of which all percentages can be a share, see :func:`grim`.

    It is at most 100 times 10 to the number of digits, if they lie in 0 to 100.

    Raises:
        InputError: if one does not lie in 0 to 100.
    """
    if not all(0 <= value <= 100 for value in percentages):
        raise InputError("percentages: must lie in 0 to 100")
    return next(n for n in count(1) if all(grim(percentages, n, digits, rounding)))
