"""The import picture of the book: read from the code, complete, and well formed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from import_picture import WIDTH, WINGS, House, picture, table
from package_imports import import_graph, modules

PACKAGE = Path(__file__).resolve().parents[2] / "skellib"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(picture(PACKAGE))


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A package with each kind of import."""
    package = tmp_path / "toy"
    for name, text in {
        "__init__": "",
        "errors": "import os\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from toy.cli import run\n",
        "models/__init__": "from .net import Net\n",
        "models/net": "from .. import errors\nfrom ..errors import Bad\n",
        "readers/__init__": "def read():\n    import toy.models.net\n",
        "cli/__init__": "",
        "cli/run": "from toy import errors, readers\nfrom toyota import car\n",
    }.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""What {name} is."""\n{text}')
    return package


def test_imports_are_read_from_the_source(toy: Path) -> None:
    assert import_graph(toy) == {
        "toy": set(),
        "toy.errors": set(),
        "toy.models": {"toy.models.net"},
        "toy.models.net": {"toy.errors"},
        "toy.readers": {"toy.models.net"},
        "toy.cli": set(),
        "toy.cli.run": {"toy.errors", "toy.readers"},
    }


def test_each_layer_stands_above_what_it_imports(toy: Path) -> None:
    house = House(toy)
    assert house.layers(house.of("the method")) == [
        ["toy.models"],
        ["toy.models.net"],
        ["toy", "toy.errors"],
    ]
    assert house.wing("toy.__main__") == "the paper and its book"


def test_table_counts_the_lines_and_imports_of_each_wing(toy: Path) -> None:
    assert table(toy) == [
        ["The paper and its book", "2", "4", "the readers (1) and the method (1)"],
        ["The readers", "1", "3", "the method (1)"],
        ["The method", "4", "11", "no other"],
        ["Together", "7", "18", ""],
    ]


def test_picture_has_every_module_once(drawn: ElementTree.Element) -> None:
    titles = [group.findtext(f"{SVG}title") or "" for group in drawn.iter(f"{SVG}g")]
    assert sorted(title.split(",")[0] for title in titles) == sorted(modules(PACKAGE))


def test_picture_tells_its_story_in_words(drawn: ElementTree.Element) -> None:
    assert drawn.get("role") == "img"
    ids = (drawn.get("aria-labelledby") or "").split()
    named = [drawn.find(f"{SVG}title"), drawn.find(f"{SVG}desc")]
    assert [each.get("id") for each in named if each is not None] == ids
    assert all(wing in (drawn.findtext(f"{SVG}desc") or "") for wing in WINGS)


def test_picture_keeps_its_boxes_inside(drawn: ElementTree.Element) -> None:
    height = float((drawn.get("viewBox") or "").split()[3])
    for box in drawn.iter(f"{SVG}rect"):
        x, y, wide, high = (
            float(box.get(k) or 0) for k in ("x", "y", "width", "height")
        )
        assert x >= 0 and x + wide <= WIDTH and y + high <= height


def test_picture_follows_the_theme(drawn: ElementTree.Element) -> None:
    paints = {element.get(k) for element in drawn.iter() for k in ("fill", "stroke")}
    assert all(paint.startswith("var(--") for paint in paints - {None, "none"} if paint)
