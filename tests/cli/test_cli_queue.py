"""The commands `queue` and `reproduce`: what they print, train and refuse."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from skellib.__main__ import main
from skellib.data import load
from skellib.paths import packed_path
from skellib.provenance import stamp
from skellib.records import RecordStore
from skellib.reproduction import reproduce as reproducing
from skellib.reproduction.execute import RunError, ensure_records
from skellib.reproduction.plan import runs, store_for
from skellib.training import Execution


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    """Records, checkpoints and copies of these tests stay out of the project."""
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A few synthetic clips under the name of a data set of the paper."""
    folder = tmp_path_factory.mktemp("packed")
    train_set, _ = load("synthetic")
    few = train_set.subset(range(0, len(train_set), 12))
    views = np.arange(len(few)) % 3 + 1  # each protocol finds its cameras
    named = dataclasses.replace(few, key="nucla", view=views)
    named.save(packed_path("nucla", folder))
    return folder


def call(capfd, *arguments):
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stopped:
        main([str(part) for part in arguments])
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


def listed(out):
    """(minutes, run) of each line of a printed queue."""
    found = re.findall(r"^ +\d+ +([\d.]+) +[\d.]+  (nucla .*)$", out, re.M)
    return [(float(minutes), run) for minutes, run in found]


def test_queue_prints_what_a_gpu_would_run(root, capfd):
    status, out, err = call(capfd, "queue", "--root", root)
    assert status == 0 and err == ""
    expected = [str(run) for run in runs(profile="full", root=root)]
    assert [run for _, run in listed(out)] == expected
    first = out.splitlines()[0]
    assert f"profile full: {len(expected)} runs to do, 0 recorded" in first
    if not stamp()["cuda"]:
        assert "a data-centre GPU, guessed" in first


def test_queue_with_a_budget_shows_what_fits(root, capfd):
    options = ["queue", "--profile", "laptop", "--root", root, "--tables", "v"]
    options += ["--seeds", 1]
    _, everything, _ = call(capfd, *options)
    total = sum(minutes for minutes, _ in listed(everything))
    status, out, _ = call(capfd, *options, "--budget", total / 2)
    assert status == 0 and 0 < len(listed(out)) < len(listed(everything)) == 5
    assert sum(minutes for minutes, _ in listed(out)) <= total / 2 + 0.5
    assert f"{len(listed(out))} of 5 fit into" in out
    _, out, _ = call(capfd, *options, "--budget", 0)
    assert listed(out) == [] and "0 of 5 fit" in out


def test_queue_runs_what_is_known_nowhere(root, capfd, tmp_path):
    """A run of the profile's own records is not done again for another folder."""
    out_folder, weights = tmp_path / "out", tmp_path / "weights"
    plan = runs(["V"], ["nucla"], "quick", root=root)
    one = Execution(accelerator="cpu", threads=1)
    known = {"execution": one, "root": root, "checkpoints": weights}
    ensure_records(plan[1:4], store_for("quick"), progress=False, **known)
    options = ["queue", "--profile=quick", "--datasets=nucla", "--tables=V"]
    options += ["--root", root, "--records", out_folder, "--checkpoints", weights]
    options += ["--run", "--budget=60", "--accelerator=cpu", "--threads=1"]
    status, out, _ = call(capfd, *options)
    assert status == 0
    assert "2 runs to do, 3 recorded" in out and "by 3 records" in out
    assert f"2 new records in {out_folder}" in out
    made = [record.key for record in RecordStore(out_folder)]
    assert sorted(made) == sorted(plan[i].experiment.key for i in (0, 4))
    status, out, _ = call(capfd, *options)
    assert status == 0 and "0 new records" in out and "by 5 records" in out


def test_a_spoilt_record_stops_the_queue(root, capfd, tmp_path):
    run = runs(["V"], ["nucla"], "laptop", root=root)[0]
    path = RecordStore(tmp_path / "r").path(run.experiment, 0)
    path.parent.mkdir(parents=True)
    path.write_text('{"version": 1, "key": "')
    options = ["--profile=laptop", "--records", tmp_path / "r", "--root", root]
    status, _, err = call(capfd, "queue", "--run", *options)
    assert status == 2 and str(path) in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "huge"], "profile 'huge' is none of"),
        (["--tables", "XII"], "table 'XII' is none of"),
        (["--datasets", "mnist"], "data set 'mnist': unknown"),
        (["--budget", "-1"], "--budget"),
        (["--root", "nowhere"], "skellib prepare nucla"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capfd, arguments, message):
    status, out, err = call(capfd, "queue", *arguments)
    assert status == 2 and message in err
    assert err.startswith("skellib: ") and err.count("\n") == 1


@pytest.fixture
def calls(monkeypatch):
    """What `reproduce` would train and execute."""
    made = {}

    def train(plan, store, **options):
        made["train"] = {"plan": plan, "folder": store.folder, **options}

    def execute(profile, folder, notebooks, workers, **parameters):
        made["execute"] = {"folder": folder, "workers": workers, **parameters}

    monkeypatch.setattr(reproducing, "ensure_records", train)
    monkeypatch.setattr(reproducing, "execute_all", execute)
    monkeypatch.setattr(reproducing, "select", lambda notebooks: None)
    return made


def test_reproduce_trains_then_executes(calls, capfd, tmp_path):
    options = ["--profile=quick", "--datasets=synthetic", "--tables=X", "--seeds=2"]
    options += ["--workers=3", "--scheduler=tcp://there:8786", "--devices=2"]
    options += ["--precision=bf16-mixed", "--graphs", "--threads=1"]
    status, _, _ = call(capfd, "reproduce", *options)
    assert status == 0
    assert list(calls) == ["train", "execute"]
    trained = calls["train"]
    assert trained["plan"] == runs(["X"], ["synthetic"], "quick", 2)
    assert trained["folder"] == tmp_path / "data" / "quick"
    assert (trained["workers"], trained["devices"]) == (3, 2)
    assert trained["scheduler"] == "tcp://there:8786"
    way = Execution(precision="bf16-mixed", graphs=True, threads=1)
    assert trained["execution"] == way
    executed = calls["execute"]
    assert executed["folder"] == tmp_path / "book" / "executed" / "quick"
    assert executed["datasets"] == ["synthetic"] and executed["seeds"] == [0, 1]


@pytest.mark.parametrize(
    ("options", "trains"),
    [
        ([], False),  # quick notebooks train what they show
        (["--train"], True),
        (["--tables=X"], True),
        (["--tables=X", "--notebooks=15"], False),
        (["--tables=X", "--no-train"], False),
    ],
)
def test_when_reproduce_trains(calls, capfd, options, trains):
    status, _, _ = call(capfd, "reproduce", *options)
    assert status == 0 and "execute" in calls
    assert ("train" in calls) is trains


def test_a_failed_run_is_one_line_and_status_1(calls, capfd, monkeypatch):
    def failing(*_, **__):
        raise RunError("1 of 2 runs failed; first: nucla: no")

    monkeypatch.setattr(reproducing, "ensure_records", failing)
    status, _, err = call(capfd, "reproduce", "--train")
    assert status == 1 and err == "skellib: 1 of 2 runs failed; first: nucla: no\n"
    assert "execute" not in calls
