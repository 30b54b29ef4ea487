"""Render a column of a table as numbers, text, HTML and rows of a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.records import RecordStore
from skellib.reproduction.cells import (
    RESULT_PROFILES,
    SIZES,
    Cell,
    Missing,
    best_epoch_text,
    column_cells,
    difference_text,
    signed,
    summary_text,
)
from skellib.reproduction.paper_tables import Column, Row, Table
from skellib.reproduction.results import (
    average_by,
    best_epochs,
    get_column,
    paired_difference,
    recorded_experiments,
    runs_of,
    unit_of,
)

if TYPE_CHECKING:
    from IPython.display import HTML

BEST_EPOCH = "best epoch"
"""A part that :func:`as_text` can add: each run at its best epoch on the test clips.

Many papers report it without saying so; it is no result, since the test clips select
the epoch.
"""


def dot_plot_rows(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Return a column in the form that :func:`skellib.figures.dots` draws.

    The paper's numbers are left out for ``quick`` runs, which reproduce nothing.
    """
    names = ("label", "paper", "n", "mean", "low", "high")
    column = _as_column(table, column)
    cells = column_cells(table, column, profile, store, clean, classes)
    rows = [{"label": cell.label, **_numbers(cell)} for cell in cells]
    if profile == "quick":
        rows = [{**row, "paper": None} for row in rows]
    # Beside other authors' methods nothing is said of runs.
    notes: list[dict[str, Any]] = [
        {} if row.ours else {"note": ""} for row in table.rows
    ]
    return [{name: row[name] for name in names} | n for row, n in zip(rows, notes)]


def baseline_differences(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = RESULT_PROFILES,
    clean: bool = False,
) -> dict[str, list[dict[str, Any]]]:
    """Return differences to the baseline row, as :func:`skellib.figures.gains` draws.

    Returns:
        By the size of the network that a profile trains a line for each other row:
        ``label``, ``paper`` (the paper's difference, left out for ``quick`` runs), and
        of ours ``n``, ``mean``, ``low``, ``high`` in percentage points. Profiles
        without any difference of ours are left out, unless none has one.
    """
    column = _as_column(table, column)
    names = ("n", "mean", "low", "high")
    marks = {
        SIZES[profile]: [
            {"label": cell.label, "paper": None if profile == "quick" else cell.claimed}
            | {name: getattr(cell.difference, name, None) for name in names}
            for cell in column_cells(table, column, profile, store, clean)
            if not cell.baseline
        ]
        for profile in profiles
    }
    known = {
        size: rows
        for size, rows in marks.items()
        if any(row["mean"] is not None for row in rows)
    }
    return known or marks


def _as_column(table: Table, given: Column | str) -> Column:
    return get_column(table, given) if isinstance(given, str) else given


def _numbers(cell: Cell) -> dict[str, Any]:
    """Return a cell's numbers by name; None for those that it does not have."""
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


def as_numbers(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = RESULT_PROFILES,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return a column's numbers, a line for each row of the table.

    Arguments are those of :func:`skellib.reproduction.cells.column_cells`; a column
    may also be given by name, see :func:`skellib.reproduction.results.get_column`.

    Returns:
        ``label``, ``year``, ``paper`` (the paper's number) and ``claimed`` (its
        difference to the baseline); then for each profile, prefixed with its name:
        ``n``, ``mean``, ``sd``, ``low``, ``high``, ``difference``, ``difference low``,
        ``difference high``, ``p`` and ``verdict``. Unknown numbers are NaN, unknown
        verdicts empty.
    """
    column = _as_column(table, column)
    parts = {"label": pd.Series([row.label for row in table.rows])}
    parts["year"] = pd.Series([row.year for row in table.rows], dtype="float64")
    for profile in profiles:
        cells = column_cells(table, column, profile, store, clean, classes)
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
    profiles: Sequence[str] = RESULT_PROFILES,
    clean: bool = False,
    classes: Sequence[int] | None = None,
    best: bool = False,
) -> pd.DataFrame:
    """Return a column as text, a line for each row of the table.

    Arguments are those of :func:`as_numbers`, and ``best``: whether to add what each
    run would report if its epoch were chosen on the test clips, see
    :data:`BEST_EPOCH`.

    Returns:
        By row label: ``paper``; then for each profile ``laptop: measured`` and, if the
        table has a baseline row, ``laptop: against baseline`` and ``laptop: verdict``;
        with ``best`` also ``laptop: best epoch``. Entries are strings, or a
        :class:`~skellib.reproduction.cells.Missing` where nothing was measured.

    Raises:
        InputError: if ``best`` is asked of anything but the top-1 accuracy on all test
            clips: no other is evaluated during training.
    """
    column = _as_column(table, column)
    if best and (clean or classes is not None or column.measure != "top1"):
        raise InputError(
            f"{column.name}: the best epoch is known of the top-1 accuracy on all test "
            "clips only; leave it out"
        )
    parts: dict[str, list[str | Missing]] = {}
    for profile in profiles:
        cells = column_cells(table, column, profile, store, clean, classes)
        parts["paper"] = [cell.paper_text for cell in cells]
        parts[f"{profile}: measured"] = [
            cell.missing or cell.measured_text for cell in cells
        ]
        if table.baseline:
            parts[f"{profile}: against baseline"] = [c.compared_text for c in cells]
            parts[f"{profile}: verdict"] = [cell.verdict for cell in cells]
        if best:
            found = recorded_experiments(table.rows, column, profile, store)
            parts[f"{profile}: {BEST_EPOCH}"] = [
                best_epoch_text(best_epochs(each, store), unit_of(column))
                for each in found
            ]
    labels = pd.Index([row.label for row in table.rows], name="row")
    return pd.DataFrame(parts, index=labels)


def measured(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = RESULT_PROFILES,
) -> pd.DataFrame:
    """Return what was measured of a column, a line for each row of ours that has runs.

    Args:
        table: the table.
        column: the column, or its name.
        store: the records.
        profiles: profiles whose runs are shown.

    Returns:
        Texts in two levels of columns. Under ``""``: ``paper`` and ``gain``, the
        paper's difference to the baseline row. Under the size of the network that
        each profile trains: ``accuracy``, mean ± standard deviation (number of runs);
        ``difference`` to the baseline row with its interval; ``verdict``; and the first
        two on ``clean clips``, which have no duplicate in training.
        Columns without an entry are left out.
    """
    column = _as_column(table, column)
    unit = f"accuracy ({unit_of(column)}s)"
    lines: dict[str, dict[tuple[str, str], str]] = {}
    for profile in profiles:
        cells, clean = (
            column_cells(table, column, profile, store, part) for part in (False, True)
        )
        size = SIZES[profile]
        for cell, other in zip(cells, clean):
            if cell.summary is None:
                continue
            paper = "" if cell.reported is None else f"{cell.reported:.1f}"
            gain = "" if cell.claimed is None else signed(cell.claimed)
            lines.setdefault(cell.label, {("", "paper"): paper, ("", "gain"): gain})
            lines[cell.label] |= {
                (size, unit): summary_text(cell.summary),
                (size, "difference"): _difference(cell),
                (size, "verdict"): cell.verdict,
                (size, "clean clips"): summary_text(other.summary)
                if other.summary
                else "",
                (size, "difference, clean clips"): _difference(other),
            }
    labels = [row.label for row in table.rows if row.label in lines]
    frame = pd.DataFrame(lines).T.reindex(labels).fillna("")
    return frame.loc[:, (frame != "").any()]


def _difference(cell: Cell) -> str:
    return difference_text(cell.difference) if cell.difference else ""


def result_table(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = RESULT_PROFILES,
) -> HTML:
    """Show in a notebook what was measured of a column, see :func:`measured`."""
    from IPython.display import HTML

    frame = measured(table, column, store, profiles)
    return HTML("<p>No run is recorded yet.</p>") if frame.empty else show(frame)


def runs_by_seed(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return a column's single runs: a line for each row of ours, a column a seed.

    Arguments are those of :func:`as_numbers`.

    Returns:
        Accuracies in per cent, NaN if not run; for a protocol with several folds the
        mean over those that a seed has.
    """
    column = _as_column(table, column)
    rows = [row for row in table.rows if row.ours]
    found: dict[str, dict[int, float]] = {}
    for row, each in zip(rows, recorded_experiments(rows, column, profile, store)):
        runs = runs_of(each, store, column.measure, clean, classes)
        found[row.label] = average_by(runs, "seed")
    return pd.DataFrame(found).T.sort_index(axis=1).rename_axis(columns="seed")


def mean_accuracy(table: Table, store: RecordStore, profile: str) -> pd.DataFrame:
    """Return the mean accuracy of each row of ours in each column, in per cent.

    Returns:
        A line for each row, a column for each of the table's, and their ``mean``,
        which is NaN if one of them is.
    """
    means = pd.DataFrame(
        {
            each.name: runs_by_seed(table, each, store, profile).mean(axis=1)
            for each in table.columns
        }
    )
    return means.assign(mean=means.mean(axis=1, skipna=False))


def paired_text(
    row: Row,
    other: Row,
    column: Column,
    store: RecordStore,
    profile: str = "laptop",
    clean: bool = False,
) -> str:
    """Format row minus other, paired by seed or fold: ``"+2.0 [−0.5, +4.5]"``."""
    return difference_text(paired_difference(row, other, column, profile, store, clean))


def printed_numbers(table: Table) -> pd.DataFrame:
    """Return the paper's numbers as text, a line for each row; gaps are empty."""
    reported = pd.DataFrame({row.label: row.reported for row in table.rows}).T
    return reported.map("{:.1f}".format).replace("nan", "")


def differing_settings(experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """Return the settings in which named experiments differ, a line for each of them.

    The profile's name is left out, the settings that it implies are not.
    """
    dumps = [each.model_dump(exclude={"profile"}) for each in experiments.values()]
    every = pd.json_normalize(dumps).astype(str)
    every.index = pd.Index(list(experiments))
    return every.loc[:, every.nunique() > 1]


def row_settings(table: Table, column: Column | str) -> pd.DataFrame:
    """Return the settings in which our rows of a table differ, a line for each row."""
    column = _as_column(table, column)
    return differing_settings(
        {row.label: row.experiment(column) for row in table.rows if row.ours}
    )


def html(frame: pd.DataFrame) -> str:
    """Render a frame of :func:`as_text` as an HTML table; no cell is cut short.

    Each command that would fill cells stands once, below the table.
    """

    def short(value: Any) -> Any:
        return value.short_text if isinstance(value, Missing) else value

    values = frame.to_numpy(dtype=object).ravel()
    missing = dict.fromkeys(v for v in values if isinstance(v, Missing) and v.command)
    with pd.option_context("display.max_colwidth", None):
        table = frame.map(short).rename_axis(None).to_html(border=0, escape=True)
    return table + "".join(
        f"<p>{escape(each.reason[0].upper() + each.reason[1:])}: "
        f"run <code>{escape(each.command or '')}</code>.</p>"
        for each in missing
    )


def show(frame: pd.DataFrame) -> HTML:
    """Show a frame of :func:`as_text`, or one like it, in a notebook."""
    from IPython.display import HTML

    return HTML(html(frame))


def word_table(frame: pd.DataFrame, index: bool = False) -> HTML:
    """Show a frame of prose in a notebook: wrapped, aligned on the left."""
    from IPython.display import HTML

    with pd.option_context("display.max_colwidth", None):
        return HTML(frame.to_html(index=index, border=0, classes="words"))


def plain(frame: pd.DataFrame) -> str:
    """Render a frame of :func:`as_text` or of counts as text, aligned on the left."""
    if frame.index.name:
        frame = frame.reset_index()
    lines = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    widths = [max(map(len, texts)) for texts in zip(*lines)]
    return "\n".join(
        "  ".join(map(str.ljust, texts, widths)).rstrip() for texts in lines
    )


def plain_column(
    table: Table,
    column: Column,
    store: RecordStore,
    profiles: Sequence[str] = RESULT_PROFILES,
    clean: bool = False,
) -> str:
    """Render a column as plain text; a profile without runs is one line below it."""
    frame = as_text(table, column, store, profiles, clean)
    notes = []
    for profile in profiles:
        cells = column_cells(table, column, profile, store, clean)
        if not any(cell.summary for cell in cells):
            frame = frame.drop(columns=frame.filter(regex=f"^{profile}: "))
            ours = (cell.missing for cell, row in zip(cells, table.rows) if row.ours)
            notes.append(f"profile {profile}: {next(ours)}")
    number = table.number if " " in table.number else f"Table {table.number}"
    title = f"{number}. {table.title}: {column.name}"
    return "\n".join([title, plain(frame), *notes])
