"""Comparisons of the rows of a table against textbook values and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import trapezoid

from skellib.errors import InputError
from skellib.simultaneous import compare_rows, detectable, simultaneous_quantile
from skellib.statistics import paired, pairs_needed

values = st.floats(0, 100).map(lambda x: round(x, 3))


def seeds(*numbers):
    return dict(enumerate(numbers))


@pytest.mark.parametrize(
    ("correlation", "df", "expected"),
    [
        (np.eye(1), 4, 2.776),
        # Dunnett's two-sided table, 5 %: several groups against a control.
        (np.full((3, 3), 0.5) + np.eye(3) / 2, 10, 2.76),
        (np.full((5, 5), 0.5) + np.eye(5) / 2, 20, 2.73),
        # The studentised range over sqrt 2: all pairs of three rows, a singular matrix.
        ([[1, 0.5, -0.5], [0.5, 1, 0.5], [-0.5, 0.5, 1]], 10, 3.877 / math.sqrt(2)),
    ],
)
def test_simultaneous_quantiles_of_printed_tables(correlation, df, expected):
    found = simultaneous_quantile(np.array(correlation), df)
    assert found == pytest.approx(expected, abs=0.015)


def test_simultaneous_quantile_of_independent_estimates():
    """By numerical integration over the common standard deviation."""
    q = simultaneous_quantile(np.eye(11), 20)
    s = np.linspace(1e-6, 3, 20001)
    density = stats.chi2.pdf(20 * s**2, 20) * 40 * s
    covered = trapezoid((2 * stats.norm.cdf(q * s) - 1) ** 11 * density, s)
    assert covered == pytest.approx(0.95, abs=0.001)
    with pytest.raises(InputError, match="quantile"):
        simultaneous_quantile(np.eye(2), 0)


@given(st.lists(st.tuples(values, values), min_size=3, max_size=7))
@settings(max_examples=40, deadline=None)
def test_two_rows_alone_are_the_paired_t_test(drawn):
    x, y = zip(*drawn)
    assume(np.subtract(x, y).std() > 1e-3)
    found = compare_rows([seeds(*x), seeds(*y)], [(0, 1)])
    (d,), expected = found.differences, paired(x, y)
    assert (d.n, d.mean) == (len(x), pytest.approx(expected.mean))
    assert (d.low, d.high) == pytest.approx((expected.low, expected.high))
    assert d.sd == pytest.approx(expected.sd)
    assert d.p == pytest.approx(stats.ttest_rel(x, y).pvalue)
    assert found.df == len(x) - 1


def test_a_complete_table_by_hand():
    """Three rows, three seeds: the residuals are the rows of a table that sums to 0."""
    rest = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    table = 70 + rest + np.array([[0.0], [3.0], [5.0]]) + np.array([0.0, 10.0, -4.0])
    found = compare_rows([seeds(*row) for row in table], [(1, 0), (2, 0), (2, 1)])
    assert found.df == 4 and found.sd == pytest.approx(1)  # (1 + 1 + 1 + 1) / 4
    assert [d.mean for d in found.differences] == pytest.approx([3, 5, 2])
    # All pairs of three rows with 4 degrees of freedom: Tukey's 5.040 / sqrt(2).
    assert found.factor == pytest.approx(5.040 / math.sqrt(2), abs=0.02)
    for d in found.differences:
        assert d.high - d.mean == pytest.approx(found.factor * math.sqrt(2 / 3))
        assert d.sd == pytest.approx(math.sqrt(2)) and d.n == 3
        t = d.mean / math.sqrt(2 / 3)
        expected = stats.studentized_range.sf(t * math.sqrt(2), 3, 4)
        assert d.p == pytest.approx(expected, abs=0.005)


def test_missing_runs_are_fitted_by_least_squares():
    """Against the normal equations of the model with dummies, one seed left out."""
    rows = [{0: 70.0, 1: 73.0, 2: 71.0}, {0: 72.0, 2: 74.5}, {1: 70.0, 2: 71.0, 5: 9.0}]
    found = compare_rows(rows, [(1, 0), (2, 1)])
    runs = [(r, s, v) for r, row in enumerate(rows) for s, v in row.items() if s != 5]
    x = np.array([[r == 0, r == 1, r == 2, s == 1, s == 2] for r, s, _ in runs], float)
    y = np.array([v for *_, v in runs])
    beta, (rss,), *_ = np.linalg.lstsq(x, y, rcond=None)
    assert found.df == 7 - 5  # a seed that one row alone has tells nothing
    assert found.sd == pytest.approx(math.sqrt(rss / 2))
    covariance = rss / 2 * np.linalg.inv(x.T @ x)
    for d, (a, b), n in zip(found.differences, [(1, 0), (2, 1)], [2, 1], strict=True):
        assert (d.n, d.mean) == (n, pytest.approx(beta[a] - beta[b]))
        c = np.eye(5)[a] - np.eye(5)[b]
        se = math.sqrt(c @ covariance @ c)
        assert d.high - d.low == pytest.approx(2 * found.factor * se)


def test_a_seeds_effect_leaves_the_differences():
    rows = [seeds(70, 72, 71), seeds(71, 74, 72), seeds(70, 71, 73)]
    shifted = [{s: v + 50 * s for s, v in row.items()} for row in rows]
    pairs = [(1, 0), (2, 0)]
    one, other = (compare_rows(each, pairs).differences for each in (rows, shifted))
    for d, e in zip(one, other, strict=True):
        assert (d.mean, d.low, d.high) == pytest.approx((e.mean, e.low, e.high))


def test_rows_without_a_common_seed_or_without_spread():
    found = compare_rows([{0: 70.0}, {1: 71.0}, {}], [(0, 1), (0, 2)])
    assert found.differences == (None, None) and found.factor is None
    one = compare_rows([{0: 70.0}, {0: 71.0}, {}], [(1, 0), (2, 0)])
    assert one.df == 0 and one.differences[1] is None
    d = one.differences[0]
    assert (d.n, d.mean, d.low, d.high, d.p) == (1, pytest.approx(1), None, None, None)
    equal = compare_rows([seeds(70, 71, 72), seeds(71, 72, 73)], [(1, 0)])
    assert equal.differences[0].p is None
    assert compare_rows([], []).differences == ()
    with pytest.raises(InputError, match="finite"):
        compare_rows([{0: math.nan}, {0: 1.0}], [(0, 1)])


def test_intervals_hold_for_all_pairs_together():
    """In a table with five rows, unequal seeds, and any true differences."""
    generator = np.random.default_rng(2)
    truth = np.array([70.0, 71.0, 70.0, 75.0, 69.0])
    pairs, present = [(1, 0), (2, 0), (3, 1), (4, 3)], [4, 4, 3, 4, 3]
    held, alone = [], []
    for _ in range(1000):
        runs = (
            truth[:, None] + generator.normal(0, 5, 4) + generator.normal(0, 2, (5, 4))
        )
        rows = [seeds(*run[:n]) for run, n in zip(runs, present, strict=True)]
        found = compare_rows(rows, pairs).differences
        inside = [
            d.low <= truth[a] - truth[b] <= d.high
            for d, (a, b) in zip(found, pairs, strict=True)
        ]
        held.append(all(inside))
        alone.append(np.mean(inside))
    assert np.mean(held) == pytest.approx(0.95, abs=0.021)  # three standard errors
    assert np.mean(alone) > 0.97


def test_the_detectable_difference_is_that_of_the_needed_pairs():
    """The inverse of another function, by the same printed tables."""
    for n in (3, 10, 40):
        size = detectable(stats.t.ppf(0.975, n - 1), n - 1) / math.sqrt(n)
        assert pairs_needed(1.0, 1.001 * size) == n
        assert pairs_needed(1.0, 0.97 * size) > n
    rows = [seeds(70, 72, 71, 73), seeds(71, 74, 72, 73)]
    (d,) = compare_rows(rows, [(1, 0)]).differences
    expected = detectable(stats.t.ppf(0.975, 3), 3) * d.sd / 2
    assert d.detectable == pytest.approx(expected)


def test_a_difference_of_the_detectable_size_is_shown_in_four_of_five():
    generator = np.random.default_rng(3)
    pairs = [(1, 0), (2, 0), (3, 0)]
    factor = simultaneous_quantile(np.full((3, 3), 0.5) + np.eye(3) / 2, 12)
    size = detectable(factor, 12) * 2 * math.sqrt(2 / 5)  # sd 2, five seeds
    truth = np.array([[70.0], [70 + size], [70.0], [70.0]])
    runs = truth + generator.normal(0, 2, (1000, 4, 5))
    shown = [
        compare_rows([seeds(*r) for r in run], pairs).differences[0].low > 0
        for run in runs
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.04)
