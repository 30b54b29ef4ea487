"""Claims: what the paper says, and how records judge it."""

from __future__ import annotations

import re

import pytest

from skellib.errors import InputError
from skellib.records import Metrics, RecordStore, RunRecord
from skellib.reproduction import claims
from skellib.reproduction.claims import CLAIMS, Claim, Comparison, judge
from skellib.reproduction.paper_tables import TABLES
from skellib.statistics import paired

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


def test_reproduced_opposite_and_in_between(store):
    claim = Claim(
        "test",
        "",
        "",
        (
            Comparison("V", "CNN Variant", "No Trans. (Baseline0)"),
            Comparison("V", "Skeleton Trans.", "No Trans. (Baseline0)"),
        ),
    )

    def verdict():
        return judge(claim, "nucla", store, "laptop").verdict

    assert verdict() == "not run"
    run(store, "V", "No Trans. (Baseline0)", [700, 705, 702, 704])
    assert verdict() == "not run"
    run(store, "V", "CNN Variant", [720, 724, 723, 722])
    assert verdict() == "not resolved"  # the other comparison has no run
    run(store, "V", "Skeleton Trans.", [600, 604, 603, 602])
    assert verdict() == "contradicted in part"
    run(store, "V", "Skeleton Trans.", [760, 761, 763, 762])
    assert verdict() == "reproduced"
    for label in ("CNN Variant", "Skeleton Trans."):
        run(store, "V", label, [600, 604, 603, 602])
    assert verdict() == "opposite"


def test_differences_are_paired_by_seed(store):
    run(store, "V", "No Trans. (Baseline0)", [700, 705, 702])
    run(store, "V", "Coordinate Trans.", [720, 709, 731, 999])  # seed 3: no partner
    finding = judge(claims.get_claim("transforms help"), "nucla", store, "laptop")
    measured = finding.judged[0].measured
    expected = paired([72.0, 70.9, 73.1], [70.0, 70.5, 70.2])
    assert (measured.n, measured.p) == (3, expected.p)
    assert measured.mean == pytest.approx(expected.mean)
    assert measured.low == pytest.approx(expected.low)
    assert finding.judged[0].claimed == 0.6
    assert finding.pairs == (0, 3)
    cleaned = judge(claims.get_claim("transforms help"), "nucla", store, "laptop", True)
    assert cleaned.judged[0].measured.mean == 0


def test_a_table_without_the_data_set_is_not_run(store):
    claim = claims.get_claim("rFA helps where there is a frequency")
    finding = judge(claim, "nucla", store, "laptop")
    assert finding.verdict == "not run"
    assert all(each.claimed is None for each in finding.judged)
