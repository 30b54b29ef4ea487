"""A column of a table as numbers, words, rows of a figure, HTML and plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from skellib.experiment import Experiment
from skellib.records import RecordStore
from skellib.reproduction.cells import COMMAND, NEEDS, NOT_RUN, THEN, Cell, column_cells
from skellib.reproduction.paper_tables import Column, Table
from skellib.reproduction.results import average_by, column, experiments, runs_of
from skellib.statistics import CONCLUSIVE


def dot_plot_rows(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """A column as :func:`skellib.figures.dots` draws it.

    The paper's number is left out beside ``quick`` runs, which are no reproduction.
    """
    names = ("label", "paper", "n", "mean", "low", "high")
    found = column_cells(table, _column(table, column), profile, store, clean, classes)
    rows = [{"label": cell.label, **_numbers(cell)} for cell in found]
    if profile == "quick":
        rows = [{**row, "paper": None} for row in rows]
    return [{name: row[name] for name in names} for row in rows]


def gains(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
) -> list[dict[str, Any]]:
    """The differences to the baseline row, as :func:`skellib.figures.gains` draws them.

    A line for each other row: ``label``, ``paper`` (the paper's difference), and of
    the measured one ``n``, ``mean``, ``low`` and ``high``, in points. The paper's is
    left out beside ``quick`` runs, as in :func:`marks`.
    """
    found = column_cells(table, _column(table, column), profile, store, clean)
    return [
        {"label": cell.label, "paper": None if profile == "quick" else cell.claimed}
        | {k: getattr(cell.difference, k, None) for k in ("n", "mean", "low", "high")}
        for cell in found
        if not cell.baseline
    ]


def _column(table: Table, given: Column | str) -> Column:
    return column(table, given) if isinstance(given, str) else given


def _numbers(cell: Cell) -> dict[str, Any]:
    """A cell's numbers by name, None where there is none."""
    s, d = cell.summary, cell.difference
    return {
        "paper": cell.reported,
        "claimed": cell.claimed,
        "n": s.n if s else 0,
        **{name: getattr(s, name, None) for name in ("mean", "sd", "low", "high")},
        "difference": getattr(d, "mean", None),
        "difference low": getattr(d, "low", None),
        "difference high": getattr(d, "high", None),
        "p": getattr(d, "p", None),
    }


def frame(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = ("laptop", "full"),
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """A column's numbers, a line for each row of the table.

    Arguments are those of :func:`column_cells`; a column may also be named, see
    :func:`column`.

    Returns:
        ``label``, ``year``, ``paper`` (the paper's number) and ``claimed`` (its
        difference to the baseline); then for each profile, with its name in front:
        ``laptop n``, ``mean``, ``sd``, ``low``, ``high``, ``difference``,
        ``difference low``, ``difference high``, ``p`` and ``verdict``. What is not
        known is NaN, a verdict then empty.
    """
    found = {
        profile: column_cells(
            table, _column(table, column), profile, store, clean, classes
        )
        for profile in profiles
    }
    parts = {"label": pd.Series([row.label for row in table.rows])}
    parts["year"] = pd.Series([row.year for row in table.rows], dtype="float64")
    for profile, cells in found.items():
        numbers = pd.DataFrame(map(_numbers, cells)).astype("float64")
        for name in ("paper", "claimed"):
            parts[name] = numbers.pop(name)
        parts |= {f"{profile} {name}": numbers[name] for name in numbers}
        parts[f"{profile} n"] = parts[f"{profile} n"].astype("int64")
        parts[f"{profile} verdict"] = pd.Series([cell.verdict for cell in cells])
    return pd.DataFrame(parts)


def as_text(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = ("laptop", "full"),
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """A column in words, a line for each row of the table, for people to read.

    Arguments are those of :func:`frame`.

    Returns:
        Strings, by row label: ``paper``; then for each profile ``laptop: measured``
        and, where the table has a baseline row, ``laptop: against baseline`` and
        ``laptop: verdict``.
    """
    column = _column(table, column)
    parts: dict[str, list[str]] = {}
    for profile in profiles:
        found = column_cells(table, column, profile, store, clean, classes)
        parts["paper"] = [cell.paper_text for cell in found]
        parts[f"{profile}: measured"] = [cell.measured_text for cell in found]
        if table.baseline:
            parts[f"{profile}: against baseline"] = [c.compared_text for c in found]
            parts[f"{profile}: verdict"] = [cell.verdict for cell in found]
    labels = pd.Index([row.label for row in table.rows], name="row")
    return pd.DataFrame(parts, index=labels)


def by_seed(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
) -> pd.DataFrame:
    """A column's single runs: a line for each row of ours, a column for each seed.

    Arguments are those of :func:`column_cells`. In per cent, NaN where not run; where
    a protocol has several folds, the mean over those that a seed has.
    """
    column = _column(table, column)
    found: dict[str, dict[int, float]] = {}
    for row in (row for row in table.rows if row.ours):
        tried = experiments(row, column, profile)
        runs = runs_of(tried, store, column.measure, clean, None)
        found[row.label] = average_by(runs, "seed")
    return pd.DataFrame(found).T.sort_index(axis=1).rename_axis(columns="seed")


def mean_accuracy(table: Table, store: RecordStore, profile: str) -> pd.DataFrame:
    """The mean over its runs of each row of ours in each column, in per cent.

    A line for each row, a column for each of the table's, and ``mean`` over them,
    which is NaN where one of them is.
    """
    found = pd.DataFrame(
        {
            each.name: by_seed(table, each, store, profile).mean(axis=1)
            for each in table.columns
        }
    )
    return found.assign(mean=found.mean(axis=1, skipna=False))


def settings(experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """The settings in which experiments differ, a line for each, by its name.

    The name of the profile is none of them: what a profile sets is.
    """
    dumps = [each.model_dump(exclude={"profile"}) for each in experiments.values()]
    every = pd.json_normalize(dumps).astype(str)
    every.index = pd.Index(list(experiments))
    return every.loc[:, every.nunique() > 1]


def completion(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = ("laptop", "full"),
) -> dict[str, int]:
    """How many cells a column has in some profiles, and how far they are filled.

    Returns:
        ``cells``; ``done``, those with a record; ``decided``, those whose difference
        to the baseline row has a sign, by :func:`skellib.statistics.verdict`.
    """
    column = _column(table, column)
    found = [c for name in profiles for c in column_cells(table, column, name, store)]
    return {
        "cells": len(found),
        "done": sum(cell.summary is not None for cell in found),
        "decided": sum(cell.verdict in CONCLUSIVE for cell in found),
    }


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
    profiles: Sequence[str] = ("laptop", "full"),
    clean: bool = False,
) -> str:
    """A column as plain text; a profile that was not run is one line below it."""
    strings = as_text(table, column, store, profiles, clean)
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
