"""UTD-MHAD, the skeletons: 27 classes, 8 subjects, 4 trials, one camera.

C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action
Recognition Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015. Read
from the MATLAB files, one per clip, or from an equivalent npz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.layouts import LAYOUTS
from skellib.readers import matlab, source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.source_format import SourceFormat
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
    return source_format.read(FORMATS, source)


def _parse(file: SourceFile) -> np.ndarray:
    """Parse a MATLAB file to (T, 1, 20, 3) float64."""
    return matlab.read_joints(file, "d_skel", _LAYOUT.size)[:, None]


FORMATS = (
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

INFO = DatasetInfo(
    title="UTD-MHAD, the skeletons",
    what="Gestures, sports and daily movements before one Kinect camera.",
    citation="C. Chen, R. Jafari, N. Kehtarnavaz, UTD-MHAD: A Multimodal Dataset "
    "for Human Action Recognition Utilizing a Depth Camera and a Wearable Inertial "
    "Sensor, ICIP 2015",
    home=("https://personal.utdallas.edu/~kehtar/UTD-MHAD.html",),
    terms="free for research; cite the paper",
    contents="861 clips, 27 classes, 8 persons, 20 joints",
    protocols=(("cross-subject, odd persons train", "431 / 430"),),
    quirks=(
        "Three of the 864 combinations were never published: a8_s1_t4, a23_s6_t4, "
        "a27_s8_t4.",
        "The joints are those of N-UCLA with the trunk counted from the top down.",
        "Nine pairs of clips share three to six frames, seven of them a clip of "
        "sit to stand and one of stand to sit. The two clips are always of one "
        "person, so on one side of the split.",
    ),
    prepare="prepare utd_mhad --source path/to/Skeleton",
)
