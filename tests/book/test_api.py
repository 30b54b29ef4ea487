"""The public names: each is documented, and the examples in the documentation run."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import skellib as sk

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def documentation(name: str) -> str:
    """Return the docstring of a public name; for data, the string that follows it."""
    value = getattr(sk, name)
    if not name.isupper():
        return inspect.getdoc(value) or ""
    module = import_module(sk._MODULE[name])
    body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    for statement, following in zip(body, body[1:]):
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if name in {getattr(target, "id", None) for target in targets}:
            text = getattr(getattr(following, "value", None), "value", "")
            return inspect.cleandoc(text) if isinstance(text, str) else ""
    return ""


def section(text: str, title: str) -> str:
    """Return the indented lines under a heading of a docstring, "" without one."""
    found = re.search(rf"^{title}:\n((?:[ ].*\n?|\n)+)", text, re.M)
    return found[1] if found else ""


def parameters(name: str) -> list[str]:
    """List the parameters of a public function, or of a class's constructor."""
    value = getattr(sk, name)
    return list(inspect.signature(value).parameters) if callable(value) else []


@pytest.mark.parametrize("name", sk.__all__)
def test_the_first_line_is_a_sentence(name: str) -> None:
    first = documentation(name).split("\n")[0]
    assert first[:1].isupper() and first.endswith(".")


@pytest.mark.parametrize("name", sk.__all__)
def test_every_parameter_is_documented(name: str) -> None:
    text = documentation(name)
    described = section(text, "Args") + section(text, "Attributes")
    entries = re.findall(r"^    (\w[\w, ]*):", described, re.M)
    documented = {word for entry in entries for word in re.findall(r"\w+", entry)}
    assert not [each for each in parameters(name) if each not in documented]


@pytest.mark.parametrize("name", sk.__all__)
def test_the_example_runs(name: str, tmp_path, monkeypatch) -> None:
    """Doctest agrees with the example, which leaves nothing in the working folder."""
    example = section(documentation(name), "Example")
    assert ">>> " in example and "SKIP" not in example
    monkeypatch.chdir(tmp_path)
    case = doctest.DocTestParser().get_doctest(example, {}, name, None, 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(case, out=report.append)
    assert result.failed == 0, "".join(report)
    assert not list(tmp_path.iterdir())


def test_no_parameter_is_documented_that_is_not_there() -> None:
    for name in sk.__all__:
        if not inspect.isfunction(getattr(sk, name)):
            continue
        entries = re.findall(
            r"^    (\w[\w, ]*):", section(documentation(name), "Args"), re.M
        )
        for entry in entries:
            assert set(re.findall(r"\w+", entry)) <= set(parameters(name)), name
