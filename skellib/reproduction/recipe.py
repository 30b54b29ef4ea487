"""Choose the steps and streams of the recipe on splits without view 3."""

from __future__ import annotations

import pandas as pd

from skellib.records import RecordStore
from skellib.reproduction.own_tables import OWN_TABLES, RECIPE, RECIPE_STEPS, STREAMS
from skellib.reproduction.paper_tables import Table
from skellib.reproduction.render import runs_by_seed
from skellib.reproduction.results import ensemble_runs

BEST = OWN_TABLES["Best"]
ENSEMBLES = tuple(tuple(STREAMS)[:n] for n in range(1, len(STREAMS) + 1))
"""Streams whose probabilities are averaged: one, two and all three of them."""


def step_gains(store: RecordStore, profile: str = "laptop") -> pd.DataFrame:
    """Return what each step gains over joints alone, in points.

    Returns:
        A line for each step; for each split the mean over the seeds that the row and
        the baseline have, and their ``mean``; NaN where none is recorded.
    """
    found = {}
    for column in RECIPE.columns:
        runs = runs_by_seed(RECIPE, column, store, profile)
        gains = runs.loc[list(RECIPE_STEPS)] - runs.loc[RECIPE.baseline]
        found[column.name] = gains.mean(axis=1)
    gains = pd.DataFrame(found)
    return gains.assign(mean=gains.mean(axis=1, skipna=False))


def choose(store: RecordStore, profile: str = "laptop") -> tuple[str, ...] | None:
    """Return the steps with a gain above zero on the mean of both splits.

    Returns:
        None if runs are missing.
    """
    gains = step_gains(store, profile)["mean"]
    return tuple(gains.index[gains > 0]) if gains.notna().all() else None


def ensembles(
    table: Table, store: RecordStore, profile: str = "laptop", clean: bool = False
) -> pd.DataFrame:
    """Return the accuracy of ensembles of streams, averaged over their seeds.

    Args:
        table: ``RECIPE`` or ``BEST``.
        store: the records.
        profile: profile of the runs.
        clean: count only test clips without a duplicate among the training clips.

    Returns:
        A line for each of :data:`ENSEMBLES`; for each column ``mean`` and ``sd`` in per
        cent, and ``n`` seeds.
    """
    found = {}
    for column in table.columns:
        runs = [
            pd.Series(
                ensemble_runs(
                    [table.row(each) for each in streams], column, profile, store, clean
                ),
                dtype=float,
            )
            for streams in ENSEMBLES
        ]
        found[column.name] = pd.DataFrame(
            {
                "mean": [each.mean() for each in runs],
                "sd": [each.std() for each in runs],
                "n": [len(each) for each in runs],
            }
        )
    labels = [" + ".join(streams).capitalize() for streams in ENSEMBLES]
    return pd.concat(found, axis=1).set_axis(labels)
