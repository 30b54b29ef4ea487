"""The command line: what it does, and one clear line for bad input."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from skellib.__main__ import main
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.paths import packed_path
from skellib.records import RecordStore


def call(capfd, *arguments):
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


def write_nucla(folder, joints=20, frames=12):
    """A few clips in the format of the JSON release."""
    rng = np.random.default_rng(0)
    for view in (1, 2, 3):
        for code, label in ((1, "1"), (2, "2"), (12, "10")):
            for subject in (1, 2):
                name = f"a{code:02d}_s{subject:02d}_e00_v{view:02d}"
                clip = rng.normal(size=(frames, joints, 3)).round(4).tolist()
                content = {"file_name": name, "skeletons": clip, "label": label}
                (folder / f"{name}.json").write_text(json.dumps(content))


TINY = [
    "--set=training.epochs=1",
    "--set=preprocessing.frames=8",
    "--set=model.channels=(4,4,4,4,4,4)",
    "--set=model.new_joints=6",
    "--accelerator=cpu",
]


def test_help_says_what_there_is(capfd):
    for arguments in ([], ["--help"]):
        status, out, _ = call(capfd, *arguments)
        assert status == 0
        for command in ("prepare", "train", "reproduce"):
            assert command in out
    status, out, _ = call(capfd, "train", "--help")
    assert status == 0 and "--profile" in out and "resumes from its last epoch" in out


def test_prepare_then_train(tmp_path, capfd):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_nucla(raw)
    root = str(tmp_path / "packed")
    status, out, _ = call(
        capfd, "prepare", "nucla", "--source", str(raw), "--root", root
    )
    assert status == 0 and "18 clips, 216 frames, 10 classes" in out
    assert len(PackedDataset.open(packed_path("nucla", root))) == 18
    train = ["train", "--dataset=nucla", f"--root={root}", *TINY]
    train += [f"--records={tmp_path / 'r'}", f"--checkpoints={tmp_path / 'c'}"]
    status, out, _ = call(capfd, *train)
    assert status == 0
    assert "12 clips train, 6 test" in out and "recorded: " in out
    (record,) = RecordStore(tmp_path / "r")
    assert record.experiment.training.epochs == 1
    status, out, _ = call(capfd, *train)
    assert status == 0 and "recorded before: " in out


def test_a_quick_run_is_not_recorded_among_the_results(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    status, out, _ = call(capfd, "train", "--set=model.slnl_blocks=0", *TINY)
    assert status == 0 and "recorded: " in out
    assert len(list(RecordStore(tmp_path / "data" / "quick"))) == 1
    assert not (tmp_path / "data" / "records").exists()


def test_two_processes_share_one_run(tmp_path):
    """Fabric's DDP on the processor: one record, from one run of two processes."""
    command = [sys.executable, "-m", "skellib", "train", "--devices=2", *TINY]
    command += [f"--records={tmp_path / 'r'}", f"--checkpoints={tmp_path / 'c'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("recorded: ") == 1
    (record,) = RecordStore(tmp_path / "r")
    assert record.execution["devices"] == 2
    assert record.history[0].loss > 0
    assert not list(tmp_path.glob("**/*.ckpt"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "nucla", "--source", "{tmp}/none"], "none: no such file"),
        (["prepare", "nucla"], "Missing option '--source'"),
        (["prepare", "mnist", "--source", "{tmp}"], "'mnist'"),
        (["train", "--dataset", "mnist"], "data set 'mnist': unknown; known"),
        (["train", "--dataset", "nucla", "--root", "{tmp}"], "skellib prepare nucla"),
        (["train", "--profile", "huge"], "profile 'huge' is none of"),
        (["train", "--protocol", "x"], "protocol 'x' of synthetic is none of"),
        (["train", "--set", "loss.gama=1"], "loss.gama: unknown setting"),
        (["train", "--set", "loss.gamma"], "write NAME=VALUE"),
        (["train", "--set=loss.gamma=1", "--set=loss.gamma=2"], "gamma: given twice"),
        (["train", "--set=fold=1"], "--set fold: is an option of its own, --fold"),
        (["train", "--precision", "8-true"], "precision '8-true' is none of 32-true"),
        (["train", "--set", "preprocessing.frames=1"], "no network can be trained"),
        (["train", "--seed", str(2**63)], "not a number from 0 to 2^63 - 1"),
        (["train", "--set", "loss.gamma=high"], "loss.gamma: Input should be"),
        (["train", "--seed", "-1"], "--seed"),
        (["train", "--sed", "1"], "No such option: --sed"),
        (["dance"], "No such command 'dance'"),
        (["reproduce", "--profile", "huge"], "profile 'huge' is none of"),
        (["reproduce", "--notebooks", "99"], "no '99'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, capfd, arguments, message):
    arguments = [part.format(tmp=tmp_path) for part in arguments]
    status, _, err = call(capfd, *arguments)
    assert status == 2
    assert message in err
    assert err.startswith("skellib: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())  # nothing half written


def test_a_bad_clip_is_named_and_nothing_is_written(tmp_path, capfd):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_nucla(raw, joints=19)
    arguments = ["--source", str(raw), "--root", str(tmp_path / "packed")]
    status, _, err = call(capfd, "prepare", "nucla", *arguments)
    assert status == 2 and err.count("\n") == 1
    assert "a01_s01_e00_v01.json" in err and "19 joints" in err
    assert not (tmp_path / "packed").exists()


def test_a_truncated_packed_file_is_named(tmp_path, capfd):
    path = tmp_path / "nucla.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    for arguments in (
        ["prepare", "nucla", "--source", str(path), "--root", str(tmp_path / "p")],
        ["train", "--dataset", "nucla", "--root", str(tmp_path)],
    ):
        status, _, err = call(capfd, *arguments)
        assert status == 2 and str(path) in err and err.count("\n") == 1
    assert not (tmp_path / "p").exists()


def test_an_error_is_one_line_whatever_a_file_is_called(tmp_path):
    error = InputError(f"{tmp_path}/a\nb\x1dc.csv: no such file")
    assert len(str(error).splitlines()) == 1
    assert r"a\nb\x1dc.csv" in str(error)
