"""Tables from records made here: whose number each cell shows, and what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.figures import dots
from skellib.records import Epoch, Metrics, RecordStore, RunRecord, TestLogits
from skellib.reproduction import cells, coverage, render, report, results
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import TABLES, UCLA, Column
from skellib.simultaneous import compare_rows

BASE, FULL = "No Trans. (Baseline0)", "Coordinate and Skeleton Trans."
V = TABLES["V"]


def make_record(experiment: Experiment, seed: int, top1, clean=None, dirty=False):
    """A record with this accuracy of four classes; its confusion is of 100 clips."""

    def metrics(share):
        right = round(25 * share)
        rows = [[right if i == j else 0 for j in range(4)] for i in range(4)]
        for i, row in enumerate(rows):
            row[(i + 1) % 4] += 25 - right
        return Metrics(
            clips=100,
            loss=0.5,
            top1=share,
            top5=None,
            per_class=[right / 25] * 4,
            confusion=rows,
        )

    return RunRecord(
        key=experiment.key,
        experiment=experiment,
        seed=seed,
        test=metrics(top1),
        clean=None if clean is None else metrics(clean),
        history=[Epoch(epoch=1, learning_rate=0.001, loss=1.0, top1=0.5)],
        seconds=1.5,
        peak_memory=1000,
        parameters=10,
        execution={},
        data={},
        stamp={"commit": None, "clean": not dirty},
    )


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path / "records")


def record(store, label, scores, table=V, column=UCLA, profile="laptop", **more):
    """Records of a row: one a seed, from a mapping or from seed 0 on."""
    if not isinstance(scores, dict):
        scores = dict(enumerate(scores))
    experiment = table.row(label).experiment(column, profile)
    for seed, score in scores.items():
        store.put(make_record(experiment, seed, score, **more))


def cell(store, label, table=V, column=UCLA, profile="laptop", **options):
    found = cells.column_cells(table, column, profile, store, **options)
    return {each.label: each for each in found}[label]


def test_a_row_that_was_measured(store):
    record(store, BASE, [0.68, 0.70, 0.72])
    record(store, FULL, [0.69, 0.72, 0.75])
    c = cell(store, FULL)
    assert c.reported == 90.5 and c.claimed == pytest.approx(0.9)
    assert c.summary.mean == pytest.approx(72)
    assert c.summary.sd == pytest.approx(3)
    assert c.difference.mean == pytest.approx(2)  # 1, 2, 3 by seed
    assert c.difference.p == pytest.approx(0.0742, abs=1e-4)  # t = 2 sqrt(3), 2 df
    half = 4.303 / math.sqrt(3)
    assert c.difference.high == pytest.approx(2 + half, abs=1e-3)
    assert c.verdict == "bounded"
    assert c.paper_text == "paper: 90.5 %"
    assert c.measured_text == (
        "measured, laptop network (3 seeds): 72.0 ± 3.0 % [64.5, 79.5]"
    )
    assert c.compared_text == "measured: +2.0 [−0.5, +4.5], p = 0.074; paper: +0.9"


def test_the_baseline_is_not_compared_with_itself(store):
    record(store, BASE, [0.68, 0.70])
    c = cell(store, BASE)
    assert c.baseline and c.difference is None and c.claimed is None
    assert (c.compared_text, c.verdict) == ("baseline", "")


def test_a_verdict_needs_the_papers_sign(store):
    record(store, BASE, [0.60, 0.65, 0.70])
    record(store, FULL, [0.70, 0.751, 0.80])
    record(store, "CNN Variant", [0.50, 0.551, 0.60])
    assert cell(store, FULL).verdict == "supported"
    assert cell(store, "CNN Variant").verdict == "contradicted"
    assert cell(store, "CNN Variant").compared_text.startswith("measured: −10.0 [−10")


def test_differences_of_a_table_share_their_intervals(store):
    """All rows against the baseline, by the runs of all: Dunnett's comparisons."""
    rows = {
        BASE: [0.70, 0.71, 0.72],
        FULL: [0.71, 0.73, 0.72],
        "CNN Variant": [0.7] * 3,
    }
    for label, scores in rows.items():
        record(store, label, scores)
    found = compare_rows(
        [dict(enumerate(100 * np.array(each))) for each in rows.values()],
        [(1, 0), (2, 0)],
    )
    for label, expected in zip((FULL, "CNN Variant"), found.differences, strict=True):
        d = cell(store, label).difference
        assert (d.mean, d.low, d.high) == pytest.approx(
            (expected.mean, expected.low, expected.high)
        )


def test_the_edition_of_a_pair_is_that_of_its_table(store):
    """Two rows have more keyed runs, but their table shows the first edition."""
    for label, scores in ((BASE, [0.7, 0.7, 0.7]), (FULL, [0.8, 0.81, 0.82])):
        record(store, label, scores)
        former = V.row(label).experiment(UCLA, "laptop").first_edition
        store.put(make_record(former, 0, 0.5))
        store.put(make_record(former, 1, 0.4))
    pair = V.row(FULL), V.row(BASE), UCLA, "laptop", store
    assert results.paired_difference(*pair).mean == pytest.approx(11)
    for label in ("CNN Variant", "Skeleton Trans."):
        former = V.row(label).experiment(UCLA, "laptop").first_edition
        for seed in range(3):
            store.put(make_record(former, seed, 0.3))
    assert cell(store, FULL).summary.mean == pytest.approx(45)
    assert results.paired_difference(*pair).mean == pytest.approx(0)


def test_differences_by_clip(store):
    """Logits of four clips; the last one has a duplicate in training."""

    def put(label, seed, right):
        logits = np.where(np.eye(2)[[0, 1, 0, 1]], 0.0, -1.0)
        logits[~np.array(right)] *= -1
        kept = TestLogits.of(logits, np.array([0, 1, 0, 1]), np.arange(4) == 3)
        made = make_record(V.row(label).experiment(UCLA, "laptop"), seed, 0.5)
        store.put(made.model_copy(update={"test_logits": kept}))

    pair = V.row(FULL), V.row(BASE), UCLA, "laptop", store
    record(store, BASE, {4: 0.5})
    record(store, FULL, {4: 0.5})
    assert results.clip_differences(*pair) is None  # records without logits
    put(BASE, 0, [True, True, False, False])
    put(FULL, 0, [True, False, True, True])
    put(BASE, 1, [True, True, False, False])
    put(FULL, 1, [True, True, True, False])
    put(FULL, 2, [False, False, False, False])  # no partner
    found = results.clip_differences(*pair)
    assert found.points.tolist() == [0, -50, 100, 50]
    assert found.leaked.tolist() == [False, False, False, True] and found.runs == 2
    table = report.sampling_table(*pair[:3], store, subject=np.array([1, 1, 2, 2]))
    assert table["n"].tolist() == [3, 4, 2]  # seed 4 has no logits
    assert table.loc["clips", "mean"] == table.loc["subjects", "mean"] == 25
    clean = report.sampling_table(*pair[:3], store, clean=True)
    assert list(clean.index) == ["seeds", "clips"]
    assert clean.loc["clips", ["n", "mean"]].tolist() == pytest.approx([3, 50 / 3])
    text = report.sampling_text(*pair[:3], store)
    assert list(text["test clips"]) == ["all", "all", "clean", "clean"]
    assert list(text["drawn anew"]) == ["seeds", "clips"] * 2
    assert list(text["n"]) == [3, 4, 3, 3]
    assert list(text["mean"])[1::2] == ["+25.0", "+16.7"]
    with pytest.raises(InputError, match="subject: 3 of 4"):
        report.sampling_table(*pair[:3], store, subject=np.arange(3))


def test_one_seed_says_so(store):
    record(store, BASE, [0.60])
    record(store, FULL, [0.61])
    c = cell(store, FULL)
    assert c.measured_text == "measured, laptop network (1 seed): 61.0 %"
    assert c.compared_text == "measured: +1.0 (1 seed); paper: +0.9"
    assert c.verdict == "one seed: same sign, resolves nothing"


def test_pairs_are_those_seeds_that_both_have(store):
    record(store, BASE, {0: 0.5, 1: 0.6, 7: 0.9})
    record(store, FULL, {1: 0.62, 0: 0.51, 3: 0.1})
    c = cell(store, FULL)
    assert c.summary.n == 3
    assert c.difference.n == 2
    assert c.difference.mean == pytest.approx(1.5)


def test_no_seed_in_common(store):
    record(store, BASE, {0: 0.5})
    record(store, FULL, {1: 0.6})
    c = cell(store, FULL)
    assert c.difference is None and c.verdict == ""
    assert c.compared_text == (
        "measured: no seed in common with the baseline; paper: +0.9"
    )


def test_quick_runs_get_no_verdict(store):
    column = results.get_column(V, "synthetic")
    record(store, BASE, [0.5, 0.6], column=column, profile="quick")
    record(store, FULL, [0.6, 0.8], column=column, profile="quick")
    c = cell(store, FULL, column=column, profile="quick")
    assert c.verdict == "no verdict (quick)"
    assert c.measured_text.startswith("measured, quick network (2 seeds): 70.0 ± ")
    assert c.paper_text == "paper: no number"
    assert c.compared_text.startswith("measured: +15.0 [")
    assert "paper" not in c.compared_text


def test_runs_of_the_papers_network_are_plainly_measured(store):
    record(store, BASE, [0.896], profile="full")
    c = cell(store, BASE, profile="full")
    assert c.measured_text == "measured (1 seed): 89.6 %"
    assert cell(store, BASE, profile="laptop").summary is None


def test_clean_clips(store):
    record(store, BASE, [0.60, 0.62], clean=0.5)
    record(store, "CNN Variant", [0.70])  # every clip is clean
    c = cell(store, BASE, clean=True)
    assert c.summary.mean == pytest.approx(50)
    assert c.measured_text.startswith("measured on clean clips, laptop network (2 s")
    assert cell(store, BASE).summary.mean == pytest.approx(61)
    assert cell(store, "CNN Variant", clean=True).summary.mean == pytest.approx(70)


def test_some_classes_only(store):
    record(store, BASE, [0.60])
    c = cell(store, BASE, classes=[0, 2])
    assert c.summary.mean == pytest.approx(60)
    assert c.reported is None  # the paper's number is of all classes
    with pytest.raises(InputError, match="no class 4"):
        cell(store, BASE, classes=[4])


def test_folds_are_the_unit_where_there_are_several(store):
    column = results.get_column(V, "sbu")
    base, full = (
        results.fold_experiments(V.row(label), column, "laptop")
        for label in (BASE, FULL)
    )
    assert [e.fold for e in base] == [0, 1, 2, 3, 4]
    assert len({e.key for e in base}) == 5
    for k in range(5):
        for seed in (0, 1):
            score = (50 + 4 * k + 2 * seed) / 100
            store.put(make_record(base[k], seed, score))
            store.put(make_record(full[k], seed, score + (k + 1) / 100))
    c = cell(store, FULL, column=column)
    assert c.unit == "fold" and c.summary.n == 5
    assert c.summary.mean == pytest.approx(50 + 8 + 1 + 3)
    assert c.summary.sd == pytest.approx(5 * math.sqrt(2.5))  # 5 k, k = 0 ... 4
    assert c.difference.n == 5
    assert c.difference.mean == pytest.approx(3)
    assert c.difference.p == pytest.approx(stats.ttest_1samp([1, 2, 3, 4, 5], 0).pvalue)
    assert c.measured_text.startswith("measured, laptop network (5 folds): 62.0 ± 7.9")


def needs(name, key):
    prepare = f"python -m skellib prepare {key} --source PATH"
    return f"not run: needs {name} data; run {prepare}"


@pytest.mark.parametrize(
    ("number", "label", "name", "why"),
    [
        ("I", "HCN", "NTU-CS", "not run: another method"),
        ("I", "SLnL-rFA", "NTU-CS", needs("NTU RGB+D", "ntu")),
        ("II", "SLnL-rFA", "top-5", needs("Kinetics-Skeleton", "kinetics")),
        ("III", "SLnL-rFA", "SYSU-SS", needs("SYSU 3D HOI", "sysu")),
        (
            "V",
            BASE,
            "N-UCLA",
            "not run: no record yet; run python -m skellib reproduce "
            "--profile laptop --datasets nucla --tables V",
        ),
        (
            "Fig. 9",
            "λ = 0.5",
            "N-UCLA",
            "not run: no record yet; run python -m skellib reproduce "
            '--profile laptop --datasets nucla --tables "Fig. 9"',
        ),
        ("XI", "SLnL+rFA+ML", "#Params (M)", "not run: counted from the network"),
        (
            "VIII",
            "w/ rFA",
            "Kinetics-Frequency",
            needs("Kinetics-Skeleton", "kinetics"),
        ),
    ],
)
def test_what_was_not_run_says_why(store, number, label, name, why):
    table = TABLES[number]
    c = cell(store, label, table, table.column(name))
    assert c.measured_text == why
    assert c.summary is None and c.verdict == ""


def test_numbers_that_the_papers_text_lost_and_its_units(store):
    table = TABLES["VII"]
    c = cell(store, "Shared FA", table, table.column("NTU-CV"))
    assert c.paper_text.startswith("paper: no number (the text has five numbers")
    table = TABLES["XI"]
    texts = [cell(store, "HCN", table, each).paper_text for each in table.columns]
    assert texts == ["paper: 2.648 M", "paper: 0.393 G", "paper: 91.1 %"]


def test_every_cell_of_every_table_says_whose_it_is(store):
    for label in (BASE, FULL):
        record(store, label, [0.5, 0.6], profile="full")
    for table in TABLES.values():
        found = [
            cell
            for column in table.columns
            for cell in cells.column_cells(table, column, "full", store)
        ]
        assert len(found) == len(table.rows) * len(table.columns)
        for c in found:
            assert c.paper_text.startswith("paper: ")
            assert c.measured_text.startswith(("measured", "not run: "))
            for part in filter(None, c.compared_text.split("; ")):
                assert part.startswith(("measured: ", "paper: ", "baseline"))


def test_columns():
    assert results.columns_on(V, "nucla") == (UCLA,)
    assert [c.name for c in results.columns_on(V, "ntu")] == ["NTU-CS", "NTU-CV"]
    assert results.columns_on(TABLES["I"], "nucla") == ()  # Table IV's question
    own = Column("sbu", "sbu", "five_fold")
    assert results.columns_on(TABLES["VIII"], "sbu") == (own,)
    assert results.get_column(V, "NTU-CV").protocol == "cross_view"
    assert results.get_column(V, "nucla") is UCLA
    for table, name in ((V, "mnist"), (TABLES["I"], "nucla")):
        with pytest.raises(InputError, match=f"no column '{name}'"):
            results.get_column(table, name)


@pytest.mark.parametrize(
    ("written", "number"),
    [("V", "V"), ("viii", "VIII"), ("Fig. 9", "Fig. 9"), ("fig9", "Fig. 9")],
)
def test_tables_by_name(written, number):
    assert results.get_table(written) is TABLES[number]


def test_an_unknown_table():
    with pytest.raises(InputError, match="table 'XII' is none of I, II, .* Fig. 9"):
        results.get_table("XII")


def test_frame(store):
    record(store, BASE, [0.68, 0.70, 0.72])
    record(store, FULL, [0.69, 0.72, 0.75])
    f = render.as_numbers(V, "N-UCLA", store).set_index("label")
    assert list(f.index) == [row.label for row in V.rows]
    assert f.loc[FULL, "paper"] == 90.5
    assert f.loc[FULL, "claimed"] == pytest.approx(0.9)
    assert list(f["laptop n"]) == [3, 0, 0, 0, 3]
    assert list(f["full n"]) == [0] * 5
    assert f.loc[FULL, "laptop mean"] == pytest.approx(72)
    assert f.loc[FULL, "laptop difference"] == pytest.approx(2)
    assert f.loc[FULL, "laptop p"] == pytest.approx(0.0742, abs=1e-4)
    assert f.loc[FULL, "laptop verdict"] == "bounded"
    assert math.isnan(f.loc["CNN Variant", "laptop mean"])
    assert f.loc["CNN Variant", "laptop verdict"] == ""
    numeric = f.drop(columns=["laptop verdict", "full verdict"]).dtypes
    assert {str(kind) for kind in numeric} == {"float64", "int64"}


def test_frame_with_peers_and_nothing_recorded(store):
    f = render.as_numbers(TABLES["IV"], "nucla", store)
    assert list(f["paper"])[-2:] == [93.1, 93.5]
    assert list(f["year"])[:2] == [2014, 2014] and f["year"].isna().sum() == 2
    assert not f["laptop n"].any()


def test_shown(store):
    record(store, FULL, [0.7])
    s = render.as_text(V, "N-UCLA", store, ["laptop"])
    assert list(s.columns) == [
        "paper",
        "laptop: measured",
        "laptop: against baseline",
        "laptop: verdict",
    ]
    assert s.loc[FULL, "laptop: measured"].endswith("(1 seed): 70.0 %")
    missing = {type(text) for text in s.to_numpy().ravel()} - {str}
    assert missing == {cells.Missing}
    assert type(s.loc[BASE, "laptop: measured"]) is cells.Missing
    assert list(render.as_text(TABLES["IV"], UCLA, store, ["full"]).columns) == [
        "paper",
        "full: measured",
    ]


def with_history(store, label, seed, last, tested, column=UCLA):
    """A record of a row with these accuracies on the test clips by epoch."""
    made = make_record(V.row(label).experiment(column, "laptop"), seed, last)
    history = [
        Epoch(epoch=i + 1, learning_rate=0.001, loss=1.0, top1=0.5, test_top1=each)
        for i, each in enumerate(tested)
    ]
    store.put(made.model_copy(update={"history": history}))


def test_the_best_epoch_is_shown_when_asked_and_named_as_such(store):
    with_history(store, BASE, 0, 0.68, [0.5, None, 0.75, 0.68])
    with_history(store, BASE, 1, 0.70, [0.6, None, 0.65, 0.70])
    with_history(store, FULL, 0, 0.80, [0.70, 0.80])
    name = "laptop: best epoch"
    assert name not in render.as_text(V, UCLA, store, ["laptop"])
    shown = render.as_text(V, UCLA, store, ["laptop"], best=True)[name]
    assert shown[BASE] == "best epoch of 3 looks (2 seeds): 72.5 ± 3.5 %"
    assert shown[FULL] == "best epoch of 2 looks (1 seed): 80.0 %"
    assert (shown.drop([BASE, FULL]) == "").all()
    record(store, FULL, {1: 0.7})  # its test clips were never looked at
    with_history(store, BASE, 2, 0.70, [0.7, 0.7])
    texts = render.as_text(V, UCLA, store, ["laptop"], best=True)[name]
    assert texts[BASE].startswith("best epoch of 2 to 3 looks (3 seeds): ")
    assert texts[FULL] == shown[FULL]
    for options in ({"clean": True}, {"classes": [0]}):
        with pytest.raises(InputError, match="on all test clips only; leave it out"):
            render.as_text(V, UCLA, store, ["laptop"], best=True, **options)


def test_html_is_whole_and_escaped(store):
    s = render.as_text(V, UCLA, store)
    s.iloc[0, 0] = "a < b " + "x" * 200
    page = render.html(s)
    assert "a &lt; b " + "x" * 200 in page
    assert "..." not in page
    for profile in ("laptop", "full"):  # each command once, below the table
        command = f"reproduce --profile {profile} --datasets nucla --tables V"
        assert page.split("</table>")[1].count(command) == 1
    assert page.count(">not run: no record yet<") == 10
    assert "python -m" not in page.split("</table>")[0]


def test_html_says_once_how_to_prepare_what_one_must_fetch(store):
    table = TABLES["I"]
    page = render.html(render.as_text(table, "NTU-CS", store, ("full",)))
    body, below = page.split("</table>")
    assert body.count("not run: needs NTU RGB+D data<") == 2
    assert below == (
        "<p>Needs NTU RGB+D data: "
        "run <code>python -m skellib prepare ntu --source PATH</code>.</p>"
    )


def test_what_is_prepared_is_run_next(store, tmp_path, monkeypatch):
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path))
    table = TABLES["III"]
    c = cell(store, "SLnL-rFA", table, table.column("SYSU-CS"))
    assert c.missing.command == "python -m skellib prepare sysu --source PATH"
    (tmp_path / "sysu.npz").touch()
    c = cell(store, "SLnL-rFA", table, table.column("SYSU-CS"))
    assert c.missing == cells.Missing(
        "no record yet",
        "python -m skellib reproduce --profile laptop --datasets sysu --tables III",
    )
    assert c.unit == "fold"
    for name in ("SYSU-CS", "SYSU-SS"):
        column = table.column(name)
        found = results.fold_experiments(table.row("SLnL-rFA"), column, "full")
        assert [each.fold for each in found] == list(range(30))
    notes = coverage.coverage(store, "full").set_index("dataset")["note"]
    assert notes["sysu"] == ""


def test_marks_can_be_drawn(store):
    record(store, BASE, [0.68, 0.72])
    rows = render.dot_plot_rows(V, "N-UCLA", store, "laptop")
    assert rows[0]["label"] == BASE and rows[0]["paper"] == 89.6
    assert rows[0]["mean"] == pytest.approx(70) and rows[0]["n"] == 2
    assert rows[0]["low"] < 70 < rows[0]["high"]
    assert rows[1]["mean"] is None and rows[1]["n"] == 0
    texts = [t.get_text() for t in dots(rows).axes[0].texts]
    assert texts.count("not run") == 4


def test_marks_of_quick_runs_leave_the_papers_numbers_out(store):
    record(store, BASE, [0.5], profile="quick")
    rows = render.dot_plot_rows(V, UCLA, store, "quick")
    assert rows[0]["mean"] == pytest.approx(50)
    assert {row["paper"] for row in rows} == {None}


def test_single_runs_by_seed(store):
    record(store, BASE, [0.5, 0.6])
    record(store, FULL, [0.7])
    runs = render.runs_by_seed(V, UCLA, store, "laptop")
    assert list(runs.index) == [row.label for row in V.rows]
    assert list(runs.columns) == [0, 1] and runs.columns.name == "seed"
    assert runs.loc[BASE].tolist() == pytest.approx([50, 60])
    assert runs.loc[FULL, 0] == pytest.approx(70) and runs.loc[FULL].isna()[1]
    assert render.runs_by_seed(V, UCLA, store, "full").empty
    four = render.runs_by_seed(TABLES["IV"], UCLA, store, "laptop")
    assert list(four.index) == ["SLnL-rFA", "SLnL-rFA+ML"]  # other people's left out


def test_the_ensemble_of_rows_by_seed(store):
    """Two rows are each right of one of two clips; together of both."""
    one, other = (V.row(label) for label in (BASE, FULL))
    label, none = np.array([0, 1]), np.zeros(2, dtype=bool)
    logits = {BASE: [[5.0, 0, 0], [1, 0, 0]], FULL: [[0.0, 1, 0], [0, 5, 0]]}
    for row, seeds in ((one, (0, 1, 2)), (other, (1, 2, 3))):
        experiment = row.experiment(UCLA, "laptop")
        kept = TestLogits.of(np.array(logits[row.label]), label, none)
        for seed in seeds:
            made = make_record(experiment, seed, 0.5)
            store.put(made.model_copy(update={"test_logits": kept}))
    found = results.ensemble_runs((one, other), UCLA, "laptop", store)
    assert found == {(0, 1): 100, (0, 2): 100}
    alone = results.ensemble_runs((one,), UCLA, "laptop", store)
    assert alone == {(0, seed): 50 for seed in range(3)}


def test_summaries_in_words(store):
    record(store, BASE, [0.68, 0.70, 0.72])
    record(store, FULL, [0.7])
    assert cells.summary_text(cell(store, BASE).summary) == "70.0 ± 2.0 (3)"
    assert cells.summary_text(cell(store, FULL).summary) == "70.0 (1)"
    assert cells.summary_text(cell(store, "CNN Variant").summary) == "not run"


def test_levels_are_means_over_runs_and_then_over_columns(store):
    splits = OWN_TABLES["Other splits"]
    for column, found in zip(splits.columns, ([0.5, 0.6], [0.7], [0.6, 0.8])):
        record(store, BASE, found, splits, column)
    record(store, FULL, [0.9], splits, splits.columns[0])
    levels = render.mean_accuracy(splits, store, "laptop")
    assert list(levels.columns) == [*(c.name for c in splits.columns), "mean"]
    assert levels.loc[BASE].tolist() == pytest.approx([55, 70, 70, 65])
    assert levels.loc[FULL].isna().tolist() == [False, True, True, True]
    assert levels.loc["CNN Variant"].isna().all()


def distinct_keys(table, profile):
    """Keys of the experiments that a table's own rows are on N-UCLA."""
    return {
        row.experiment(column, profile).key
        for column in table.columns
        for row in table.rows
        if row.runs_in(profile) and column.dataset == "nucla"
    }


def test_coverage(store):
    record(store, FULL, [0.7, 0.7, 0.7])
    counts = coverage.coverage(store, "laptop", ["nucla"], seeds=2)
    counts = counts.set_index("table")
    paper, own = (
        [n for n, t in tables.items() if "nucla" in {c.dataset for c in t.columns}]
        for tables in (TABLES, OWN_TABLES)
    )
    assert list(counts.index) == [*paper, *own, "all"]
    tables = [*(TABLES[number] for number in paper), *(OWN_TABLES[n] for n in own)]
    keys = [distinct_keys(table, "laptop") for table in tables]
    total = len(set().union(*keys))
    assert list(counts["experiments"]) == [*map(len, keys), total]
    assert counts.loc["V", "recorded"] == counts.loc["VI", "recorded"] == 2
    assert counts.loc["V", "missing"] == 2 * len(V.rows) - 2
    assert counts.loc["VII", "recorded"] == 0
    more = set().union(*(k for k, t in zip(keys, tables, strict=True) if t.seeds != 1))
    single = len(set().union(*keys) - more)
    assert counts.loc["all", "recorded"] == 2
    assert counts.loc["all", "missing"] == 2 * total - single - 2
    other = coverage.coverage(store, "full", ["nucla"], seeds=2)
    assert other["recorded"].sum() == 0


def test_coverage_of_every_data_set(store):
    counts = coverage.coverage(store, "full")
    paper, others = {"ntu", "kinetics", "sysu", "nucla"}, {"utd_mhad", "sbu"}
    assert set(counts["dataset"]) == paper | others | {""}
    asked = counts[counts["dataset"].isin(others)]
    assert not set(asked["table"]) & set(TABLES)  # none of the paper's
    notes = dict(zip(counts["dataset"], counts["note"]))
    assert notes["ntu"] == "needs NTU RGB+D data" and notes["nucla"] == ""
    quick = coverage.coverage(store, "quick", seeds=1)
    assert set(quick["dataset"]) == {"synthetic", ""}
    assert list(quick["table"]) == [*TABLES, *OWN_TABLES, "all"]
    sbu = coverage.coverage(store, "laptop", ["sbu"], seeds=1).set_index("table")
    assert sbu.loc["V", "missing"] == len(V.rows) * 5  # folds


def test_unknown_profile_and_data_set(store):
    for call in (
        lambda: coverage.coverage(store, "huge"),
        lambda: cells.column_cells(V, UCLA, "huge", store),
    ):
        with pytest.raises(InputError, match="profile 'huge' is none of"):
            call()
    with pytest.raises(InputError, match="'mnist'"):
        coverage.coverage(store, "full", ["mnist"])


def test_records_of_no_table_and_files_that_are_none(store):
    record(store, FULL, [0.7])
    stray = V.row(FULL).experiment(UCLA, "laptop").replace(**{"loss.gamma": 7.0})
    store.put(make_record(stray, 0, 0.5))
    path = store.path(stray, 1)
    path.write_text('{"version": 1')
    records, refused = coverage.scan(store)
    assert len(records) == 2
    assert [each.key for each in coverage.orphan_records(records)] == [stray.key]
    assert len(refused) == 1 and str(path) in refused[0]
    assert coverage.coverage(store, "laptop", ["nucla"])["recorded"].iloc[-1] == 1


def test_a_record_under_the_name_of_another_run(store):
    record(store, FULL, [0.7])
    path = store.path(V.row(FULL).experiment(UCLA, "laptop"), 0)
    path.with_name(path.name.replace("seed0", "seed1")).write_bytes(path.read_bytes())
    records, (reason,) = coverage.scan(store)
    assert len(records) == 1
    assert "seed1.json: holds another run, " in reason
    assert path.name in reason


def test_plain_text_is_aligned(store):
    lines = render.plain(render.as_text(V, UCLA, store, ["laptop"])).splitlines()
    assert len(lines) == 1 + len(V.rows)
    place = lines[0].index("laptop: measured")
    assert all(line[place:].startswith("not run: ") for line in lines[1:])
    assert all(line[place - 2 : place] == "  " for line in lines)


def test_a_spoilt_record_of_a_row_is_named(store):
    record(store, FULL, [0.7])
    path = store.path(V.row(FULL).experiment(UCLA, "laptop"), 0)
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match="not a run record") as caught:
        render.as_numbers(V, UCLA, store)
    assert str(path) in str(caught.value)


def test_gains_are_the_differences_to_the_baseline_row(store):
    record(store, BASE, [0.68, 0.70, 0.72])
    record(store, FULL, [0.69, 0.72, 0.75])
    (found,) = render.baseline_differences(V, "N-UCLA", store, ["laptop"]).values()
    rows = {row["label"]: row for row in found}
    assert list(rows) == [row.label for row in V.rows if row.label != BASE]
    assert rows[FULL]["n"] == 3
    assert rows[FULL]["mean"] == pytest.approx(2)
    assert rows[FULL]["paper"] == pytest.approx(0.9)
    # t(0.975, 2) = 4.3027; the differences 1, 2, 3 have a standard error of 1/sqrt(3).
    assert rows[FULL]["high"] == pytest.approx(2 + 4.3027 / math.sqrt(3), abs=1e-4)
    assert rows["CNN Variant"]["mean"] is None
    assert list(render.baseline_differences(V, "N-UCLA", store)) == ["laptop size"]
    (quick,) = render.baseline_differences(V, "N-UCLA", store, ["quick"]).values()
    assert {row["paper"] for row in quick} == {None}
    assert rows["CNN Variant"]["paper"] == pytest.approx(0.2)


def test_a_result_table_has_what_was_measured_and_nothing_else(store):
    assert "No run" in render.result_table(V, "N-UCLA", store).data
    record(store, BASE, [0.68, 0.70, 0.72], clean=0.5)
    record(store, FULL, [0.69, 0.72, 0.75], clean=0.5)
    record(store, "CNN Variant", [0.7])
    frame = render.measured(V, "N-UCLA", store)
    assert list(frame.index) == [BASE, "CNN Variant", FULL]
    assert {size for size, _ in frame} == {"", "laptop size"}
    line = frame.loc[FULL]
    assert tuple(line[""]) == ("90.5", "+0.9")
    ours = line["laptop size"]
    assert ours["accuracy (seeds)"] == "72.0 ± 3.0 (3)"
    assert ours["difference"].startswith("+2.0 [")
    assert ours["difference, clean clips"].startswith("+0.0 [")
    assert ours["clean clips"] == "50.0 ± 0.0 (3)"
    assert frame.loc[BASE, ("laptop size", "difference")] == ""
    assert "+2.0 [" in render.result_table(V, "N-UCLA", store).data
    record(store, FULL, [0.9], profile="full")
    sizes = {size for size, _ in render.measured(V, "N-UCLA", store)}
    assert sizes == {"", "laptop size", "full size"}


def test_a_difference_in_words(store):
    assert cells.difference_text(None) == "(not run)"
    record(store, BASE, [0.70])
    record(store, FULL, [0.68])
    assert cells.difference_text(cell(store, FULL).difference) == "−2.0"
    record(store, BASE, {1: 0.70, 2: 0.70})
    record(store, FULL, {1: 0.69, 2: 0.70})
    text = cells.difference_text(cell(store, FULL).difference)
    assert text == "−1.0 [−3.5, +1.5]"


def test_settings_are_those_that_differ():
    made = render.differing_settings(
        {row.label: row.experiment(UCLA) for row in V.rows}
    )
    assert list(made.columns) == ["model.transform"]
    assert list(made.index) == [row.label for row in V.rows]
    assert made.loc[BASE, "model.transform"] == "none"
    other = {name: V.rows[0].experiment(UCLA, name) for name in ("laptop", "full")}
    assert "profile" not in render.differing_settings(other)
    assert "training.epochs" in render.differing_settings(other)
