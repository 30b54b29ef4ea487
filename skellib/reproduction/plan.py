"""Plan the runs that the tables need, most valuable first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import pandas as pd

from skellib.data import PROTOCOLS, open_dataset
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.paths import data_folder, packed_path
from skellib.records import RecordStore, RunRecord
from skellib.reproduction.own_tables import (
    CONFIRMATION,
    DROPOUT,
    OTHER_DATASETS,
    OWN_TABLES,
    PREPARED,
    UNDECIDED,
)
from skellib.reproduction.paper_tables import (
    BASELINE_0,
    BASELINE_1,
    BASELINE_2,
    BASELINE_3,
    PAPER_DATASETS,
    SLNL_RFA,
    SLNL_RFA_ML,
    TABLES,
    UCLA,
    Changes,
    Column,
    Row,
    Table,
)
from skellib.reproduction.results import columns_on, fold_experiments, get_table

# The main rows of the paper, from the baseline to the final model.
HEADLINE = (BASELINE_0, BASELINE_1, BASELINE_2, BASELINE_3, SLNL_RFA, SLNL_RFA_ML)
SEEDS = {"quick": 1, "laptop": 5, "full": 5}
"""Default number of seeds per row, by profile."""


@dataclass(frozen=True)
class Run:
    """Identify a run: an experiment with a seed.

    Attributes:
        experiment: the experiment.
        seed: the seed.
        label: first row of a table that needs the run. Runs with the same experiment
            and seed are equal regardless of their labels.
    """

    experiment: Experiment
    seed: int
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        experiment = self.experiment
        fold = f" fold {experiment.fold}" if experiment.fold else ""
        return (
            f"{experiment.dataset} {experiment.protocol}{fold}  "
            f"{self.label or experiment.key}  seed {self.seed}"
        )


def store_for(profile: str) -> RecordStore:
    """Return the store of a profile's records; those of ``quick`` are separate."""
    return RecordStore(data_folder("quick") if profile == "quick" else None)


def runs(
    tables: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    profile: str = "quick",
    seeds: int | None = None,
    root: Path | str | None = None,
) -> list[Run]:
    """List the runs that tables need, each once, most valuable first.

    The order is: all seeds of "Confirmation", which chooses the preparation; one seed
    of each main row with the chosen preparation, from the baseline to the final model;
    one of each row of "Dropout"; the main rows with the chosen preparation and up to
    five seeds; one seed of each main row as the paper has it; one of each row; the main
    rows with up to five seeds; one seed of each row of this book's own tables; all rows
    with up to three seeds; all rows with all seeds. A table whose settings another one
    has not chosen yet is left out.
    Each fold of a protocol is a separate run.

    Args:
        tables: numbers of tables, such as ``["V", "Fig. 9"]``. By default all tables of
            the paper, and this book's own tables on their data sets.
        datasets: names of data sets. By default the synthetic one for ``quick``, and
            otherwise the data sets of the tables that have been prepared.
        profile: ``"quick"``, ``"laptop"`` or ``"full"``.
        seeds: number of seeds, from 0; by default that of the table, or else one for
            ``quick``, otherwise five.
        root: folder of packed data sets, as in :func:`skellib.data.load`.

    Raises:
        InputError: if a table or the profile is unknown, a table waits for the choice
            of another one, or a data set has not been prepared.
    """
    if profile not in SEEDS:
        raise InputError(f"profile {profile!r} is none of {', '.join(SEEDS)}")
    chosen = [get_table(name) for name in tables or TABLES]
    extra = [] if tables else [t for t in OWN_TABLES.values() if t not in UNDECIDED]
    for table in chosen:
        if table in UNDECIDED:
            raise InputError(f"{table.number}: its settings have not been chosen yet")
    found: list[tuple[Table, Column]] = []
    ours: list[tuple[Table, Column]] = []
    for dataset in _datasets(datasets, profile, root):
        # The paper's tables on data sets not in the paper: only if asked for.
        asked = chosen if datasets or tables or dataset not in OTHER_DATASETS else []
        found += [(t, c) for t in asked for c in columns_on(t, dataset)]
        ours += [(t, c) for t in extra for c in t.columns if c.dataset == dataset]
    rows, own = _first_runs(found, profile), _first_runs(ours, profile)
    headline = _main_runs([column for _, column in found], profile, {}, rows)
    prepared = _main_runs([UCLA], profile, PREPARED, own | rows)
    both = [*found, *ours]
    confirmation, dropout = (
        _first_runs([each for each in both if each[0] is table], profile)
        for table in (CONFIRMATION, DROPOUT)
    )
    most = SEEDS[profile] if seeds is None else seeds
    wanted: dict[str, int] = {}
    for table, column in both:
        count = table.seeds if table.seeds and seeds is None else most
        for key in _first_runs([(table, column)], profile):
            wanted[key] = max(count, wanted.get(key, 0))
    phases = [(confirmation, most), (prepared, 1), (dropout, 1), (prepared, 5)]
    phases += [(headline, 1), (rows, 1), (headline, 5), (own, 1)]
    phases += [(part, count) for count in (3, most) for part in (rows, own)]
    plan = (
        replace(run, seed=seed)
        for part, count in phases
        for seed in range(min(count, most))
        for run in part.values()
        if seed < wanted[run.experiment.key]
    )
    return list(dict.fromkeys(plan))


def _first_runs(
    columns: Iterable[tuple[Table, Column]], profile: str
) -> dict[str, Run]:
    """Return a run with seed 0 of each experiment in some columns, by key."""
    found: dict[str, Run] = {}
    for table, column in columns:
        for row in (row for row in table.rows if row.runs_in(profile)):
            for experiment in fold_experiments(row, column, profile):
                run = Run(experiment, 0, f"{table.number} {row.label}")
                found.setdefault(experiment.key, run)
    return found


def _main_runs(
    columns: Iterable[Column], profile: str, changes: Changes, known: Mapping[str, Run]
) -> dict[str, Run]:
    """Return those of the main rows, with changes, that are among known runs."""
    keys = [
        experiment.key
        for column in columns
        for row in HEADLINE
        for experiment in fold_experiments(
            Row("", {}, {**row, **changes}), column, profile
        )
    ]
    return {key: known[key] for key in keys if key in known}


def _datasets(
    names: Sequence[str] | None, profile: str, root: Path | str | None
) -> Sequence[str]:
    """Return the data sets to use, after checking that they have been prepared."""
    for name in names or ():
        open_dataset(name, root)
    if names:
        return names
    if profile == "quick":
        return ("synthetic",)
    known = (name for name in (*PAPER_DATASETS, *OTHER_DATASETS) if name in PROTOCOLS)
    here = [name for name in known if packed_path(name, root).is_file()]
    if not here:
        open_dataset("nucla", root)  # raises an error that says how to prepare it
    return here


def recorded(run: Run, store: RecordStore) -> RunRecord | None:
    """Return the record of a run, or None if there is none.

    Raises:
        InputError: if the file is not a valid record, or belongs to another run.
    """
    return store.get(run.experiment, run.seed)


def missing(
    runs: Iterable[Run], store: RecordStore, root: Path | str | None = None
) -> list[Run]:
    """Return the runs that have no record.

    Args:
        runs: runs.
        store: where to look for records.
        root: folder of packed data sets.

    Raises:
        InputError: as :func:`recorded`; or a record is of other data than those that
            are prepared under the name of its data set.
    """
    found, fingerprint_of = [], cache(partial(_fingerprint, root))
    for run in runs:
        record = recorded(run, store)
        if record is None:
            found.append(run)
        elif fingerprint := fingerprint_of(run.experiment.dataset):
            path = store.path(run.experiment, run.seed)
            record.check_data({"fingerprint": fingerprint}, path)
    return found


def _fingerprint(root: Path | str | None, dataset: str) -> str | None:
    """Return the fingerprint of a data set, or None if it has not been prepared."""
    with suppress(InputError):
        return open_dataset(dataset, root).fingerprint
    return None


def summarise_runs(runs: Iterable[Run], store: RecordStore) -> pd.DataFrame:
    """Tabulate the recorded runs: one row per run.

    Returns:
        A table by label with the columns ``seed``, the test accuracy, and ``seconds``.
        The column of the accuracy is named after the profile and the data set; for
        ``quick`` the name says that it is not a result.

    Raises:
        InputError: as :func:`recorded`.
    """
    found = [(run, record) for run in runs if (record := recorded(run, store))]
    headings = dict.fromkeys(
        f"{e.profile}, {e.dataset}" + ": no result" * (e.profile == "quick")
        for e in (run.experiment for run, _ in found)
    )
    right = [f"{100 * record.test.top1:.1f} %" for _, record in found]
    lines = {
        "seed": [run.seed for run, _ in found],
        "; ".join(headings) or "accuracy": right,
        "seconds": [round(record.seconds) for _, record in found],
    }
    labels = pd.Index([run.label for run, _ in found], name="row")
    return pd.DataFrame(lines, index=labels)
