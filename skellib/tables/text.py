"""Tables of words as HTML and as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from skellib.experiments import Column, Table
from skellib.records import RecordStore
from skellib.tables.cell import COMMAND, NEEDS, NOT_RUN, THEN, column_cells
from skellib.tables.frames import shown


def html(strings: pd.DataFrame) -> str:
    """What :func:`shown` made, as an HTML table; no cell is cut short.

    The commands that make what has not been run stand once, below the table.
    """
    short, lines = strings, []
    for text in dict.fromkeys(map(str, strings.to_numpy().ravel())):
        reason, _, command = text.partition(THEN)
        if text.startswith(COMMAND):
            short = short.replace(text, "not run yet")
            command = text.removeprefix(NOT_RUN)
            lines.append(f"What is not run yet is made by <code>{escape(command)}")
        elif text.startswith(NEEDS) and command:
            short = short.replace(text, reason)
            data = escape(reason.removeprefix(NEEDS))
            lines.append(f"{data}, once fetched, are read by <code>{escape(command)}")
    with pd.option_context("display.max_colwidth", None):
        table = short.rename_axis(None).to_html(border=0, escape=True)
    return table + "".join(f"<p>{line}</code>.</p>" for line in lines)


def plain(strings: pd.DataFrame) -> str:
    """What :func:`shown` or :func:`coverage` made, as text aligned on the left."""
    if strings.index.name:
        strings = strings.reset_index()
    lines = [list(strings.columns), *strings.astype(str).values.tolist()]
    widths = [max(map(len, cells)) for cells in zip(*lines)]
    return "\n".join(
        "  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines
    )


def report(
    table: Table,
    column: Column,
    store: RecordStore,
    profiles: Sequence[str] = ("laptop", "paper"),
    clean: bool = False,
) -> str:
    """A column as plain text; a profile that was not run is one line below it."""
    strings = shown(table, column, store, profiles, clean)
    notes = []
    for profile in profiles:
        found = column_cells(table, column, profile, store, clean)
        if not any(cell.summary for cell in found):
            strings = strings.drop(columns=strings.filter(regex=f"^{profile}: "))
            ours = (cell.missing for cell, row in zip(found, table.rows) if row.ours)
            notes.append(f"profile {profile}: {next(ours)}")
    number = table.number if " " in table.number else f"Table {table.number}"
    title = f"{number}. {table.title}: {column.name}"
    return "\n".join([title, plain(strings), *notes])
