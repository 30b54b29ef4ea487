"""What the book says has changed since the first edition is what has changed."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from skellib.__main__ import main
from skellib.experiment import RENAMED

PAGE = Path(__file__).resolve().parents[2] / "book" / "changes.md"
NAME = re.compile(r"`([^`]+)`")


def table(heading: str, number: int = 0) -> list[tuple[list[str], list[str]]]:
    """The names in both columns of a table under a heading, row by row."""
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    tables = re.findall(r"^\|.*\n\| --- .*\n((?:\|.*\n)+)", section, re.M)
    rows = [line.strip("| ").split(" | ") for line in tables[number].splitlines()]
    return [(NAME.findall(old), NAME.findall(new)) for old, new in rows]


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec and spec.origin:  # a folder without code has none
        return True
    return (
        bool(module)
        and exists(module)
        and hasattr(importlib.import_module(module), attribute)
    )


MODULES = table("Modules")


@pytest.mark.parametrize(("old", "new"), MODULES, ids=[old[0] for old, _ in MODULES])
def test_a_name_has_moved(old: list[str], new: list[str]) -> None:
    assert not exists(old[0])
    assert all(map(exists, new))


def test_renamed_settings_are_those_that_the_configuration_knows() -> None:
    listed = {old: new for (old,), (new,) in table("Settings and profiles")}
    assert listed == RENAMED


@pytest.mark.parametrize(("typed", "said"), table("Settings and profiles", 1))
def test_an_old_command_says_the_new_name(
    typed: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(typed[0].split()[1:])
    assert capsys.readouterr().err.strip() == said[0]
