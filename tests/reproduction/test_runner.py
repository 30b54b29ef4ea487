"""The batch runner: each run once, whatever is killed, and never over budget."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell

from skellib.complexity import true_macs
from skellib.data import PackedDataset, load
from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.paths import packed_path
from skellib.provenance import stamp
from skellib.records import RecordStore
from skellib.reproduction import coverage, estimates, plan
from skellib.reproduction import execute as carrying
from skellib.reproduction.estimates import (
    GUESSED_RATE,
    Estimates,
    count_macs,
    fit_to_budget,
)
from skellib.reproduction.execute import RunError, ensure_records, run_within_budget
from skellib.reproduction.locks import run_lock
from skellib.reproduction.notebooks import NotebookError, execute
from skellib.reproduction.own_tables import CONFIRMATION, OWN_TABLES, PREPARED
from skellib.reproduction.paper_tables import TABLES
from skellib.reproduction.plan import Run
from skellib.training import Execution, TrainingError
from skellib.weights import build_model, weights_path

CPU = Execution(accelerator="cpu", threads=1, evaluate_every=100)
TINY = {
    "training.epochs": 4,
    "preprocessing.frames": 8,
    "model.channels": (4, 4, 4, 4, 4, 4),
    "model.new_joints": 8,
    "model.frequency_attention": "none",
    "model.slnl_blocks": 1,
}
# Spawned, since PyTorch's threads do not survive a fork.
spawn = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Packed data sets of a few synthetic clips under names that skellib reads."""
    folder = tmp_path_factory.mktemp("packed")
    train_set, _ = load("synthetic")
    few = train_set.subset(range(0, len(train_set), 6))
    for key in ("nucla", "sbu"):
        views = few.view.copy()
        views[::2] = 3
        named = dataclasses.replace(few, key=key, view=views)
        named.save(packed_path(key, folder))
    return folder


def tiny(seed=0, **changes):
    experiment = final_model("nucla", "quick").replace(**{**TINY, **changes})
    return Run(experiment, seed, f"tiny {changes or ''}")


def few_runs():
    return [tiny(seed, **{"loss.gamma": gamma}) for seed in (0, 1) for gamma in (0, 2)]


def go(runs, folder, root, **options):
    return ensure_records(
        runs,
        RecordStore(folder / "records"),
        execution=CPU,
        root=root,
        checkpoints=folder / "checkpoints",
        **{"progress": False, **options},
    )


def numbers(records):
    """Everything that must not depend on when, where or how often a run ran."""
    aside = {"seconds", "stamp", "peak_memory", "execution"}
    return [record.model_dump(exclude=aside) for record in records]


@pytest.fixture(scope="module")
def undisturbed(root, tmp_path_factory):
    """Records of the few runs, one after another."""
    return go(few_runs(), tmp_path_factory.mktemp("undisturbed"), root)


def wait_for(condition, process=None, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.is_alive(), "ended too early"
        time.sleep(0.002)


# Which runs, in which order


@pytest.mark.parametrize("profile", ["full", "laptop"])
def test_runs_are_unique_and_in_order_of_value(root, monkeypatch, profile):
    monkeypatch.setattr(plan, "UNDECIDED", ())
    runs = plan.runs(datasets=["nucla"], profile=profile, root=root)
    assert len({(run.experiment.key, run.seed) for run in runs}) == len(runs)
    column = TABLES["V"].column("N-UCLA")
    chain = [
        TABLES["V"].row("No Trans. (Baseline0)"),
        TABLES["V"].row("Coordinate and Skeleton Trans."),
        TABLES["VI"].row("SMFL (2,0.6)"),
        TABLES["IX"].row("Local (Baseline3)"),
        TABLES["X"].row("MTL w/o ML"),
        TABLES["X"].row("MTL w/ ML"),
    ]
    headline = [row.experiment(column, profile) for row in chain]
    prepared = {each.replace(**PREPARED).key for each in headline}
    headline = {each.key for each in headline}
    dropout = coverage.expected_experiments(OWN_TABLES["Dropout"], "nucla", profile)
    candidates = coverage.expected_experiments(CONFIRMATION, "nucla", profile)
    rows = {
        key
        for table in TABLES.values()
        for key in coverage.expected_experiments(table, "nucla", profile)
    }
    own = {
        key
        for table in OWN_TABLES.values()
        if any(column.dataset == "nucla" for column in table.columns)
        for key in coverage.expected_experiments(table, "nucla", profile)
    }
    most = dict.fromkeys(rows, 5)  # seeds, the most that a table asks for
    for table in OWN_TABLES.values():
        for key in coverage.expected_experiments(table, "nucla", profile):
            most[key] = max(most.get(key, 0), table.seeds or 5)
    # Each part with its seeds; what an earlier part has does not come again.
    parts = [(candidates, range(3)), (prepared, range(1)), (dropout, range(1))]
    parts += [(prepared, range(1, 5))]
    parts += [(headline, range(1)), (rows, range(1)), (headline, range(1, 5))]
    parts += [(own, range(1)), (rows | own, range(1, 3)), (rows | own, range(3, 5))]
    left, done = list(runs), set()
    for keys, seeds in parts:
        expected = {(key, seed) for key in keys for seed in seeds if seed < most[key]}
        expected -= done
        found = [left.pop(0) for _ in expected]
        assert {(run.experiment.key, run.seed) for run in found} == expected
        done |= expected
    assert not left


def test_runs_of_some_tables_and_seeds(root):
    runs = plan.runs(["x"], ["nucla"], "laptop", 2, root)
    assert len(runs) == 12 and {run.seed for run in runs} == {0, 1}
    assert {run.experiment.profile for run in runs} == {"laptop"}
    assert all(run.label.startswith("X ") for run in runs)
    # Of the headline the table has only the final model and the one before.
    assert [run.label for run in runs[:2]] == ["X MTL w/o ML", "X MTL w/ ML"]
    assert "nucla cross_view  X MTL w/ ML  seed 0" in map(str, runs)


def test_a_table_waits_until_its_settings_are_chosen(root, monkeypatch):
    best = OWN_TABLES["Best"]
    monkeypatch.setattr(plan, "UNDECIDED", ())
    assert len(plan.runs(["best"], ["nucla"], "laptop", 1, root)) == 6
    queue = set(plan.runs(datasets=["nucla"], profile="laptop", root=root))
    monkeypatch.setattr(plan, "UNDECIDED", (best,))
    with pytest.raises(InputError, match="Best: its settings have not been chosen"):
        plan.runs(["best"], ["nucla"], "laptop", 1, root)
    fewer = set(plan.runs(datasets=["nucla"], profile="laptop", root=root))
    assert fewer < queue and {run.label.split()[0] for run in queue - fewer} == {"Best"}


def test_every_fold_is_a_run(root):
    runs = plan.runs(["X"], ["sbu"], "quick", root=root)
    assert sorted({run.experiment.fold for run in runs}) == [0, 1, 2, 3, 4]
    assert len(runs) == 6 * 5


def test_default_data_sets(root, tmp_path):
    assert {r.experiment.dataset for r in plan.runs()} == {"synthetic"}
    prepared = plan.runs(profile="full", root=root)
    assert {r.experiment.dataset for r in prepared} == {"nucla", "sbu"}
    # Of a data set that the paper does not have: only the book's own rows on it.
    labels = {r.label.partition(" ")[0] for r in prepared if r.experiment.fold}
    assert labels == {"Other", "Peers"}
    with pytest.raises(InputError, match="skellib prepare nucla"):
        plan.runs(profile="full", root=tmp_path)
    with pytest.raises(InputError, match="skellib prepare sbu"):
        plan.runs(datasets=["sbu"], root=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tables": ["XII"]}, "table 'XII' is none of I, II"),
        ({"datasets": ["mnist"]}, "data set 'mnist': unknown"),
        ({"profile": "huge"}, "profile 'huge' is none of"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(InputError, match=message):
        plan.runs(**arguments)


def test_quick_records_live_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    assert plan.store_for("quick").folder == tmp_path / "data" / "quick"
    for profile in ("laptop", "full"):
        assert plan.store_for(profile).folder == tmp_path / "data" / "records"


# How long


def timed(record, run, seconds, device="this", date="2020-01-01"):
    """A record of another run that took so long on a device."""
    changes = {"experiment": run.experiment, "key": run.experiment.key}
    changes |= {"seconds": seconds, "stamp": {"device": device, "date": date}}
    return record.model_copy(update=changes)


def test_work_is_the_true_operations_of_all_passes(root):
    run = tiny()
    train_set, test_set = load("nucla", root=root)
    model = build_model(run.experiment, train_set, seed=0).eval()
    shape = (1, train_set.channels, 8, train_set.layout.size, train_set.bodies)
    example = torch.zeros(shape)
    passes = 3 * 4 * len(train_set) + len(test_set)
    assert count_macs(run.experiment, root) == true_macs(model, example) * passes


def test_estimates_scale_the_nearest_records(undisturbed, root):
    record, run = undisturbed[0], tiny()
    twice = tiny(**{"training.epochs": 8})
    ratio = count_macs(twice.experiment, root) / count_macs(run.experiment, root)
    made = [timed(record, run, s, date=f"2020-01-{s // 60}") for s in (600, 1200, 1800)]
    estimates = Estimates(made, "this", "cpu", root)
    assert estimates.minutes(run) == pytest.approx(20)  # the median
    assert estimates.minutes(twice) == pytest.approx(20 * ratio)
    # Another profile is timed by all, and known only when it was run itself.
    laptop = Run(run.experiment.replace(profile="laptop"), 0)
    assert estimates.minutes(laptop) == pytest.approx(20)
    assert estimates.has(run.experiment) and not estimates.has(laptop.experiment)
    estimates.add_record(timed(record, laptop, 60))
    assert estimates.minutes(laptop) == pytest.approx(1)
    assert estimates.minutes(run) == pytest.approx(20)


def test_old_records_and_other_devices_do_not_count(undisturbed, root):
    record, run = undisturbed[0], tiny()
    old = [timed(record, run, 9000, date="2019-01-01")] * 9
    new = [timed(record, run, 120, date="2021-01-01")] * 5
    other = [timed(record, run, 1, device="other", date="2022-01-01")] * 9
    estimates = Estimates([*new, *other, *old], "this", "cpu", root)
    assert estimates.minutes(run) == pytest.approx(2)
    nothing = Estimates(other, "this", "cuda", root)
    guess = count_macs(run.experiment, root) / GUESSED_RATE["cuda"] / 60
    assert nothing.minutes(run) == pytest.approx(guess) and nothing.records == 0


def test_estimate_of_a_store(undisturbed, root, tmp_path, monkeypatch):
    monkeypatch.setenv("SKELLIB_DATA", str(root))
    store = RecordStore(tmp_path)
    store.put(undisturbed[0])
    device = stamp()["device"]
    expected = undisturbed[0].seconds / 60
    found = estimates.estimate(Run(undisturbed[0].experiment, 5), store, device)
    assert found == pytest.approx(expected)


def test_estimates_for_a_gpu_go_by_the_one_last_recorded(undisturbed, root):
    record, run = undisturbed[0], tiny()
    made = [
        timed(record, run, 60, device, date)
        for device, date in (("old GPU", "2020"), ("new GPU", "2021"), ("CPU", "2022"))
    ]
    for each in made[:2]:
        each.stamp["cuda"] = "12.8"
    if stamp()["cuda"]:
        pytest.skip("this machine's own GPU comes first")
    assert estimates.estimates_for_gpu(made, root).device == "new GPU"
    nowhere = estimates.estimates_for_gpu(made[2:], root)
    assert nowhere.accelerator == "cuda" and nowhere.records == 0


def test_trial_epochs_make_an_estimate_and_leave_nothing(root, tmp_path):
    estimates = Estimates([], "this", "cpu", root)
    context = carrying.RunContext(RecordStore(tmp_path), tmp_path, root, CPU)
    before = estimates.minutes(tiny())
    context.time_trial(tiny(), estimates)
    assert estimates.has(tiny().experiment)
    assert estimates.minutes(tiny()) != before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("workers", "gpus", "expected"),
    [(3, (), 3), (4, ("0", "1"), 2), (3, ("0", "1"), 2)],
)
def test_workers_note_how_many_runs_share_a_device(tmp_path, workers, gpus, expected):
    context = carrying.RunContext(RecordStore(tmp_path), execution=CPU)
    shared = carrying._shared(context, workers, gpus)
    assert shared.execution.concurrent_runs == expected
    assert shared.execution.threads == CPU.threads and shared.gpus == gpus


# Within a budget


class Told:
    """Estimates that were told what to say."""

    accelerator = "cpu"

    def __init__(self, minutes):
        self.told = minutes

    def minutes(self, run):
        return self.told[run.seed]

    def add_record(self, record):
        pass


MINUTES = st.lists(st.floats(0.1, 20), min_size=1, max_size=12)


@given(MINUTES, st.floats(0, 60))
def test_what_fits_is_the_first_that_fits(minutes, budget):
    queue = [tiny(seed) for seed in range(len(minutes))]
    chosen = fit_to_budget(queue, Told(minutes), budget)
    left = budget
    for run in queue:
        assert (run in chosen) == (minutes[run.seed] <= left)
        left -= minutes[run.seed] if run in chosen else 0
    assert left >= 0


@given(minutes=MINUTES, budget=st.floats(0, 60), slip=st.floats(0.5, 1.5))
def test_no_run_is_started_that_does_not_fit(
    minutes, budget, slip, undisturbed, tmp_path_factory
):
    """Runs take more or less than estimated; each started one had seemed to fit."""
    clock, started = [0.0], []

    def train_run(self, run):
        assert minutes[run.seed] <= budget - clock[0] / 60
        started.append(run)
        clock[0] += 60 * slip * minutes[run.seed]
        return undisturbed[0]

    queue = [tiny(seed) for seed in range(len(minutes))]
    store = RecordStore(tmp_path_factory.mktemp("budget"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying.RunContext, "train", train_run)
        patch.setattr(carrying.time, "monotonic", lambda: clock[0])
        made = run_within_budget(queue, store, budget, estimates=Told(minutes))
    assert len(made) == len(started) == len(set(started))
    left = budget - clock[0] / 60
    assert all(minutes[r.seed] > left for r in queue if r not in started)
    if slip <= 1:
        assert left >= 0


def test_spend_without_a_budget_does_all_and_writes_each(root, undisturbed, tmp_path):
    store, folder = RecordStore(tmp_path / "records"), tmp_path / "checkpoints"
    store.put(undisturbed[1])
    options = {"execution": CPU, "root": root, "checkpoints": folder}
    estimates = Estimates([], "this", "cpu", root)
    with run_lock(store.path(few_runs()[2].experiment, few_runs()[2].seed)):
        made = run_within_budget(few_runs(), store, estimates=estimates, **options)
    assert numbers(made) == numbers([undisturbed[0], undisturbed[3]])
    assert len(list(store)) == 3  # one was known, one is held by somebody else


def test_runs_on_streams_share_a_process(root, undisturbed, tmp_path):
    """Without a GPU there are no streams, and threads of CPU work instead."""
    options = {
        "estimates": Estimates([], "this", "cpu", root),
        "root": root,
        "checkpoints": tmp_path / "checkpoints",
        "streams": 3,
    }
    store = RecordStore(tmp_path / "records")
    wild = tiny(**{"training.learning_rate": 1e30})
    queue = [wild, *few_runs()]
    with pytest.raises(InputError, match="several streams need --graphs"):
        run_within_budget(queue, store, execution=CPU, **options)
    graphs = dataclasses.replace(CPU, graphs=True)
    with pytest.raises(RunError, match="1 of 5 runs failed"):
        run_within_budget(queue, store, execution=graphs, **options)
    made = [store.get(run.experiment, run.seed) for run in few_runs()]
    assert numbers(made) == numbers(undisturbed)
    assert {record.execution["concurrent_runs"] for record in made} == {3}


# Records


def test_records_in_the_order_of_the_runs(root, undisturbed, tmp_path):
    runs = few_runs()
    asked = [runs[2], runs[0], runs[2]]
    assert numbers(go(asked, tmp_path, root)) == numbers(
        [undisturbed[2], undisturbed[0], undisturbed[2]]
    )
    assert not list(tmp_path.glob("**/*.lock"))


def test_one_line_a_run_and_the_total(root, tmp_path, capsys):
    go([tiny()], tmp_path, root, progress=True)
    start, line, end = capsys.readouterr().out.splitlines()
    assert start.startswith("1 runs to train, 0 recorded: about ")
    assert line.startswith("[1/1] nucla cross_view  tiny") and "estimated" in line
    assert end.startswith("1 runs in ")
    go([tiny()], tmp_path, root, progress=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"top1": 0.', '"top1": 7.'),
        lambda text: '{"some": "other file"}',
    ],
)
def test_a_spoilt_record_is_named_and_nothing_is_trained(
    root, undisturbed, tmp_path, spoil
):
    store = RecordStore(tmp_path / "records")
    path = store.put(undisturbed[0])
    path.write_text(spoil(path.read_text()))
    with pytest.raises(InputError, match="not a run record") as caught:
        go(few_runs(), tmp_path, root)
    assert str(path) in str(caught.value)
    assert [p for p in tmp_path.glob("**/*") if p.is_file()] == [path]


@pytest.mark.parametrize("other", [1, 2])
def test_the_record_of_another_run_is_refused(root, undisturbed, tmp_path, other):
    """Another experiment's, or another seed's, whole but in the wrong place."""
    store = RecordStore(tmp_path / "records")
    path = store.path(few_runs()[0].experiment, 0)
    store.put(undisturbed[other]).rename(path)
    with pytest.raises(InputError, match="holds another run") as caught:
        go(few_runs(), tmp_path, root)
    assert str(path) in str(caught.value)


def test_records_of_other_data_are_refused(root, undisturbed, tmp_path):
    store = RecordStore(tmp_path / "records")
    path = store.put(undisturbed[1])
    dataset = PackedDataset.open(packed_path("nucla", root))
    changed = dataclasses.replace(dataset, subject=dataset.subject + 1)
    changed.save(packed_path("nucla", tmp_path))
    with pytest.raises(InputError, match="recorded with other data") as caught:
        go(few_runs(), tmp_path, tmp_path)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="recorded with other data"):
        run_within_budget(
            few_runs(), store, root=tmp_path, estimates=Estimates(root=tmp_path)
        )
    assert list(store) == [undisturbed[1]]


def test_a_run_that_fails_does_not_stop_the_others(root, tmp_path, capsys):
    runs = [tiny(**{"training.learning_rate": 1e30}), tiny()]
    with pytest.raises(RunError, match="1 of 2 runs failed; first: nucla") as caught:
        go(runs, tmp_path, root, progress=True)
    assert isinstance(caught.value.__cause__, TrainingError)
    assert "is nan; try a smaller training.learning_rate" in capsys.readouterr().out
    store = RecordStore(tmp_path / "records")
    assert plan.missing(runs, store, root) == runs[:1]


def test_the_outcomes_of_what_was_run(root, tmp_path):
    done, open_ = few_runs()[0], dataclasses.replace(few_runs()[0], seed=7)
    (record,) = go([done], tmp_path, root)
    table = plan.summarise_runs([done, open_], RecordStore(tmp_path / "records"))
    heading = f"{done.experiment.profile}, {done.experiment.dataset}: no result"
    assert list(table.columns) == ["seed", heading, "seconds"]
    assert table[heading].to_dict() == {done.label: f"{100 * record.test.top1:.1f} %"}
    assert plan.summarise_runs([open_], RecordStore(tmp_path / "records")).empty


# One process at a time


def _hold(path, held):
    with run_lock(path) as mine:
        held.put(mine)
        time.sleep(60)


def test_a_claim_excludes(tmp_path):
    record, lock = tmp_path / "data" / "run.json", tmp_path / "data" / "run.lock"
    with run_lock(record) as mine:
        assert mine and lock.read_text().split()[0] == str(os.getpid())
        with run_lock(record) as again:
            assert not again
    assert not lock.exists()


def test_a_claim_whose_file_goes_while_it_is_opened(tmp_path, monkeypatch):
    """The holder before us removes its file between our opening and our locking."""
    real, fooled = os.open, []

    def racing(path, *arguments):
        handle = real(path, *arguments)
        if not fooled:
            fooled.append(os.unlink(path))
        return handle

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", racing)
        with run_lock(tmp_path / "run.json") as mine:
            assert mine and (tmp_path / "run.lock").exists()


def _run_elsewhere(runs, folder, root, counts=None):
    if counts:
        trained, number = carrying.train, itertools.count()

        def counting(*arguments, **options):
            (counts / f"{os.getpid()}-{next(number)}").touch()
            return trained(*arguments, **options)

        carrying.train = counting
    go(runs, folder, root)


def test_killed_in_the_middle_then_run_again(root, undisturbed, tmp_path):
    process = spawn.Process(target=_run_elsewhere, args=(few_runs(), tmp_path, root))
    process.start()
    # In the middle of the second run.
    second = weights_path(few_runs()[1].experiment, 0, tmp_path / "checkpoints")
    wait_for(second.with_suffix(".ckpt").exists, process)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store = RecordStore(tmp_path / "records")
    assert plan.missing(few_runs(), store, root) == few_runs()[1:]
    assert numbers(go(few_runs(), tmp_path, root)) == numbers(undisturbed)
    assert not list(tmp_path.glob("**/*.lock")) and not list(tmp_path.glob("**/*.ckpt"))


def test_killed_in_the_middle_of_a_notebook(root, undisturbed, tmp_path, monkeypatch):
    """The kernel dies in its second run; executed again, the notebook ends the same."""
    cells = [
        new_code_cell("folder = root = ''", metadata={"tags": ["parameters"]}),
        new_code_cell(
            "from pathlib import Path\n\n"
            "from tests.reproduction.test_runner import few_runs, go\n\n"
            "go(few_runs(), Path(folder), Path(root))"
        ),
    ]
    source = tmp_path / "01_runs.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
    here = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", str(here))
    options = {"folder": str(tmp_path), "root": str(root)}
    second = few_runs()[1].experiment
    store = RecordStore(tmp_path / "records")
    lock = store.path(second, 0).with_suffix(".lock")

    def kill_the_kernel():
        weights = weights_path(second, 0, tmp_path / "checkpoints")
        wait_for(weights.with_suffix(".ckpt").exists)
        os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_kernel, daemon=True)
    killer.start()
    with pytest.raises(NotebookError, match="01_runs"):
        execute(source, tmp_path / "out.ipynb", **options)
    killer.join()
    assert len(list(store)) == 1
    execute(source, tmp_path / "out.ipynb", **options)
    assert numbers(map(plan.recorded, few_runs(), [store] * 4)) == numbers(undisturbed)


def test_two_runners_lose_and_double_nothing(root, undisturbed, tmp_path):
    counts = tmp_path / "counts"
    counts.mkdir()
    processes = [
        spawn.Process(target=_run_elsewhere, args=(runs, tmp_path, root, counts))
        for runs in (few_runs(), few_runs()[::-1])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(list(counts.iterdir())) == len(few_runs())
    assert numbers(go(few_runs(), tmp_path, root)) == numbers(undisturbed)


def test_a_run_that_another_holds_is_waited_for(root, tmp_path):
    """That one dies without a record: the waiting runner does the run after all."""
    path = RecordStore(tmp_path / "records").path(tiny().experiment, 0)
    held = spawn.Queue()
    process = spawn.Process(target=_hold, args=(path, held))
    process.start()
    assert held.get(timeout=60) is True
    assert path.with_suffix(".lock").read_text().split()[0] == str(process.pid)
    with run_lock(path) as mine:
        assert not mine
    made = []
    waiting = threading.Thread(
        target=lambda: made.extend(go([tiny()], tmp_path, root)), daemon=True
    )
    waiting.start()
    time.sleep(0.5)
    assert waiting.is_alive() and not path.exists()
    os.kill(process.pid, signal.SIGKILL)
    waiting.join(60)
    assert len(made) == 1 and path.exists()


# Dask


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
    ) as cluster:
        yield cluster


def test_a_failure_on_a_worker_is_reported(cluster, root, tmp_path):
    wild = tiny(**{"training.learning_rate": 1e30})
    with pytest.raises(RunError, match="the loss of epoch"):
        go([wild], tmp_path, root, scheduler=cluster.scheduler_address)


def test_a_worker_is_killed_and_another_does_its_run(cluster, root, tmp_path):
    long = tiny(**{"training.epochs": 60})
    store = RecordStore(tmp_path / "records")
    lock = store.path(long.experiment, 0).with_suffix(".lock")
    holders = []

    def holder():
        try:
            return lock.read_text().split()[0]
        except (FileNotFoundError, IndexError):
            return None

    def kill_the_first():
        checkpoint = weights_path(long.experiment, 0, tmp_path / "checkpoints")
        wait_for(checkpoint.with_suffix(".ckpt").exists)
        holders.append(holder())
        os.kill(int(holders[0]), signal.SIGKILL)
        wait_for(lambda: holder() not in (None, holders[0]))
        holders.append(holder())

    killer = threading.Thread(target=kill_the_first, daemon=True)
    killer.start()
    address = cluster.scheduler_address
    made = go([long, *few_runs()[:2]], tmp_path, root, scheduler=address)
    killer.join(60)
    assert len(holders) == 2 and str(os.getpid()) not in holders
    alone = go([long, *few_runs()[:2]], tmp_path / "alone", root)
    assert numbers(made) == numbers(alone)


def test_a_cluster_of_its_own(root, undisturbed, tmp_path, capsys):
    pytest.importorskip("distributed")
    made = go(few_runs()[:2], tmp_path, root, workers=2, progress=True)
    assert numbers(made) == numbers(undisturbed[:2])
    assert "2 at a time" in capsys.readouterr().out


def test_without_dask_or_a_scheduler_there(root, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with pytest.raises(InputError, match=r"pip install 'skellib\[cluster\]'"):
            go([tiny()], tmp_path, root, workers=2)
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="scheduler nonsense://x: "):
        go([tiny()], tmp_path, root, scheduler="nonsense://x")


def test_workers_share_out_the_gpus(monkeypatch, root, tmp_path, undisturbed):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    assert carrying._gpus(None) == ("3", "5", "7")
    assert carrying._gpus(2) == ("3", "5")
    monkeypatch.setattr(carrying.RunContext, "train", lambda self, run: undisturbed[0])
    context = carrying.RunContext(RecordStore(tmp_path), gpus=("3", "5"))
    for name, gpu in ((0, "3"), (1, "5"), (2, "3")):
        worker = type("Worker", (), {"name": name})
        monkeypatch.setattr(distributed, "get_worker", lambda worker=worker: worker)
        context.train_on_worker(tiny())
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
