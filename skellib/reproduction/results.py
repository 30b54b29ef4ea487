"""What the records say of a row of a table, and of one row against another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from skellib.data import PROTOCOLS, default_protocol, folds
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.records import Metrics, RecordStore, RunRecord
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import PAPERS, TABLES, Column, Row, Table
from skellib.statistics import Difference, paired


def get_table(number: str) -> Table:
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


def unit_of(row: Row, column: Column, profile: str) -> str:
    """What one value of a row stands for: a ``"fold"`` where there are several."""
    return "fold" if len(experiments(row, column, profile)) > 1 else "seed"


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


def runs_of(
    tried: Iterable[Experiment],
    store: RecordStore,
    measure: str,
    clean: bool,
    classes: Sequence[int] | None,
) -> Runs:
    """The recorded runs of a row's experiments, in per cent."""
    return {
        (experiment.fold, record.seed): _score(record, measure, clean, classes)
        for experiment in tried
        for record in store.of(experiment)
    }


def average_by(runs: Runs, unit: str) -> dict[int, float]:
    """One value a seed, the mean over its folds; or one a fold, over its seeds."""
    groups = defaultdict(list)
    for (fold, seed), value in sorted(runs.items()):
        groups[fold if unit == "fold" else seed].append(value)
    return {which: sum(values) / len(values) for which, values in groups.items()}


def compare(runs: Runs, baseline: Runs, unit: str) -> Difference | None:
    """The paired difference over the folds and seeds that both have."""
    common = runs.keys() & baseline.keys()
    if not common:
        return None
    mine, theirs = ({run: side[run] for run in common} for side in (runs, baseline))
    return paired(*([*average_by(side, unit).values()] for side in (mine, theirs)))


def paired_difference(
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
        runs_of(experiments(each, column, profile), store, column.measure, clean, None)
        for each in (row, other)
    )
    return compare(mine, theirs, unit_of(row, column, profile))
