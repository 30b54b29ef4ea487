"""Test statistics against values computed in other ways."""

from __future__ import annotations

import itertools
import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from skellib.errors import InputError
from skellib.statistics import (
    Difference,
    Summary,
    bound,
    grim,
    grim_smallest,
    paired,
    pairs_needed,
    summarise,
    variance_shares,
    verdict,
)

# Student's t, 97.5 %, from printed tables, by degrees of freedom.
QUANTILE = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 29: 2.045}

values = st.floats(0, 100).map(lambda x: round(x, 3))
pairs = st.lists(st.tuples(values, values), min_size=2, max_size=7)


def brute_force(differences):
    """Compute the sign-flip test explicitly: all 2^n sums, including ties."""
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(s >= observed - 1e-9 for s in sums) / len(sums)


def test_summary_by_hand():
    s = summarise([70.0, 72.0, 74.0])
    assert (s.n, s.mean, s.sd) == (3, 72.0, 2.0)
    half = QUANTILE[2] * 2 / math.sqrt(3)
    assert s.low == pytest.approx(72 - half, abs=2e-3)
    assert s.high == pytest.approx(72 + half, abs=2e-3)


@pytest.mark.parametrize("freedom", QUANTILE)
def test_interval_has_the_tables_quantile(freedom):
    n = freedom + 1
    s = summarise([*range(n)])
    assert s.mean == pytest.approx((n - 1) / 2)
    assert s.sd == pytest.approx(math.sqrt(n * (n + 1) / 12))  # of 0 ... n - 1
    half = QUANTILE[freedom] * s.sd / math.sqrt(n)
    assert s.high - s.mean == pytest.approx(half, rel=3e-4)
    assert s.mean - s.low == pytest.approx(half, rel=3e-4)


def test_one_value_has_no_spread():
    assert summarise([72.4]) == Summary(1, 72.4, None, None, None)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = [
        s.low <= 50 <= s.high
        for s in (summarise(rng.normal(50, 3, 4)) for _ in range(2000))
    ]
    # 2000 trials at 95 %: three standard errors are 1.5 points.
    assert abs(np.mean(held) - 0.95) < 0.015


def test_paired_by_hand():
    d = paired([71.0, 73.0, 76.0], [70.0, 71.0, 73.0])  # 1, 2, 3
    half = QUANTILE[2] / math.sqrt(3)
    assert (d.n, d.mean) == (3, 2.0)
    assert d.low == pytest.approx(2 - half, abs=1e-3)
    assert d.high == pytest.approx(2 + half, abs=1e-3)
    assert d.p == 2 / 8  # of eight sums only 6 and -6 are as far from 0


def test_pairing_removes_what_both_share():
    """Make values that differ more between seeds than between rows."""
    row, base = [60.0, 70.0, 81.0, 90.0], [59.0, 69.5, 79.5, 89.0]
    low = paired(row, base).low
    assert low is not None and low > 0
    assert stats.ttest_ind(row, base).pvalue > 0.9


@pytest.mark.parametrize("n", [2, 3, 5, 8, 12])
def test_the_smallest_p_of_n_pairs(n):
    assert paired([*range(1, n + 1)], [0] * n).p == pytest.approx(2 / 2**n)


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_p_is_that_of_all_sign_flips(drawn):
    x, y = zip(*drawn)
    assert paired(x, y).p == pytest.approx(brute_force([a - b for a, b in drawn]))


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_interval_is_that_of_scipys_paired_t_test(drawn):
    x, y = zip(*drawn)
    assume(np.subtract(x, y).std() > 1e-6)
    expected = stats.ttest_rel(x, y).confidence_interval(0.95)
    d = paired(x, y)
    assert (d.low, d.high) == pytest.approx((expected.low, expected.high))


@given(pairs)
@settings(max_examples=40, deadline=None)
def test_swapping_the_two_turns_the_sign(drawn):
    x, y = zip(*drawn)
    d, back = paired(x, y), paired(y, x)
    assert d.mean == pytest.approx(-back.mean)
    assert (d.low, d.high) == pytest.approx((-back.high, -back.low))
    assert d.p == pytest.approx(back.p)


def test_many_pairs_take_the_t_test():
    rng = np.random.default_rng(1)
    x, y = rng.normal(51, 2, 30), rng.normal(50, 2, 30)
    d = x - y
    t = d.mean() / (d.std(ddof=1) / math.sqrt(30))
    assert paired(x, y).p == pytest.approx(2 * stats.t.sf(abs(t), 29))


def test_many_pairs_without_spread_have_no_p():
    assert paired([1.5] * 13, [1.0] * 13).p is None


def test_one_pair_resolves_nothing():
    assert paired([72.0], [70.0]) == Difference(1, 2.0, None, None, None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summarise([]), "values: expected a sequence of one or more"),
        (lambda: summarise([1.0, math.nan]), "values: all numbers must be finite"),
        (lambda: paired([1.0], [1.0, 2.0]), "baseline_values: 2 numbers"),
        (lambda: paired([1.0], [math.inf]), "baseline_values: all numbers"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_spread_of_a_difference():
    assert paired([72.0, 75.0, 74.0], [70.0, 70.0, 70.0]).sd == pytest.approx(
        1.5275, 1e-4
    )


@pytest.mark.parametrize(
    ("effect", "power", "n"),
    # Printed in power tables of the paired t test, two-sided at 5 %.
    [(0.2, 0.8, 199), (0.5, 0.8, 34), (0.8, 0.8, 15), (0.5, 0.9, 44), (1.0, 0.8, 10)],
)
def test_pairs_needed_of_printed_tables(effect, power, n):
    assert pairs_needed(1.0, effect, power) == n
    assert pairs_needed(5.0, -5 * effect, power) == n  # unit and sign are irrelevant


def test_pairs_needed_by_simulation():
    n = pairs_needed(3.0, 2.0)
    generator = np.random.default_rng(0)

    def seen(pairs):
        d = generator.normal(2.0, 3.0, size=(20000, pairs))
        half = stats.t.ppf(0.975, pairs - 1) * d.std(1, ddof=1) / pairs**0.5
        return (abs(d.mean(1)) > half).mean()

    assert seen(n) > 0.79 and seen(n - 1) < 0.81


def test_pairs_needed_of_nothing():
    assert pairs_needed(0.0, 0.1) == 2
    for given_ in ((1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, 1.0, 1.0)):
        with pytest.raises(InputError, match="pairs_needed: sd"):
            pairs_needed(*given_)


def test_shares_of_an_additive_table():
    row, seed = np.array([0.0, 1.0, 5.0]), np.array([70.0, 74.0])
    found = variance_shares(row[:, None] + seed)
    total = 2 * row.var() * 3 + 3 * seed.var() * 2
    assert found.rows == pytest.approx(2 * row.var() * 3 / total)
    assert found.seeds == pytest.approx(3 * seed.var() * 2 / total)
    assert found.rest == pytest.approx(0, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(
    table=st.integers(2, 5).flatmap(
        lambda n: st.lists(
            st.lists(values, min_size=n, max_size=n), min_size=2, max_size=6
        )
    )
)
def test_shares_are_parts_of_a_whole_whichever_way_the_table_is_read(table):
    assume(np.var(table) > 1e-3)
    found, turned = variance_shares(table), variance_shares(list(zip(*table)))
    assert found.rows + found.seeds + found.rest == pytest.approx(1)
    assert min(found.rows, found.seeds, found.rest) > -1e-9
    assert found.rows == pytest.approx(turned.seeds)


def test_p_values_of_shares():
    # With two rows the F test is Student's paired test.
    one, other = [70.0, 72.5, 71.0, 69.5], [71.0, 74.5, 71.5, 71.5]
    expected = stats.ttest_rel(one, other).pvalue
    assert variance_shares([one, other]).rows_p == pytest.approx(expected)
    # F(2, 4) exceeds 6.944 in one case of twenty (printed tables). Row effects ±a and
    # a rest that sums to zero by row and by seed: F = (6 a²/2) / (4/4) = 3 a².
    a = math.sqrt(6.944 / 3)
    rest = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    table = np.array([[a], [-a], [0.0]]) + rest
    assert variance_shares(table).rows_p == pytest.approx(0.05, abs=1e-4)
    assert variance_shares(table).seeds_p == pytest.approx(1)
    assert variance_shares([[1.0, 2.0], [3.0, 4.0]]).rows_p == 0  # no rest at all


def test_shares_of_too_little():
    for table in ([[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 1.0], [1.0, 1.0]]):
        with pytest.raises(InputError, match="shares"):
            variance_shares(table)


@pytest.mark.parametrize("digits", [0, 1])
@pytest.mark.parametrize("rounding", [ROUND_HALF_UP, ROUND_DOWN])
def test_grim_by_listing_all_shares(digits, rounding):
    scale = 10**digits
    for n in (1, 3, 7, 8, 80, 464, 999):
        if rounding == ROUND_DOWN:
            shares = {100 * scale * k // n for k in range(n + 1)}
        else:
            shares = {(200 * scale * k + n) // (2 * n) for k in range(n + 1)}
        every = [printed / scale for printed in range(100 * scale + 1)]
        found = grim(every, n, digits, rounding)
        assert found == [printed in shares for printed in range(100 * scale + 1)], n


def test_ties_are_rounded_as_asked():
    # 1 of 8 is 12.5 %.
    assert grim([13.0, 12.0], 8, digits=0) == [True, False]
    assert grim([13.0, 12.0], 8, digits=0, rounding=ROUND_HALF_EVEN) == [False, True]


def test_the_smallest_number_of_clips():
    assert grim_smallest([0.0, 100.0]) == 1
    assert grim_smallest([66.7, 33.3]) == 3
    assert grim_smallest([66.7, 50.0]) == 6
    assert grim_smallest([tenth / 10 for tenth in range(1001)]) == 1000
    with pytest.raises(InputError, match="must lie in 0 to 100"):
        grim_smallest([100.1])


CLEAR = Difference(3, 1.0, 0.4, 1.6, 0.25)
UNCLEAR = Difference(3, 1.0, -0.4, 2.4, 0.25)
ONE = Difference(1, 1.0, None, None, None)


@pytest.mark.parametrize(
    ("difference", "reported", "profile", "words"),
    [
        (CLEAR, 0.5, "full", "supported"),
        (CLEAR, 0.5, "laptop", "supported"),
        (CLEAR, -0.5, "full", "contradicted"),
        (Difference(3, -1.0, -1.6, -0.4, 0.25), -0.5, "full", "supported"),
        (UNCLEAR, 0.5, "full", "bounded"),
        (UNCLEAR, -0.5, "full", "bounded"),
        (ONE, 0.5, "full", "one seed: same sign, resolves nothing"),
        # Two pairs are not enough: a third one can reverse the verdict.
        (Difference(2, 3.4, 0.3, 6.6, 0.5), 0.9, "laptop", "not judged (2 seeds)"),
        # One pair in a table whose other rows have more runs has an interval.
        (Difference(1, 3.4, 0.3, 6.6, 0.5), 0.9, "laptop", "not judged (1 seed)"),
        (ONE, -0.5, "laptop", "one seed: opposite sign, resolves nothing"),
        (
            Difference(1, 0.0, None, None, None),
            0.5,
            "full",
            "one seed: equal, resolves nothing",
        ),
        (CLEAR, 0.5, "quick", "no verdict (quick)"),
        (ONE, None, "quick", "no verdict (quick)"),
        (CLEAR, None, "full", ""),
        (CLEAR, 0.0, "full", ""),
        (None, 0.5, "full", ""),
        (None, 0.5, "quick", ""),
    ],
)
def test_verdicts(difference, reported, profile, words):
    assert verdict(difference, reported, profile) == words


def test_the_bound_is_the_end_of_the_interval_on_the_papers_side():
    assert bound(UNCLEAR, 0.5) == 2.4  # a gain above it is excluded
    assert bound(UNCLEAR, -0.5) == 0.4  # a loss above it is
    assert bound(CLEAR, -0.5) == -0.4
    assert bound(ONE, 0.5) is None


def test_verdict_of_folds():
    two = Difference(2, 3.4, 0.3, 6.6, 0.5)
    assert verdict(two, 1.0, "full", "fold") == "not judged (2 folds)"


def test_equal_differences_are_no_evidence_of_precision():
    """Two seeds may differ by the same clip: the width 0 is no evidence."""
    d = paired([72.41379310344827, 70.0], [72.19827586206896, 69.78448275862069])
    assert verdict(d, 0.5, "full") == "not judged (2 seeds)"
    same = paired([72.0, 71.0, 70.0, 69.0], [71.0, 70.0, 69.0, 68.0])
    assert verdict(same, 0.5, "full") == "not judged (4 seeds)"
