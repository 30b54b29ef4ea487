"""The worked examples of CONTRIBUTING.md are carried out, each step as written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S)


def apply(diff: str, folder: Path) -> None:
    """Carry out a diff block: a file, and hunks that each fit it in one place."""
    name, *lines = diff.splitlines()
    path = folder / name.removeprefix("+++ ")
    text = "\n" + path.read_text("utf-8")
    for hunk in "\n".join(lines).split("\n@@\n"):
        rows = hunk.splitlines()
        old = [row[1:] + "\n" for row in rows if not row.startswith("+")]
        new = [row[1:] + "\n" for row in rows if not row.startswith("-")]
        before, after = "\n" + "".join(old), "\n" + "".join(new)
        assert text.count(before) == 1, f"{path.name}: {before}"
        text = text.replace(before, after)
    path.write_text(text[1:], "utf-8")


@pytest.fixture(scope="module")
def contributed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project to which the examples' files and diffs are applied."""
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("__pycache__", "golden")
    for name in ("skellib", "tests", "book/_ext"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for kind, block in BLOCKS:
        if kind == "diff":
            apply(block, folder)
        elif kind == "python" and block.startswith("# "):
            name, content = block.split("\n", 1)
            path = folder / name.removeprefix("# ")
            assert not path.exists()
            path.write_text(content, "utf-8")
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Run Python on the copy of the project; return what it printed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SKELLIB_")
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_examples_run_in_order(contributed: Path) -> None:
    steps = [b for kind, b in BLOCKS if kind == "python" and not b.startswith("# ")]
    assert len(steps) == 4, "one for each example"
    run(contributed, "-c", "\n".join(steps))
    assert list((contributed / "data" / "records" / "synthetic").glob("*.json"))
    assert (contributed / "data" / "packed" / "studio.npz").is_file()


def test_the_tests_follow_the_tables(contributed: Path) -> None:
    """What is added is tested by the tests that are there, with nothing to add."""
    paths = ("method/test_frequency", "readers/test_fake_raw", "book/test_architecture")
    words = "low_pass or studio or lengths"
    files = [f"tests/{path}.py" for path in paths]
    shown = run(contributed, "-m", "pytest", "-vv", *files, "-k", words)
    for new in ("[low_pass]", "[studio]", "[skellib.readers.studio]"):
        assert f"{new} PASSED" in shown, shown


def test_the_examples_are_in_the_house_style(contributed: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.is_file():
        pytest.skip("needs ruff, of the extra dev")
    changed = ["skellib", "tests/fake_raw", "tests/readers/test_fake_raw.py"]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *command, *changed], cwd=contributed, capture_output=True
        )
        assert done.returncode == 0, done.stdout.decode()
