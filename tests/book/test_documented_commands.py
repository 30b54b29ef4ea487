"""Every command of the README and of the chapters on one's own GPU and data works.

They are run as printed, in a folder like a fresh clone, in this process. Small files in
the original formats stand in for the data, a small network for the paper's, and batches
of runs and notebooks are planned but not run.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pytest
import typer

import skellib.experiment as experiments
from skellib.__main__ import app, main
from skellib.reproduction import estimates, execute, reproduce
from tests.cli.test_cli_own import write_source
from tests.fake_raw import kinetics, ntu, nucla, sysu

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "training.epochs": 1,
    "preprocessing.frames": 8,
    "model.channels": (4, 4),
    "model.kernels": 3,
    "model.new_joints": 6,
    "model.slnl_blocks": 1,
}
FENCED = re.compile(r"```bash\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`(?:\.venv/bin/)?(python -m skellib [^`]+|make [^`]+)`")
PLACEHOLDERS = {
    "NAME": "nucla",
    "PATH": "path",
    "FILE": "file",
    "FILE.npz": "file.npz",
    "ADDRESS": "tcp://here:8786",
}


def commands(text: str, pattern: re.Pattern[str]) -> list[list[str]]:
    """Return the commands of a page, as words."""
    spans = [each.replace("\\\n", " ") for each in pattern.findall(text)]
    if pattern is INLINE:  # may run over the end of a line
        spans = [" ".join(each.split()) for each in spans]
    text = "\n".join(spans)
    for name, value in re.findall(r'^([A-Z]+)="(.*)"$', text, re.MULTILINE):
        text = text.replace(f"${name}", value)
    lines = re.sub(r'^[A-Z]+=".*"$', "", text, flags=re.MULTILINE).splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if words]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """Make a folder with what a clone has, and with small data at the printed paths."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    monkeypatch.setenv("SKELLIB_COMMIT", "0" * 12)
    files = ["Makefile", "pyproject.toml", *(p.name for p in ROOT.glob("*.txt"))]
    for part in ("notebooks", "data/weights", *files):
        place = tmp_path / part
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(ROOT / part)
    for stamp in (".venv/.set-up", ".venv-book/.set-up", ".venv-oldest/.set-up"):
        (tmp_path / stamp).parent.mkdir()
        (tmp_path / stamp).touch()
    return tmp_path


def stand_in(path: Path, write, clips: int) -> None:
    """Write files in a format, zipped if the name says so."""
    write(path.with_suffix(""), clips)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for each in sorted(path.with_suffix("").rglob("*.*")):
                archive.write(each, each.relative_to(path.parent))


@pytest.fixture
def planned(monkeypatch):
    """Shrink the network, guess times, and note the runs that would be trained."""
    made: list[tuple[str, int]] = []
    original = experiments.final_model

    def smaller(*arguments, **options):
        return original(*arguments, **options).replace(**TINY)

    def train(plan, store, **options):
        made.append((plan[0].experiment.dataset, len(plan)))

    def queued(todo, store, budget, **options):
        made.append((todo[0].experiment.dataset, len(todo)))
        return []

    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # `prepare` starts no processes
    monkeypatch.setattr(experiments, "final_model", smaller)
    monkeypatch.setattr(estimates, "count_macs", lambda *_: 10**12)
    monkeypatch.setattr(reproduce, "ensure_records", train)
    monkeypatch.setattr(reproduce, "execute_all", lambda *_, **__: None)
    monkeypatch.setattr(execute, "run_within_budget", queued)
    return made


def skellib(words: list[str]) -> None:
    """Run a command in this process; it must succeed."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0, words


def parse(words: list[str]) -> None:
    """Check a command's name and options without running it."""
    command = typer.main.get_command(app).commands[words[0]]
    command.make_context(words[0], list(words[1:]))


def recipe(words: list[str], clone: Path) -> list[list[str]]:
    """Return the commands that `make` would run."""
    environment = {k: v for k, v in os.environ.items() if k != "EXECUTION"}
    done = subprocess.run(
        ["make", "-n", *words[1:]],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (words, done.stderr)
    text = done.stdout.replace("\\\n", " ")
    lines = re.split(r"[\n;&]", text)
    found = [shlex.split(line) for line in lines if " -m skellib " in line]
    return [words[words.index("skellib") + 1 :] for words in found]


def help_of(module: str) -> str:
    """Return what a module prints with `--help`."""
    shown = io.StringIO()
    with (
        contextlib.redirect_stdout(shown),
        mock.patch.object(sys, "argv", [module, "--help"]),
        pytest.raises(SystemExit),
    ):
        runpy.run_module(module, run_name="__main__")
    return shown.getvalue()


def carry_out(words: list[str], clone: Path) -> None:
    """Carry out a command of a page."""
    if words[0] == "make":
        for each in recipe(words, clone):
            if each[0] == "queue":  # as `make gpu-run` on a GPU; options alone here
                parse(each)
            else:
                skellib(each)
    elif "--devices" in words or "torchrun" in words[0] or "--scheduler" in words:
        parse(words[words.index("skellib") + 1 :])
    elif words[1:4] == ["-m", "skellib", "demo"]:
        parse(words[3:])  # run by tests/cli/test_cli_demo.py
    elif words[1:3] == ["-m", "skellib"]:
        skellib(words[3:])
    elif words[1:3] == ["-m", "pytest"]:
        assert all((ROOT / path).is_file() for path in words[3:])
    elif words[1] == "-m":
        assert all(w in help_of(words[2]) for w in words if w.startswith("--"))
    else:
        assert words[1] == "-c"
        compile(words[2], "page", "exec")


def test_the_readme(clone, planned, capfd) -> None:
    stand_in(clone / "path/to/all_sqe.zip", nucla.write, 60)
    clip = write_source(clone / "my_folder")
    shutil.copy(clip, clone / "clip.csv")
    found = commands((ROOT / "README.md").read_text("utf-8"), FENCED)
    assert sum("skellib" in words for words in found) >= 9
    for words in found:
        if "WEIGHTS.safetensors" in words:
            (weights,) = clone.glob("data/checkpoints/mine/*.safetensors")
            words[words.index("WEIGHTS.safetensors")] = str(weights)
        carry_out(words, clone)
    assert planned[0][0] == "nucla" and planned[0][1] > 100
    assert " %  class " in capfd.readouterr().out
    for words in commands((ROOT / "README.md").read_text("utf-8"), INLINE):
        if words[0] == "make":
            recipe(words, clone)
        elif words[3] != "--help":
            parse(words[3:])


def test_the_chapter_on_ones_own_gpu(clone, planned) -> None:
    stand_in(clone / "path/to/all_sqe.zip", nucla.write, 60)
    stand_in(
        clone / "nturgbd_skeletons_s001_to_s017.zip",
        lambda folder, clips: ntu.write(folder, clips, frames=(9, 12)),
        24,
    )
    stand_in(clone / "kinetics-skeleton", kinetics.write, 24)
    stand_in(clone / "SYSU3DAction", sysu.write, 48)
    page = (ROOT / "book/your_gpu.md").read_text("utf-8")
    found = commands(page, FENCED)
    assert sum("skellib" in words for words in found) >= 12
    for words in found:
        carry_out(words, clone)
    asked = [name for name, _ in planned]
    assert asked == ["ntu", "kinetics", "sysu", "nucla", "nucla"]
    for words in commands(page, INLINE):
        words = [PLACEHOLDERS.get(word, word) for word in words]
        if words[0] == "make":
            recipe(words, clone)
        else:
            parse(words[3:])


def test_the_commands_of_the_notes_on_data() -> None:
    page = (ROOT / "data/README.md").read_text("utf-8")
    for words in [*commands(page, FENCED), *commands(page, INLINE)]:
        if words[1:3] == ["-m", "skellib"] and len(words) > 4:
            parse([PLACEHOLDERS.get(word, word) for word in words[3:]])


def test_the_chapter_on_ones_own_data(clone, planned, capfd) -> None:
    """Execute the chapter's cells, with its commands in this process."""
    source = ROOT / "notebooks/21_your_own_data.ipynb"
    cells = json.loads(source.read_text("utf-8"))["cells"]
    names: dict[str, object] = {}
    calls: list[list[str]] = []

    def run(command: str) -> None:
        calls.append(command.split())
        os.chdir(names["folder"].name)  # type: ignore[attr-defined]
        skellib(calls[-1])
        os.chdir(clone)

    for cell in cells:
        if cell["cell_type"] == "code":
            code = re.sub(r"^plt.show\(\)$", "plt.close()", "".join(cell["source"]))
            exec(compile(code, cell["id"], "exec"), names)
            names["skellib"] = run if "skellib" in names else None
    plt.close("all")
    ran = " ".join(words[0] for words in calls)
    assert ran == "prepare prepare train predict prepare"
    out = capfd.readouterr().out
    assert "skipped: " in out and "recorded: " in out and " %  wave" in out
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for words in commands(text, INLINE):
                parse([PLACEHOLDERS.get(word, word) for word in words[3:]])
    assert np.isfinite(names["shares"]).all()
