"""What the screening says of each setting, and what the chosen preparation does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from skellib.records import RecordStore
from skellib.reproduction.cells import signed
from skellib.reproduction.design import FACTORS, HALF, Screening, analyse, levels
from skellib.reproduction.own_tables import CANDIDATES, CONFIRMATION, OWN_TABLES
from skellib.reproduction.render import mean_accuracy, runs_by_seed

HALVES = ("Screening", "Screening folded over")
"""The tables with the runs of the design, in its order."""


def responses(store: RecordStore, profile: str = "laptop") -> np.ndarray:
    """Return the accuracies of the 32 runs, in per cent; NaN without a record."""
    found = [mean_accuracy(OWN_TABLES[half], store, profile)["mean"] for half in HALVES]
    return np.concatenate(found)


def first_half(store: RecordStore, profile: str = "laptop") -> Screening | None:
    """Analyse the first half of the design alone.

    Returns:
        None if runs are missing.
    """
    found = responses(store, profile)[:HALF]
    return analyse(found) if np.isfinite(found).all() else None


def screening(store: RecordStore, profile: str = "laptop") -> Screening | None:
    """Analyse the recorded runs: of both halves, or else of the first.

    Returns:
        None if runs of the first half are missing.
    """
    found = responses(store, profile)
    return analyse(found) if np.isfinite(found).all() else first_half(store, profile)


def confirmed(store: RecordStore) -> str | None:
    """Return the candidate with the best mean over both splits and both networks.

    Returns:
        None until each candidate has all of its seeds.
    """
    seeds, means = range(CONFIRMATION.seeds or 0), []
    for column in CONFIRMATION.columns:
        runs = runs_by_seed(CONFIRMATION, column, store, "laptop")
        means.append(runs.reindex(columns=seeds).mean(axis=1, skipna=False))
    rows = np.mean(means, axis=0).reshape(-1, len(CANDIDATES))  # by network
    mean = rows.mean(axis=0)
    return None if np.isnan(mean).any() else list(CANDIDATES)[int(mean.argmax())]


def run_table(store: RecordStore, profile: str = "laptop") -> pd.DataFrame:
    """Return a line for each run: the factors at the high level, and the accuracy."""
    high = [
        ", ".join(f.name for f, level in zip(FACTORS, run, strict=True) if level > 0)
        for run in levels()
    ]
    accuracy = [
        "not run" if np.isnan(each) else f"{each:.1f}"
        for each in responses(store, profile)
    ]
    number = range(1, len(high) + 1)
    columns = {"high levels": high, "accuracy (%)": accuracy}
    return pd.DataFrame(columns, index=pd.Index(number, name="run"))


def effect_rows(found: Screening) -> list[dict[str, Any]]:
    """Return the effects as :func:`skellib.figures.effects` draws them."""
    return [asdict(effect) for effect in found.effects]


def effect_table(found: Screening | None) -> pd.DataFrame:
    """Return a line for each factor, the largest effect first; empty without runs."""
    effects = sorted(found.effects if found else (), key=lambda e: -abs(e.mean))
    lines = [
        (
            signed(e.mean),
            _interval(e.low, e.high),
            _interval(e.family_low, e.family_high),
        )
        for e in effects
    ]
    columns = ["effect (points)", "interval alone", "interval of all together"]
    return pd.DataFrame(lines, columns=columns, index=[e.factor for e in effects])


def interaction_table(found: Screening) -> pd.DataFrame:
    """Return a line for each group of interactions, the largest first."""
    groups = sorted(found.interactions.items(), key=lambda each: -abs(each[1]))
    lines = [(", ".join(names), signed(points)) for names, points in groups]
    return pd.DataFrame(lines, columns=["interactions", "together (points)"])


def _interval(low: float, high: float) -> str:
    return f"[{signed(low)}, {signed(high)}]"
