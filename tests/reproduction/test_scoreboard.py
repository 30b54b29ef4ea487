"""The scoreboard, from records made here with answers worked out by hand."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skellib.experiment import PROFILES
from skellib.records import RecordStore
from skellib.reproduction import cells, report, scoreboard
from skellib.reproduction.own_tables import OWN_TABLES, STEPS
from skellib.reproduction.own_tables import UNTWINNED as UNTWINNED_COLUMN
from skellib.reproduction.paper_tables import TABLES, UCLA
from skellib.reproduction.scoreboard import ALL, AS_PRINTED, CLEAN, UNTWINNED
from tests.reproduction.test_tables import BASE, FULL, V, make_record, record

ROTATED = OWN_TABLES["Rotated, camera 3"]
SKELETON = "Skeleton Trans."


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    return RecordStore(tmp_path / "records")


def lines(board: pd.DataFrame, **chosen: str) -> pd.DataFrame:
    """The lines with these values, by row."""
    for name, value in chosen.items():
        board = board[board[name.replace("_", " ")] == value]
    return board.set_index("row")


def test_a_line_holds_both_numbers_and_the_verdict(store):
    record(store, BASE, [0.60, 0.64, 0.68])
    record(store, FULL, [0.61, 0.65, 0.72])
    record(store, SKELETON, [0.50, 0.541, 0.58])
    found = lines(scoreboard.board(store), table="V", data_set="N-UCLA")
    line = found.loc[FULL]
    assert (line["paper"], line["n"], line["size"]) == (90.5, 3, "laptop")
    assert line["ours"] == pytest.approx(66) and line["sd"] == pytest.approx(31**0.5)
    assert line["paper difference"] == pytest.approx(0.9)
    # Differences 1, 1, 4 and -10, -9.9, -10 by seed; what remains after rows and seeds
    # has 4 degrees of freedom, and two comparisons with one row share it.
    assert line["difference"] == pytest.approx(2)
    values = np.array([[60, 64, 68], [61, 65, 72], [50, 54.1, 58]])
    rest = values - values.mean(0) - values.mean(1)[:, None] + values.mean()
    se = ((rest**2).sum() / 4 * 2 / 3) ** 0.5
    dunnett = 3.31  # two-sided 5 % point for two comparisons and 4 degrees of freedom
    assert (line["high"] - 2) / se == pytest.approx(dunnett, abs=0.02)
    assert line["low"] == pytest.approx(4 - line["high"])
    assert dunnett > stats.t.ppf(0.975, 4)  # wider than each interval alone
    assert line["verdict"] == "bounded"
    assert found.loc[SKELETON, "verdict"] == "contradicted"
    base = found.loc[BASE]
    assert base["verdict"] == "baseline" and math.isnan(base["difference"])
    assert base["records"] == tuple(
        f"nucla/{V.row(BASE).experiment(UCLA, 'laptop').key}-seed{s}.json"
        for s in (0, 1, 2)
    )
    assert (store.folder / base["records"][0]).is_file()


def test_differences_are_those_of_the_result_chapters(store):
    for seed, (label, scores) in enumerate(
        {BASE: [0.7, 0.71, 0.74], FULL: [0.72, 0.7, 0.77], SKELETON: [0.6, 0.65, 0.6]}
        .items()
    ):  # fmt: skip
        record(store, label, scores, clean=0.5 + seed / 10)
    found = lines(scoreboard.board(store), table="V", clips=ALL)
    for cell in cells.column_cells(V, UCLA, "laptop", store):
        if cell.difference:
            line = found.loc[cell.label]
            assert (line["difference"], line["low"], line["high"]) == (
                cell.difference.mean,
                cell.difference.low,
                cell.difference.high,
            )


def test_the_board_shows_what_was_run_and_nothing_else(store):
    assert scoreboard.board(store).empty
    for profile in PROFILES:
        record(store, BASE, [0.5], profile=profile)
    found = scoreboard.board(store)
    assert set(found["size"]) == {"laptop", "full"}  # quick runs are no results
    assert set(found["n"]) == {1} and found["sd"].isna().all()
    assert set(found["row"]) == {BASE}
    record(store, FULL, [0.6])
    one = lines(scoreboard.board(store), table="V", size="laptop").loc[FULL]
    assert one["difference"] == pytest.approx(10) and one["verdict"] == "not judged"
    # The same run is the first row of Table VI, whose other rows have none.
    assert lines(scoreboard.board(store), table="VI").index.tolist() == [
        "CE (Baseline1)"
    ]


def test_clean_clips_and_training_without_duplicates_are_apart(store):
    record(store, BASE, [0.70, 0.72], clean=0.60)
    untwinned = replace(UCLA, protocol=UNTWINNED_COLUMN.protocol)
    record(store, BASE, [0.50, 0.54], column=untwinned)
    found = lines(scoreboard.board(store), table="V")
    assert found.set_index("clips")["ours"].to_dict() == pytest.approx(
        {ALL: 71, CLEAN: 60, UNTWINNED: 52}
    )
    assert set(found["paper"]) == {89.6}
    # Runs without duplicates in their split have no clean clips of their own.
    record(store, FULL, [0.8, 0.9])
    assert set(lines(scoreboard.board(store), table="V").loc[[FULL], "clips"]) == {ALL}


def test_a_preparation_compares_each_step_with_its_baseline_row_in_the_paper(store):
    scores = np.array([0.80, 0.83, 0.85, 0.81, 0.86])
    steps = {row.label: 0.01 * k for k, row in enumerate(STEPS.rows)}
    for label, gain in steps.items():
        record(store, label, [*(scores + gain)], ROTATED)
    found = scoreboard.board(store)
    assert set(found["preparation"]) == {"rotated clips"}
    expected = {
        ("V", SKELETON): 3,  # by 1 point a step, from the baseline of Table V
        ("VI", "SMFL (2,0.6)"): 1,
        ("VII", "Residual FA (rFA)"): 1,
        ("IX", "SLnL (M1=3, M2=3)"): 1,
        ("X", "MTL w/ ML"): 1,
        ("Fig. 9", "λ = 0.1"): 1,
    }
    for (number, label), difference in expected.items():
        line = lines(found, table=number).loc[label]
        assert line["difference"] == pytest.approx(difference), number
    assert lines(found, table="X").loc["MTL w/o ML", "verdict"] == "baseline"
    assert lines(found, table="Fig. 9").loc["λ = 0.1", "verdict"] == "nothing printed"
    assert set(lines(found, table="IV")["verdict"]) == {"not compared"}
    assert lines(found, table="IV").loc["SLnL-rFA+ML", "paper"] == 93.5


def test_a_preparation_has_the_intervals_of_the_report(store):
    rng = np.random.default_rng(0)
    for row in ROTATED.rows:
        record(store, row.label, [*(0.8 + rng.uniform(-0.05, 0.05, 3))], ROTATED)
    found = lines(scoreboard.board(store), table="V", preparation="rotated clips")
    text = report.component_table(store).loc["skeleton transform", "rotated"]
    line = found.loc[SKELETON]
    numbers = (f"{line[name]:+.1f}" for name in ("difference", "low", "high"))
    assert text == "{} [{}, {}]".format(*numbers).replace("-", "−")
    assert set(scoreboard.step_pairs().items()) == set(report.COMPONENTS.values())


def test_a_new_preparation_is_a_table_with_the_rows_of_the_steps(store, monkeypatch):
    changes = {"preprocessing.max_yaw": 30.0}
    rows = [replace(r, changes={**r.changes, **changes}) for r in ROTATED.rows]
    table = replace(ROTATED, number="Chosen preparation", rows=tuple(rows))
    monkeypatch.delitem(OWN_TABLES, table.number)
    assert list(scoreboard.preparations()) == ["rotated clips"]
    monkeypatch.setitem(OWN_TABLES, table.number, table)
    record(store, BASE, [0.9, 0.92], table)
    found = lines(scoreboard.board(store), table="V")
    assert found["preparation"].tolist() == ["chosen preparation"]
    assert found.loc[BASE, "ours"] == pytest.approx(91)
    columns = (UCLA, UNTWINNED_COLUMN)
    monkeypatch.setitem(OWN_TABLES, table.number, replace(table, columns=columns))
    missing = scoreboard.not_run(store)
    missing = missing[missing["tables"] == table.number].set_index("how")
    assert missing.loc["chosen preparation", "rows"].tolist() == [
        "; ".join(row.label for row in rows[1:]),
        "all rows",
    ]
    without = missing.loc["chosen preparation, trained without duplicates"]
    assert (without["size"], without["rows"]) == ("laptop, full", "all rows")


def test_other_data_have_no_number_of_the_paper(store):
    other = OWN_TABLES["Other data"]
    for label, scores in (("SLnL-rFA", [0.8, 0.9]), ("SLnL-rFA+ML", [0.82, 0.92])):
        record(store, label, scores, other, other.column("UTD-MHAD"))
    found = lines(scoreboard.board(store), table="X", data_set="UTD-MHAD")
    line = found.loc["MTL w/ ML"]
    assert math.isnan(line["paper"]) and line["difference"] == pytest.approx(2)
    assert line["verdict"] == "nothing printed"
    assert set(scoreboard.board(store)["table"]) == {"IX", "X", "Fig. 9"}


def test_folds_count_once_each(store):
    other = OWN_TABLES["Other data"]
    column = other.column("SBU")
    for fold in range(5):
        for seed in (0, 1):
            experiment = other.row("SLnL-rFA").experiment(column, "laptop")
            score = (60 + 10 * seed + fold) / 100
            store.put(make_record(experiment.replace(fold=fold), seed, score))
    line = lines(scoreboard.board(store), table="X").loc["MTL w/o ML"]
    assert (line["n"], len(line["records"])) == (5, 10)
    assert line["ours"] == pytest.approx(67)  # 65, 66, ..., 69
    assert line["sd"] == pytest.approx(2.5**0.5)


def test_what_was_not_run_is_listed_once(store):
    everything = scoreboard.not_run(store)
    ntu = everything[everything["data set"] == "NTU-CS, NTU-CV"].iloc[0]
    assert ntu["tables"] == "I, V, VI, VII, IX, X, Fig. 9"
    assert (ntu["rows"], ntu["size"], ntu["why"]) == (
        "all rows",
        "laptop, full",
        "on request",
    )
    asked = sum(row.ours for table in TABLES.values() for row in table.rows)
    for row in V.rows[:3]:
        record(store, row.label, [0.5])
    missing = scoreboard.not_run(store)
    assert len(missing) < asked
    mine = missing[missing["tables"].str.contains(r"\bV\b")]
    mine = mine[(mine["data set"] == "N-UCLA") & (mine["how"] == AS_PRINTED)]
    assert mine.set_index("size")["rows"].to_dict() == {
        "laptop": f"{V.rows[3].label}; {V.rows[4].label}",
        "full": "all rows",
    }
    text = scoreboard.not_run_list(missing).data
    assert text.startswith("<details>") and text.count("<li>") == len(missing)
    assert (
        f"<b>N-UCLA</b> (no run yet), laptop size: Table V: {V.rows[3].label}" in text
    )


def test_downloads_hold_the_whole_board(store):
    record(store, BASE, [0.60, 0.64, 0.68], clean=0.5)
    record(store, FULL, [0.61, 0.66, 0.72], clean=0.6)
    board = scoreboard.board(store)
    table = pd.read_csv(io.StringIO(scoreboard.as_csv(board)))
    assert list(table) == list(scoreboard.COLUMNS) and len(table) == len(board)
    assert table["ours"].tolist() == pytest.approx(board["ours"].tolist())
    assert table["records"][0].split(" ") == list(board["records"][0])
    content = json.loads(scoreboard.as_json(board))
    assert content["columns"] == scoreboard.COLUMNS
    first = content["rows"][0]
    assert first.keys() == scoreboard.COLUMNS.keys()
    assert first["difference"] is None and first["records"] == list(board["records"][0])


def test_the_widget_links_each_run_to_its_record(store):
    record(store, BASE, [0.60, 0.64])
    record(store, FULL, [0.61, 0.66])
    board = scoreboard.board(store)
    page = scoreboard.show(board, records="../here").data
    for path in board["records"][0]:
        assert f'href="../here/{path}"' in page
    assert page.count("<tr>") == 1 + len(board)
    assert 'download="scoreboard.csv"' in page and "V: Transform methods" in page


def test_the_committed_records_fill_a_board(root):
    board = scoreboard.board(RecordStore(root / "data" / "records"))
    assert not board.duplicated(subset=board.columns[:6].tolist()).any()
    paths = board["records"].explode()
    assert all((root / "data" / "records" / path).is_file() for path in paths.unique())
    printed = board[board["verdict"].isin(scoreboard.VERDICTS)]
    sign = np.sign(printed["paper difference"])
    low, high = printed["low"] * sign, printed["high"] * sign
    for word, holds in (
        ("supported", np.minimum(low, high) > 0),
        ("contradicted", np.maximum(low, high) < 0),
        ("bounded", (printed["low"] <= 0) & (printed["high"] >= 0)),
    ):
        assert (holds == (printed["verdict"] == word)).all(), word
