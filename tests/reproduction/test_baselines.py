"""The nearest neighbour against a search written out, and its record."""

from __future__ import annotations

import numpy as np
import pytest

from skellib.data import load
from skellib.errors import InputError
from skellib.reproduction import baselines


@pytest.fixture(scope="module")
def data():
    train, test = load("synthetic")
    return train.subset(range(0, len(train), 8)), test.subset(range(0, len(test), 9))


def resampled(clip, frames):
    """A clip (T, M, N, C) with its origin moved, at evenly spaced instants."""
    clip = clip.astype(np.float64) - clip[0, 0, 0]
    position = np.clip((np.arange(frames) + 0.5) * len(clip) / frames - 0.5, 0, None)
    left = np.minimum(position.astype(int), len(clip) - 1)
    right = np.minimum(left + 1, len(clip) - 1)
    weight = (position - left)[:, None, None, None]
    return (1 - weight) * clip[left] + weight * clip[right]


def test_equals_a_search_written_out(data):
    train, test = data
    known = [resampled(train.clip(i), 6) for i in range(len(train))]
    expected = []
    for i in range(len(test)):
        clip = resampled(test.clip(i), 6)
        distances = [np.square(clip - other).sum() for other in known]
        expected.append(train.label[int(np.argmin(distances))])
    assert baselines.nearest_neighbour(train, test, 6).tolist() == expected


def test_a_clip_is_its_own_nearest_neighbour(data):
    train, _ = data
    assert (baselines.nearest_neighbour(train, train) == train.label).all()


def test_record_round_trip(data, tmp_path):
    train, test = data
    measured = baselines.measure(train, test, "cross_view")
    answer = baselines.nearest_neighbour(train, test)
    assert measured.test.top1 == pytest.approx((answer == test.label).mean())
    assert measured.clean is None
    path = baselines.write(measured, tmp_path)
    assert baselines.read("synthetic", "cross_view", tmp_path) == measured
    assert baselines.read("synthetic", "cross_subject", tmp_path) is None
    third = measured.model_copy(update={"fold": 2})
    assert baselines.write(third, tmp_path) != path
    assert baselines.read("synthetic", "cross_view", tmp_path, fold=2) == third
    path.write_text("{}")
    with pytest.raises(InputError, match="not a baseline's record"):
        baselines.read("synthetic", "cross_view", tmp_path)


def test_the_real_numbers(shared, tmp_path):
    """On N-UCLA every twin is found, and the clean clips are harder."""
    from skellib.readers import prepare

    prepare("nucla", shared / "nucla.npz", tmp_path)
    train, test = load("nucla", root=tmp_path)
    measured = baselines.measure(train, test, "cross_view")
    assert (measured.test.clips, measured.clean.clips) == (464, 369)
    right = [round(m.top1 * m.clips) for m in (measured.test, measured.clean)]
    assert right[0] - right[1] == 95
