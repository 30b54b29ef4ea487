"""Lay out the scoreboard: every row of the paper's tables that has records.

A row of a table appears once for each size of the network, each preparation of the
clips and each choice of clips for which runs are recorded. The numbers are those of
:mod:`skellib.reproduction.cells` and :mod:`skellib.reproduction.results`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from skellib.data import PROTOCOLS
from skellib.records import ReadOnce, RecordStore, RunRecord, file_name
from skellib.reproduction.cells import (
    COUNTED_UNITS,
    DATA_ON_REQUEST,
    RESULT_PROFILES,
    column_cells,
)
from skellib.reproduction.own_tables import OTHER_DATASETS, OWN_TABLES, SBU, STEPS, UTD
from skellib.reproduction.paper_tables import (
    NTU_CS,
    NTU_CV,
    SYSU_CS,
    SYSU_SS,
    TABLES,
    UCLA,
    Column,
    Row,
    Table,
    reported_difference,
)
from skellib.reproduction.results import (
    columns_on,
    compare_in_table,
    recorded_experiments,
    unit_of,
)
from skellib.statistics import VERDICTS, Difference, Summary, verdict

if TYPE_CHECKING:
    from IPython.display import HTML

    from skellib.figures.widgets import Widget

AS_PRINTED = "as in the paper"
PREPARATIONS = {
    "rotated clips": "Rotated, camera 3",
    "chosen preparation": "Chosen preparation",
}
"""By preparation, the table of our own that has the rows of ``STEPS`` with it."""

ALL, CLEAN, UNTWINNED = CLIPS = (
    "all test clips",
    "clean test clips",
    "trained without duplicates",
)
"""Which clips count: all; those without a duplicate in training; or all again, of
networks that were trained without the duplicates of test clips."""

UNPRINTED, UNCOMPARED = "nothing printed", "not compared"
WORDS = (*VERDICTS, "not judged", "baseline", UNPRINTED, UNCOMPARED)
"""The verdicts of the board. Where the paper prints no difference there is nothing to
judge; where the table has no baseline row, or it has no run, there is no difference."""

COLUMNS = {
    "table": "number of the paper's table",
    "row": "label of the row, as in the paper",
    "data set": "data set and split",
    "size": "size of the network: laptop, or full as in the paper",
    "clips": "which test clips count, and whether their duplicates trained",
    "preparation": "how training clips were prepared",
    "paper": "the paper's accuracy in per cent",
    "ours": "our mean accuracy after the last epoch, in per cent",
    "sd": "standard deviation between seeds (or folds), in points",
    "n": "number of seeds, or of folds where the split has several",
    "paper difference": "the paper's row minus the baseline row of the table",
    "difference": "our row minus the baseline row, paired by seed, in points",
    "low": "lower end of its 95 % interval, simultaneous over the baseline's table",
    "high": "upper end of that interval",
    "verdict": "on the sign of the paper's difference",
    "records": "paths of the records under data/records",
}
"""The columns of :func:`board`, and what they hold."""

_NAMES = {
    (column.dataset, column.protocol): column.name
    for column in (NTU_CS, NTU_CV, UCLA, SYSU_CS, SYSU_SS, UTD, SBU)
}
_MEASURES = {"top1": "top-1", "top5": "top-5", "frequency": "frequency classes"}


def _data_set(column: Column) -> str:
    """Name the data set and split of a column, whatever its table calls it."""
    protocol = column.protocol.removesuffix("_untwinned")
    name = _NAMES.get((column.dataset, protocol))
    return name or f"{DATA_ON_REQUEST[column.dataset]}, {_MEASURES[column.measure]}"


def preparations() -> dict[str, Table]:
    """Return the tables of the preparations that are defined, by preparation."""
    known = PREPARATIONS.items()
    return {name: OWN_TABLES[table] for name, table in known if table in OWN_TABLES}


def _untwinned(column: Column) -> Column | None:
    """Return the split without duplicates in training, if the data set has one."""
    protocol = f"{column.protocol}_untwinned"
    known = protocol in PROTOCOLS[column.dataset]
    return replace(column, protocol=protocol) if known else None


def _columns(table: Table) -> list[tuple[Column, str]]:
    """Return the columns of accuracies, also of data sets that the paper lacks.

    Returns:
        The columns with :data:`ALL` or :data:`UNTWINNED`.
    """
    own = [c for c in table.columns if c.measure not in COUNTED_UNITS]
    ablation = UCLA in table.columns and table.baseline
    names = OTHER_DATASETS if ablation else ()
    others = [c for name in names for c in columns_on(table, name)]
    found = [(column, ALL) for column in (*own, *others)]
    without = [(c, UNTWINNED) for each in own if (c := _untwinned(each))]
    return [*found, *without]


@dataclass(frozen=True)
class _Measured:
    """Hold what was measured of a row."""

    summary: Summary | None
    difference: Difference | None
    records: tuple[RunRecord, ...]


@cache
def _steps() -> dict[str, dict[str, str]]:
    """Return the rows that ``STEPS`` has, by table and label: their label there."""
    steps = {row.experiment(UCLA).key: row.label for row in STEPS.rows}
    keys = {
        table.number: {r.label: r.experiment(UCLA).key for r in table.rows if r.ours}
        for table in TABLES.values()
    }
    return {
        number: {label: steps[key] for label, key in each.items() if key in steps}
        for number, each in keys.items()
    }


@cache
def step_pairs() -> dict[str, str]:
    """Return the baseline row of each step, in the paper's table that compares it.

    A step that several tables compare has the same baseline row in all of them.

    Returns:
        Labels of ``STEPS``, by label of ``STEPS``.
    """
    return {
        step: steps[table.baseline]
        for table in TABLES.values()
        for steps in [_steps()[table.number]]
        for step in steps.values()
        if table.baseline in steps and step != steps[table.baseline]
    }


def _runs(
    rows: Sequence[Row], column: Column, profile: str, store: RecordStore
) -> dict[str, tuple[RunRecord, ...]]:
    """Return the records of each row, by label."""
    found = recorded_experiments(rows, column, profile, store)
    return {
        row.label: tuple(record for each in folds for record in store.of(each))
        for row, folds in zip(rows, found, strict=True)
    }


def _as_printed(
    table: Table, column: Column, profile: str, store: RecordStore, clean: bool
) -> dict[str, _Measured]:
    """Measure the rows of a table; none if no row has a record."""
    runs = _runs(table.rows, column, profile, store)
    if not any(runs.values()):
        return {}
    cells = column_cells(table, column, profile, store, clean)
    return {c.label: _Measured(c.summary, c.difference, runs[c.label]) for c in cells}


def _prepared(
    prepared: Table, column: Column, profile: str, store: RecordStore, clean: bool
) -> dict[str, _Measured]:
    """Measure the steps with a preparation, against their baseline rows in the paper.

    The comparisons are one family, as in the report's table of components.
    """
    runs = _runs(prepared.rows, column, profile, store)
    if not any(runs.values()):
        return {}
    pairs = list(step_pairs().items())
    found = compare_in_table(prepared, pairs, column, profile, store, clean)
    differences = dict(zip(step_pairs(), found.differences, strict=True))
    return {
        cell.label: _Measured(
            cell.summary, differences.get(cell.label), runs[cell.label]
        )
        for cell in column_cells(prepared, column, profile, store, clean)
    }


def _parts(
    table: Table, column: Column, profile: str, store: RecordStore, clean: bool
) -> Iterator[tuple[str, dict[str, _Measured]]]:
    """Yield each preparation with what was measured of a table's rows, by label."""
    yield AS_PRINTED, _as_printed(table, column, profile, store, clean)
    steps = _steps()[table.number]
    for name, prepared in preparations().items():
        if any(c.dataset == column.dataset for c in prepared.columns):
            found = _prepared(prepared, column, profile, store, clean)
            yield name, {k: found[step] for k, step in steps.items() if step in found}


def _line(
    table: Table, label: str, column: Column, profile: str, measured: _Measured
) -> dict[str, Any]:
    """Return the numbers and the verdict of a line, and where its records are."""
    summary, difference, row = measured.summary, None, table.row(label)
    assert summary is not None
    claimed, word = None, UNCOMPARED
    if table.baseline == label:
        word = "baseline"
    elif table.baseline:
        difference = measured.difference
        claimed = reported_difference(row, table.row(table.baseline), column)
        if difference is not None:
            word = verdict(difference, claimed, profile, unit_of(column)) or UNPRINTED
    if word not in WORDS:
        word = "not judged"  # the runs are too few; the verdict says how few
    return {
        "table": table.number,
        "row": label,
        "data set": _data_set(column),
        "size": profile,
        "paper": row.reported.get(column.name),
        "ours": summary.mean,
        "sd": summary.sd,
        "n": summary.n,
        "paper difference": claimed,
        "difference": getattr(difference, "mean", None),
        "low": getattr(difference, "low", None),
        "high": getattr(difference, "high", None),
        "verdict": word,
        "records": tuple(
            f"{record.experiment.dataset}/{file_name(record.key, record.seed)}"
            for record in measured.records
        ),
    }


def board(store: RecordStore) -> pd.DataFrame:
    """Return the scoreboard: a line for each row of the paper's tables with records.

    Rows of other authors are not on it, as this project does not run them, and neither
    is the profile ``quick``, whose runs are no results.

    Args:
        store: the records.

    Returns:
        The columns :data:`COLUMNS`; unknown numbers are NaN. What has a choice is
        categorical, in the order in which readers are offered it.

    Raises:
        InputError: if a record cannot be used.
    """
    store = ReadOnce(store)
    recorded = {path.parent.name for path in store.folder.glob("*/*.json")}
    lines = [
        {**_line(table, label, column, profile, measured)}
        | {"clips": CLEAN if clean else clips, "preparation": preparation}
        for table in TABLES.values()
        for column, clips in _columns(table)
        if column.dataset in recorded
        for profile in RESULT_PROFILES
        for clean in (False, True)
        for preparation, rows in _parts(table, column, profile, store, clean)
        for label, measured in rows.items()
        if measured.records
        and not (clean and any(record.clean is None for record in measured.records))
    ]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    order: dict[str, Iterable[str]] = {
        "table": TABLES,
        "data set": dict.fromkeys(frame["data set"]),
        "size": RESULT_PROFILES,
        "clips": CLIPS,
        "preparation": (AS_PRINTED, *preparations()),
        "verdict": WORDS,
    }
    for name, values in order.items():
        frame[name] = pd.Categorical(frame[name], list(values))
    numbers = list(frame.loc[:, "paper":"high"].columns)
    frame[numbers] = frame[numbers].astype("float64")
    return frame.astype({"n": "int64"})


# What was not run


def not_run(store: RecordStore) -> pd.DataFrame:
    """Return what has no record: tables, rows, data sets and sizes.

    Returns:
        ``data set``, ``how`` (as in the paper, a preparation, or without duplicates),
        ``why``, ``size``, ``tables`` and ``rows``. Tables, sizes and splits that miss
        the same rows stand together.
    """
    asked: list[tuple[Table, Column, str]] = []
    for table in TABLES.values():
        own = [c for c in table.columns if c.measure not in COUNTED_UNITS]
        asked += [(table, column, AS_PRINTED) for column in own]
        asked += [(table, c, UNTWINNED) for each in own if (c := _untwinned(each))]
    for name, table in preparations().items():
        for column in table.columns:
            without = column.protocol.endswith("_untwinned")
            asked.append((table, column, f"{name}, {UNTWINNED}" if without else name))
    lines = [
        {
            "data set": _data_set(column).partition(", ")[0],
            "how": how,
            "why": "on request" if column.dataset in DATA_ON_REQUEST else "no run yet",
            "size": profile,
            "tables": table.number,
            "rows": _missing(table, column, profile, store),
        }
        for table, column, how in asked
        for profile in RESULT_PROFILES
    ]
    frame = pd.DataFrame([line for line in lines if line["rows"]], columns=[*lines[0]])
    for merged in ("size", "data set", "tables"):
        others = [name for name in lines[0] if name != merged]
        groups = frame.groupby(others, sort=False)[merged]
        frame = groups.agg(lambda each: ", ".join(dict.fromkeys(each))).reset_index()
    parts = [part for _, part in frame.groupby("data set", sort=False)]
    return pd.concat(parts)[[*lines[0]]]


def _missing(table: Table, column: Column, profile: str, store: RecordStore) -> str:
    """Name the rows of a column without a record: ``"all rows"``, or their labels."""
    rows = [row for row in table.rows if row.ours]
    found = recorded_experiments(rows, column, profile, store)
    labels = [
        row.label
        for row, folds in zip(rows, found, strict=True)
        if not any(store.count(each) for each in folds)
    ]
    return "all rows" if len(labels) == len(rows) else "; ".join(labels)


def not_run_list(missing: pd.DataFrame) -> HTML:
    """Show the frame of :func:`not_run` in a notebook, folded."""
    from IPython.display import HTML

    items = "".join(
        f"<li><b>{escape(line['data set'])}</b> ({line.why}), "
        f"{'' if line.how == AS_PRINTED else f'{escape(line.how)}, '}"
        f"{line['size'].replace(', ', ' and ')} size: "
        f"{_in_table(line.tables)}{escape(line.rows)}</li>"
        for _, line in missing.iterrows()
    )
    return HTML(f"<details><summary>Not run</summary><ul>{items}</ul></details>")


def _in_table(numbers: str) -> str:
    """Name tables in a list: ``"Tables I, V: "``; tables with a name stand alone."""
    plain = all(number in TABLES for number in numbers.split(", "))
    plural = "s" if "," in numbers else ""
    prefix = f"Table{plural} " if plain and not numbers.startswith("Fig") else ""
    return f"{prefix}{escape(numbers)}: "


# How the board is shown and downloaded

_HEADS = {
    "table": "table",
    "verdict": "verdict",
    "paper": "paper (%)",
    "ours": "ours (%)",
    "sd": "sd",
    "n": "n",
    "paper difference": "gain, paper",
    "difference": "gain, ours",
    "low": "interval from",
    "high": "interval to",
    "size": "size",
    "data set": "data set",
    "records": "records",
    "clips": "clips",
    "preparation": "preparation",
}
_TONES = dict(zip(VERDICTS, ("good", "bad", "open"), strict=True))


def as_csv(frame: pd.DataFrame) -> str:
    """Return a board as CSV; the paths of a line's records are separated by spaces."""
    return frame.assign(records=frame["records"].map(" ".join)).to_csv(index=False)


def as_json(frame: pd.DataFrame) -> str:
    """Return a board as JSON: ``columns`` says what is in them, ``rows`` are lines."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return json.dumps({"columns": COLUMNS, "rows": rows}, ensure_ascii=False)


def show(frame: pd.DataFrame, records: str = "../data/records") -> Widget:
    """Show a board in a notebook, as a table to sort and filter.

    Args:
        frame: a board.
        records: address of the records, seen from the page.
    """
    from skellib.figures import sortable_table

    links = [
        [(str(i), f"{records}/{path}") for i, path in enumerate(paths, start=1)]
        for paths in frame["records"]
    ]
    shown = frame.assign(records=links).set_index("row")[list(_HEADS)]
    return sortable_table(
        shown.rename(columns=_HEADS),
        "Scoreboard",
        switches=("clips", "preparation"),
        filters=("table", "data set", "size", "verdict"),
        signed=[_HEADS[n] for n in ("paper difference", "difference", "low", "high")],
        links=("records",),
        tones=_TONES,
        labels={t.number: f"{t.number}: {t.title}" for t in TABLES.values()},
        downloads={
            "scoreboard.csv": ("text/csv", as_csv(frame)),
            "scoreboard.json": ("application/json", as_json(frame)),
        },
    )
