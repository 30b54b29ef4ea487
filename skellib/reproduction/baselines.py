"""Measure the nearest neighbour, which a network must beat to have learnt anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.functional import one_hot

from skellib.batches import DeviceClips
from skellib.data import PackedDataset, without_leakage
from skellib.evaluation import score
from skellib.losses import cross_entropy
from skellib.paths import data_folder, write_text
from skellib.provenance import stamp
from skellib.records import Metrics, read_json, to_json
from skellib.settings import PreprocessingConfig

NAME = "nearest_neighbour"


class Baseline(BaseModel):
    """Hold the record of a nearest-neighbour classifier.

    The fields are those of a run's record; ``frames`` is the length to which clips
    were resized.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    protocol: str
    fold: int = 0
    frames: int
    test: Metrics
    clean: Metrics | None
    data: dict[str, Any]
    stamp: dict[str, Any]


def _vectors(dataset: PackedDataset, frames: int) -> Tensor:
    """Flatten every clip, centred and resized, to one row, (n, C T N M)."""
    crop = PreprocessingConfig(frames=frames, test_crop_ratio=1.0)
    batches = DeviceClips(dataset).inference(256, crop)
    return torch.cat([x.flatten(1) for x, _ in batches])


def nearest_neighbour(
    train_set: PackedDataset, test_set: PackedDataset, frames: int = 24
) -> np.ndarray:
    """Classify each test clip by its nearest training clip, (n,) int64.

    Whole clips are centred on the body centre of their first frame, resized to
    ``frames`` frames, and compared by Euclidean distance.
    """
    distance = torch.cdist(_vectors(test_set, frames), _vectors(train_set, frames))
    return train_set.label[distance.argmin(1).numpy()]


def _metrics(logits: Tensor, label: Tensor, keep: np.ndarray | None = None) -> Metrics:
    """Score hard predictions, for which top-5 is undefined."""
    metrics = score(logits, label, cross_entropy, keep)
    return metrics.model_copy(update={"top5": None})


def measure(
    train_set: PackedDataset,
    test_set: PackedDataset,
    protocol: str,
    frames: int = 24,
    fold: int = 0,
) -> Baseline:
    """Score the nearest neighbour in the way a network is scored.

    The loss is that of a classifier whose logits are the one-hot predictions.
    """
    answer = nearest_neighbour(train_set, test_set, frames)
    logits = one_hot(torch.from_numpy(answer), train_set.num_classes).float()
    label = torch.from_numpy(np.array(test_set.label))
    keep = without_leakage(train_set, test_set)
    clean = None
    if keep.any() and not keep.all():
        clean = _metrics(logits, label, keep)
    return Baseline(
        dataset=train_set.key,
        protocol=protocol,
        fold=fold,
        frames=frames,
        test=_metrics(logits, label),
        clean=clean,
        data={
            "fingerprint": train_set.fingerprint,
            "source": train_set.source,
            "train_clips": len(train_set),
            "test_clips": len(test_set),
        },
        stamp=stamp(),
    )


def _path(dataset: str, protocol: str, fold: int, folder: Path | str | None) -> Path:
    root = data_folder("records", folder)
    which = f"{protocol}-fold{fold}" if fold else protocol
    return root / dataset / "baselines" / f"{NAME}-{which}.json"


def write(baseline: Baseline, folder: Path | str | None = None) -> Path:
    """Write a baseline's record next to those of the runs and return its path."""
    path = _path(baseline.dataset, baseline.protocol, baseline.fold, folder)
    write_text(path, to_json(baseline))
    return path


def read(
    dataset: str, protocol: str, folder: Path | str | None = None, *, fold: int = 0
) -> Baseline | None:
    """Read the record of a baseline, or return None if it has none.

    Raises:
        InputError: if the file is not such a record.
    """
    path = _path(dataset, protocol, fold, folder)
    return read_json(Baseline, path, "not a baseline's record; delete it")
