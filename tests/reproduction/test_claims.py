"""Claims: what the paper says, and how records judge it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from skellib.errors import InputError
from skellib.records import Metrics, RecordStore, RunRecord
from skellib.reproduction import claims
from skellib.reproduction.claims import (
    CLAIMS,
    Claim,
    Comparison,
    combine,
    get_claim,
    judge_all,
)
from skellib.reproduction.paper_tables import TABLES
from skellib.simultaneous import compare_rows

UCLA = TABLES["V"].column("N-UCLA")


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path)


def put(store, experiment, seed, right, clips=1000):
    metrics = Metrics(
        clips=clips,
        loss=1.0,
        top1=right / clips,
        top5=None,
        per_class=[right / clips],
        confusion=[[right]],
    )
    store.put(
        RunRecord(
            key=experiment.key,
            experiment=experiment,
            seed=seed,
            test=metrics,
            clean=metrics.model_copy(update={"top1": 0.5}),
            history=[],
            seconds=1.0,
            peak_memory=1,
            parameters=1,
            execution={},
            data={},
            stamp={},
        )
    )


def run(store, number, label, values):
    experiment = TABLES[number].row(label).experiment(UCLA, "laptop")
    for seed, right in enumerate(values):
        put(store, experiment, seed, right)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_every_comparison_names_rows_and_has_the_paper_s_sign(claim):
    for comparison in claim.comparisons:
        better, worse = comparison.rows
        assert better.ours and worse.ours
        for column in TABLES[comparison.table].columns:
            claimed = comparison.claimed(column)
            # On NTU-CS the best SMCE has another margin, and M1 = 5 beats M1 = 3.
            assert claimed is None or claimed > 0 or column.name != "N-UCLA"


def test_names_are_distinct_and_in_the_paper_s_order():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    sections = [claim.section for claim in CLAIMS]
    assert sections == sorted(sections)
    assert claims.get_claim("rFA helps") in CLAIMS
    with pytest.raises(InputError, match="rFA helps"):
        claims.get_claim("rFA is magic")


def test_quotes_are_the_paper_s(shared):
    def words(text):
        return re.sub(r"[^a-z0-9]", "", text.lower().replace("\\lambda", ""))

    paper = words((shared.parent / "paper" / "paper.txt").read_text())
    for claim in CLAIMS:
        for piece in re.split(r"\.\.\.|\(|Baseline\d", claim.quote):
            # Forty letters: a table stands in the middle of one sentence.
            assert words(piece)[:40] in paper, claim.name


TWO = Claim(
    "test",
    "",
    "",
    (
        Comparison("V", "CNN Variant", "No Trans. (Baseline0)"),
        Comparison("V", "Skeleton Trans.", "No Trans. (Baseline0)"),
    ),
)


def judge(store, claim=TWO, **options):
    return judge_all("nucla", store, "laptop", claims=[claim], **options)[0]


def test_supported_contradicted_and_in_between(store):
    assert judge(store).verdict == "not run"
    run(store, "V", "No Trans. (Baseline0)", [700, 705, 702, 704])
    assert judge(store).verdict == "not run"
    run(store, "V", "CNN Variant", [720, 724, 723, 722])
    finding = judge(store)
    assert finding.count("supported") == 1
    assert finding.verdict == "not judged"  # the other comparison has no run
    run(store, "V", "Skeleton Trans.", [700, 706, 703, 703])
    assert judge(store).verdict == "bounded"
    run(store, "V", "Skeleton Trans.", [600, 604, 603, 602])
    assert judge(store).verdict == "contradicted"  # by one of two: it says both
    run(store, "V", "Skeleton Trans.", [760, 761, 763, 762])
    assert judge(store).verdict == "supported"
    for label in ("CNN Variant", "Skeleton Trans."):
        run(store, "V", label, [600, 604, 603, 602])
    assert judge(store).verdict == "contradicted"


@pytest.mark.parametrize(
    ("words", "together"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "contradicted"], "contradicted"),
        (["", "bounded", "contradicted"], "contradicted"),
        (["supported", "bounded"], "bounded"),
        (["", "bounded"], "bounded"),
        (["supported", ""], "not judged"),
        (["not judged (2 seeds)", "supported"], "not judged"),
        (["no verdict (quick)"], "not judged"),
        (["", ""], "not run"),
    ],
)
def test_a_claim_says_that_all_its_comparisons_hold(words, together):
    assert combine(words) == together


def test_a_bounded_claim_says_how_large_its_least_gain_can_be(store):
    run(store, "V", "No Trans. (Baseline0)", [700, 705, 702, 704])
    run(store, "V", "CNN Variant", [701, 706, 702, 706])
    run(store, "V", "Skeleton Trans.", [703, 704, 706, 705])
    finding = judge(store)
    one, other = (each.measured for each in finding.judged)
    assert finding.verdict == "bounded"
    assert finding.at_most == min(one.high, other.high)
    assert [each.at_most for each in finding.judged] == [one.high, other.high]
    assert finding.detectable == max(one.detectable, other.detectable)
    run(store, "V", "CNN Variant", [900, 906, 902, 906])
    assert judge(store).at_most == pytest.approx(other.high, abs=1)
    assert not judge(store).at_most > 5  # that which is supported bounds nothing
    run(store, "V", "Skeleton Trans.", [903, 904, 906, 905])
    assert judge(store).at_most is None


def test_comparisons_of_a_table_are_one_family(store):
    """Against the intervals of all runs of the table, other rows included."""
    rows = {
        "No Trans. (Baseline0)": [700, 705, 702],
        "Coordinate Trans.": [720, 709, 731],
        "Skeleton Trans.": [704, 702, 709, 990],  # seed 3: no other row has it
        "CNN Variant": [702, 703, 701],  # in no comparison of the first claim
    }
    for label, right in rows.items():
        run(store, "V", label, right)
    finding = judge(store, get_claim("transforms help"))
    expected = compare_rows(
        [dict(enumerate(np.array(each) / 10)) for each in rows.values()],
        [(1, 0), (2, 0)],
    ).differences
    assert finding.judged[0].claimed == 0.6 and finding.pairs == (0, 3)
    for each, d in zip(finding.judged, expected, strict=False):
        found = each.measured
        assert (found.n, found.mean) == (3, pytest.approx(d.mean))
        assert (found.low, found.high) == pytest.approx((d.low, d.high))
        assert found.p == pytest.approx(d.p)
    # In the family of all claims there are more comparisons: wider intervals.
    wider = judge_all("nucla", store, "laptop")[0].judged[0].measured
    assert wider.mean == pytest.approx(expected[0].mean)
    assert wider.high > expected[0].high
    cleaned = judge(store, get_claim("transforms help"), clean=True)
    assert cleaned.judged[0].measured.mean == 0


def test_families_hold_each_comparison_once():
    every = [each for claim in CLAIMS for each in claim.comparisons]
    families = {number: claims.family(number) for number in TABLES}
    found = [each for part in families.values() for each in part]
    assert sorted(map(str, found)) == sorted(map(str, set(every)))
    assert len(found) < len(every)  # SMFL against FL is in two claims


def test_a_table_without_the_data_set_is_not_run(store):
    finding = judge(store, get_claim("rFA helps where there is a frequency"))
    assert finding.verdict == "not run"
    assert all(each.claimed is None for each in finding.judged)
