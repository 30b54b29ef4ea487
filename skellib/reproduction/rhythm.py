"""Find classes with a characteristic frequency, by their training clips alone.

The paper's Table VIII is on thirty classes of Kinetics "that have characteristic
frequency patterns"; its list and its rule are not published. This is our rule. It knows
nothing of any network.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import torch

from skellib.batches import DeviceClips
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.records import ReadOnce, RecordStore
from skellib.reproduction.paper_tables import Column, Table
from skellib.reproduction.render import runs_by_seed
from skellib.settings import PreprocessingConfig
from skellib.statistics import Difference, paired

LEAST_SCORE = 0.25
"""Score from which a class counts as rhythmic; it was set on the synthetic data set."""


def motion_spectrum(train_set: PackedDataset, frames: int = 64) -> torch.Tensor:
    """Return the share of each class's motion energy at each frequency.

    Each clip is resized to ``frames`` and centred, and each joint's mean over time is
    subtracted; the energy of the Fourier transform along time, summed over joints and
    coordinates, is divided by the clip's total, and averaged over the clips of a class.

    Args:
        train_set: training clips.
        frames: number of frames to which a clip is resized.

    Returns:
        (classes, frames // 2 + 1) shares by cycles per clip; 0 at zero cycles.
    """
    clips = DeviceClips(train_set)
    inputs = clips.inference(
        64, PreprocessingConfig(frames=frames, test_crop_ratio=1.0)
    )
    x = torch.cat([x for x, _ in inputs])[:, : train_set.layout.dims]  # no score
    motion = x - x.mean(2, keepdim=True)  # (n, C, T, N, M)
    energy = torch.fft.rfft(motion, dim=2).abs().square().sum((1, 3, 4))
    energy[:, 0] = 0
    share = energy / energy.sum(1, keepdim=True).clamp_min(1e-12)
    classes = range(train_set.num_classes)
    return torch.stack([share[clips.label == c].mean(0) for c in classes])


def peak(share: torch.Tensor) -> tuple[int, float]:
    """Find the highest peak of a spectrum from two cycles on.

    A repeated movement makes a peak, above both of its neighbours; the spectrum of a
    single movement falls from the lowest frequency on, as does that of tracking noise.

    Args:
        share: (F,) shares of energy by cycles per clip.

    Returns:
        The frequency of the peak in cycles per clip, and its score: its share with
        those of its two neighbours. Both are 0 if there is no peak.
    """
    inner = share[2:-1]
    tops = (inner > share[1:-2]) & (inner > share[3:])
    if not tops.any():
        return 0, 0.0
    at = int(inner.where(tops, 0).argmax()) + 2
    return at, share[at - 1 : at + 2].sum().item()


def rank(train_set: PackedDataset) -> pd.DataFrame:
    """Rank the classes of a data set by the score of their peaks.

    Returns:
        A line for each class, by name, the highest score first: ``peak`` (cycles per
        clip; 0 if there is none) and ``score``.
    """
    spectra = motion_spectrum(train_set)
    found = pd.DataFrame(map(peak, spectra), index=train_set.classes)
    return found.set_axis(["peak", "score"], axis=1).sort_values(
        "score", ascending=False, kind="stable"
    )


def gains(
    table: Table,
    column: Column,
    store: RecordStore,
    train_set: PackedDataset,
    profile: str = "laptop",
) -> pd.DataFrame:
    """Return what a table's last row gains over its first, class by class.

    Args:
        table: the table; its last row has frequency attention, its first has not.
        column: the column.
        store: the records.
        train_set: the column's training clips.
        profile: profile of the runs.

    Returns:
        The frame of :func:`rank` with ``gain``, the mean over the seeds that both rows
        have, in percentage points.

    Raises:
        InputError: if no seed of both rows is recorded.
    """
    ranked, store = rank(train_set), ReadOnce(store)
    found = [
        _gain(table, column, store, profile, [name], train_set) for name in ranked.index
    ]
    return ranked.assign(gain=[each.mean for each in found])


def rhythmic_gain(
    table: Table,
    column: Column,
    store: RecordStore,
    train_set: PackedDataset,
    profile: str = "laptop",
) -> Difference:
    """Return what the last row gains over the first on the rhythmic classes together.

    Arguments are those of :func:`gains`; the classes are those with a score of
    :data:`LEAST_SCORE` or more.
    """
    ranked = rank(train_set)
    names = ranked.index[ranked["score"] >= LEAST_SCORE]
    return _gain(table, column, store, profile, names, train_set)


def _gain(
    table: Table,
    column: Column,
    store: RecordStore,
    profile: str,
    names: Iterable[str],
    train_set: PackedDataset,
) -> Difference:
    """Return the last row minus the first on some classes, paired by seed."""
    classes = [train_set.classes.index(name) for name in names]
    runs = runs_by_seed(table, column, store, profile, classes=classes)
    runs = runs.iloc[[0, -1]].dropna(axis="columns")
    if runs.empty:
        raise InputError(f"{table.number}: no seed of both rows is recorded")
    return paired(runs.iloc[1].tolist(), runs.iloc[0].tolist())
