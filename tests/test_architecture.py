"""Imports go one way: a module knows only what stands to its left in ORDER."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "skellib"

# Each module or subpackage of skellib, from the one that knows nothing of the others.
ORDER = (
    "errors layouts provenance data preprocessing batches models losses config "
    "records evaluation baselines networks steps training inference exhibits "
    "experiments statistics tables claims complexity figures runner notebooks "
    "reproduce commands __main__"
).split()

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """skellib/data/packed.py -> skellib.data.packed; a package is named by itself."""
    parts = ["skellib", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """The modules of skellib that a file imports, anywhere in it."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base]).rstrip(".")
            # `from skellib import losses` names a module, not an attribute.
            names = [
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base
                for alias in node.names
            ]
        else:
            continue
        found |= {n for n in names if n.split(".")[0] == "skellib"}
    return found - {name}


def part(module: str) -> str:
    """The entry of ORDER that a module belongs to: skellib.data.packed -> data."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_only_from_the_left(path: Path) -> None:
    name = module_name(path)
    if name == "skellib":
        assert imported(path) == set(), "the package itself imports nothing"
        return
    assert part(name) in ORDER, f"{name} has no place in ORDER"
    place = ORDER.index(part(name))
    for other in imported(path) - {"skellib"}:
        if part(other) != part(name):
            assert ORDER.index(part(other)) < place, f"{name} imports {other}"


def test_no_cycles() -> None:
    graph = {name: imported(path) for name, path in MODULES.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"cycle of imports: {' -> '.join(error.args[1])}")


def test_a_cycle_would_be_found() -> None:
    with pytest.raises(CycleError):
        tuple(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_importing_the_package_is_light() -> None:
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert not any(
        isinstance(node, ast.Import | ast.ImportFrom)
        for node in ast.walk(ast.parse(source))
    )
