"""What the records say of a row, and of one row against another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from skellib.config import Experiment
from skellib.errors import InputError
from skellib.experiments import Column, Row
from skellib.records import Metrics, RecordStore, RunRecord
from skellib.statistics import Difference, paired
from skellib.tables.lookup import experiments, unit_of

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


def by_unit(runs: Runs, unit: str) -> dict[int, float]:
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
    return paired(*([*by_unit(side, unit).values()] for side in (mine, theirs)))


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
        runs_of(experiments(each, column, profile), store, column.measure, clean, None)
        for each in (row, other)
    )
    return compare(mine, theirs, unit_of(row, column, profile))
