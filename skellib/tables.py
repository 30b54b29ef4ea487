"""The paper's tables beside what was measured: each number says whose it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from skellib.config import PROFILES, Experiment
from skellib.data import PROTOCOLS, default_protocol, folds, packed_path
from skellib.errors import InputError
from skellib.experiments import OWN_TABLES, PAPERS, TABLES, Column, Row, Table
from skellib.records import Metrics, RecordStore, RunRecord, read_record
from skellib.statistics import Difference, Summary, paired, summarise, verdict

# The paper's data sets that one must ask for: nobody has run their rows here.
NEEDED = {
    "ntu": "NTU RGB+D",
    "kinetics": "Kinetics-Skeleton",
    "sysu": "SYSU 3D HOI",
}
COUNTED = {"parameters": "M", "operations": "G"}
"""Measures that are counted from the network, not measured by a run; their units."""
CHOSEN = "frequency"
"""The measure on some classes only, which are chosen once the data are there."""

NETWORK = {"paper": "", "laptop": ", laptop network", "quick": ", quick network"}


@dataclass(frozen=True)
class Cell:
    """A row of a table in one column: the paper's number and ours.

    Accuracies are in per cent, differences in percentage points.

    Attributes:
        label: of the row.
        column: of the table.
        profile: of the runs that were looked for.
        reported: the paper's number; none where it has none.
        gap: why it has none, where the paper's text lost it.
        claimed: the paper's difference to the table's baseline row.
        summary: of our runs; none where there is none.
        difference: of our runs to those of the baseline row, paired by seed or fold.
        verdict: whether the paper's difference was reproduced, in words.
        unit: what is counted: ``"seed"``, or ``"fold"`` where the protocol has several.
        clean: whether only clean test clips count.
        baseline: whether the others are compared with this row.
        missing: why nothing was measured; empty where something was.
    """

    label: str
    column: Column
    profile: str
    reported: float | None
    gap: str
    claimed: float | None
    summary: Summary | None
    difference: Difference | None
    verdict: str
    unit: str
    clean: bool
    baseline: bool
    missing: str

    @property
    def paper_text(self) -> str:
        """The paper's number: ``"paper: 84.5 %"``."""
        if self.reported is not None:
            return f"paper: {_amount(self.reported, self.column)}"
        return f"paper: no number ({self.gap})" if self.gap else "paper: no number"

    @property
    def measured_text(self) -> str:
        """Ours: ``"measured (3 seeds): 72.4 ± 0.8 % [70.4, 74.4]"``, or why not."""
        if self.summary is None:
            return self.missing
        s = self.summary
        where = " on clean clips" if self.clean else ""
        text = f"measured{where}{NETWORK[self.profile]} ({_count(s.n, self.unit)}): "
        if s.sd is None:
            return f"{text}{s.mean:.1f} %"
        return f"{text}{s.mean:.1f} ± {s.sd:.1f} % [{s.low:.1f}, {s.high:.1f}]"

    @property
    def compared_text(self) -> str:
        """Both differences to the baseline row, each by its name."""
        if self.baseline:
            return "baseline"
        parts = []
        if self.difference is not None:
            parts.append(f"measured: {_difference(self.difference, self.unit)}")
        elif self.summary is not None:
            parts.append(f"measured: no {self.unit} in common with the baseline")
        if self.claimed is not None:
            parts.append(f"paper: {_signed(self.claimed)}")
        return "; ".join(parts)


def _amount(value: float, column: Column) -> str:
    unit = COUNTED.get(column.measure)
    return f"{value:.3f} {unit}" if unit else f"{value:.1f} %"


def _count(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _difference(d: Difference, unit: str) -> str:
    if d.low is None or d.high is None or d.p is None:
        return f"{_signed(d.mean)} ({_count(d.n, unit)})"
    p = f"p = {d.p:.2g}" if d.p >= 0.001 else "p < 0.001"
    return f"{_signed(d.mean)} [{_signed(d.low)}, {_signed(d.high)}], {p}"


def named(number: str) -> Table:
    """The table with this number, however it is written: ``"v"``, ``"fig9"``.

    Raises:
        InputError: if there is none.
    """

    def plain(text: str) -> str:
        return text.upper().replace(" ", "").replace(".", "")

    tables = {**TABLES, **OWN_TABLES}
    for table in tables.values():
        if plain(table.number) == plain(number):
            return table
    raise InputError(f"table {number!r} is none of {', '.join(tables)}")


def columns(table: Table, dataset: str) -> tuple[Column, ...]:
    """The columns of a table on a data set.

    The table's own; for a data set of which the paper reports nothing at all, one of
    our own by its usual protocol; none for a data set of the paper's other tables.

    Raises:
        InputError: for an unknown data set.
    """
    own = tuple(c for c in table.columns if c.dataset == dataset)
    if own or dataset in PAPERS:
        return own
    return (Column(dataset, dataset, default_protocol(dataset)),)


def column(table: Table, name: str) -> Column:
    """A column by its name in the paper, or by its data set's.

    Raises:
        InputError: if the table has no such column.
    """
    known = {c.name: c for c in table.columns}
    if name in known:
        return known[name]
    if name in PROTOCOLS or name in PAPERS:
        found = columns(table, name)
        if found:
            return found[0]
    raise InputError(
        f"Table {table.number} has no column {name!r}; it has {', '.join(known)}"
    )


def experiments(row: Row, column: Column, profile: str) -> tuple[Experiment, ...]:
    """The experiments of one of our rows: one for each fold of the protocol."""
    first = row.experiment(column, profile)
    count = folds(first.protocol, first.dataset)
    return tuple(first.replace(fold=k) for k in range(count))


Runs = dict[tuple[int, int], float]  # value by (fold, seed)


def _score(
    record: RunRecord, measure: str, clean: bool, classes: Sequence[int] | None
) -> float:
    """A record's number in per cent."""
    metrics: Metrics = record.test
    if clean and record.clean is not None:
        metrics = record.clean
    if classes is not None:
        unknown = set(classes) - set(range(len(metrics.confusion)))
        if unknown:
            raise InputError(f"record {record.key}: has no class {min(unknown)}")
        clips = sum(sum(metrics.confusion[k]) for k in classes)
        right = sum(metrics.confusion[k][k] for k in classes)
        if not clips:
            raise InputError(f"record {record.key}: no test clip of classes {classes}")
        return 100 * right / clips
    value = {"top1": metrics.top1, "top5": metrics.top5}.get(measure)
    if value is None:
        raise InputError(f"record {record.key}: has no {measure}")
    return 100 * value


def _runs(
    tried: Iterable[Experiment],
    store: RecordStore,
    measure: str,
    clean: bool,
    classes: Sequence[int] | None,
) -> Runs:
    return {
        (experiment.fold, record.seed): _score(record, measure, clean, classes)
        for experiment in tried
        for record in store.of(experiment)
    }


def _by_unit(runs: Runs, unit: str) -> dict[int, float]:
    """One value a seed, the mean over its folds; or one a fold, over its seeds."""
    groups = defaultdict(list)
    for (fold, seed), value in sorted(runs.items()):
        groups[fold if unit == "fold" else seed].append(value)
    return {which: sum(values) / len(values) for which, values in groups.items()}


def _compare(runs: Runs, baseline: Runs, unit: str) -> Difference | None:
    """The paired difference over the folds and seeds that both have."""
    common = runs.keys() & baseline.keys()
    if not common:
        return None
    mine, theirs = ({run: side[run] for run in common} for side in (runs, baseline))
    return paired(*([*_by_unit(side, unit).values()] for side in (mine, theirs)))


def unit_of(row: Row, column: Column, profile: str) -> str:
    """What one value of a row stands for: a ``"fold"`` where there are several."""
    return "fold" if len(experiments(row, column, profile)) > 1 else "seed"


def compared(
    row: Row,
    other: Row,
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
) -> Difference | None:
    """Row minus other, paired over the seeds (or folds) that both have; or None.

    Raises:
        InputError: a record that cannot be used.
    """
    mine, theirs = (
        _runs(experiments(each, column, profile), store, column.measure, clean, None)
        for each in (row, other)
    )
    return _compare(mine, theirs, unit_of(row, column, profile))


NOT_RUN = "not run: "
COMMAND = f"{NOT_RUN}python -m skellib"
NEEDS = f"{NOT_RUN}needs "
THEN = ", then "


def _needs(dataset: str) -> str:
    """What is not prepared and must be fetched: ``"NTU RGB+D data"``; or nothing."""
    if dataset not in NEEDED or packed_path(dataset).is_file():
        return ""
    return f"{NEEDED[dataset]} data"


def _why_missing(table: Table, row: Row, column: Column, profile: str) -> str:
    if not row.ours:
        return "not run: another method"
    if column.measure in COUNTED:
        return "not run: counted from the network"
    needs = _needs(column.dataset)
    if needs:
        prepare = f"python -m skellib prepare {column.dataset} --source PATH"
        return f"{NEEDS}{needs}{THEN}{prepare}"
    if column.measure == CHOSEN:
        return f"{NOT_RUN}its classes are not chosen yet, see chapter 13"
    number = f'"{table.number}"' if " " in table.number else table.number
    return (
        f"{COMMAND} reproduce --profile {profile} "
        f"--datasets {column.dataset} --tables {number}"
    )


def column_cells(
    table: Table,
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> list[Cell]:
    """The cells of one column, row by row.

    Args:
        table: of the paper.
        column: one of its, or another of the same kind: see :func:`columns`.
        profile: whose runs to look for.
        store: the records.
        clean: count only test clips without a twin among the training clips.
        classes: count only test clips of these classes (the question of Table VIII);
            the share of them that is right, whatever the column's measure.

    Raises:
        InputError: an unknown profile, or a record that cannot be used.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    base = table.row(table.baseline) if table.baseline else None
    tried = {
        row.label: experiments(row, column, profile) if row.ours else ()
        for row in table.rows
    }
    unmeasured = column.measure in COUNTED or (
        column.measure == CHOSEN and classes is None
    )
    runs = {
        label: {} if unmeasured else _runs(each, store, column.measure, clean, classes)
        for label, each in tried.items()
    }
    several = any(len(each) > 1 for each in tried.values())
    unit = "fold" if several else "seed"

    def cell(row: Row) -> Cell:
        mine, reported = runs[row.label], row.reported.get(column.name)
        difference, claimed = None, None
        same = base is not None and tried[row.label] == tried[base.label]
        if base is not None and not same:
            difference = _compare(mine, runs[base.label], unit)
            before = base.reported.get(column.name)
            if reported is not None and before is not None and classes is None:
                claimed = round(reported - before, 6)
        return Cell(
            label=row.label,
            column=column,
            profile=profile,
            reported=reported if classes is None else None,
            gap=row.gaps.get(column.name, ""),
            claimed=claimed,
            summary=summarise([*_by_unit(mine, unit).values()]) if mine else None,
            difference=difference,
            verdict=verdict(difference, claimed, profile, unit),
            unit=unit,
            clean=clean,
            baseline=same,
            missing="" if mine else _why_missing(table, row, column, profile),
        )

    return [cell(row) for row in table.rows]


def cells(
    table: Table, profile: str, store: RecordStore, clean: bool = False
) -> list[Cell]:
    """All cells of a table's own columns, column by column."""
    return [
        cell
        for each in table.columns
        for cell in column_cells(table, each, profile, store, clean)
    ]


def marks(
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
    profiles: Sequence[str] = ("laptop", "paper"),
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


def shown(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profiles: Sequence[str] = ("laptop", "paper"),
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
        runs = _runs(tried, store, column.measure, clean, None)
        found[row.label] = _by_unit(runs, "seed")
    return pd.DataFrame(found).T.sort_index(axis=1).rename_axis(columns="seed")


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


def scan(store: RecordStore) -> tuple[list[RunRecord], list[str]]:
    """All records of a store, and why each file that is none is refused.

    Refused as well: a record whose configuration has since changed its meaning, and
    one under the name of another run.
    """
    records, refused = [], []
    for path in sorted(store.folder.glob("*/*.json")):
        try:
            record = read_record(path)
        except InputError as error:
            refused.append(str(error))
            continue
        name = store.path(record.experiment, record.seed)
        if path == name:
            records.append(record)
        else:
            refused.append(f"{path}: the record of another run; its name is {name}")
    return records, refused


def wanted(table: Table, dataset: str, profile: str) -> dict[str, Experiment]:
    """By key, the experiments that a table asks of a data set."""
    return {
        experiment.key: experiment
        for each in columns(table, dataset)
        for row in table.rows
        if row.ours
        for experiment in experiments(row, each, profile)
    }


def coverage(
    store: RecordStore,
    profile: str,
    datasets: Sequence[str] | None = None,
    seeds: int = 5,
) -> pd.DataFrame:
    """How much of each table is recorded, this book's own tables last.

    Args:
        store: the records; files that are none are passed over, see :func:`scan`.
        profile: of the runs.
        datasets: those of the tables unless given; for ``quick`` the synthetic one.
        seeds: how many runs (seeds 0, 1, ...) each experiment should have.

    Returns:
        ``table``, ``dataset``, ``experiments`` (distinct), ``recorded`` and
        ``missing`` runs, ``note``; the last line counts runs that several tables
        share once.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    if not datasets and profile == "quick":
        datasets = ["synthetic"]
    known = {(r.key, r.seed) for r in scan(store)[0] if r.seed < seeds}
    rows, every = [], set()

    def line(table: str, dataset: str, keys: set[str], note: str) -> dict[str, Any]:
        recorded = sum(key in keys for key, _ in known)
        return {
            "table": table,
            "dataset": dataset,
            "experiments": len(keys),
            "recorded": recorded,
            "missing": seeds * len(keys) - recorded,
            "note": note,
        }

    for table in (*TABLES.values(), *OWN_TABLES.values()):
        own = dict.fromkeys(column.dataset for column in table.columns)
        for dataset in datasets or own:
            if columns(table, dataset):
                keys = set(wanted(table, dataset, profile))
                every |= keys
                needs = _needs(dataset)
                note = f"needs {needs}" if needs else ""
                rows.append(line(table.number, dataset, keys, note))
    rows.append(line("all", "", every, "shared runs counted once"))
    return pd.DataFrame(rows)


def others(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The records that belong to no row of any table in any profile."""
    records = list(records)
    keys = {
        key
        for dataset in {record.experiment.dataset for record in records}
        for table in (*TABLES.values(), *OWN_TABLES.values())
        for profile in PROFILES
        for key in wanted(table, dataset, profile)
    }
    return [record for record in records if record.key not in keys]
