"""UTD-MHAD's format: one MATLAB file per clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skellib.readers.utd_mhad import CLASSES
from tests.fake_raw.common import perform, write_mat

_ORDER = np.r_[3, 2, 1, 0, 4:20]  # the joints of utd20 among those of kinect20


def write(folder: Path, clips: int = 27, seed: int = 0) -> list[Path]:
    """Write files such as ``a1_s1_t1_skeleton.mat``; 27 clips have each class once.

    Returns:
        The paths, in the order of writing.
    """
    paths = []
    for number in range(clips):
        label = number % len(CLASSES)
        trial, subject = divmod(number // len(CLASSES), 8)
        frames = perform(label, subject + 1, trial + 1, seed=seed)[:, _ORDER]
        path = folder / f"a{label + 1}_s{subject + 1}_t{trial + 1}_skeleton.mat"
        paths.append(write_mat(path, d_skel=frames.transpose(1, 2, 0)))
    return paths
