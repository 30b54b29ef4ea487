"""Note what an executed notebook depends on, and tell what has changed since.

It imports the standard library alone: rendering the book loads this file without the
package and its dependencies.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]

# Not in the repository, so that no copy can be compared with them.
IGNORED = ("data/packed", "data/raw", "data/checkpoints", "data/quick", "_build")

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
GLOBS = ("pathlib.Path.glob", "pathlib.Path.rglob")


class Inputs:
    """Note what this process reads of a project, from now until it ends.

    An audit hook sees each file that is opened for reading, also one that is missing,
    and each pattern that a folder is searched for. Python's own reading of modules is
    left out; their code is hashed instead, without comments and docstrings. Where a
    notebook displays those, by ``inspect``, the whole text of the module counts.

    Args:
        root: root folder of the project.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.files: dict[str, str | None] = {}
        self._everything = False
        self._shown: set[str | None] = set()
        self._inside = threading.local()
        for name in ("getsource", "getdoc"):
            setattr(inspect, name, self._noting(getattr(inspect, name)))
        sys.addaudithook(self._note)

    def found(self) -> dict[str, dict[str, str | None]]:
        """Return the hashes of the inputs by path relative to the project's root.

        Returns:
            ``code``: the modules of the library that are imported, by
            :func:`code_hash`, all of them if the library was run as a command.
            ``files``: all else by its content, None where there is no such file; the
            source of a module is here, too, if its text was displayed.
        """
        loaded = {
            getattr(module, "__file__", None) for module in [*sys.modules.values()]
        }
        own = {str(path): path for path in PACKAGE.rglob("*.py")}
        used = [own[file] for file in own if self._everything or file in loaded]
        # The module at hand does not change what a notebook shows.
        used = sorted(path for path in used if path != Path(__file__).resolve())
        shown = [path for path in used if str(path) in self._shown]
        names = {path: path.relative_to(PACKAGE.parent).as_posix() for path in used}
        texts = {names[path]: _hash(path.read_bytes()) for path in shown}
        code: dict[str, str | None] = {names[path]: code_hash(path) for path in used}
        return {"code": code, "files": {**dict(sorted(self.files.items())), **texts}}

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function of ``inspect`` to note whose text it returns."""

        def noting(shown: Any) -> Any:
            with suppress(TypeError):  # an object that has no source file
                self._shown.add(inspect.getsourcefile(inspect.unwrap(shown)))
            return function(shown)

        return noting

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "subprocess.Popen", *GLOBS):
            return
        if getattr(self._inside, "hook", False):  # what the hook itself reads
            return
        self._inside.hook = True
        try:
            if event == "subprocess.Popen":
                self._everything |= "skellib" in map(str, arguments[1])
            elif event == "open" and _reads(*arguments):
                self._add(os.fsdecode(arguments[0]))
            elif event in GLOBS:
                recursive = "**/" if event.endswith("rglob") else ""
                self._add(os.path.join(arguments[0], recursive + str(arguments[1])))
        finally:
            self._inside.hook = False

    def _add(self, path: str) -> None:
        path = os.path.abspath(path)
        if not path.startswith(f"{self.root}{os.sep}"):
            return
        name = Path(path).relative_to(self.root).as_posix()
        hidden = any(part.startswith((".", "__")) for part in name.split("/"))
        if hidden or name.endswith(".py") or name.startswith(IGNORED):
            return
        if name not in self.files and not os.path.isdir(path):
            self.files[name] = file_hash(self.root, name)


def _reads(path: Any, mode: str | None, flags: int) -> bool:
    """Tell whether a file is opened for reading only; arguments as of the event."""
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    if mode is None:
        return not flags & (os.O_WRONLY | os.O_RDWR)
    return not set(mode) & set("wax+")


def watch(root: Path, out: Path, events: Any) -> None:
    """Write the inputs of an IPython kernel to a file after each cell.

    Args:
        root: root folder of the project.
        out: path of the file, JSON as :meth:`Inputs.found` returns it.
        events: the kernel's ``get_ipython().events``.
    """
    inputs = Inputs(root)

    def write(*_: Any) -> None:
        out.write_text(json.dumps(inputs.found()), encoding="utf-8")

    events.register("post_run_cell", write)


def changes(inputs: Mapping[str, Mapping[str, str | None]], root: Path) -> list[str]:
    """Say what has changed since the inputs were noted, a line for each.

    Args:
        inputs: hashes by path, as :meth:`Inputs.found` returns them.
        root: root folder of the project.
    """
    code = {name: _code_hash_or_none(root / name) for name in inputs["code"]}
    files = {name: file_hash(root, name) for name in inputs["files"]}
    return [
        *_differences(inputs["code"], code, "has other code"),
        *_differences(inputs["files"], files, "has changed"),
    ]


def _differences(
    then: Mapping[str, str | None], now: Mapping[str, str | None], changed: str
) -> Iterator[str]:
    for name, old in then.items():
        new = now[name]
        if old != new:
            yield f"{name} {'is new' if not old else changed if new else 'is gone'}"


@cache
def code_hash(path: Path) -> str:
    """Hash the code of a module regardless of comments, docstrings and layout."""
    return _hash(repr(_shape(ast.parse(path.read_bytes()))).encode())


def _code_hash_or_none(path: Path) -> str | None:
    return code_hash(path) if path.is_file() else None


def _shape(value: Any) -> Any:
    """Return a syntax tree as nested tuples, the same in all versions of Python."""
    if isinstance(value, list):
        return tuple(map(_shape, value))
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = dict(ast.iter_fields(value))
    if isinstance(value, DOCUMENTED) and ast.get_docstring(value, clean=False):
        fields["body"] = fields["body"][1:]
    # Later versions of Python add fields, which are empty in code of earlier ones.
    kept = {name: each for name, each in fields.items() if each not in (None, [])}
    for name in ("ctx", "kind"):
        kept.pop(name, None)
    return type(value).__name__, *((name, _shape(each)) for name, each in kept.items())


def file_hash(root: Path, name: str) -> str | None:
    """Hash the content of a file, or the names that a pattern finds.

    Returns:
        The hash; None if there is no such file, or the pattern finds nothing.
    """
    if any(sign in name for sign in "*?["):
        names = sorted(path.relative_to(root).as_posix() for path in root.glob(name))
        return _hash("\n".join(names).encode()) if names else None
    path = root / name
    return _hash(path.read_bytes()) if path.is_file() else None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
