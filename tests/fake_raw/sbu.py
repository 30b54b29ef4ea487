"""SBU Kinect Interaction's format: one text file per clip, two persons in a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skellib.data.protocols import SBU_FOLDS
from skellib.readers.sbu import CLASSES
from tests.fake_raw.common import perform, write_text

# Of the joints of sbu15 those of kinect20: head, neck, torso, arms, legs.
_ORDER = [3, 2, 1, *(4, 5, 7, 8, 9, 11), *(12, 13, 15, 16, 17, 19)]
_PAIRS = [pair for fold in SBU_FOLDS for pair in fold]
_APART = 0.6  # of the two persons, metres


def write(folder: Path, clips: int = 16, seed: int = 0) -> list[Path]:
    """Write files such as ``s01s02/01/001/skeleton_pos.txt``.

    Returns:
        The paths, in the order of writing.
    """
    paths = []
    for number in range(clips):
        label = number % len(CLASSES)
        take, place = divmod(number // len(CLASSES), len(_PAIRS))
        pair = _PAIRS[place]
        persons = [perform(label, person, take + 1, seed=seed) for person in pair]
        length = min(map(len, persons))
        scene = np.stack([each[:length, _ORDER] for each in persons], axis=1)
        scene[..., 0] += [[-_APART / 2], [_APART / 2]]
        path = folder / "s{:02d}s{:02d}".format(*pair) / f"{label + 1:02d}"
        text = "".join(
            f"{n},{','.join(f'{value:.6f}' for value in frame.ravel())}\n"
            for n, frame in enumerate(_normalised(scene), start=1)
        )
        paths.append(write_text(path / f"{take + 1:03d}" / "skeleton_pos.txt", text))
    return paths


def _normalised(metres: np.ndarray) -> np.ndarray:
    """Convert metres to the files' x and y (about 0 to 1, y down) and z."""
    x, y, z = np.moveaxis(1000 * metres, -1, 0)
    return np.stack([(1280 - x) / 2560, (960 - y) / 1920, 7.8125 * z / 10_000], axis=-1)
