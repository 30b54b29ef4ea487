"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import skellib

ROOT = Path(__file__).resolve().parents[2]

# conda-forge's name for a package where it differs from PyPI's.
CONDA = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def direct_dependencies() -> list[Requirement]:
    """Every requirement of pyproject.toml, extras included."""
    table = project()
    texts = [*table["dependencies"]]
    for extra in table["optional-dependencies"].values():
        texts += extra
    return [Requirement(text) for text in texts]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))


def test_conda_environment_matches_pyproject() -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    listed = entries["dependencies"]
    from_pip = next(e["pip"] for e in listed if isinstance(e, dict))
    ours = [e for e in listed if isinstance(e, str) and e != "pip"]
    ours += [e for e in from_pip if not e.startswith("-e")]
    conda = {Requirement(e).name: Requirement(e).specifier for e in ours}
    wanted = {CONDA.get(r.name, r.name): r.specifier for r in direct_dependencies()}
    wanted["python"] = Requirement(f"python{project()['requires-python']}").specifier
    assert conda == wanted


def test_constraints_cover_the_direct_dependencies() -> None:
    pins = constraints()
    for requirement in direct_dependencies():
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin, f"constraints.txt has no {requirement.name}"
        assert requirement.specifier.contains(pin), f"{requirement} but {pin}"


def test_constraints_install_anywhere() -> None:
    local = {name: v for name, v in constraints().items() if "+" in v}
    assert not local, "a local version suffix exists on one index only"


def test_every_make_command_in_print_is_a_target() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
    for page in pages:
        text = page.read_text("utf-8")
        used = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.M))
        assert used <= targets(), f"{page.name}: no target {used - targets()}"
    assert {"book", "test", "html", "lab", "lint", "clean", "help"} <= targets()


def test_ci_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text("utf-8")


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.stem
)
def test_workflows_call_make(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    runs = [
        step["run"]
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    called = {run.removeprefix("make ") for run in runs}
    assert called
    assert called <= targets()


def test_citation_parses_and_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == skellib.__version__
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["preferred-citation"]["doi"] == "10.1109/TMM.2019.2953325"


def test_table_of_contents_lists_every_notebook_once() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = [c["file"] for part in toc["parts"] for c in part["chapters"]]
    listed.append(toc["root"])
    assert len(listed) == len(set(listed))
    notebooks = {p.stem for p in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    assert notebooks <= {Path(f).name for f in listed if f.startswith("notebooks/")}
    pages = {f for f in listed if f.startswith("book/")}
    assert pages == {f"book/{p.stem}" for p in (ROOT / "book").glob("*.md")}
