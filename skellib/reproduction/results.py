"""Look up tables, columns and recorded runs, and compare rows by their runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skellib.data import PROTOCOLS, default_protocol, folds
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.records import BestEpoch, Metrics, RecordStore, RunRecord, ensemble
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import (
    PAPER_DATASETS,
    TABLES,
    Column,
    Row,
    Table,
)
from skellib.simultaneous import RowComparisons, compare_rows
from skellib.statistics import Difference, Summary, paired, summarise


def get_table(number: str) -> Table:
    """Return a table by its number, in any spelling: ``"v"``, ``"fig9"``.

    Raises:
        InputError: if no table has that number.
    """

    def plain(text: str) -> str:
        return text.upper().replace(" ", "").replace(".", "")

    tables = {**TABLES, **OWN_TABLES}
    for table in tables.values():
        if plain(table.number) == plain(number):
            return table
    raise InputError(f"table {number!r} is none of {', '.join(tables)}")


def columns_on(table: Table, dataset: str) -> tuple[Column, ...]:
    """Return a table's columns on a data set.

    Returns:
        The table's own columns on it. If it has none, a single column with the data
        set's default protocol for a data set that the paper does not use, and nothing
        for one that the paper reports in its other tables.

    Raises:
        InputError: for an unknown data set.
    """
    own = tuple(c for c in table.columns if c.dataset == dataset)
    if own or dataset in PAPER_DATASETS:
        return own
    return (Column(dataset, dataset, default_protocol(dataset)),)


def get_column(table: Table, name: str) -> Column:
    """Return a column by its name in the paper or the name of its data set.

    Raises:
        InputError: if the table has no such column.
    """
    known = {c.name: c for c in table.columns}
    if name in known:
        return known[name]
    if name in PROTOCOLS or name in PAPER_DATASETS:
        found = columns_on(table, name)
        if found:
            return found[0]
    raise InputError(
        f"Table {table.number} has no column {name!r}; it has {', '.join(known)}"
    )


def fold_experiments(row: Row, column: Column, profile: str) -> tuple[Experiment, ...]:
    """Return a row's experiments: one for each fold of the column's protocol."""
    first = row.experiment(column, profile)
    return tuple(
        first.replace(fold=k) for k in range(folds(column.protocol, column.dataset))
    )


def recorded_experiments(
    rows: Sequence[Row], column: Column, profile: str, store: RecordStore
) -> list[tuple[Experiment, ...]]:
    """Return the experiments whose records are shown for some rows.

    The first edition initialised all layers with one generator, so its rows share no
    initial weights; now each layer has its own. Records of the two are never mixed:
    rows are shown with the present ones unless the first edition has more runs of them.

    Returns:
        The experiments of each row, one for each fold; an empty tuple for rows quoted
        from other papers.
    """
    keyed = [fold_experiments(row, column, profile) if row.ours else () for row in rows]
    former = [tuple(each.first_edition for each in folds) for folds in keyed]
    counts = [
        sum(store.count(each) for folds in found for each in folds)
        for found in (keyed, former)
    ]
    return former if counts[1] > counts[0] else keyed


def shown_records(experiment: Experiment, store: RecordStore) -> list[RunRecord]:
    """Return the records of an experiment, or of its first edition if that has more."""
    present, former = store.of(experiment), store.of(experiment.first_edition)
    return former if len(former) > len(present) else present


def accuracy(experiment: Experiment, store: RecordStore) -> Summary | None:
    """Summarise the top-1 accuracy of an experiment's runs, in per cent.

    Returns:
        None without a run.
    """
    records = shown_records(experiment, store)
    return summarise([100 * r.test.top1 for r in records]) if records else None


def unit_of(column: Column) -> str:
    """Return what a value stands for: a ``"fold"`` if there are several, or a seed."""
    return "fold" if folds(column.protocol, column.dataset) > 1 else "seed"


Runs = dict[tuple[int, int], float]
"""Accuracy in per cent by (fold, seed)."""


def _score(
    record: RunRecord, measure: str, clean: bool, classes: Sequence[int] | None
) -> float:
    """Return a record's accuracy in per cent."""
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


def runs_of(
    experiments: Iterable[Experiment],
    store: RecordStore,
    measure: str,
    clean: bool,
    classes: Sequence[int] | None,
) -> Runs:
    """Return the recorded runs of a row's experiments, in per cent."""
    return {
        (experiment.fold, record.seed): _score(record, measure, clean, classes)
        for experiment in experiments
        for record in store.of(experiment)
    }


def best_epochs(
    experiments: Iterable[Experiment], store: RecordStore
) -> dict[tuple[int, int], BestEpoch]:
    """Return the best test epoch of a row's recorded runs by (fold, seed)."""
    return {
        (experiment.fold, record.seed): record.best
        for experiment in experiments
        for record in store.of(experiment)
        if record.best is not None
    }


def ensemble_runs(
    rows: Sequence[Row],
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
) -> Runs:
    """Return the accuracy of the rows' ensemble, for each fold and seed that all have.

    Raises:
        InputError: if a record cannot be used, see :func:`skellib.records.ensemble`.
    """
    found = [
        {(each.fold, run.seed): run for each in folds for run in store.of(each)}
        for folds in recorded_experiments(rows, column, profile, store)
    ]
    common = set.intersection(*map(set, found))
    return {
        which: 100 * ensemble([runs[which] for runs in found]).accuracy(clean)
        for which in sorted(common)
    }


def average_by(runs: Runs, unit: str) -> dict[int, float]:
    """Average runs by seed (over folds) or by ``"fold"`` (over seeds)."""
    groups = defaultdict(list)
    for (fold, seed), value in sorted(runs.items()):
        groups[fold if unit == "fold" else seed].append(value)
    return {which: sum(values) / len(values) for which, values in groups.items()}


def compare_labels(
    runs: Mapping[str, Runs], pairs: Sequence[tuple[str, str]], unit: str
) -> RowComparisons:
    """Compare pairs of rows, given by label, by the runs of all rows."""
    labels = [*runs]
    places = [(labels.index(one), labels.index(other)) for one, other in pairs]
    return compare_rows([average_by(each, unit) for each in runs.values()], places)


def compare_in_table(
    table: Table,
    pairs: Sequence[tuple[str, str]],
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
) -> RowComparisons:
    """Compare pairs of rows of a table by the recorded runs of all of its rows.

    Args:
        table: the table.
        pairs: labels of the two rows of each comparison, first minus second.
        column: one of its columns, or another of the same kind.
        profile: profile of the runs.
        store: the records.
        clean: count only test clips without a duplicate among the training clips.

    Raises:
        InputError: if a record cannot be used.
    """
    found = recorded_experiments(table.rows, column, profile, store)
    runs = {
        row.label: runs_of(each, store, column.measure, clean, None)
        for row, each in zip(table.rows, found, strict=True)
    }
    return compare_labels(runs, pairs, unit_of(column))


def _shown_experiments(
    row: Row, other: Row, column: Column, profile: str, store: RecordStore
) -> list[tuple[Experiment, ...]]:
    """Return the experiments of two rows, of the edition that their tables show."""
    pair = [row, other]
    tables = (*TABLES.values(), *OWN_TABLES.values())
    shown = [t.rows for t in tables if any(each in t.rows for each in pair)]
    rows = [*pair, *(each for part in shown for each in part if each not in pair)]
    return recorded_experiments(rows, column, profile, store)[:2]


def paired_difference(
    row: Row,
    other: Row,
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
) -> Difference | None:
    """Return row minus other, paired over the seeds (or folds) that both have.

    Only the runs of the two rows count; :func:`compare_in_table` uses those of all
    rows. Which edition's runs they are depends on all rows of their tables, so that it
    is the edition that these tables show.

    Returns:
        None if they have none in common.

    Raises:
        InputError: if a record cannot be used.
    """
    runs, baseline = (
        runs_of(each, store, column.measure, clean, None)
        for each in _shown_experiments(row, other, column, profile, store)
    )
    common = runs.keys() & baseline.keys()
    if not common:
        return None
    unit = unit_of(column)
    mine, theirs = ({run: side[run] for run in common} for side in (runs, baseline))
    return paired(*([*average_by(side, unit).values()] for side in (mine, theirs)))


@dataclass(frozen=True)
class ClipDifferences:
    """Hold the difference of two rows clip by clip.

    Attributes:
        points: (n,) difference of the shares of runs that classify a clip correctly, in
            percentage points; its mean is the difference of the accuracies.
        leaked: (n,) whether the clip has an exact duplicate in training.
        runs: number of runs of each row.
    """

    points: np.ndarray
    leaked: np.ndarray
    runs: int


def clip_differences(
    row: Row, other: Row, column: Column, profile: str, store: RecordStore
) -> ClipDifferences | None:
    """Return row minus other by test clip, over the seeds that both have.

    The test clips of all folds follow one another.

    Returns:
        None if there is no seed for which both records hold logits.

    Raises:
        InputError: if a record cannot be used.
    """
    pairs = zip(*_shown_experiments(row, other, column, profile, store), strict=True)
    parts, leaked, runs = [], [], 0
    for folds_ in pairs:
        one, two = (
            {r.seed: r.test_logits for r in store.of(each) if r.test_logits}
            for each in folds_
        )
        common = sorted(one.keys() & two.keys())
        if not common:
            return None
        right, wrong = (
            np.mean([side[seed].correct() for seed in common], axis=0)
            for side in (one, two)
        )
        parts.append(100 * (right - wrong))
        mask = np.zeros(len(right), dtype=bool)
        mask[one[common[0]].leaked] = True
        leaked.append(mask)
        runs += len(common)
    return ClipDifferences(np.concatenate(parts), np.concatenate(leaked), runs)
