"""Every page of the rendered book, in a browser; `make check-book` runs this."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
SCRIPTS = ROOT / "tests" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEGABYTES = 3

MISSING = [
    said
    for there, said in (
        ((HTML / "index.html").is_file(), "a rendered book (make html)"),
        (CHROMIUM, "chromium or google-chrome"),
        (shutil.which("node"), "node"),
        ((SCRIPTS / "node_modules").is_dir(), "axe-core (make check-book)"),
    )
    if not there
]
needs_all = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What the browser reports of each page."""
    command = ["node", SCRIPTS / "check.mjs", HTML, CHROMIUM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert len(reports) > len(list((ROOT / "notebooks").glob("*.ipynb")))
    return reports


def of_each(pages: list[dict], name: str) -> dict:
    """The pages of which something is reported that should be empty or zero."""
    return {page["page"]: page[name] for page in pages if page[name]}


@needs_all
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(pages: list[dict], theme: str) -> None:
    found = {
        page["page"]: rules for page in pages if (rules := page["violations"][theme])
    }
    assert not found, json.dumps(found, indent=1)


@needs_all
@pytest.mark.parametrize("fault", ["errors", "remote"])
def test_no_page_reports_an_error_or_leaves_the_book(
    pages: list[dict], fault: str
) -> None:
    assert of_each(pages, fault) == {}


@needs_all
def test_no_page_overflows_a_phone(pages: list[dict]) -> None:
    assert of_each(pages, "overflow") == {}


@needs_all
def test_every_page_loads_at_most_three_megabytes(pages: list[dict]) -> None:
    """With all its scripts and pictures, compressed as a server sends them."""
    sizes = {page["page"]: page["bytes"] / 1e6 for page in pages}
    assert {name: size for name, size in sizes.items() if size > MEGABYTES} == {}


@pytest.mark.skipif(not (HTML / "index.html").is_file(), reason="needs make html")
def test_downloaded_notebooks_have_outputs() -> None:
    for source in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        page = (HTML / "notebooks" / f"{source.stem}.html").read_text("utf-8")
        assert f"_sources/notebooks/{source.name}" in page
        offered = HTML / "_sources" / "notebooks" / source.name
        cells = json.loads(offered.read_text("utf-8"))["cells"]
        assert any(cell.get("outputs") for cell in cells), source.name


@pytest.mark.skipif(not (HTML / "index.html").is_file(), reason="needs make html")
def test_no_link_inside_the_book_is_dead() -> None:
    identifiers: dict[Path, set[str]] = {}
    dead = []
    for page in HTML.rglob("*.html"):
        text = page.read_text("utf-8")
        for link in re.findall(r"<a\b[^>]*\bhref=[\"']([^\"']*)[\"']", text):
            path, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link) or link == "#":
                continue
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            if not target.exists():
                dead.append(f"{page.name}: {link}")
            elif anchor and target.suffix == ".html":
                if target not in identifiers:
                    found = re.findall(r"\bid=[\"']?([^\s\"'>]+)", target.read_text())
                    identifiers[target] = set(found)
                if anchor not in identifiers[target]:
                    dead.append(f"{page.name}: {link}")
    assert not dead, dead[:20]
