"""The rule for claims, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skellib.reproduction import calibration
from skellib.reproduction.calibration import TRUTHS, printed_claims, rule_table
from skellib.reproduction.claims import CLAIMS, combine, family
from skellib.reproduction.paper_tables import TABLES, UCLA
from skellib.simultaneous import compare_rows

STEPS, NOTHING = TRUTHS


@pytest.fixture(scope="module")
def table():
    found = rule_table(paired_sds=(1.1, 4.4), seeds=(3, 40), experiments=1000)
    return found.sort_index()


def test_every_claim_has_one_of_three_verdicts(table):
    words = table[["supported", "contradicted", "bounded"]].sum(axis=1)
    assert words.to_numpy() == pytest.approx(table["claims"].to_numpy())
    unprinted = {"rFA helps where there is a frequency", "a middle weight is best"}
    unprinted.add("a large weight is harmful")
    judged = {claim.name for claim in printed_claims(UCLA)}
    assert judged == {claim.name for claim in CLAIMS} - unprinted
    assert set(table["claims"]) == {len(judged)}


def test_false_statements_are_as_rare_as_five_families_allow(table):
    """Each table errs in at most 5 % of experiments, independently of the others."""
    families = {each.table for c in printed_claims(UCLA) for each in c.comparisons}
    at_most = 1 - 0.95 ** len(families)
    assert (table.loc[NOTHING, "any false"] - at_most).abs().max() < 0.04
    assert (table.loc[STEPS, "any false"] < at_most / 2).all()


def test_more_seeds_and_less_spread_show_more(table):
    shown = table["supported"].unstack("seeds")
    assert (shown.loc[STEPS, 40] > shown.loc[STEPS, 3]).all()
    assert shown.loc[(STEPS, 1.1), 40] > shown.loc[(STEPS, 4.4), 40]
    assert table.loc[NOTHING, "supported"].max() < 0.2
    excluded = table["excluded"].unstack("seeds")
    assert excluded.loc[(NOTHING, 1.1), 40] > 5  # without an effect, that is shown
    assert excluded.loc[STEPS].to_numpy().max() < 0.2
    gains = table["detectable"].unstack("paired sd")
    assert gains[4.4].to_numpy() == pytest.approx(4 * gains[1.1].to_numpy())


def test_the_simulated_intervals_are_those_of_simulated_runs():
    """Against runs drawn one by one and compared as records are."""
    claims = printed_claims(UCLA)
    pairs = family("VI", claims)
    labels = [row.label for row in TABLES["VI"].rows]
    truth = np.array([pair.claimed(UCLA) for pair in pairs])
    generator = np.random.default_rng(1)
    ends, gain = calibration._intervals(pairs, truth, 2.0, 3, 3000, generator)
    level = np.array([row.reported[UCLA.name] for row in TABLES["VI"].rows])
    places = [(labels.index(p.better), labels.index(p.worse)) for p in pairs]
    drawn = []
    for _ in range(600):
        runs = level[:, None] + generator.normal(0, 2 / 2**0.5, (len(labels), 3))
        found = compare_rows([dict(enumerate(run)) for run in runs], places)
        drawn.append([(d.low, d.high) for d in found.differences])
    drawn = np.array(drawn)  # (experiments, pairs, ends)
    for k in range(len(pairs)):
        for end in range(2):
            test = stats.ks_2samp(drawn[:, k, end], ends[k, end])
            assert test.pvalue > 1e-3
    assert gain == pytest.approx(4.87 / 2, rel=1)  # of the order of the table's


def test_the_rule_for_all_experiments_at_once_is_that_of_one():
    generator = np.random.default_rng(0)
    claim = next(c for c in CLAIMS if c.name == "SMFL is the best loss")
    centre = generator.normal(0, 1, (len(claim.comparisons), 500))
    ends = np.stack([centre - 0.7, centre + 0.7], axis=1)
    intervals = dict(zip(claim.comparisons, ends, strict=True))
    found = calibration._judge(claim, UCLA, intervals)

    def word(low, high):
        return "supported" if low > 0 else "contradicted" if high < 0 else "bounded"

    words = [combine([word(*e) for e in each]) for each in np.moveaxis(ends, 2, 0)]
    for name in ("supported", "contradicted", "bounded"):
        assert found[name] == pytest.approx(words.count(name) / 500)
