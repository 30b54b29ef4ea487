"""Data cards: published description and measured contents of a data set.

`INFO` holds what was published: citation, home page, terms, quirks. A `DataCard` holds
counts and ranges measured on a packed data set, but no joints. The cards of the data
sets that were measured for this book are in ``data/cards``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skellib import readers
from skellib.data import synthetic
from skellib.data.packed import PackedDataset
from skellib.data.protocols import folds, protocols_of, split
from skellib.errors import InputError
from skellib.paths import data_folder
from skellib.readers.duplicates import KINDS, DuplicateReport, Kind, find
from skellib.readers.info import DatasetInfo

BINS = 24  # most bins of the histogram of lengths
STEP, STEPS = 0.05, 60  # bin width and number of bins of the distance histogram


_SYNTHETIC = DatasetInfo(
    title="Synthetic",
    what="A puppet of rigid segments, filmed by three cameras; made for this book.",
    citation="none: it comes with this book",
    home=(),
    terms="those of this book's repository",
    contents="576 clips, 12 classes, 8 builds of the body, 20 or 25 joints",
    protocols=(("cross-view", "384 / 192"), ("cross-subject", "288 / 288")),
    quirks=(
        "Ten of the twelve classes are five pairs that differ in one thing only.",
        "It is easier than any real data set: it shows what a component does, not "
        "how well it does in the world.",
    ),
    prepare="",
)
INFO: dict[str, DatasetInfo] = {**readers.INFO, synthetic.KEY: _SYNTHETIC}
"""Published description of each data set."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassCount(_Model):
    """Number of clips of a class, and their median length in frames (None without)."""

    name: str
    clips: int = Field(ge=0)
    median_frames: float | None


class Lengths(_Model):
    """Distribution of clip lengths in frames; a histogram of counts between edges."""

    min: int
    median: float
    mean: float
    max: int
    edges: list[int]
    counts: list[int]


class Axis(_Model):
    """Range and mean of one channel over all tracked joints."""

    min: float
    mean: float
    max: float


class Protocol(_Model):
    """Clips on either side of a protocol's first fold, and its leaked test clips.

    A test clip is leaked if it has a duplicate among the training clips. ``leaked``
    counts them by kind of duplicate, in the fold with the most; ``leaked_classes``
    counts those of any kind by class, in the first fold.
    """

    name: str
    folds: int
    train: int
    test: int
    leaked: dict[str, int]
    leaked_classes: dict[str, int]


class DataCard(_Model):
    """Measured contents of a packed data set.

    Attributes:
        key, source, fingerprint, layout, channels, dtype: as in PackedDataset.
        clips, frames: total numbers.
        subjects, views: (number, clips) of each.
        classes: in order of their labels.
        lengths: distribution of the clips' lengths.
        bodies: number of frames with 0, 1, ... bodies.
        missing: for each joint, fraction of the present bodies that lack it.
        missing_frames, missing_clips: number with an incomplete body.
        extent: range of each channel.
        duplicates: number of pairs of each kind (`skellib.readers.duplicates`).
        typical: typical distance to the most similar clip; None if not compared.
        nearest: histogram of that distance, in bins of `STEP` typical distances from 0;
            the last bin is open; empty if not compared.
        protocols: the data set's protocols.
    """

    key: str
    source: str
    fingerprint: str
    layout: str
    channels: int
    dtype: str
    clips: int
    frames: int
    subjects: list[tuple[int, int]]
    views: list[tuple[int, int]]
    classes: list[ClassCount]
    lengths: Lengths
    bodies: list[int]
    missing: list[float]
    missing_frames: int
    missing_clips: int
    extent: list[Axis]
    duplicates: dict[str, int]
    typical: float | None
    nearest: list[int]
    protocols: list[Protocol]


def card(dataset: PackedDataset, compare: bool = True) -> DataCard:
    """Measure a data set, in one pass over its joints.

    Args:
        dataset: a whole data set, not a subset.
        compare: search for similar clips too, which takes long on large data sets
            (`skellib.readers.duplicates`).
    """
    report = find(dataset, compare=compare)
    return DataCard(
        key=dataset.key,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        layout=dataset.layout.name,
        channels=dataset.channels,
        dtype=str(dataset.joints.dtype),
        clips=len(dataset),
        frames=int(dataset.lengths.sum()),
        subjects=_counts(dataset.subject),
        views=_counts(dataset.view),
        classes=_classes(dataset),
        lengths=_lengths(dataset.lengths),
        **_joints(dataset),
        duplicates={kind: report.count(kind, across=False) for kind in KINDS},
        typical=report.typical and round(report.typical, 4),
        nearest=_nearest(report.nearest),
        protocols=[
            _protocol(dataset, protocol, report) for protocol in _protocols(dataset)
        ],
    )


def card_path(name: str) -> Path:
    """Return the path of a data set's card, ``data/cards/NAME.json``."""
    return data_folder("cards") / f"{name}.json"


def read(name: str) -> DataCard | None:
    """Read the card of a data set; None if there is none.

    Raises:
        InputError: the file is not a data card.
    """
    path = card_path(name)
    if not path.is_file():
        return None
    try:
        return DataCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise InputError(
            f"{path}: not a data card; make it again with `python -m skellib card "
            f"{name} --out {path.name}`"
        ) from None


def _counts(values: np.ndarray) -> list[tuple[int, int]]:
    numbers, counts = np.unique(values, return_counts=True)
    return list(zip(numbers.tolist(), counts.tolist(), strict=True))


def _classes(dataset: PackedDataset) -> list[ClassCount]:
    found = []
    for label, name in enumerate(dataset.classes):
        frames = dataset.lengths[dataset.label == label]
        median = float(np.median(frames)) if len(frames) else None
        found.append(ClassCount(name=name, clips=len(frames), median_frames=median))
    return found


def _lengths(lengths: np.ndarray) -> Lengths:
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // BINS)  # whole frames
    edges = np.arange(low, high + width + 1, width)
    return Lengths(
        min=low,
        median=float(np.median(lengths)),
        mean=round(float(lengths.mean()), 2),
        max=high,
        edges=edges.tolist(),
        counts=np.histogram(lengths, edges)[0].tolist(),
    )


def _nearest(distances: list[float]) -> list[int]:
    steps = np.minimum(np.divide(distances, STEP).astype(int), STEPS - 1)
    return np.bincount(steps, minlength=STEPS).tolist() if distances else []


def _joints(dataset: PackedDataset) -> dict[str, Any]:
    """Measure bodies, missing joints and the extent of the coordinates."""
    channels = dataset.channels
    bodies = np.zeros(dataset.bodies + 1, dtype=np.int64)
    missing = np.zeros(dataset.layout.size, dtype=np.int64)
    frames = clips = tracked_joints = 0
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    total = np.zeros(channels)
    for i in range(len(dataset)):
        clip = dataset.clip(i)
        tracked = (clip != 0).any(-1)  # (T, M, N)
        present = tracked.any(-1)
        bodies += np.bincount(present.sum(1), minlength=len(bodies))
        lost = ~tracked & present[..., None]
        missing += lost.sum((0, 1))
        incomplete = int(lost.any((1, 2)).sum())
        frames, clips = frames + incomplete, clips + bool(incomplete)
        values = clip[tracked].astype(np.float64)
        if len(values):
            low, high = (
                np.minimum(low, values.min(0)),
                np.maximum(high, values.max(0)),
            )
            total, tracked_joints = total + values.sum(0), tracked_joints + len(values)
    seen = max(int(bodies @ np.arange(len(bodies))), 1)
    mean = total / max(tracked_joints, 1)
    return {
        "bodies": bodies.tolist(),
        "missing": [round(share, 8) for share in (missing / seen).tolist()],
        "missing_frames": frames,
        "missing_clips": clips,
        "extent": [
            Axis(**{k: round(float(v[c]), 3) for k, v in ends.items()})
            for ends in [{"min": low, "mean": mean, "max": high}]
            for c in range(channels if tracked_joints else 0)
        ],
    }


def _protocols(dataset: PackedDataset) -> tuple[str, ...]:
    """Return the protocols of a data set; none if it cannot be split."""
    try:
        return protocols_of(dataset)
    except InputError:
        return ()


def _protocol(
    dataset: PackedDataset, protocol: str, report: DuplicateReport
) -> Protocol:
    found = [
        {kind: _leaked_clips(dataset, report, kind, protocol, fold) for kind in KINDS}
        for fold in range(folds(protocol, dataset.key))
    ]
    most = {kind: max(len(fold[kind]) for fold in found) for kind in KINDS}
    labels = dataset.label[sorted(set().union(*found[0].values()))]
    train, test = split(dataset, protocol)
    return Protocol(
        name=protocol,
        folds=len(found),
        train=len(train),
        test=len(test),
        leaked={kind: number for kind, number in most.items() if number},
        leaked_classes={
            dataset.classes[label]: number for label, number in _counts(labels)
        },
    )


def _leaked_clips(
    dataset: PackedDataset,
    report: DuplicateReport,
    kind: Kind,
    protocol: str,
    fold: int,
) -> set[int]:
    """Return the test clips of a fold with a duplicate of this kind in training."""
    train, test = (set(side.tolist()) for side in split(dataset, protocol, fold))
    return {
        one
        for pair in report.pairs
        if pair.kind == kind
        for one, other in (pair.index, pair.index[::-1])
        if one in test and other in train
    }
