"""Northwestern-UCLA Multiview Action 3D: 10 classes, 10 subjects, 3 cameras.

J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu, "Cross-view Action Modeling, Learning and
Recognition", CVPR 2014. Read from the JSON release that the field uses, one file a
clip, or from one npz that holds the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.data.release import Release
from skellib.data.sources import SourceFile, check_finite
from skellib.errors import InputError
from skellib.layouts import LAYOUTS

KEY = "nucla"
CLASSES = (
    "pick up with one hand",
    "pick up with two hands",
    "drop trash",
    "walk around",
    "sit down",
    "stand up",
    "donning",
    "doffing",
    "throw",
    "carry",
)
_CODES = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)  # there is no a07 and no a10
_LAYOUT = LAYOUTS["kinect20"]


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``a01_s01_e00_v01.json`` and so on at any
            depth, or an ``.npz`` with ``joints`` (frames, 20, 3), ``lengths``,
            ``label``, ``subject``, ``view``, ``episode`` and ``name``; where that has
            ``duplicate_of`` too, it must agree with what is found here.

    Returns:
        Clips in the order of their names, joints in metres in the camera's frame;
        ``extras["episode"]`` (n,).

    Raises:
        InputError: a file that is missing, damaged, or not as the release has it.
    """
    return _RELEASE.read(source)


def _parse(file: SourceFile) -> np.ndarray:
    """One JSON file as (T, 1, 20, 3) float64."""
    content = file.read()
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(
            f"{file.where}: not valid JSON, or a truncated file; fetch it again"
        ) from None
    for field in ("skeletons", "label"):
        if not isinstance(data, dict) or field not in data:
            raise InputError(f"{file.where}: field {field!r}: missing")
    label = str(_CODES.index(int(file.match["code"])) + 1)
    if str(data["label"]) != label:
        raise InputError(
            f"{file.where}: field 'label': {data['label']!r}, but the name says "
            f"{label!r}"
        )
    return _skeletons(file.where, data["skeletons"])[:, None]


def _skeletons(where: str, frames: object) -> np.ndarray:
    """The frames of a JSON file as (T, 20, 3) float64."""
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{where}: field 'skeletons': no list of frames")
    for number, frame in enumerate(frames):
        if not isinstance(frame, list) or len(frame) != _LAYOUT.size:
            found = len(frame) if isinstance(frame, list) else "no"
            raise InputError(
                f"{where}: field 'skeletons': frame {number} has {found} joints, not "
                f"{_LAYOUT.size}"
            )
    try:
        values = np.array(frames)
    except (ValueError, OverflowError):
        values = np.array(None)
    # Text and booleans would turn into numbers without a word.
    if values.dtype.kind not in "fi" or values.shape[1:] != (_LAYOUT.size, 3):
        raise InputError(
            f"{where}: field 'skeletons': a joint is not three numbers x, y, z"
        )
    check_finite(where, "skeletons", values)
    return values.astype(np.float64)


_RELEASE = Release(
    key=KEY,
    classes=CLASSES,
    layout=_LAYOUT,
    bodies=1,
    name=r"a(?P<code>\d\d)_s(?P<subject>\d\d)_e(?P<episode>\d\d)_v(?P<view>\d\d)",
    ending=".json",
    example="a01_s01_e00_v01",
    allowed={"code": _CODES, "view": (1, 2, 3)},
    parse=_parse,
)
