"""Compare rows of a table by all of its runs, with intervals that hold together.

The model is a two-way analysis of variance without interaction: a run is the effect of
its row, plus that of its seed (or fold), plus a rest. The rest has one variance in the
whole table, which all runs estimate together. A table of three seeds thus gives
intervals of many degrees of freedom, where the pairs of two rows alone give two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from skellib.errors import InputError
from skellib.statistics import CONFIDENCE, ROUNDING_ERROR, Difference

POWER = 0.8
"""Probability with which a difference of the detectable size would be shown."""

SIMULATED = 200_000
"""Draws of :func:`simultaneous_quantile`; its error is then about 0.005."""


@dataclass(frozen=True)
class RowComparisons:
    """Hold the comparisons of some rows of a table.

    Attributes:
        differences: one for each pair; None if its rows have no seed in common. ``p``
            is adjusted for the number of comparisons, ``sd`` is that of a difference of
            two single runs; without degrees of freedom both are None.
        df: degrees of freedom of the rest.
        sd: standard deviation of the rest; None without degrees of freedom.
        factor: half width of the simultaneous intervals in standard errors; None
            without degrees of freedom.
    """

    differences: tuple[Difference | None, ...]
    df: int
    sd: float | None
    factor: float | None


def compare_rows(
    rows: Sequence[Mapping[int, float]], pairs: Sequence[tuple[int, int]]
) -> RowComparisons:
    """Compare pairs of rows by the runs of all rows.

    The intervals hold for all pairs together in 95 % of experiments, whatever is true
    (single-step max-t: Dunnett's if all pairs share a row, Tukey's for all pairs). With
    a single pair of two rows it is the paired t test.

    Args:
        rows: values by seed (or fold) of each row; rows may have different seeds, or
            none.
        pairs: positions of the two rows of each comparison, first minus second.

    Raises:
        InputError: if a value is not finite.
    """
    runs = [(r, s, v) for r, row in enumerate(rows) for s, v in row.items()]
    wanted = [k for k, (a, b) in enumerate(pairs) if rows[a].keys() & rows[b].keys()]
    found: list[Difference | None] = [None] * len(pairs)
    if not wanted:
        return RowComparisons(tuple(found), 0, None, None)
    row, seed, y = (np.array(column) for column in zip(*runs, strict=True))
    if not np.isfinite(y).all():
        raise InputError(f"compare: all numbers must be finite, got {y.tolist()}")
    x = np.column_stack([row[:, None] == np.arange(len(rows)), _one_hot(seed)])
    inverse = np.linalg.pinv(x.astype(np.float64))
    df = len(y) - int(np.linalg.matrix_rank(x))
    sides = np.array([pairs[k] for k in wanted])
    contrast = inverse[sides[:, 0]] - inverse[sides[:, 1]]  # of the observations
    means = (contrast @ y).round(9) + 0.0  # without the error of rounding, or -0.0
    units = contrast @ contrast.T
    size = np.sqrt(np.diag(units))
    sd, family = None, None
    if df:
        sd = float(((y - x @ (inverse @ y)) ** 2).sum() / df) ** 0.5
        sd = sd if sd > ROUNDING_ERROR else 0.0
        family = Family(units / np.outer(size, size), df)
    for k, mean, one in zip(wanted, means.tolist(), size.tolist(), strict=True):
        a, b = (rows[each] for each in pairs[k])
        found[k] = _difference(len(a.keys() & b.keys()), mean, sd, one, family)
    return RowComparisons(tuple(found), df, sd, family.factor if family else None)


def _one_hot(values: np.ndarray) -> np.ndarray:
    return values[:, None] == np.unique(values)


def _difference(
    n: int, mean: float, sd: float | None, size: float, family: Family | None
) -> Difference:
    """Make a difference; ``size`` is its standard error in units of ``sd``."""
    if sd is None or family is None:
        return Difference(n, mean, None, None, None)
    se = sd * size
    half = family.factor * se
    return Difference(
        n,
        mean,
        mean - half,
        mean + half,
        family.p(mean / se) if se else None,
        2**0.5 * sd,
        family.detectable * se,
    )


def simultaneous_quantile(correlation: np.ndarray, df: int) -> float:
    """Compute the factor of intervals that hold for several estimates together.

    It is the 95 % quantile of the largest absolute value of a multivariate t vector, as
    in Dunnett's test (comparisons with one row) and Tukey's (all pairs): the estimates
    share one estimate of the variance. It is simulated with a fixed seed; for a single
    estimate it is Student's quantile.

    Args:
        correlation: (k, k) correlation of the estimates; it may be singular.
        df: degrees of freedom of the variance.

    Raises:
        InputError: if there is no estimate or no degree of freedom.
    """
    return Family(correlation, df).factor


class Family:
    """Hold the distribution of the largest |t| of several estimates.

    Args:
        correlation: (k, k) correlation of the estimates; it may be singular.
        df: degrees of freedom of the variance that they share.

    Raises:
        InputError: if there is no estimate or no degree of freedom.
    """

    def __init__(self, correlation: np.ndarray, df: int) -> None:
        correlation = np.asarray(correlation, dtype=np.float64)
        if correlation.ndim != 2 or not len(correlation) or df < 1:
            raise InputError(f"quantile: correlation {correlation.shape}, {df} df")
        self.rows = tuple(map(tuple, correlation.round(9).tolist()))
        self.df = df

    @property
    def factor(self) -> float:
        """Quantile of the largest |t|, see :func:`simultaneous_quantile`."""
        if len(self.rows) == 1:
            return float(stats.t.ppf((1 + CONFIDENCE) / 2, self.df))
        return float(_largest_t(self.rows, self.df)[round(CONFIDENCE * SIMULATED)])

    def p(self, t: float) -> float:
        """Return the probability of a largest |t| of at least this without effects."""
        if len(self.rows) == 1:
            return float(2 * stats.t.sf(abs(t), self.df))
        below = np.searchsorted(_largest_t(self.rows, self.df), abs(t))
        return float(1 - below / SIMULATED)

    @property
    def detectable(self) -> float:
        """Smallest true effect that is shown with 80 % probability, in standard errors.

        Shown means that its interval lies on the right side of zero.
        """
        return detectable(self.factor, self.df)


@cache
def detectable(factor: float, df: int) -> float:
    """Solve for the noncentrality at which a t statistic exceeds a bound with 80 %.

    Args:
        factor: the bound.
        df: degrees of freedom.
    """

    def missing(shift: float) -> float:
        return float(stats.nct.sf(factor, df, shift)) - POWER

    return float(brentq(missing, 0, 3 * factor + 3))


@lru_cache(maxsize=64)
def _largest_normal(rows: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Draw the largest absolute value of normal vectors with a correlation."""
    values, vectors = np.linalg.eigh(rows)
    root = vectors * np.sqrt(values.clip(0))
    normal = np.random.default_rng(0).standard_normal((SIMULATED, len(root)))
    return np.abs(normal @ root.T).max(1)


@lru_cache(maxsize=64)
def _largest_t(rows: tuple[tuple[float, ...], ...], df: int) -> np.ndarray:
    """Draw the largest |t| of estimates that share one variance; ascending."""
    scale = np.random.default_rng(1).chisquare(df, SIMULATED) / df
    return np.sort(_largest_normal(rows) / np.sqrt(scale))
