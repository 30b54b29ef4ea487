"""UTD-MHAD, the skeletons: 27 classes, 8 subjects, 4 trials, one camera.

C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action
Recognition Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015. Read
from the MATLAB files, one a clip, or from one npz that holds the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.layouts import LAYOUTS
from skellib.readers import matlab, release
from skellib.readers.release import SourceFormat
from skellib.readers.sources import SourceFile

KEY = "utd_mhad"
CLASSES = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "cross the arms",
    "basketball shot",
    "draw a cross",
    "draw a circle clockwise",
    "draw a circle counter-clockwise",
    "draw a triangle",
    "bowling",
    "boxing",
    "baseball swing",
    "tennis swing",
    "arm curl",
    "tennis serve",
    "push",
    "knock",
    "catch",
    "pick up and throw",
    "jog",
    "walk",
    "sit to stand",
    "stand to sit",
    "lunge",
    "squat",
)
_LAYOUT = LAYOUTS["utd20"]


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``a1_s1_t1_skeleton.mat`` and so on at any
            depth, or an ``.npz`` with ``joints`` (frames, 20, 3), ``lengths``,
            ``label``, ``subject``, ``trial`` and ``name``.

    Returns:
        Clips in the order of their names (a2 before a10), joints in metres in the
        camera's frame; ``extras["trial"]`` (n,).

    Raises:
        InputError: a file that is missing, damaged, or not as published.
    """
    return release.read(RELEASES, source)


def _parse(file: SourceFile) -> np.ndarray:
    """One MATLAB file as (T, 1, 20, 3) float64."""
    return matlab.read_joints(file, "d_skel", _LAYOUT.size)[:, None]


RELEASES = (
    SourceFormat(
        key=KEY,
        classes=CLASSES,
        layout=_LAYOUT,
        bodies=1,
        name=r"a(?P<code>\d+)_s(?P<subject>\d+)_t(?P<trial>\d+)_skeleton",
        ending=".mat",
        example="a1_s1_t1_skeleton",
        allowed={"code": tuple(range(1, len(CLASSES) + 1))},
        parse=_parse,
    ),
)
