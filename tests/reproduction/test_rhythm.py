"""The rule that finds rhythmic classes, and what frequency attention gains on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skellib.data import load
from skellib.errors import InputError
from skellib.reproduction import rhythm
from skellib.reproduction.own_tables import RHYTHM
from tests.reproduction.test_tables import make_record, store  # noqa: F401

(COLUMN,) = RHYTHM.columns


def test_a_peak_is_above_both_neighbours_and_counts_them():
    share = torch.tensor([0.0, 0.4, 0.1, 0.3, 0.15, 0.05])
    at, score = rhythm.peak(share)
    assert at == 3 and score == pytest.approx(0.1 + 0.3 + 0.15)


@pytest.mark.parametrize(
    "share",
    [[0, 0.5, 0.3, 0.1, 0.1], [0, 0.1, 0.2, 0.3, 0.4], [0, 0.6, 0.2, 0.2, 0.0]],
)
def test_no_peak_in_a_spectrum_that_falls_or_rises(share):
    assert rhythm.peak(torch.tensor(share, dtype=torch.float32)) == (0, 0.0)


def test_spectra_are_those_of_a_plain_fourier_transform():
    """The clips of one class, by NumPy in float64 and without resizing."""
    train, _ = load("synthetic")
    frames = 32
    spectra = rhythm.motion_spectrum(train, frames)
    assert spectra.shape == (train.num_classes, frames // 2 + 1)
    torch.testing.assert_close(spectra.sum(1), torch.ones(len(spectra)))
    ones = []
    for i in np.flatnonzero(train.label == 3):
        clip = torch.as_tensor(train.clip(int(i)).astype(np.float64))  # (T, M, N, C)
        clip = clip.permute(3, 0, 2, 1)
        resized = _resize(clip, frames).numpy()
        turned = np.abs(np.fft.fft(resized, axis=1)) ** 2
        energy = turned.sum((0, 2, 3))[: frames // 2 + 1]
        energy[0] = 0
        ones.append(energy / energy.sum())
    np.testing.assert_allclose(spectra[3].numpy(), np.mean(ones, 0), atol=1e-5)


def _resize(clip, frames):
    """Interpolate along time at the centres of the frames."""
    at = (np.arange(frames) + 0.5) * clip.shape[1] / frames - 0.5
    at = np.clip(at, 0, clip.shape[1] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, clip.shape[1] - 1)
    part = torch.as_tensor(at - low)[None, :, None, None]
    return clip[:, low] * (1 - part) + clip[:, high] * part


def test_planted_rhythms_are_found():
    train, _ = load("synthetic")
    ranked = rhythm.rank(train)
    assert ranked.loc["wave quickly", "score"] > rhythm.LEAST_SCORE
    assert ranked.loc["walk on the spot", "score"] > rhythm.LEAST_SCORE
    assert (ranked.loc[["sit down", "stand up", "bow"], "score"] < 0.1).all()
    assert ranked["score"].is_monotonic_decreasing


def test_gains_class_by_class(store, monkeypatch):  # noqa: F811
    """Two classes; of the first more clips are right, of the second fewer."""
    train, _ = load("synthetic")
    first, second = train.classes[:2]
    frame = rhythm.rank(train).loc[[first, second]].assign(score=[0.9, 0.0])
    monkeypatch.setattr(rhythm, "rank", lambda _: frame)
    with pytest.raises(InputError, match="Rhythm: no seed of both rows"):
        rhythm.gains(RHYTHM, COLUMN, store, train)
    plain, attention = (r.experiment(COLUMN, "laptop") for r in RHYTHM.rows)
    for seed in (0, 1):
        store.put(_record(plain, seed, [5, 8]))
        store.put(_record(attention, seed, [6 + seed, 7]))
    found = rhythm.gains(RHYTHM, COLUMN, store, train)
    assert found["gain"].tolist() == pytest.approx([15, -10])
    together = rhythm.rhythmic_gain(RHYTHM, COLUMN, store, train)
    assert together.mean == pytest.approx(15) and together.n == 2
    assert together.sd == pytest.approx(10 / math.sqrt(2))


def _record(experiment, seed, right):
    """Make a record in which so many of ten clips of each class are right."""
    record = make_record(experiment, seed, sum(right) / (10 * len(right)))
    confusion = tuple(
        tuple(n if i == j else 10 - n if j == (i + 1) % 2 else 0 for j in range(2))
        for i, n in enumerate(right)
    )
    test = record.test.model_copy(update={"confusion": confusion})
    return record.model_copy(update={"test": test})
