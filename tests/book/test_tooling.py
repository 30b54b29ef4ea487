"""The hooks, the CI jobs and the lists of versions agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def pins(name: str) -> dict[str, str]:
    """The versions that a list of ``name==version`` gives."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    listed = {canonicalize_name(package): version for package, version in pairs}
    assert len(listed) == len(pairs), "a package is listed twice"
    return listed


def requirements(*extras: str) -> list[Requirement]:
    texts = [*PROJECT["dependencies"]]
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def lower_bound(requirement: Requirement) -> Version | None:
    bounds = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
    return Version(bounds[0]) if bounds else None


def jobs() -> dict:
    path = ROOT / ".github" / "workflows" / "tests.yml"
    return yaml.safe_load(path.read_text("utf-8"))["jobs"]


def python_of(job: dict) -> str:
    return next(
        step["with"]["python-version"]
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    )


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    block = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.M)
    assert block
    return [line.strip() for line in block[1].splitlines()]


def test_hooks_are_the_commands_of_make_lint() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"], "needs a network"
    hooks = config["repos"][0]["hooks"]
    given_files = {h["entry"] for h in hooks if h.get("pass_filenames", True)}
    commands = []
    for command in recipe("lint"):
        command = command.replace("$(BIN)", ".venv/bin")
        # What a hook is handed file by file, make names with a pattern.
        bare = command.removesuffix(" notebooks/*.ipynb")
        commands.append(bare if bare in given_files else command)
    assert commands == [hook["entry"] for hook in hooks]
    assert {hook["language"] for hook in hooks} == {"system"}


def test_tools_of_the_hooks_are_in_the_extra_dev() -> None:
    dev = {Requirement(t).name for t in PROJECT["optional-dependencies"]["dev"]}
    tools = {Path(command.split()[0]).name for command in recipe("lint")}
    assert tools | {"pre-commit"} <= dev


def test_ci_runs_every_python_that_is_promised() -> None:
    prefix = "Programming Language :: Python :: "
    promised = [c.removeprefix(prefix) for c in PROJECT["classifiers"]]
    assert jobs()["test"]["strategy"]["matrix"]["python"] == promised
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert all(allowed.contains(version) for version in promised)
    major, minor = min(tuple(map(int, v.split("."))) for v in promised)
    assert not allowed.contains(f"{major}.{minor - 1}"), "an older one is promised"
    assert python_of(jobs()["oldest"]) == f"{major}.{minor}"


def test_oldest_versions_are_the_lower_bounds() -> None:
    oldest = pins("constraints-oldest.txt")
    everything = requirements(*PROJECT["optional-dependencies"])
    bounds = {canonicalize_name(r.name): lower_bound(r) for r in everything}
    ours = {name: Version(v) for name, v in oldest.items() if name in bounds}
    assert ours == {name: bounds[name] for name in ours}
    assert oldest.keys() - ours.keys() == {"pyparsing"}, "say there why it is pinned"
    runtime = {canonicalize_name(r.name) for r in requirements()}
    assert runtime <= oldest.keys()


def test_offline_list_has_the_versions_that_were_run() -> None:
    offline, pinned = pins("gpu/requirements-offline.txt"), pins("constraints.txt")
    assert offline == {name: pinned.get(name) for name in offline}
    there = {"torch", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib"}
    runtime = {canonicalize_name(r.name) for r in requirements()}
    assert runtime - offline.keys() == there
    assert {"papermill", "ipykernel", "nbformat"} <= offline.keys()
