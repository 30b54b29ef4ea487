"""Commands that look for a run's record and weights, or convert them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from skellib import training, weights
from skellib.__main__ import main
from skellib.data import load
from skellib.experiment import final_model
from skellib.records import RecordStore
from skellib.reproduction import execute, exhibits
from skellib.reproduction.results import columns_on, get_table

FORMER = Path(__file__).parents[1] / "method/golden/048f370e2e4dc893-seed0.json"
SETTINGS = {
    "training.epochs": 1,
    "preprocessing.frames": 8,
    "model.channels": (4, 4, 4, 4, 4, 4),
    "model.new_joints": 6,
}
TINY = [f"--set={name}={value}" for name, value in SETTINGS.items()]
TRAIN = ["train", *TINY, "--accelerator=cpu"]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    """Records, checkpoints and weights of these tests stay out of the project."""
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))


def call(capfd, *arguments):
    """Return the exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


def released(experiment, seed=0):
    """Save the initial network of a run where released weights are."""
    train_set, _ = load(experiment.dataset, experiment.protocol)
    path = weights.released_weights_path(experiment, seed)
    model = weights.build_model(experiment, train_set, seed)
    weights.save_weights(model, path, experiment, seed, train_set)
    return path


# Train


def test_a_recorded_run_says_that_nothing_was_trained(tmp_path, capfd):
    status, out, _ = call(capfd, *TRAIN)
    assert status == 0 and "recorded: " in out and "nothing was trained" not in out
    (path,) = tmp_path.glob("data/checkpoints/synthetic/*.safetensors")
    assert f"weights: {path}" in out
    status, out, _ = call(capfd, *TRAIN)
    assert status == 0 and "recorded before: " in out
    assert (
        "nothing was trained; to train it again, add --anew" in out
        and f"weights: {path}" in out
    )
    path.unlink()
    status, out, _ = call(capfd, *TRAIN)
    assert "weights: not on this machine" in out and not path.exists()


def test_anew_trains_again_and_replaces_the_record(tmp_path, capfd):
    call(capfd, *TRAIN)
    (path,) = tmp_path.glob("data/quick/synthetic/*.json")
    before = path.read_bytes()
    status, out, _ = call(capfd, *TRAIN, "--anew")
    assert status == 0 and "recorded: " in out and "nothing was trained" not in out
    assert path.read_bytes() != before  # another time, the same numbers
    assert len(list(RecordStore(tmp_path / "data" / "quick"))) == 1


@pytest.mark.parametrize("option", ["--records", "--checkpoints"])
def test_a_folder_that_cannot_be_written_is_refused_before_training(
    tmp_path, capfd, monkeypatch, option
):
    def fit(*_, **__):
        pytest.fail("it trains")

    monkeypatch.setattr(training, "fit", fit)
    (tmp_path / "file").touch()
    status, _, err = call(capfd, *TRAIN, f"{option}={tmp_path / 'file' / 'folder'}")
    assert status == 2 and "cannot be written" in err and err.count("\n") == 1


def test_queue_notes_how_many_runs_share_the_device(capfd, monkeypatch):
    given = {}

    def run(queue, store, budget, **options):
        given.update(options)
        return []

    monkeypatch.setattr(execute, "run_within_budget", run)
    queue = ["queue", "--profile=quick", "--tables=X", "--run", "--concurrent-runs=3"]
    queue += ["--streams=2", "--checkpoint-every=0"]
    assert call(capfd, *queue)[0] == 0
    assert given["execution"].concurrent_runs == 3 and given["streams"] == 2
    assert given["execution"].checkpoint_every == 0


# Find weights


@pytest.mark.parametrize("former", [False, True])
def test_evaluate_falls_back_on_released_weights(capfd, former):
    experiment = final_model("synthetic", "quick").replace(**SETTINGS)
    path = released(experiment.first_edition if former else experiment)
    status, out, err = call(capfd, "evaluate", "--dataset=synthetic", *TINY)
    assert (status, err) == (0, "") and f", {path}\n" in out


def test_evaluate_prefers_weights_of_this_machine(tmp_path, capfd):
    released(final_model("synthetic", "quick").replace(**SETTINGS))
    folder = f"--checkpoints={tmp_path / 'mine'}"
    assert call(capfd, *TRAIN, folder)[0] == 0
    status, out, _ = call(capfd, "evaluate", "--dataset=synthetic", *TINY, folder)
    assert status == 0 and f", {tmp_path / 'mine'}" in out


def test_predict_and_evaluate_refuse_a_folder(tmp_path, capfd):
    for command in (["predict", "clip.npy"], ["evaluate", "--dataset=synthetic"]):
        status, _, err = call(capfd, *command, f"--checkpoint={tmp_path}")
        assert status == 2 and err.count("\n") == 1
        assert f"{tmp_path}: is a folder; give one of its .safetensors files" in err


KEEP = ["keep", "--dataset=synthetic", "--profile=quick"]


def kept_experiment():
    table = get_table("IV")
    column = columns_on(table, "synthetic")[0]
    return table.row("SLnL-rFA+ML").experiment(column, "quick")


def test_keep_copies_weights_in_half_precision(tmp_path, capfd):
    experiment = kept_experiment()
    path = released(experiment).rename(tmp_path / "moved.safetensors")
    trained = weights.weights_path(experiment, 0)
    trained.parent.mkdir(parents=True)
    shutil.copy(path, trained)
    status, out, _ = call(capfd, *KEEP)
    target = weights.released_weights_path(experiment, 0)
    assert status == 0 and out.startswith(f"{target}: ")
    assert target.stat().st_size < 0.7 * trained.stat().st_size


def test_keep_takes_the_settings_of_the_run(capfd):
    experiment = kept_experiment().replace(**{"training.epochs": 3})
    trained = weights.weights_path(experiment, 0)
    trained.parent.mkdir(parents=True)
    released(experiment).rename(trained)
    status, out, _ = call(capfd, *KEEP, "--set=training.epochs=3")
    target = weights.released_weights_path(experiment, 0)
    assert status == 0 and out.startswith(f"{target}: ") and target.is_file()
    assert call(capfd, *KEEP)[0] == 2


def test_keep_leaves_released_weights_as_they_are(tmp_path, capfd):
    path = released(kept_experiment().first_edition)
    before = path.read_bytes()
    status, out, _ = call(capfd, *KEEP)
    assert status == 0 and f"{path}: already there" in out
    assert path.read_bytes() == before
    assert list(tmp_path.rglob("*.safetensors")) == [path]
    path.unlink()
    status, _, err = call(capfd, *KEEP)
    assert status == 2 and "no such file; train it" in err


def test_exhibit_falls_back_on_released_weights(capfd, tmp_path):
    found = exhibits.get_exhibit("frequency").experiments("synthetic", "quick")
    (experiment,) = found.values()
    released(experiment.first_edition)
    make = ["exhibit", "frequency", "--dataset=synthetic", "--profile=quick"]
    status, out, _ = call(capfd, *make, f"--out={tmp_path / 'out'}")
    assert status == 0
    (path,) = (tmp_path / "out").rglob("*.json")
    assert str(path) in out and experiment.first_edition.key in path.read_text()


# Convert


def test_migrate_prints_each_file_and_the_number(tmp_path, capfd):
    folder = tmp_path / "nucla"
    folder.mkdir()
    old = Path(shutil.copy(FORMER, folder))
    migrate = ["migrate", folder, "--concurrent-runs=2", f"--out={tmp_path / 'out'}"]
    status, out, _ = call(capfd, *migrate)
    (record,) = RecordStore(tmp_path / "out")
    new = RecordStore(tmp_path / "out").path(record.experiment, record.seed)
    assert status == 0
    assert out == f"{old} -> {new}\nfiles converted: 1\n"
    assert old.exists() and record.execution["concurrent_runs"] == 2
    status, out, _ = call(capfd, "migrate", tmp_path / "out")
    assert (status, out) == (0, "nothing to convert\n")


def test_migrate_refuses_what_it_cannot_read(tmp_path, capfd):
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    for path, message in (
        (tmp_path / "w.safetensors", "cannot be converted"),
        (tmp_path / "none.json", "no such file or folder"),
    ):
        status, _, err = call(capfd, "migrate", path)
        assert status == 2 and err.startswith(f"skellib: {path}: {message}")
        assert err.count("\n") == 1
