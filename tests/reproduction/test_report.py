"""The report's numbers, from records made here, and its notebooks' cells."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skellib.experiment import final_model
from skellib.records import RecordStore
from skellib.reproduction import claims, execute, plan, report
from skellib.reproduction.own_tables import CHOSEN_ROTATION, OWN_TABLES, STEPS
from skellib.reproduction.paper_tables import (
    PAPER_DATASETS,
    TABLES,
    UCLA,
    reported_by,
    reported_difference,
)
from skellib.statistics import VERDICTS
from tests.reproduction.test_tables import BASE, FULL, V, make_record, record

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
SKELETON = "Skeleton Trans."


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    return RecordStore(tmp_path / "records")


# Single runs


def test_complete_runs_are_those_of_seeds_that_all_rows_have(store):
    record(store, BASE, [0.5, 0.6, 0.7])
    record(store, FULL, {0: 0.4, 2: 0.8})
    rows = [V.row(BASE), V.row(FULL)]
    runs = report.complete_runs(V, "N-UCLA", store, rows=rows)
    assert list(runs.columns) == [0, 2] and list(runs.index) == [BASE, FULL]
    assert runs.loc[FULL].tolist() == pytest.approx([40, 80])
    assert report.complete_runs(V, "N-UCLA", store).empty  # other rows have no run


def test_variance_is_split_by_row_and_seed():
    by_seed = pd.DataFrame([[1.0, 3.0], [1.0, 3.0]])
    found = report.variance_percent(by_seed)
    assert found["runs"] == 4
    assert (found["rows"], found["seeds"], found["rest"]) == pytest.approx((0, 100, 0))
    assert report.variance_percent(by_seed.T)["rows"] == pytest.approx(100)
    one_row = report.variance_percent(by_seed.iloc[:1])
    assert one_row["runs"] == 2 and math.isnan(one_row["rows"])
    assert one_row.keys() == found.keys()


def test_rows_above_the_first_are_counted_by_seed():
    runs = pd.DataFrame({0: [1.0, 2.0, 3.0], 4: [2.0, 2.0, 1.0]})
    assert report.count_above_first(runs) == "2 with seed 0, 0 with seed 4"


def test_the_pooled_deviation_is_the_root_of_the_mean_variance():
    runs = pd.DataFrame([[0.0, 2.0], [0.0, 4.0]])  # variances 2 and 8
    assert report.pooled_sd(runs) == pytest.approx(5**0.5)


def test_spread_between_folds_and_within_them(store):
    table = OWN_TABLES["Other data"]
    column = table.column("SBU")
    for row in table.rows:
        for fold in range(5):
            experiment = row.experiment(column, "laptop").replace(fold=fold)
            for seed in (0, 1):
                score = (50 + 2 * fold + 4 * seed) / 100
                store.put(make_record(experiment, seed, score))
    between, within = report.fold_and_seed_sd(table, column, store)
    assert between == pytest.approx(10**0.5)  # of 0, 2, 4, 6, 8
    assert within == pytest.approx(8**0.5)  # of 0 and 4


# Duplicates


def test_leakage_gaps_of_recorded_and_rotated_runs_are_apart():
    plain = final_model("nucla", "laptop")
    rotated = plain.replace(**CHOSEN_ROTATION)
    assert report.is_rotated(rotated) and not report.is_rotated(plain)
    records = [
        make_record(plain, 0, 0.70, clean=0.60),
        make_record(plain, 1, 0.70, clean=0.66),
        make_record(rotated, 0, 0.80, clean=0.81),
        make_record(plain, 2, 0.99),  # without duplicates
        make_record(final_model("nucla", "full"), 0, 0.9, clean=0.1),
    ]
    gaps = report.mean_leakage_gaps(records)
    assert gaps == pytest.approx({"recorded": 7, "rotated": -1})
    assert math.isnan(report.mean_leakage_gaps(records[:2])["rotated"])
    assert report.leakage_gap(records[3]) == 0


def test_the_score_on_leaked_clips_follows_from_the_two_others():
    made = make_record(final_model("nucla", "laptop"), 0, 0.8, clean=0.75)
    clean = made.clean.model_copy(update={"clips": 80})
    # 80 right of 100, 60 right of the 80 clean: 20 of 20.
    assert report.duplicate_scores(made.test, clean) == pytest.approx((80, 100, 75))


# Claims


def test_the_claims_table_counts_and_marks(store):
    record(store, BASE, [0.70, 0.71, 0.72], clean=0.5)
    record(store, SKELETON, [0.60, 0.62, 0.61], clean=0.5)
    record(store, FULL, [0.75, 0.77, 0.76], clean=0.5)
    found = claims.judge_all("nucla", store, "laptop")
    clean = claims.judge_all("nucla", store, "laptop", clean=True)
    assert [each.claim for each in found] == list(claims.CLAIMS)
    table = report.claims_table(found, clean).set_index("claim")
    line = table.loc["transforms help"]
    assert line["measured"] == "−10.0…+5.0"
    assert line["paper"] == "+0.4…+0.9"
    assert (line["seeds"], line["comparisons"]) == ("0…3", "1 · 1 · 0 · 1")
    assert (line["verdict"], line["gain at most"]) == ("contradicted", "")
    assert line["would have shown"] == f"{found[0].detectable:.1f}"
    assert line["clean clips"] == "not judged"  # no spread at all
    assert table.loc["focal loss helps", "measured"] == ""
    counts = report.verdict_counts(found)
    assert counts["claims"] == len(claims.CLAIMS) and counts["contradicted"] == 1
    # Both transforms above the skeleton transform, but the other comparison lacks runs.
    assert counts["notjudged"] == 1
    assert counts["comparisons"] == sum(len(c.comparisons) for c in claims.CLAIMS)
    assert counts["measured"] == 3 < counts["distinct"] < counts["comparisons"]
    words = (*VERDICTS, "notjudged", "notrun")
    assert sum(counts[word] for word in words) == counts["claims"]
    assert set(report.judged_claims(found)["claim"]) == {
        name for name, verdict in table["verdict"].items() if verdict != "not run"
    }
    marks = report.comparison_marks(found)
    assert list(marks) == [claim.name for claim in claims.CLAIMS]
    assert marks["transforms help"][1]["mean"] == pytest.approx(-10)
    assert marks["transforms help"][0]["mean"] is None
    assert list(report.quotes()["claim"]) == list(marks)

    summary = report.table_summary("V", store)
    assert summary["gain"] == pytest.approx(0.9)
    assert summary["claims"] == 3 and summary["full"] == 0
    assert summary["verdicts"] == "1 contradicted, 1 not run, 1 not judged"
    assert str(summary["each"]).startswith("transforms help: contradicted; ")
    assert summary["would_show"] == pytest.approx(found[0].detectable)
    words = report.differences_in_words(V, store)
    assert words[SKELETON].startswith("−10.0 [")
    assert words["CNN Variant"] == "(not run)" and BASE not in words


def test_claims_without_a_run_are_one_line(store):
    found = claims.judge_all("nucla", store, "laptop")
    assert report.judged_claims(found).to_numpy().tolist() == [
        ["every claim", "no run recorded", "not run", ""]
    ]
    assert report.comparison_families("nucla", store).empty
    assert report.verdict_counts(found)["notrun"] == len(claims.CLAIMS)


def test_a_bounded_claim_is_excluded_below_the_least_printed_gain(store):
    values = np.array([70.0, 71.0, 72.0, 70.5, 71.5])
    for label, gain in (("CE (Baseline1)", 0), ("FL (2,)", [0.2, 0.1, 0.1, 0.2, 0.0])):
        record(store, label, (values + gain) / 100, TABLES["VI"])
    found = claims.judge_all("nucla", store, "laptop")
    focal = found[claims.CLAIMS.index(claims.get_claim("focal loss helps"))]
    assert focal.verdict == "supported"  # by 0.12, less than the printed 0.4
    record(store, "FL (2,)", (values + [0.2, -0.1, 0.1, 0.2, -0.1]) / 100, TABLES["VI"])
    found = claims.judge_all("nucla", store, "laptop")
    focal = found[claims.CLAIMS.index(claims.get_claim("focal loss helps"))]
    assert focal.verdict == "bounded" and 0 < focal.at_most < 0.4
    assert report.excludes_printed(focal)
    assert report.verdict_counts(found)["excluded"] == 1
    line = report.comparison_families("nucla", store).loc["VI"]
    assert line["comparisons"] == 1 and line["df"] == 4
    assert line["factor"] == pytest.approx(2.776, abs=1e-3)
    assert line["paired sd"] == pytest.approx(np.std([2, -1, 1, 2, -1], ddof=1) / 10)


def test_deviations_of_rows_count_shared_rows_once(store):
    record(store, BASE, [0.70, 0.72, 0.74])
    record(store, FULL, [0.70, 0.71, 0.72])  # also the first row of Table VI
    record(store, SKELETON, [0.1, 0.9])  # two seeds only
    assert report.seed_sds(store) == pytest.approx([1, 2])


# Rows, steps and levels


def test_differences_of_rows_to_one_of_them(store):
    record(store, BASE, [0.70, 0.70, 0.70])
    record(store, FULL, [0.80, 0.81, 0.82])
    rows = [V.row(FULL), V.row(SKELETON)]
    grid = report.difference_grid(rows, V.row(BASE), [UCLA], store)
    assert grid.loc[FULL, "N-UCLA"].startswith("+11.0 [+8.5, +13.5]")
    assert grid.loc[SKELETON, "N-UCLA"] == "(not run)"
    assert report.count_decided(rows, V.row(BASE), [UCLA], store) == {
        "all": 2,
        "decided": 1,
    }
    marks = report.difference_marks(V, UCLA, store)
    assert list(marks) == [FULL]
    assert marks[FULL][0]["mean"] == pytest.approx(11)


def test_differences_of_pairs_say_how_many(store):
    table = OWN_TABLES["Other data"]
    for label, scores in (("SLnL-rFA", [0.8, 0.9]), ("Baseline0", [0.7, 0.7])):
        record(store, label, scores, table, table.column("UTD-MHAD"))
    found = report.pair_differences(table, [("SLnL-rFA", "Baseline0")], store)
    assert found.iloc[0].tolist()[:2] == ["UTD-MHAD", "SLnL-rFA − Baseline0"]
    assert found.iloc[0, 2].startswith("+15.0 [") and found.iloc[0, 3] == "2 seeds"
    assert found.iloc[1].tolist()[2:] == ["(not run)", ""]


def test_each_component_is_one_change_of_the_row_that_lacks_it():
    assert {label for label, _ in report.COMPONENTS.values()} == {
        row.label for row in STEPS.rows[1:]
    }
    for name, (label, other) in report.COMPONENTS.items():
        row, before = (STEPS.row(each) for each in (label, other))
        assert reported_difference(row, before, UCLA) > 0, name
        one, other = row.experiment(UCLA), before.experiment(UCLA)
        assert (one.model == other.model) != (one.loss == other.loss), name
        assert one.training == other.training


def test_rotation_is_measured_row_by_row(store):
    rotated = report.ROTATED_STEPS
    for label, scores, after in (
        (BASE, [0.70, 0.71, 0.72], [0.80, 0.82, 0.84]),
        (SKELETON, [0.70, 0.71, 0.72], [0.70, 0.715, 0.74]),
    ):
        record(store, label, scores)
        record(store, label, after, rotated, clean=0.75)
    effect = report.rotation_effect(BASE, store)
    assert (effect.before, effect.after, effect.after_clean) == pytest.approx(
        (71, 82, 75)
    )
    assert effect.paper == STEPS.row(BASE).reported["N-UCLA"]
    assert effect.difference == "+11.0 [+8.5, +13.5]"
    table = report.rotation_table(store)
    assert list(table.index) == [row.label for row in STEPS.rows]
    assert table.loc[BASE].tolist()[1:4] == [
        "71.0 ± 1.0 (3)",
        "82.0 ± 2.0 (3)",
        "+11.0 [+8.5, +13.5]",
    ]
    assert table.loc[FULL, "rotated"] == "not run"
    steps = report.component_table(store)
    assert list(steps.index) == list(report.COMPONENTS)
    line = steps.loc["skeleton transform"]
    assert line["paper"] == "+0.4" and line["recorded"] == "+0.0 [+0.0, +0.0]"
    assert line["rotated"].startswith("−10.2 [") and line["verdict"] == "contradicted"
    levels = report.level_table(store)
    assert levels.loc[BASE, "rotated: clean clips"] == "75.0 ± 0.0 (3)"
    assert set(levels.loc["nearest neighbour"]) == {""}  # not measured here
    assert report.nearest_neighbour_accuracy(UCLA) is None


# Counts and costs


def test_runs_are_counted_by_what_they_are_for():
    other = OWN_TABLES["Other data"]
    rows = [
        V.row(BASE).experiment(UCLA, "laptop"),
        V.row(FULL).experiment(UCLA, "laptop"),
        V.row(BASE).experiment(UCLA, "full"),
        V.row(BASE).experiment(UCLA, "laptop").replace(**CHOSEN_ROTATION),
        other.rows[0].experiment(other.column("UTD-MHAD"), "laptop"),
    ]
    records = [make_record(experiment, 0, 0.5) for experiment in rows]
    assert report.run_counts(records) == {
        "laptop": 2,
        "full": 1,
        "own": 1,
        "other": 1,
    }


def test_costs_are_summed_by_profile_data_set_and_device():
    experiment = final_model("nucla", "laptop")
    records = [
        make_record(experiment, seed, 0.5).model_copy(
            update={"seconds": 1800.0, "execution": {"accelerator": "cpu"}}
        )
        for seed in range(3)
    ]
    table = report.cost_table(records)
    assert table.loc["laptop", "nucla", "cpu"].tolist() == [3, 1.5]


def test_the_cost_of_a_network_is_counted_on_the_papers_row():
    row = TABLES["XI"].row("SLnL+rFA_pos")
    model = row.experiment(TABLES["XI"].columns[0]).model
    cost = report.network_cost(model, classes=60, joints=25, bodies=2)
    assert cost.parameters / 1e6 == pytest.approx(row.reported["#Params (M)"], rel=1e-3)
    assert cost.operations / 1e9 == pytest.approx(row.reported["#FLOPs (G)"], rel=1e-3)
    half = report.network_cost(model, classes=60, joints=25, bodies=2, frames=32)
    assert half.operations < cost.operations / 1.9


def test_every_data_set_on_request_has_its_commands():
    table = report.commands_on_request("full")
    assert set(table["data set"]) == set(PAPER_DATASETS) - {"nucla"}
    line = table.set_index("data set").loc["ntu"]
    assert line["prepare"] == "python -m skellib prepare ntu --source PATH"
    assert line["run"].endswith("reproduce --profile full --datasets ntu")


@pytest.mark.parametrize(
    ("number", "setting"),
    [("V", "model.transform"), ("VII", "model.frequency_attention")],
)
def test_printed_numbers_by_setting(number, setting):
    table = TABLES[number]
    found = reported_by(table, setting, UCLA)
    assert list(found.values()) == [row.reported["N-UCLA"] for row in table.rows]
    assert found["none"] == table.rows[0].reported["N-UCLA"]


# Chapters that train something


def test_a_smoke_test_trains_quick_runs_alone(store, monkeypatch):
    trained = []

    def ensure(runs, store, progress):
        trained.extend(runs)
        for run in runs:
            store.put(make_record(run.experiment, run.seed, 0.5))

    monkeypatch.setattr(execute, "ensure_records", ensure)
    rows = V.rows[:2]
    table = report.smoke_test(V, rows, "synthetic", "quick", [0, 1])
    assert table.index.tolist() == [row.label for row in rows for _ in (0, 1)]
    assert list(table)[1] == "quick, synthetic: no result"
    assert {run.experiment.dataset for run in trained} == {"synthetic"}
    epochs = {run.experiment.training.epochs for run in trained}
    assert epochs == {report.SMOKE_EPOCHS}
    report.smoke_test(V, rows, "kinetics", "quick", [0])  # not a data set of V
    assert {run.experiment.dataset for run in trained} == {"synthetic"}
    trained.clear()
    assert report.smoke_test(V, rows, "nucla", "laptop", [0]).empty
    assert not trained
    assert len(list(plan.store_for("quick"))) == 4


# The notebooks


def code_of(path: Path) -> ast.Module:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    return ast.parse("\n".join(sources))


def bound(tree: ast.AST) -> Iterator[str]:
    """Names that code assigns or defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.arg):
            yield node.name if isinstance(node, ast.FunctionDef) else node.arg


RESULT_CHAPTERS = [
    path for path in NOTEBOOKS if 9 <= int(path.stem[:2]) <= 20 or path.stem[:2] > "22"
]


@pytest.mark.parametrize("path", RESULT_CHAPTERS, ids=lambda path: path.stem)
def test_no_name_of_an_import_is_used_for_something_else(path):
    tree = code_of(path)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not imported & set(bound(tree))


def test_the_report_computes_nothing_of_its_own():
    (path,) = (path for path in NOTEBOOKS if path.stem == "26_reproduction_report")
    nodes = list(ast.walk(code_of(path)))
    assert not [n for n in nodes if isinstance(n, ast.FunctionDef | ast.Lambda)]


def test_no_long_cell_stands_in_several_result_chapters():
    seen: dict[str, str] = {}
    for path in RESULT_CHAPTERS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and source.count("\n") > 3:
                body = [line for line in source.splitlines() if "import" not in line]
                text = "\n".join(body)
                if text.count("\n") > 3:
                    assert text not in seen, (path.stem, seen[text])
                    seen[text] = path.stem


def test_means_of_nothing_are_nan():
    assert np.isnan(report.mean_leakage_gaps([])["recorded"])
