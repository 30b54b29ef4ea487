"""Imports go one way, and the three wings of the house stay apart."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from package_imports import import_graph, modules

PACKAGE = Path(__file__).resolve().parents[2] / "skellib"

# Each module or subpackage of skellib, from the one that knows nothing of the others.
METHOD = (
    "errors paths processes variants layouts data settings preprocessing batches "
    "initialisation models peers losses complexity statistics simultaneous "
    "resampling experiment provenance records evaluation checkpoint weights steps "
    "training inference migration"
).split()
ORDER = [*METHOD, "readers", "figures", "reproduction", "cli", "__main__"]

# What may import the readers, beside themselves.
READERS_USED_BY = {"cli", "__main__"}

MODULES = modules(PACKAGE)
GRAPH = import_graph(PACKAGE)


def part(module: str) -> str:
    """The entry of ORDER that a module belongs to: skellib.data.packed -> data."""
    return module.split(".")[1]


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_from_the_left(name: str) -> None:
    if name == "skellib":
        assert GRAPH[name] == set(), "the package itself imports nothing"
        return
    assert part(name) in ORDER, f"{name} has no place in ORDER"
    place = ORDER.index(part(name))
    for other in GRAPH[name] - {"skellib"}:
        if part(other) != part(name):
            assert ORDER.index(part(other)) < place, f"{name} imports {other}"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_command_line_knows_the_readers(name: str) -> None:
    if name == "skellib" or part(name) in {*READERS_USED_BY, "readers"}:
        return
    assert not [m for m in GRAPH[name] if m.startswith("skellib.readers")]


@pytest.mark.parametrize("name", MODULES)
def test_only_the_reproduction_knows_the_book(name: str) -> None:
    """No table's number and no chapter outside of the reproduction wing."""
    if name == "skellib" or part(name) not in METHOD:
        return
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, documented)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    for text in set(texts) - docstrings:
        assert "chapter" not in text.lower(), f"{name}: {text!r}"


def loaded_by(module: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after importing one."""
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return set(run.stdout.decode().split())


@pytest.mark.parametrize(
    "module", ["skellib", "skellib.records", "skellib.reproduction.results"]
)
def test_reading_results_needs_no_torch(module: str) -> None:
    assert "torch" not in loaded_by(module)


def test_the_report_starts_without_what_only_training_needs() -> None:
    assert not {"lightning", "torch._dynamo"} & loaded_by("skellib.reproduction.report")


def test_the_method_loads_no_other_wing() -> None:
    loaded = loaded_by("skellib.training, skellib.inference")
    for wing in ("readers", "figures", "reproduction", "cli"):
        assert f"skellib.{wing}" not in loaded


def test_no_cycles() -> None:
    try:
        tuple(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail(f"cycle of imports: {' -> '.join(error.args[1])}")


def test_a_cycle_would_be_found() -> None:
    with pytest.raises(CycleError):
        tuple(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_every_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_front_door_imports_nothing_of_its_own() -> None:
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    found = {
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
    }
    assert found == {"importlib", "typing"}


def test_every_public_name_is_there() -> None:
    import skellib as sk

    assert len(sk.__all__) <= 30
    for name in sk.__all__:
        value = getattr(sk, name)
        assert name.isupper() or value.__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sk.nothing  # noqa: B018
