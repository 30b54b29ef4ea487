"""Recordings of synthetic motions, and writing of files, for all fake raw files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from skellib.data import synthetic

_AZIMUTHS = (0.0, -35.0, 10.0, 45.0)  # of cameras 1.. in degrees; 0 for a single camera
_HEIGHT, _DISTANCE = 1.0, 3.0  # of the camera, and distance to it, metres
_NOISE = 0.004  # standard deviation of the tracking noise, metres


def perform(
    label: int, subject: int, take: int, *, view: int = 0, seed: int = 0
) -> np.ndarray:
    """Record a performance that is different for each class.

    Args:
        label: class from 0; every twelfth is the same motion at another speed.
        subject, take: numbers from 1.
        view: camera, 0 to 3.
        seed: seed of all random numbers.

    Returns:
        (T, 20, 3) float64, joints of the layout ``kinect20``, metres in the camera's
        frame: x to the right, y up, z away from it.
    """
    speed, action = divmod(label, len(synthetic.CLASSES))
    joints = synthetic.motion(synthetic.CLASSES[action], subject, take, seed=seed)
    joints = joints[:: 1 + speed]
    sine, cosine = (f(np.radians(_AZIMUTHS[view])) for f in (np.sin, np.cos))
    rotation = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    rng = np.random.default_rng((seed, label, subject, take, view))
    filmed = joints @ rotation + (0, -_HEIGHT, _DISTANCE)
    return filmed + _NOISE * rng.standard_normal(filmed.shape)


def write_text(path: Path, text: str) -> Path:
    """Write a file, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def write_mat(path: Path, **variables: Any) -> Path:
    """Write a MATLAB 5 file reproducibly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    # scipy puts the date into the 116 bytes of text at the start.
    header = b"MATLAB 5.0 MAT-file, an imitation".ljust(116)
    path.write_bytes(header + buffer.getvalue()[len(header) :])
    return path
