"""The level of accuracy, from the text to the chosen preparation, a step at a time."""

from __future__ import annotations

from itertools import product, zip_longest

import pandas as pd

from skellib.records import RecordStore
from skellib.reproduction.own_tables import OWN_TABLES, STEPS
from skellib.reproduction.paper_tables import UCLA, Row
from skellib.reproduction.results import accuracy

NETWORKS = {"Baseline0": STEPS.rows[0], "Final model": STEPS.rows[-1]}
"""Networks whose level is followed, and their rows in the paper."""


def _steps(network: str) -> dict[str, Row]:
    """Return the rows of a network, each with one step more than the one before."""
    plain, habits = OWN_TABLES["No dropout"], OWN_TABLES["Author habits"]
    prepared = OWN_TABLES["Chosen preparation"]
    return {
        "the text": habits.row(f"{network}, the text"),
        "without dropout": plain.row(f"{network}, as recorded"),
        "rotated clips": plain.row(f"{network}, rotated"),
        "chosen preparation": prepared.row(NETWORKS[network].label),
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
        paper = NETWORKS[network].reported[UCLA.name]
        steps = _steps(network)
        runs = [row.experiment(UCLA, profile) for row in steps.values()]
        for step, run, later in zip_longest(steps, runs, runs[1:]):
            of = accuracy(run, store)
            if of is not None and (later is None or run.key != later.key):
                lines.append((network, profile, step, of.mean, of.sd, of.n, paper))
    names = ["network", "profile", "step", "mean", "sd", "n", "paper"]
    return pd.DataFrame(lines, columns=names)
