"""Which runs the tables ask for, and in what order they are worth having."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from skellib.data import PROTOCOLS, open_dataset
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.paths import data_folder, packed_path
from skellib.records import RecordStore, RunRecord
from skellib.reproduction.own_tables import OTHER_DATASETS, OWN_TABLES
from skellib.reproduction.paper_tables import (
    BASELINE_0,
    BASELINE_1,
    BASELINE_2,
    BASELINE_3,
    PAPER_DATASETS,
    SLNL_RFA,
    SLNL_RFA_ML,
    TABLES,
    Column,
    Row,
    Table,
)
from skellib.reproduction.results import columns_on, fold_experiments, get_table

# The rows that tell the paper's story, in its order.
HEADLINE = (BASELINE_0, BASELINE_1, BASELINE_2, BASELINE_3, SLNL_RFA, SLNL_RFA_ML)
SEEDS = {"quick": 1, "laptop": 5, "full": 5}
"""How many seeds of each row a profile takes in the end."""


@dataclass(frozen=True)
class Run:
    """An experiment with a seed.

    ``label`` names the first row of a table that asks for it; two runs of one
    experiment and seed are equal whatever their labels.
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
    """Where a profile's records live: ``quick`` ones are never shown as results."""
    return RecordStore(data_folder("quick") if profile == "quick" else None)


def runs(
    tables: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    profile: str = "quick",
    seeds: int | None = None,
    root: Path | str | None = None,
) -> list[Run]:
    """The runs that tables ask for, each once, most valuable first.

    First one seed of each headline row, from the baseline to the final model; then one
    of every row; then the headline rows up to five seeds, one seed of the rows of this
    book's own tables, all rows up to three seeds, and all rows. Every fold of a
    protocol that has several is a run.

    Args:
        tables: their numbers, such as ``["V", "Fig. 9"]``. Unless given, all of the
            paper's, and the book's own on the data sets that these are about.
        datasets: names. Unless given, ``quick`` takes the synthetic one, the other
            profiles those of the tables that have been prepared.
        profile: ``"quick"``, ``"laptop"`` or ``"full"``.
        seeds: how many, from 0; unless given one for ``quick``, else five.
        root: folder of packed data sets, as in :func:`skellib.data.load`.

    Raises:
        InputError: for an unknown table or profile, or a data set that is not here.
    """
    if profile not in SEEDS:
        raise InputError(f"profile {profile!r} is none of {', '.join(SEEDS)}")
    chosen = [get_table(name) for name in tables or TABLES]
    extra = [] if tables else list(OWN_TABLES.values())
    rows: dict[str, Run] = {}
    own: dict[str, Run] = {}
    headline: dict[str, Run] = {}
    for dataset in _datasets(datasets, profile, root):
        # On data that the paper does not have its tables are for those who ask.
        asked = chosen if datasets or tables or dataset not in OTHER_DATASETS else []
        found = [(t, c) for t in asked for c in columns_on(t, dataset)]
        rows |= _first_runs(found, profile)
        own |= _first_runs(
            [(t, c) for t in extra for c in t.columns if c.dataset == dataset], profile
        )
        for _, column in found:
            for changes in HEADLINE:
                row = Row("", {}, changes)
                for experiment in fold_experiments(row, column, profile):
                    if experiment.key in rows:
                        headline[experiment.key] = rows[experiment.key]
    most = SEEDS[profile] if seeds is None else seeds
    phases = [(headline, 1), (rows, 1), (headline, 5), (own, 1)]
    phases += [(part, count) for count in (3, most) for part in (rows, own)]
    plan = (
        replace(run, seed=seed)
        for part, count in phases
        for seed in range(min(count, most))
        for run in part.values()
    )
    return list(dict.fromkeys(plan))


def _first_runs(
    columns: Iterable[tuple[Table, Column]], profile: str
) -> dict[str, Run]:
    """Seed 0 of each experiment of some columns, by key; named by its first row."""
    found: dict[str, Run] = {}
    for table, column in columns:
        for row in (row for row in table.rows if row.ours):
            for experiment in fold_experiments(row, column, profile):
                run = Run(experiment, 0, f"{table.number} {row.label}")
                found.setdefault(experiment.key, run)
    return found


def _datasets(
    names: Sequence[str] | None, profile: str, root: Path | str | None
) -> Sequence[str]:
    """The data sets to run on; each is there."""
    for name in names or ():
        open_dataset(name, root)
    if names:
        return names
    if profile == "quick":
        return ("synthetic",)
    known = (name for name in (*PAPER_DATASETS, *OTHER_DATASETS) if name in PROTOCOLS)
    here = [name for name in known if packed_path(name, root).is_file()]
    if not here:
        open_dataset("nucla", root)  # says how to make it
    return here


def recorded(run: Run, store: RecordStore) -> RunRecord | None:
    """The record of a run, or None if it has none.

    Raises:
        InputError: if its file is not a whole record, or is that of another run.
    """
    return store.get(run.experiment, run.seed)


def missing(runs: Iterable[Run], store: RecordStore) -> list[Run]:
    """Those of the runs that have no record.

    Raises:
        InputError: as :func:`recorded`.
    """
    return [run for run in runs if recorded(run, store) is None]


def summarise_runs(runs: Iterable[Run], store: RecordStore) -> pd.DataFrame:
    """What the recorded ones among some runs came to, a line for each, by its label.

    Returns:
        ``seed``, the accuracy on the test set, under the names of the profile and the
        data set (of ``quick`` it says that it is no result), and ``seconds``.

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
