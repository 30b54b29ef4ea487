"""The level of accuracy, from the text to the chosen preparation, a step at a time."""

from __future__ import annotations

from itertools import product

import pandas as pd

from skellib.records import RecordStore
from skellib.reproduction.own_tables import OWN_TABLES, STEPS
from skellib.reproduction.paper_tables import UCLA, Row
from skellib.reproduction.results import recorded_experiments, runs_of
from skellib.statistics import summarise

NETWORKS = {
    "Baseline0": "No Trans. (Baseline0)",
    "Final model": "SLnL-rFA+ML",
}
"""Networks whose level is followed, and their rows in the paper."""


def _steps(network: str) -> dict[str, Row]:
    """Return the rows of a network, each with one step more than the one before."""
    plain, habits = OWN_TABLES["No dropout"], OWN_TABLES["Author habits"]
    return {
        "the text": habits.row(f"{network}, the text"),
        "without dropout": plain.row(f"{network}, as recorded"),
        "rotated clips": plain.row(f"{network}, rotated"),
        "chosen preparation": OWN_TABLES["Chosen preparation"].row(NETWORKS[network]),
    }


def levels(store: RecordStore) -> pd.DataFrame:
    """Return the level after each step, on camera 3, by network and profile.

    Returns:
        A line for each step that was run: ``network``, ``profile``, ``step``, ``mean``
        and ``sd`` (NaN for one seed) in per cent, ``n`` seeds, and ``paper``. A step
        that changes nothing in a profile, as to leave out dropout in ``laptop``, which
        has none, is left out there.
    """
    lines = []
    for network, profile in product(NETWORKS, ("full", "laptop")):
        paper = STEPS.row(NETWORKS[network]).reported[UCLA.name]
        steps = _steps(network)
        keys = [row.experiment(UCLA, profile).key for row in steps.values()]
        for (step, row), key, later in zip(
            steps.items(), keys, [*keys[1:], ""], strict=True
        ):
            (found,) = recorded_experiments([row], UCLA, profile, store)
            runs = runs_of(found, store, UCLA.measure, False, None)
            if runs and key != later:
                of = summarise([*runs.values()])
                lines.append((network, profile, step, of.mean, of.sd, of.n, paper))
    names = ["network", "profile", "step", "mean", "sd", "n", "paper"]
    return pd.DataFrame(lines, columns=names)
