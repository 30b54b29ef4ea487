"""Count which runs of the tables have a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from skellib.data import PROTOCOLS
from skellib.errors import InputError
from skellib.experiment import PROFILES, Experiment, check_profile
from skellib.records import RecordStore, RunRecord, read_record
from skellib.reproduction.cells import missing_data
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import TABLES, Table
from skellib.reproduction.results import columns_on, fold_experiments


def scan(store: RecordStore) -> tuple[list[RunRecord], list[str]]:
    """Read all records of a store.

    Returns:
        The usable records, and for each refused file the reason. Refused are files
        that are no record, records whose configuration has since changed its meaning,
        and records under the file name of another run.
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
    """Return by key the experiments that a table needs on a data set."""
    return {
        experiment.key: experiment
        for each in columns_on(table, dataset)
        for row in table.rows
        if row.runs_in(profile)
        for experiment in fold_experiments(row, each, profile)
    }


def table_keys(table: Table, dataset: str, profile: str) -> set[str]:
    """Return the keys of a table's experiments, those of the first edition included."""
    expected = expected_experiments(table, dataset, profile)
    return {*expected, *(each.first_edition.key for each in expected.values())}


def coverage(
    store: RecordStore,
    profile: str,
    datasets: Sequence[str] | None = None,
    seeds: int = 5,
) -> pd.DataFrame:
    """Count the recorded runs of each table, this book's own tables last.

    Args:
        store: the records; files that :func:`scan` refuses are skipped.
        profile: profile of the runs.
        datasets: data sets; by default those of each table, for ``quick`` the
            synthetic one.
        seeds: how many runs (seeds 0, 1, ...) each experiment should have; fewer where
            its table asks for fewer.

    Returns:
        A line for each table and data set: ``table``, ``dataset``, ``experiments``
        (distinct), ``recorded`` and ``missing`` runs, recorded runs of the
        ``first edition``, whose draws were sequential, and ``note``. The last line
        counts runs that several tables share only once.

    Raises:
        InputError: if the profile or a data set is unknown.
    """
    check_profile(profile)
    if not datasets and profile == "quick":
        datasets = ["synthetic"]
    known = {(r.key, r.seed) for r in scan(store)[0] if r.seed < seeds}
    rows: list[dict[str, Any]] = []
    every: dict[str, Experiment] = {}
    most: dict[str, int] = {}

    def line(
        table: str,
        dataset: str,
        asked: dict[str, Experiment],
        wanted: dict[str, int],
        note: str,
    ) -> dict[str, Any]:
        former = {each.first_edition.key for each in asked.values()}
        recorded = sum(seed < wanted.get(key, 0) for key, seed in known)
        return {
            "table": table,
            "dataset": dataset,
            "experiments": len(asked),
            "recorded": recorded,
            "missing": sum(wanted.values()) - recorded,
            "first edition": sum(key in former for key, _ in known),
            "note": note,
        }

    for table in (*TABLES.values(), *OWN_TABLES.values()):
        own = dict.fromkeys(column.dataset for column in table.columns)
        for dataset in datasets or own:
            if columns_on(table, dataset):
                asked = expected_experiments(table, dataset, profile)
                wanted = dict.fromkeys(asked, min(seeds, table.seeds or seeds))
                every |= asked
                most |= {key: max(n, most.get(key, 0)) for key, n in wanted.items()}
                data = missing_data(dataset)
                note = f"needs {data}" if data else ""
                rows.append(line(table.number, dataset, asked, wanted, note))
    rows.append(line("all", "", every, most, "shared runs counted once"))
    return pd.DataFrame(rows)


def orphan_records(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return the records that belong to no row of any table in any profile."""
    records = list(records)
    keys = {
        key
        for dataset in {record.experiment.dataset for record in records} & {*PROTOCOLS}
        for table in (*TABLES.values(), *OWN_TABLES.values())
        for profile in PROFILES
        for key in table_keys(table, dataset, profile)
    }
    return [record for record in records if record.key not in keys]
