"""A copy is stale when what it read has changed, and not otherwise."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skellib.reproduction import freshness

CODE = '''\
"""A module."""
import os  # a comment


class Layer:
    """A layer."""

    size: int = 3

    def forward(self, x):
        """Run it."""
        return x + self.size
'''

PROSE = '''\
import os


class Layer:
    """Another sentence, and
    more of them."""
    size: int = 3  # three

    def forward(self, x):

        return (x
                + self.size)
'''


def code_hash(folder: Path, text: str) -> str:
    path = folder / f"m{len(list(folder.iterdir()))}.py"
    path.write_text(text)
    return freshness.code_hash(path)


def test_prose_and_layout_do_not_change_the_hash_of_code(tmp_path: Path) -> None:
    assert code_hash(tmp_path, CODE) == code_hash(tmp_path, PROSE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + self", "x - self"),
        ("= 3", "= 3.0"),
        ("self.size\n", "self.length\n"),
        ("size: int", "size: float"),
        ("(self, x)", "(self, x=None)"),
        ("return x", "x"),
        ("import os", "import os as o"),
        ("import os", "from . import os"),
    ],
)
def test_code_changes_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert code_hash(tmp_path, CODE) != code_hash(tmp_path, CODE.replace(old, new))


def test_the_hash_knows_no_field_of_one_version_of_python_alone() -> None:
    """Python 3.12 adds an empty ``type_params`` to functions and classes."""
    tree = ast.parse(CODE)
    before = freshness._shape(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node._fields = (*node._fields, "type_params")
            node.type_params = []
    assert freshness._shape(tree) == before


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("records/nucla/a-seed0.json", "records/nucla/a-seed1.json", "b.json"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "data" / "quick").mkdir()
    (tmp_path / "data" / "quick" / "c.json").write_text("{}")
    return tmp_path


READING = """
import inspect, os, sys
from pathlib import Path
from skellib.reproduction import freshness
root = Path(sys.argv[1])
os.chdir(root)
inputs = freshness.Inputs(root)
records = Path("data/records/nucla")
for path in records.glob("a-seed*.json"):
    path.read_text()
list((root / "data").rglob("none*"))
for name in ("data/b.json", "data/missing.json", "data/quick/c.json", os.devnull):
    try:
        open(name).close()
    except FileNotFoundError:
        pass
open("data/written.json", "w").close()
os.close(os.open("data/locked", os.O_RDWR | os.O_CREAT))
import skellib.errors, skellib.processes
inspect.getsource(skellib.errors.InputError)
"""


def read(project: Path, more: str = "") -> dict:
    code = READING + more + "\nimport json; print(json.dumps(inputs.found()))"
    done = subprocess.run(
        [sys.executable, "-c", code, project], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_a_process_reads_is_noted(project: Path) -> None:
    inputs = read(project)
    files = inputs["files"]
    assert set(files) == {
        "data/records/nucla/a-seed*.json",
        "data/records/nucla/a-seed0.json",
        "data/records/nucla/a-seed1.json",
        "data/**/none*",
        "data/b.json",
        "data/missing.json",
        "skellib/errors.py",  # displayed
    }
    absent = {name for name, value in files.items() if value is None}
    assert absent == {"data/**/none*", "data/missing.json"}
    assert {"skellib/errors.py", "skellib/processes.py"} <= set(inputs["code"])
    assert "skellib/reproduction/freshness.py" not in inputs["code"]
    assert "skellib/training.py" not in inputs["code"]


def test_the_command_line_reads_every_module(project: Path, root: Path) -> None:
    more = (
        "import subprocess\n"
        "subprocess.run([sys.executable, '-m', 'skellib', '--version'],"
        " stdout=subprocess.DEVNULL)"
    )
    code = read(project, more)["code"]
    every = {p.relative_to(root).as_posix() for p in (root / "skellib").rglob("*.py")}
    assert every - set(code) == {"skellib/reproduction/freshness.py"}


def test_changes_are_named(project: Path) -> None:
    inputs = read(project)
    inputs["code"] = {"skellib/a.py": None}
    del inputs["files"]["skellib/errors.py"]
    (project / "skellib").mkdir()
    (project / "skellib" / "a.py").write_text(CODE)
    inputs["code"]["skellib/a.py"] = freshness.code_hash(project / "skellib" / "a.py")
    assert freshness.changes(inputs, project) == []

    records = project / "data" / "records" / "nucla"
    (records / "other-seed0.json").write_text("not read by the notebook")
    assert freshness.changes(inputs, project) == []

    (records / "a-seed2.json").write_text("new")
    (records / "a-seed1.json").write_text("edited")
    (project / "data" / "b.json").unlink()
    (project / "data" / "missing.json").write_text("{}")
    freshness.code_hash.cache_clear()
    (project / "skellib" / "a.py").write_text(CODE.replace("3", "4"))
    assert sorted(freshness.changes(inputs, project)) == [
        "data/b.json is gone",
        "data/missing.json is new",
        "data/records/nucla/a-seed*.json has changed",
        "data/records/nucla/a-seed1.json has changed",
        "skellib/a.py has other code",
    ]
    os.remove(project / "skellib" / "a.py")
    assert "skellib/a.py is gone" in freshness.changes(inputs, project)
