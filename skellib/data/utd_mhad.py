"""UTD-MHAD, the skeletons: 27 classes, 8 subjects, 4 trials, one camera.

C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action
Recognition Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015. Read
from the MATLAB files, one a clip, or from one npz that holds the same.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from skellib.data.packed import PackedDataset
from skellib.data.release import Release
from skellib.data.sources import SourceFile, check_finite
from skellib.errors import InputError
from skellib.layouts import LAYOUTS

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
    return _RELEASE.read(source)


def _parse(file: SourceFile) -> np.ndarray:
    """One MATLAB file as (T, 1, 20, 3) float64."""
    content = file.read()
    try:
        variables = loadmat(io.BytesIO(content), variable_names=["d_skel"])
    except Exception as error:  # scipy documents no list of what damage raises
        raise InputError(
            f"{file.where}: not a readable MATLAB 5 file ({type(error).__name__}); "
            "fetch it again"
        ) from None
    if "d_skel" not in variables:
        raise InputError(f"{file.where}: field 'd_skel': missing")
    values = variables["d_skel"]
    if values.ndim == 2:  # MATLAB drops the last axis of a single frame
        values = values[:, :, None]
    if (
        values.dtype.kind not in "fiu"
        or values.ndim != 3
        or values.shape[:2] != (_LAYOUT.size, 3)
        or values.shape[2] == 0
    ):
        raise InputError(
            f"{file.where}: field 'd_skel': {values.dtype} {values.shape}, not numbers "
            f"({_LAYOUT.size} joints, 3, frames)"
        )
    frames = values.transpose(2, 0, 1).astype(np.float64)
    check_finite(file.where, "d_skel", frames)
    return frames[:, None]


_RELEASE = Release(
    key=KEY,
    classes=CLASSES,
    layout=_LAYOUT,
    bodies=1,
    name=r"a(?P<code>\d+)_s(?P<subject>\d+)_t(?P<trial>\d+)_skeleton",
    ending=".mat",
    example="a1_s1_t1_skeleton",
    allowed={"code": tuple(range(1, len(CLASSES) + 1))},
    parse=_parse,
)
