"""Notebook sources are clean, and executing them is strict."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from skellib.errors import InputError
from skellib.paths import project_root
from skellib.provenance import stamp
from skellib.reproduction.notebooks import (
    NotebookError,
    declared_parameters,
    execute,
    execute_all,
    glue,
)

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.ipynb"))


# --- the sources ---------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_is_clean(path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    assert notebook["nbformat"] == 4
    assert notebook["nbformat_minor"] >= 5, "cell ids need nbformat 4.5"
    assert "widgets" not in notebook["metadata"]
    ids = [cell.get("id") for cell in notebook["cells"]]
    assert all(ids)
    assert len(ids) == len(set(ids))
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]).startswith("# "), "the first cell is the title"
    assert declared_parameters(path)
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        lines = "".join(cell["source"]).splitlines()
        assert 1 <= len(lines) <= 15, f"cell {cell['id']} has {len(lines)} lines"
        long = [line for line in lines if len(line) > 79]
        assert not long, f"cell {cell['id']}: {long[0]}"


# --- executing -----------------------------------------------------------------------


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A writer of small notebooks into a project of their own."""
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    monkeypatch.setenv("SKELLIB_COMMIT", "0123456789abcdef+dirty")
    (tmp_path / "notebooks").mkdir()

    def write(
        name: str, *code: str, parameters: str | None = "profile = 'quick'"
    ) -> Path:
        cells = [new_markdown_cell("# A title")]
        if parameters is not None:
            cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        cells += [new_code_cell(source) for source in code]
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


def outputs(path: Path) -> str:
    """All that a notebook's cells printed."""
    cells = nbformat.read(path, 4).cells
    return "".join(
        output.get("text", "") for cell in cells for output in cell.get("outputs", [])
    )


def test_execute_passes_parameters_and_stamps(write, tmp_path: Path) -> None:
    source = write(
        "01_one",
        "import os, sys\nprint(profile, sys.executable, os.getcwd(), sep='\\n')",
    )
    out = tmp_path / "executed" / "01_one.ipynb"
    returned = execute(source, out, profile="full")

    profile, interpreter, folder = outputs(out).splitlines()
    assert profile == "full"
    # The root is written as "." so that a copy names no folder of the machine.
    root = str(tmp_path)
    assert interpreter == sys.executable.replace(root, ".")
    assert folder == "."

    metadata = nbformat.read(out, 4).metadata
    assert metadata["skellib"] == returned
    assert returned["commit"] == "0123456789ab"
    assert returned["clean"] is False
    assert returned["parameters"] == {"profile": "full"}
    assert returned["seconds"] > 0
    assert "papermill" not in metadata
    assert [p.name for p in out.parent.iterdir()] == ["01_one.ipynb"]
    assert outputs(source) == "", "the source stays as it was"


def test_execute_ignores_the_users_own_kernels(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "share" / "kernels" / "python3"
    theirs.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "broken", "language": "python"}
    (theirs / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    before = dict(os.environ)
    execute(write("01_one", "1 + 1"), tmp_path / "out.ipynb")
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("profile = 1\nseeds: int = 2", "unknown parameter 'profil'.*profile, seeds"),
        (None, "0 cells are tagged"),
    ],
)
def test_execute_refuses_bad_parameters(
    write, tmp_path: Path, parameters: str | None, message: str
) -> None:
    source = write("01_one", parameters=parameters)
    with pytest.raises(InputError, match=message):
        execute(source, tmp_path / "out.ipynb", profil="full")
    assert not (tmp_path / "out.ipynb").exists()


def test_several_parameter_cells_are_refused(write) -> None:
    source = write("01_one")
    notebook = nbformat.read(source, 4)
    notebook.cells.append(new_code_cell("a = 1", metadata={"tags": ["parameters"]}))
    nbformat.write(notebook, source)
    with pytest.raises(InputError, match="2 cells are tagged"):
        declared_parameters(source)


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": 3}'])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=r"broken\.ipynb"):
        declared_parameters(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ipynb: no such notebook"):
        declared_parameters(tmp_path / "none.ipynb")


def test_declared_parameters_reads_every_kind_of_assignment(write) -> None:
    source = write("01_one", parameters="a = b = 1\nc, d = 2, 3\ne: int = 4")
    assert declared_parameters(source) == set("abcde")


def test_a_failing_cell_keeps_the_earlier_copy(write, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    out.write_text("an earlier copy")
    source = write("03_bad", "x = 1", "x / 0")
    with pytest.raises(
        NotebookError, match=r"03_bad\.ipynb, cell \d: ZeroDivisionError: division"
    ):
        execute(source, out)
    assert out.read_text() == "an earlier copy"


def test_a_dead_kernel_is_an_error(write, tmp_path: Path) -> None:
    source = write("04_dead", "import os\nos._exit(1)", "print('never')")
    with pytest.raises(NotebookError, match=r"04_dead\.ipynb"):
        execute(source, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_kernel_that_never_answered_is_started_once_more(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, tries = papermill.execute_notebook, []

    def flaky(*arguments, **options):
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return run(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", flaky)
    execute(write("05_ports", "x = 1"), tmp_path / "out.ipynb")
    assert len(tries) == 2
    tries[:] = []
    monkeypatch.setattr(
        papermill, "execute_notebook", lambda *a, **o: flaky(tries.clear())
    )
    with pytest.raises(NotebookError, match="before replying"):
        execute(write("06_never", "x = 1"), tmp_path / "never.ipynb")


def test_execute_all_goes_on_after_a_failure(
    write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("01_good", "print(profile, seeds)", parameters="profile = ''\nseeds = 1")
    write("02_bad", "raise ValueError('no such joint')")
    write("03_plain", "print(size)", parameters="size = 3")
    out = tmp_path / "executed"
    with pytest.raises(NotebookError, match=r"1 of 3 .*02_bad.*no such joint"):
        execute_all("quick", out, workers=2, seeds=5)
    assert outputs(out / "01_good.ipynb") == "quick 5\n"
    assert outputs(out / "03_plain.ipynb") == "3\n"
    assert not (out / "02_bad.ipynb").exists()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["01_good", "02_bad", "03_plain", "2"]
    assert "FAILED" in lines[1]


def test_execute_all_selects_and_refuses(write, tmp_path: Path) -> None:
    write("01_one", "1")
    write("02_two", "2")
    stamps = execute_all("quick", tmp_path / "out", notebooks=["02"], workers=1)
    assert list(stamps) == ["02_two"]
    with pytest.raises(InputError, match="no '07'; there are 01_one, 02_two"):
        execute_all("quick", tmp_path / "out", notebooks=["07"])
    with pytest.raises(InputError, match="none declares the parameter 'seed'"):
        execute_all("quick", tmp_path / "out", seed=3)


# --- glue and stamp ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float64(91.4), "91.4"), (np.int64(3), "3"), (0.5, "0.5"), ("CPU", "'CPU'")],
)
def test_glue_writes_what_myst_nb_reads(monkeypatch, value, text: str) -> None:
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, **options: shown.append((data, options))
    )
    glue("best", value)
    glue("best", value, display=True)
    (hidden, first), (visible, second) = shown
    assert hidden == {"application/papermill.record/text/plain": text}
    assert first["metadata"]["scrapbook"] == {
        "name": "best",
        "mime_prefix": "application/papermill.record/",
    }
    assert visible == {"text/plain": text}
    assert second["metadata"]["scrapbook"] == {"name": "best", "mime_prefix": ""}


def test_stamp_is_json_and_complete() -> None:
    made = json.loads(json.dumps(stamp()))
    assert set(made) == set(
        "commit clean date python torch cuda device skellib".split()
    )
    assert made["date"].endswith("+00:00")


@pytest.mark.parametrize(
    ("given", "commit", "clean"),
    [
        ("0123456789abcdef0123", "0123456789ab", True),
        ("0123456789abcdef0123+dirty", "0123456789ab", False),
    ],
)
def test_commit_comes_from_the_environment(monkeypatch, given, commit, clean) -> None:
    monkeypatch.setenv("SKELLIB_COMMIT", given)
    made = stamp()
    assert (made["commit"], made["clean"]) == (commit, clean)


def test_a_malformed_commit_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("SKELLIB_COMMIT", "main")
    with pytest.raises(InputError, match="SKELLIB_COMMIT"):
        stamp()


def test_no_git_means_no_commit(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SKELLIB_COMMIT", raising=False)
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    made = stamp()
    assert made["commit"] is None
    assert made["clean"] is None


def test_project_root(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SKELLIB_ROOT", raising=False)
    assert project_root() == ROOT
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    assert project_root() == tmp_path
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path / "none"))
    with pytest.raises(InputError, match="SKELLIB_ROOT"):
        project_root()


def test_labels_are_unique_across_notebooks(root):
    """The book refers to figures, tables and equations of all chapters by name."""
    seen = Counter()
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            figure = cell["metadata"].get("mystnb", {}).get("figure", {})
            text = "".join(cell["source"])
            seen.update([figure["name"]] if "name" in figure else [])
            seen.update(re.findall(r"^:name: (\S+)", text, re.M))
            seen.update(re.findall(r"\$\$ \(([\w-]+)\)", text))
    assert [label for label, times in seen.items() if times > 1] == []
