"""The solutions of the exercises: each piece of code in them runs and holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"^:::\{dropdown\} (Solution \d+)\n(.*?)^:::$", re.M | re.S)
CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def exercises(path: Path) -> str:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n".join(
        "".join(c["source"]) for c in cells if "## Exercises" in "".join(c["source"])
    )


SOLUTIONS = [
    pytest.param(code, id=f"{path.stem}: {name}")
    for path in NOTEBOOKS
    for name, body in SOLUTION.findall(exercises(path))
    for code in CODE.findall(body)
]


@pytest.mark.parametrize("code", SOLUTIONS)
def test_a_solution_holds(code: str) -> None:
    assert "assert " in code, "a solution checks what it says"
    exec(code, {})
    plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_exercise_has_a_solution(path: Path) -> None:
    text = exercises(path)
    asked = re.findall(r"^(\d+)\. ", text.partition(":::{dropdown}")[0], re.M)
    found = [name.removeprefix("Solution ") for name, _ in SOLUTION.findall(text)]
    assert asked == found
