"""SYSU 3D Human-Object Interaction: 12 classes, 40 subjects, one camera, 480 clips.

J.-F. Hu, W.-S. Zheng, J. Lai, J. Zhang, "Jointly Learning Heterogeneous Features for
RGB-D Activity Recognition", CVPR 2015. Read from the MATLAB files, one per clip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.layouts import LAYOUTS
from skellib.readers import matlab, source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.source_format import Annotations, SourceFormat
from skellib.readers.sources import SourceFile, natural

KEY = "sysu"
CLASSES = (
    "drinking",
    "pouring",
    "calling with a phone",
    "playing with a phone",
    "wearing a backpack",
    "packing a backpack",
    "sitting on a chair",
    "moving a chair",
    "taking out a wallet",
    "taking from a wallet",
    "mopping",
    "sweeping",
)
_LAYOUT = LAYOUTS["kinect20"]


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``<subject>/video1/sklWorld.mat`` to
            ``video12`` at any depth.

    Returns:
        Clips in the order of their names, joints in metres in the camera's frame.
        ``subject`` is the number in the name of the subject's folder, if the numbers
        are unique; otherwise the rank of the folder, from 1, in natural order.

    Raises:
        InputError: a file that is missing, damaged, or not as published.
    """
    return source_format.read(FORMATS, source)


def _parse(file: SourceFile) -> np.ndarray:
    """Parse a MATLAB file to (T, 1, 20, 3) float64."""
    return matlab.read_joints(file, "SW", _LAYOUT.size)[:, None]


def _annotate(lists: Sequence[SourceFile], clips: Sequence[SourceFile]) -> Annotations:
    """Number the subjects by the names of their folders."""
    folders = [file.groups["_folder"] for file in clips]
    subjects = _subjects(sorted(set(folders), key=natural))
    return Annotations([{"subject": subjects[folder]} for folder in folders])


def _subjects(folders: Sequence[str]) -> dict[str, int]:
    """Return the subject number of each folder."""
    digits = [re.findall(r"[0-9]{1,9}", folder) for folder in folders]
    if all(len(each) == 1 for each in digits):
        numbers = [int(each[0]) for each in digits]
        if len(set(numbers)) == len(folders) and 0 not in numbers:
            return dict(zip(folders, numbers, strict=True))
    return {folder: place for place, folder in enumerate(folders, start=1)}


FORMATS = (
    SourceFormat(
        key=KEY,
        classes=CLASSES,
        layout=_LAYOUT,
        bodies=1,
        name=r"(?P<_folder>[^/]+)/video(?P<code>\d{1,2})",
        ending="/sklWorld.mat",
        example="subject01/video1",
        allowed={"code": tuple(range(1, len(CLASSES) + 1))},
        parse=_parse,
        annotate=_annotate,
    ),
)

INFO = DatasetInfo(
    title="SYSU 3D Human-Object Interaction",
    what="Twelve activities with objects such as a phone, a chair or a mop.",
    citation="J.-F. Hu, W.-S. Zheng, J. Lai, J. Zhang, Jointly Learning "
    "Heterogeneous Features for RGB-D Activity Recognition, CVPR 2015",
    home=("https://www.isee-ai.cn/~hujianfang/ProjectJOULE.html",),
    terms="see the home page; cite the paper",
    contents="480 clips, 12 classes, 40 persons, 20 joints",
    protocols=(
        ("cross-subject, 30 folds", "240 / 240"),
        ("same-subject, 30 folds", "240 / 240"),
    ),
    quirks=(
        "We know of no published list of the 30 random halves; ours are drawn from "
        "a seed.",
    ),
    prepare="prepare sysu --source path/to/SYSU3DAction",
)
