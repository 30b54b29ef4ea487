"""The commands that show what is recorded: status and table."""

from __future__ import annotations

import json

import pytest

from skellib.cli.options import TABLE_NAMES
from skellib.records import RecordStore
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import UCLA
from tests.cli.test_cli import call
from tests.reproduction.test_tables import BASE, FULL, V, make_record, record


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path / "records")


def test_the_help_names_every_table_of_our_own():
    for name in OWN_TABLES:
        assert f'"{name.lower()}"' in TABLE_NAMES


def test_status_counts_by_table(store, capfd):
    record(store, FULL, [0.7, 0.8], dirty=True)
    where = f"--records={store.folder}"
    status, out, err = call(
        capfd, "status", where, "--profile=laptop", "--datasets=nucla", "--seeds=3"
    )
    assert (status, err) == (0, "")
    assert f"Profile laptop, 3 seeds a row; {store.folder}" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["V", "nucla", "5", "2", "13", "0"] in lines
    assert ["Fig.", "9", "nucla", "7", "0", "21", "0"] in lines
    assert "2 records, 2 made with uncommitted changes" in out
    assert "Profile paper" not in out


def test_status_of_all_profiles_of_an_empty_store(store, capfd):
    status, out, _ = call(capfd, "status", f"--records={store.folder}")
    assert status == 0
    for profile in ("quick", "laptop", "full"):
        assert f"Profile {profile}, 5 seeds a row" in out
    assert "needs NTU RGB+D data" in out
    assert out.count("0 records") == 1  # one store, told of once
    assert not store.folder.exists()


def test_status_names_stray_stale_and_spoilt_files(store, capfd):
    experiment = V.row(FULL).experiment(UCLA, "laptop")
    stray = experiment.replace(**{"loss.gamma": 7.0})
    stray_path = store.put(make_record(stray, 0, 0.5))
    stale = store.put(make_record(experiment, 0, 0.5))
    content = json.loads(stale.read_text())
    content["experiment"]["loss"]["gamma"] = 1.5
    stale.write_text(json.dumps(content))
    spoilt = stale.with_name("spoilt.json")
    spoilt.write_text("{")
    status, out, _ = call(
        capfd, "status", f"--records={store.folder}", "--profile=laptop"
    )
    assert status == 1
    assert f"in no table: {stray_path}" in out
    assert f"outdated or invalid: {stale}: key {experiment.key} is not that of" in out
    assert f"outdated or invalid: {spoilt}: not a run record" in out


def test_table_says_whose_numbers_they_are(store, capfd):
    record(store, BASE, [0.68, 0.70, 0.72])
    record(store, FULL, [0.69, 0.72, 0.75], clean=0.6)
    status, out, err = call(capfd, "table", "v", f"--records={store.folder}")
    assert (status, err) == (0, "")
    headings = [line for line in out.splitlines() if line.startswith("Table V. ")]
    assert headings == [
        f"Table V. Transform methods: {name}" for name in ("NTU-CS", "NTU-CV", "N-UCLA")
    ]
    row = next(
        line for line in out.splitlines() if line.startswith(FULL) and "90.5" in line
    )
    for part in (
        "paper: 90.5 %",
        "measured, laptop network (3 seeds): 72.0 ± 3.0 % [64.5, 79.5]",
        "measured: +2.0 [−0.5, +4.5], p = 0.074; paper: +0.9",
        "bounded",
    ):
        assert part in row
    assert "profile laptop: not run: needs NTU RGB+D data" in out
    assert (
        "profile full: not run: no record yet; run python -m skellib reproduce "
        "--profile full --datasets nucla --tables V" in out
    )
    _, out, _ = call(
        capfd, "table", "V", f"--records={store.folder}", "--datasets=nucla", "--clean"
    )
    assert "NTU" not in out
    assert "on clean clips, laptop network (3 seeds): 60.0 ± 0.0 %" in out


def test_table_of_quick_runs_is_on_the_synthetic_data(store, capfd):
    arguments = [f"--records={store.folder}", "--profile=quick"]
    status, out, _ = call(capfd, "table", "fig9", *arguments)
    assert status == 0
    assert out.startswith("Fig. 9. Weight of the mutual loss: synthetic\n")
    missing = "not run: no record yet; run python -m skellib reproduce --profile quick"
    assert f"profile quick: {missing}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table", "XII"], "table 'XII' is none of I, II, III"),
        (["table", "V", "--profile", "huge"], "profile 'huge' is none of"),
        (["table", "V", "--datasets", "mnist"], "'mnist'"),
        (["table", "I", "--datasets", "nucla"], "Table I has no column on nucla"),
        (["status", "--profile", "huge"], "profile 'huge' is none of"),
        (["status", "--datasets", "mnist"], "'mnist'"),
        (["status", "--seeds", "0"], "--seeds"),
    ],
)
def test_bad_input_is_one_line_and_status_2(store, capfd, arguments, message):
    status, out, err = call(capfd, *arguments, f"--records={store.folder}")
    assert status == 2 and message in err
    assert err.startswith("skellib: ") and err.count("\n") == 1
    assert out == ""


def test_a_spoilt_record_stops_the_table_by_name(store, capfd):
    record(store, FULL, [0.7])
    path = store.path(V.row(FULL).experiment(UCLA, "laptop"), 0)
    path.write_text("[]")
    status, _, err = call(capfd, "table", "V", f"--records={store.folder}")
    assert status == 2 and str(path) in err and err.count("\n") == 1
