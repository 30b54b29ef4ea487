"""Which runs of the tables have a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from skellib.errors import InputError
from skellib.experiment import PROFILES, Experiment
from skellib.records import RecordStore, RunRecord, read_record
from skellib.reproduction.cells import needs_of
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import TABLES, Table
from skellib.reproduction.results import columns, experiments


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


def expected_experiments(
    table: Table, dataset: str, profile: str
) -> dict[str, Experiment]:
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
                keys = set(expected_experiments(table, dataset, profile))
                every |= keys
                needs = needs_of(dataset)
                note = f"needs {needs}" if needs else ""
                rows.append(line(table.number, dataset, keys, note))
    rows.append(line("all", "", every, "shared runs counted once"))
    return pd.DataFrame(rows)


def orphan_records(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The records that belong to no row of any table in any profile."""
    records = list(records)
    keys = {
        key
        for dataset in {record.experiment.dataset for record in records}
        for table in (*TABLES.values(), *OWN_TABLES.values())
        for profile in PROFILES
        for key in expected_experiments(table, dataset, profile)
    }
    return [record for record in records if record.key not in keys]
