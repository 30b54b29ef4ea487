"""Every failure is one line: bad input, a fault of the system, an error of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skellib import __main__, checkpoint, readers
from skellib.cli import failures, runs
from skellib.data import PackedDataset
from skellib.errors import InputError, TaskError
from skellib.paths import read_errors
from skellib.readers import sources
from skellib.weights import load_trained


def call(capfd, *arguments):
    """Return exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stopped:
        __main__.main(list(map(str, arguments)))
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (InputError("a.npz: no such file"), "a.npz: no such file", 2),
        (TaskError("1 of 2 runs failed"), "1 of 2 runs failed", 1),
        (KeyboardInterrupt(), "", 130),
        (BrokenPipeError(), "", 1),
        (PermissionError(13, "Permission denied", "a"), "a: Permission denied", 2),
        (OSError(28, "No space left on device"), "No space left on device", 2),
        (MemoryError(), "out of memory; try a smaller", 2),
        (type("OutOfMemoryError", (RuntimeError,), {})("x"), "out of memory; try", 2),
        (ModuleNotFoundError("x", name="papermill"), "needs the package papermill", 2),
    ],
)
def test_what_is_expected(error, line, status) -> None:
    found = failures.describe(error)
    assert found[0].startswith(line) and bool(found[0]) == bool(line)
    assert found[1] == status and "\n" not in found[0]


def test_a_further_process_of_a_run_leaves_the_reason_to_the_first(monkeypatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    found = failures.describe(RuntimeError("connection closed\nby peer"))
    assert found == ("one of several processes of a run ended: connection closed", 1)


def test_an_error_of_ours_says_so_and_where_to_report_it(
    tmp_path, capfd, monkeypatch, root
) -> None:
    def broken(name, profile, folder):
        raise KeyError("a\nb")

    monkeypatch.setattr(runs, "protocol_of", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    status, out, err = call(capfd, "train", "--dataset", "synthetic")
    assert (status, out) == (70, "") and err.count("\n") == 1
    assert "an error in skellib, not in your input (KeyError: 'a\\nb')" in err
    assert "please report it" in err and "CONTRIBUTING.md" in err
    (report,) = tmp_path.glob("skellib-error-*.txt")
    assert str(report) in err and "in broken" in report.read_text()
    assert "## Reporting an error" in (root / "CONTRIBUTING.md").read_text()


def test_an_output_that_lacks_a_character(tmp_path, root) -> None:
    name = "gehört — 猫.npy"
    command = [sys.executable, "-m", "skellib", "predict", "--checkpoint"]
    weights = next((root / "data" / "weights" / "nucla").glob("*.safetensors"))
    np.save(tmp_path / name, np.ones((3, 20, 3)))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*command, str(weights), str(tmp_path / name), str(tmp_path / f"no{name}")],
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 1, done.stderr
    assert b"geh\\xf6rt \\u2014" in done.stdout and b" %  " in done.stdout
    assert done.stderr.count(b"\n") == 1 and b"no such file" in done.stderr


def test_a_reader_of_the_output_that_ends() -> None:
    command = [sys.executable, "-m", "skellib", "train", "--help"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() in (0, 1)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch) -> None:
    def forbidden(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "a.npz"
    np.savez(path, joints=np.zeros(3))
    words = r"a\.npz: cannot be read \(Permission denied\)"
    monkeypatch.setattr("zipfile.ZipFile", forbidden)
    with pytest.raises(InputError, match=words):
        PackedDataset.open(path)
    monkeypatch.setattr("numpy.load", forbidden)
    with pytest.raises(InputError, match=words):
        sources.read_npz(path, ("joints",))
    monkeypatch.setattr("torch.load", forbidden)
    with pytest.raises(InputError, match=words):
        checkpoint.Checkpoint(path, "key", "data").load({})
    monkeypatch.setattr("skellib.weights.safe_open", forbidden)
    with pytest.raises(InputError, match=words):
        load_trained(path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match=r"a\.npz: cannot be read; its permissions"):
        readers.prepare("mine", path, tmp_path)
    with pytest.raises(OSError, match="a library's"), read_errors(path):
        raise OSError("a library's own")


def test_status_knows_runs_on_data_of_ones_own(tmp_path, capfd, monkeypatch) -> None:
    from tests.cli.test_cli_own import TINY, write_source

    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    write_source(tmp_path / "raw", classes=2)
    source = f"--source={tmp_path / 'raw'}"
    assert call(capfd, "prepare", "custom", source, "--name=mine")[0] == 0
    train = ["train", "--dataset=mine", *TINY, "--accelerator=cpu"]
    assert call(capfd, *train)[0] == 0
    status, out, err = call(capfd, "status", "--profile=quick")
    assert (status, err) == (0, "")
    (record,) = (tmp_path / "data" / "quick" / "mine").glob("*.json")
    assert f"in no table: {record}" in out
    status, out, err = call(capfd, "card", "mine", "--no-compare")
    assert (status, err) == (0, "") and "as it was prepared:" in out
    assert "  clips by class: class 0 1/1, class 1 1/1" in out
    assert not (tmp_path / "data" / "cards").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--datasets", "nope"], "data set 'nope': unknown; known are"),
        (["--datasets", "nucla"], "no such file; make it with"),
        (["--tables", "XX"], "table 'XX' is none of"),
        (["--out", "{tmp}/file/x"], "file/x/executed.ipynb: cannot be written"),
    ],
)
def test_reproduce_checks_before_it_runs(
    tmp_path, capfd, monkeypatch, arguments, message
) -> None:
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path))
    monkeypatch.setattr("skellib.reproduction.reproduce.execute_all", None)
    (tmp_path / "file").touch()
    arguments = [part.format(tmp=tmp_path) for part in arguments]
    status, _, err = call(capfd, "reproduce", *arguments)
    assert status == 2 and message in err and err.count("\n") == 1


CHILD = "from skellib import processes; processes.end_with_parent(); "
POOL = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from skellib.processes import end_with_parent

def work(_):
    import os
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, end_with_parent) as pool:
        pool.submit(work, 0).result()
"""
PLAIN = f"""
import subprocess, sys, time
child = "{CHILD}import os, time; print(os.getpid(), flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


@pytest.mark.parametrize("script", [POOL, PLAIN], ids=["pool", "process"])
def test_workers_end_with_their_parent_however_it_dies(tmp_path, script) -> None:
    path = tmp_path / "parent.py"
    path.write_text(script)
    parent = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(200):
        try:
            os.kill(child, 0)
            if " Z " in Path(f"/proc/{child}/stat").read_text():
                return  # ended, and nobody has asked for its status yet
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the worker is still there")
