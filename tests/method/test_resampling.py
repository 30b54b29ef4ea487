"""Bootstrap and McNemar's test against closed forms and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skellib.errors import InputError
from skellib.resampling import bootstrap, mcnemar


def test_clips_by_themselves_have_the_binomial_standard_error():
    scores = np.repeat([100.0, 0.0], [300, 164])
    found = bootstrap(scores)
    p = 300 / 464
    half = stats.t.ppf(0.975, 463) * 100 * (p * (1 - p) / 463) ** 0.5
    assert (found.n, found.mean) == (464, pytest.approx(100 * p))
    assert found.high - found.mean == pytest.approx(half, rel=0.04)
    assert found.low == pytest.approx(2 * found.mean - found.high)
    assert found == bootstrap(scores)  # the seed is fixed


def test_subjects_are_drawn_whole():
    """Against the cluster-robust standard error of a ratio."""
    generator = np.random.default_rng(0)
    subject = generator.integers(0, 10, 464)
    scores = generator.normal(70, 5, 464) + generator.normal(0, 8, 10)[subject]
    found = bootstrap(scores, subject)
    rest = scores - scores.mean()
    sums = np.array([rest[subject == each].sum() for each in range(10)])
    se = (10 / 9 * (sums**2).sum()) ** 0.5 / 464
    assert found.n == 10
    half = stats.t.ppf(0.975, 9) * se
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.high - found.low > 2 * (bootstrap(scores).high - found.mean)


def test_of_ten_subjects_the_interval_covers_the_truth_often_enough():
    generator = np.random.default_rng(1)
    held = []
    for _ in range(400):
        clips = generator.integers(30, 60, 10)
        subject = np.repeat(np.arange(10), clips)
        scores = 70 + generator.normal(0, 6, 10)[subject]
        found = bootstrap(scores + generator.normal(0, 20, len(subject)), subject)
        held.append(found.low <= 70 <= found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.033)  # three standard errors


def test_a_group_of_one_clip_each_is_no_group():
    scores = np.random.default_rng(2).normal(70, 10, 50)
    assert bootstrap(scores, range(50)) == bootstrap(scores)
    assert bootstrap(scores, [f"clip {k:02}" for k in range(50)]) == bootstrap(scores)


def test_mcnemar_by_hand():
    first = [True] * 9 + [False] * 11
    second = [True] * 4 + [False] * 5 + [True] + [False] * 10
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (5, 1)
    assert found.p == pytest.approx(2 * (1 + 6) / 2**6)  # 5 or 6 of 6, on either side
    assert mcnemar(first, first).p == 1
    back = mcnemar(second, first)
    assert (back.only_first, back.p) == (1, pytest.approx(found.p))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([1.0, 2.0], [1]), "bootstrap: "),
        (lambda: bootstrap([1.0, np.nan]), "bootstrap: "),
        (lambda: bootstrap([1.0, 2.0], [4, 4]), "1 units"),
        (lambda: bootstrap([]), "0 units"),
        (lambda: mcnemar([True], [True, False]), "mcnemar: "),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
