"""Describe the networks that are kept in the repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skellib.inference import Predictor
from skellib.paths import data_folder, project_root
from skellib.records import RecordStore, RunRecord
from skellib.reproduction import samples
from skellib.reproduction.own_tables import OWN_TABLES
from skellib.reproduction.paper_tables import TABLES
from skellib.reproduction.results import columns_on, fold_experiments


@dataclass(frozen=True)
class Kept:
    """Hold a kept network.

    Attributes:
        path: the file of its weights.
        predictor: the network, ready to use.
        seed: seed of its run.
        name: first row of a table with the same experiment; else its key.
        record: record of its run; None if there is none, as of the profile ``quick``.
    """

    path: Path
    predictor: Predictor
    seed: int
    name: str
    record: RunRecord | None


def kept(store: RecordStore) -> list[Kept]:
    """Load the networks of ``data/weights``, by path.

    Raises:
        InputError: if weights or a record are damaged.
    """
    found = []
    for path in sorted(data_folder("weights").rglob("*.safetensors")):
        predictor = Predictor(path)
        seed = int(path.stem.rpartition("-seed")[2])
        record = store.get(predictor.experiment, seed)
        found.append(Kept(path, predictor, seed, _name(predictor), record))
    return found


def _name(predictor: Predictor) -> str:
    """Return the first row of a table that has the experiment, of either edition."""
    experiment = predictor.experiment.replace(**{"training.draws": "keyed"})
    for name in samples.NETWORKS:
        if samples.experiment(name).key == experiment.key:
            return f"final model, {name}"
    for table in (*TABLES.values(), *OWN_TABLES.values()):
        for column in columns_on(table, experiment.dataset):
            for row in filter(lambda row: row.ours, table.rows):
                found = fold_experiments(row, column, experiment.profile)
                if experiment.key in [each.key for each in found]:
                    return row.label
    return experiment.key


def summary(networks: list[Kept]) -> pd.DataFrame:
    """Return a line for each network: what it was trained on, its level and its size.

    Returns:
        By name: ``data``, ``profile``, ``seed``, ``accuracy (%)`` and ``clean (%)`` of
        the last epoch (empty without a record), ``parameters``, ``kB`` on disk, and
        ``file``.
    """
    lines = []
    for each in networks:
        experiment, record = each.predictor.experiment, each.record
        model = each.predictor.model
        lines.append(
            {
                "network": each.name,
                "data": f"{experiment.dataset}, {experiment.protocol}",
                "profile": experiment.profile,
                "seed": each.seed,
                "accuracy (%)": _percent(record.test.top1 if record else None),
                "clean (%)": _percent(
                    record.clean.top1 if record and record.clean else None
                ),
                "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
                "kB": f"{each.path.stat().st_size / 1000:.0f}",
                "file": each.path.relative_to(project_root()).as_posix(),
            }
        )
    return pd.DataFrame(lines).set_index("network")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def example_clip(predictor: Predictor, frames: int = 100) -> np.ndarray:
    """Make a clip of noise of the shape that a network takes, to time it.

    Returns:
        (T, M, N, C) float32.
    """
    shape = (frames, predictor.bodies, predictor.layout.size, predictor.channels)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)
