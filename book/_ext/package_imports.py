"""Find a package's modules and their imports from its source, importing nothing.

The architecture tests and the import picture of the book share this reading. It needs
the standard library alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def modules(package: Path) -> dict[str, Path]:
    """Return the file of each module by its dotted name; a package is its __init__."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(package: Path) -> dict[str, set[str]]:
    """Return, for each module of a package, the package's modules that it imports.

    An import counts wherever it stands in the file, inside a function too, but not
    under ``TYPE_CHECKING``, which only a type checker reads.
    """
    files = modules(package)
    return {name: _imported(name, path, files) for name, path in files.items()}


def _imported(name: str, path: Path, files: dict[str, Path]) -> set[str]:
    parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in _executed(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, parent)
            # `from skellib import losses` names a module, not an attribute.
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found |= {each if each in files else base for each in inner}
    root = name.partition(".")[0]
    return {each for each in found if each.partition(".")[0] == root} - {name}


def _absolute(node: ast.ImportFrom, parent: str) -> str:
    """Return the dotted name that a (perhaps relative) import is from."""
    if not node.level:
        return node.module or ""
    above = parent.split(".")
    above = above[: len(above) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but not into the blocks for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)
