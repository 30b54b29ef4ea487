"""Mend what the theme's pages lack for screen readers, and an error of its scripts.

`make check-book` holds the result: axe-core finds nothing serious on any page.
"""

from __future__ import annotations

import re
from pathlib import Path

from bs4 import BeautifulSoup

REPAIRS = (
    # A label that differs from the visible text: the text is name enough.
    (r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # A title becomes text inside the button, beside its label "Color mode".
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r"\1"),
    # An arrow without a name.
    (
        r'<summary>(?=\s*<span class="toctree-toggle")',
        '<summary aria-label="Pages of this part">',
    ),
    # A list whose entries are none.
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
)


def repaired(page: str) -> str:
    """Return a page with these repairs."""
    for pattern, replacement in REPAIRS:
        page = re.sub(pattern, replacement, page)
    return page


def with_nested_lists(page: str) -> str:
    """Put lists that stand right in a list into the entry before them."""
    soup = BeautifulSoup(page, "html.parser")
    for inner in soup.select("ul > ul"):
        inner.find_previous_sibling("li").append(inner)
    return str(soup)


def repair_pages(app, error) -> None:
    """Repair every page of the rendered book (Sphinx: build-finished)."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        new = repaired(page)
        if path.match("_modules/index.html"):
            new = with_nested_lists(new)
        if new != page:
            path.write_text(new, encoding="utf-8")


def leave_out_thebe(app, pagename, templatename, context, doctree) -> None:
    """Drop the scripts for live code, which no page uses (html-page-context).

    They are declared twice, which browsers report as an error.
    """
    context["script_files"] = [
        each
        for each in context.get("script_files", [])
        if "thebe" not in f"{each}{getattr(each, 'attributes', '')}".lower()
    ]


def setup(app) -> dict:
    app.connect("html-page-context", leave_out_thebe, priority=900)
    app.connect("build-finished", repair_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
