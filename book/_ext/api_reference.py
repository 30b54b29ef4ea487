"""Finish what sphinx-autoapi makes of the docstrings: links, types and defaults.

The pages of ``book/api`` are read from the source; nothing is imported, so that the
book can be rendered without PyTorch.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from package_imports import modules
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

FIELD = re.compile(r"^:(param|ivar) (\w+(?:, \w+)*):")
# `Annotated[str, TABLE]`, the type of a choice, is a str to the reader.
ANNOTATED = re.compile(r"Annotated\[(\w+), [\w.]+\]")


def resolve_short_name(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, contnode: nodes.Element
) -> nodes.Element | None:
    """Link a Python reference by its last part (Sphinx: missing-reference).

    Docstrings say ``InputError`` and annotations ``packed.PackedDataset`` for what the
    reference lists as ``skellib.errors.InputError`` and ``skellib.data.PackedDataset``.
    A name of another package, or one that is not listed but exists, stays plain text;
    the rest is reported.
    """
    if node.get("refdomain") != "py":
        return None
    target, domain = node["reftarget"], env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    last = target.rpartition(".")[2]
    for name, entry in domain.objects.items():
        if name.rpartition(".")[2] == last and entry.objtype in ("class", "exception"):
            page = node.get("refdoc", "")
            return make_refnode(
                app.builder, page, entry.docname, entry.node_id, contnode
            )
    foreign = node["reftype"] == "class" and not target.startswith("skellib.")
    return contnode if foreign or last in _known_names(app) else None


@cache
def _known_names(app: Sphinx) -> set[str]:
    """Return the last part of every name in the source."""
    return {name.rpartition(".")[2] for name in app.env.autoapi_all_objects}


def finish_docstrings(app: Sphinx) -> None:
    """Add types and defaults to attributes (Sphinx: builder-inited, after autoapi)."""
    known = _attributes(Path(app.srcdir, "skellib"))
    for item in app.env.autoapi_all_objects.values():
        lines = item.docstring.splitlines()
        item.docstring = "\n".join(_fields(lines, known.get(item.name, {})))


def _fields(
    lines: list[str], attributes: dict[str, tuple[str, str | None]]
) -> list[str]:
    """Return a docstring's lines after napoleon, with what is known of attributes."""
    found: list[str] = []
    default = None
    for line in [*lines, ""]:
        if default and not line.startswith(" "):
            found[-1] += f" Default: ``{default}``."
            default = None
        if field := FIELD.match(line):
            # Sphinx takes all but the last word of several names for their type.
            name = field[2].replace(", ", "/")
            line = f":{field[1]} {name}:{line[field.end() :]}"
            if field[1] == "ivar" and name in attributes:
                kind, default = attributes[name]
                found.append(f":vartype {name}: {kind}")
        found.append(line)
    return found


def _attributes(package: Path) -> dict[str, dict[str, tuple[str, str | None]]]:
    """Return the type and the default of the attributes of each class."""
    found = {}
    for path in modules(package).values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = {
                    ast.unparse(each.target): (
                        ANNOTATED.sub(r"\1", ast.unparse(each.annotation)),
                        _default(each.value),
                    )
                    for each in node.body
                    if isinstance(each, ast.AnnAssign)
                }
    return found


def _default(value: ast.expr | None) -> str | None:
    """Return a default as it is written; that of a pydantic ``Field`` from inside."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        inside = {each.arg: each.value for each in value.keywords}
        value = inside.get("default")
    return None if value is None else ast.unparse(value)


def skip_undocumented(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool:
    """Leave out members without a docstring of their own (autodoc-skip-member)."""
    return skip or not obj.docstring.strip()


def setup(app: Sphinx) -> dict:
    app.connect("missing-reference", resolve_short_name)
    app.connect("autodoc-skip-member", skip_undocumented)
    app.connect("builder-inited", finish_docstrings, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
