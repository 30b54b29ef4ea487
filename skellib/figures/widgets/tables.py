"""A table that readers sort and filter, and that is complete without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from skellib.errors import InputError
from skellib.figures.widgets.page import Widget, select, widget

EVERY = "all"
"""The first option of a filter."""

TONES = ("good", "bad", "open")
"""Colours of a cell; the words say the same."""


def sortable_table(
    frame: pd.DataFrame,
    title: str,
    switches: Sequence[str] = (),
    filters: Sequence[str] = (),
    signed: Sequence[str] = (),
    links: Sequence[str] = (),
    tones: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    downloads: Mapping[str, tuple[str, str]] | None = None,
) -> Widget:
    """Show a frame as a table with sortable columns.

    A click on the head of a column, or the enter key, sorts by it: numbers by value,
    categories in their order, empty cells last; links have no order. Without JavaScript
    all rows are shown.

    Args:
        frame: a line for each row, named by its index. Floats get one digit after the
            point, NaN stays empty.
        title: a heading.
        switches: categorical columns of which one value is shown at a time, at first
            the first category.
        filters: categorical columns of which one value or all are shown.
        signed: columns of differences, shown with their sign.
        links: columns whose cells hold pairs of a text and an address.
        tones: words, and which of :data:`TONES` colours the cells that hold them.
        labels: longer names of values, for the lists to choose from.
        downloads: by file name, the media type and the content of a file to offer.

    Raises:
        InputError: if a switch or filter is not a categorical column.
    """
    for name in (*switches, *filters):
        if name not in frame or not isinstance(frame[name].dtype, pd.CategoricalDtype):
            raise InputError(f"sortable_table: {name!r} is not a categorical column")
    columns = {
        name: _cells(name, frame[name], name in signed, name in links, tones or {})
        for name in frame
    }
    head = "".join(
        f'<th scope="col"{_attribute("class", _kind(frame[name], name in links))}>'
        f"{escape(name)}</th>"
        for name in frame
    )
    lines = zip(frame.index, *columns.values(), strict=True)
    rows = "".join(
        f'<tr><th scope="row">{escape(str(label))}</th>{"".join(cells)}</tr>'
        for label, *cells in lines
    )
    choices = [
        {"column": 1 + frame.columns.get_loc(name), "options": options}
        for name in (*switches, *filters)
        for options in [[*_every(name in filters), *_present(frame[name])]]
    ]
    names = labels or {}
    selects = "".join(
        select(
            f"choice{i}",
            name[:1].upper() + name[1:],
            [names.get(option, option) for option in choices[i]["options"]],
        )
        for i, name in enumerate((*switches, *filters))
    )
    body = (
        f'<div class="controls" hidden>{selects}</div>'
        '<output class="answer" aria-live="polite"></output>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table><thead><tr><th scope="col">{escape(str(frame.index.name or "row"))}'
        f"</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"{_downloads(downloads or {})}"
    )
    settings = {"choices": choices, "switches": len(switches), "every": EVERY}
    return widget(
        "sortable",
        settings,
        body,
        title,
        styles=("sortable",),
        without_script="Without JavaScript, the table shows all rows, unsorted.",
    )


def _present(values: pd.Series) -> list[str]:
    """Return the categories that occur, in their order."""
    return [str(c) for c in values.cat.remove_unused_categories().cat.categories]


def _every(is_filter: bool) -> list[str]:
    return [EVERY] if is_filter else []


def _kind(values: pd.Series, links: bool) -> str | None:
    if links:
        return "links"
    return "number" if is_numeric_dtype(values) else None


def _cells(
    name: str, values: pd.Series, signed: bool, links: bool, tones: Mapping[str, str]
) -> list[str]:
    """Render the cells of a column."""
    if links:
        return [f'<td class="links">{_links(name, each)}</td>' for each in values]
    if is_numeric_dtype(values):
        digits = ".1f" if is_float_dtype(values) else "d"
        form = f"{'+' if signed else ''}{digits}"
        texts = ["" if pd.isna(v) else f"{v:{form}}" for v in values]
        return [f'<td class="number">{t.replace("-", "−")}</td>' for t in texts]
    codes: Any = [None] * len(values)
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes
    return [
        f"<td{_attribute('data-order', code)}{_attribute('class', tones.get(text))}>"
        f"{escape(text)}</td>"
        for text, code in zip(values.astype(str), codes, strict=True)
    ]


def _attribute(name: str, value: Any) -> str:
    return "" if value is None else f' {name}="{value}"'


def _links(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    return " ".join(
        f'<a href="{escape(address)}" aria-label="{escape(name)} {escape(text)}">'
        f"{escape(text)}</a>"
        for text, address in pairs
    )


def _downloads(files: Mapping[str, tuple[str, str]]) -> str:
    """Return links to files that the page itself holds."""
    if not files:
        return ""
    links = " ".join(
        f'<a download="{escape(name)}" href="data:{kind};charset=utf-8,'
        f'{quote(content, safe="")}">{escape(name)}</a>'
        for name, (kind, content) in files.items()
    )
    return f'<p class="bar">Download all rows: {links}</p>'
