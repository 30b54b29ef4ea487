"""Northwestern-UCLA Multiview Action 3D: 10 classes, 10 subjects, 3 cameras.

J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu, "Cross-view Action Modeling, Learning and
Recognition", CVPR 2014. Read from the JSON release that most papers use, one file per
clip; from an equivalent npz; or from the authors' text files, one per frame.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers import source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.source_format import SourceFormat
from skellib.readers.sources import SourceFile, check_finite

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
CODES = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)  # there is no a07 and no a10
_LAYOUT = LAYOUTS["kinect20"]
# The same frame number with two timestamps means two frames.
_FRAME = r"[^/]*?(?P<frame>\d{1,9}(?:_tc_\d{1,12})?)[^/]*\.txt"


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``a01_s01_e00_v01.json`` and so on at any
            depth, or an ``.npz`` with ``joints`` (frames, 20, 3), ``lengths``,
            ``label``, ``subject``, ``view``, ``episode`` and ``name``; a field
            ``duplicate_of`` is checked if present. Without any JSON file, the original
            text files are read:
            ``view_1/a01_s01_e00/frame_12_tc_90467351_skeletons.txt`` and so on.

    Returns:
        Clips in the order of their names, joints in metres in the camera's frame;
        joints that were not tracked are 0; ``extras["episode"]`` (n,). Of several
        skeletons in a text file the first is kept. A frame without a skeleton is
        dropped, as in the JSON release, so frames may not be equally spaced in time.

    Raises:
        InputError: a file that is missing, damaged, or not in the released format.
    """
    return source_format.read(FORMATS, source)


def _parse(file: SourceFile) -> np.ndarray:
    """Parse a JSON file of a labelled clip to (T, 1, 20, 3) float64."""
    data = _json_object(file)
    label = str(CODES.index(int(file.groups["code"])) + 1)
    if "label" not in data:
        raise InputError(f"{file.where}: field 'label': missing")
    if str(data["label"]) != label:
        raise InputError(
            f"{file.where}: field 'label': {data['label']!r}, but the name says "
            f"{label!r}"
        )
    return _skeletons(file.where, data["skeletons"])[:, None]


def _parse_unlabelled(file: SourceFile) -> np.ndarray:
    return _skeletons(file.where, _json_object(file)["skeletons"])[:, None]


def _json_object(file: SourceFile) -> dict[str, Any]:
    """Load a JSON file with a field ``skeletons``."""
    content = file.read()
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(
            f"{file.where}: not valid JSON, or a truncated file; fetch it again"
        ) from None
    if not isinstance(data, dict) or "skeletons" not in data:
        raise InputError(f"{file.where}: field 'skeletons': missing")
    return data


def _skeletons(where: str, frames: object) -> np.ndarray:
    """Convert the frames of a JSON file to (T, 20, 3) float64."""
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
    # NumPy would silently convert text and booleans to numbers.
    if values.dtype.kind not in "fi" or values.shape[1:] != (_LAYOUT.size, 3):
        raise InputError(
            f"{where}: field 'skeletons': a joint is not three numbers x, y, z"
        )
    check_finite(where, "skeletons", values)
    return values.astype(np.float64)


def _parse_frames(files: Sequence[SourceFile]) -> np.ndarray:
    """Parse the text files of one clip to (T, 1, 20, 3) float64."""
    skeletons = [_skeleton(file) for file in files if file.size]
    frames = [each for each in skeletons if each is not None]
    if not frames:
        raise InputError(
            f"{files[0].where}: no skeleton in any of the clip's {len(files)} files"
        )
    return np.stack(frames)[:, None]


def _skeleton(file: SourceFile) -> np.ndarray | None:
    """Parse the first skeleton of a text file, (20, 3) float64; None without one."""
    try:
        text = file.read().decode("ascii")
    except UnicodeDecodeError:
        raise InputError(f"{file.where}: not a text file; fetch it again") from None
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    size = 1 + _LAYOUT.size  # a line with a number, then one per joint
    if len(lines) == 1 and lines[0][1].strip() == "0":
        return None
    if len(lines) % size:
        raise InputError(
            f"{file.where}: {len(lines)} lines, not {size} for each skeleton; fetch it "
            "again"
        )
    if not lines:
        return None
    _values(file.where, *lines[0], 1)
    rows = [_values(file.where, *line, 4) for line in lines[1:size]]
    joints = np.array([row[:3] for row in rows])
    joints[[row[3] == 0 for row in rows]] = 0  # not tracked
    return joints if joints.any() else None


def _values(where: str, number: int, line: str, count: int) -> list[float]:
    """Parse a line of finite numbers, such as a joint's ``x,y,z,state``."""
    try:
        values = [float(value) for value in line.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        wanted = "x,y,z,state" if count == 4 else "one number"
        raise InputError(f"{where}: line {number}: {line[:40]!r} is not {wanted}")
    return values


def _json_name(groups: Mapping[str, str]) -> str:
    """Return the name of the clip in the JSON release."""
    parts = (("a", "code"), ("s", "subject"), ("e", "episode"), ("v", "view"))
    return "_".join(f"{letter}{int(groups[group]):02d}" for letter, group in parts)


_JSON = SourceFormat(
    key=KEY,
    classes=CLASSES,
    layout=_LAYOUT,
    bodies=1,
    name=r"a(?P<code>\d\d)_s(?P<subject>\d\d)_e(?P<episode>\d\d)_v(?P<view>\d\d)",
    ending=".json",
    example="a01_s01_e00_v01",
    allowed={"code": CODES, "view": (1, 2, 3)},
    parse=_parse,
    parse_unlabelled=_parse_unlabelled,
)
FORMATS = (
    _JSON,
    replace(  # the original text, one file per frame
        _JSON,
        name="",
        ending="",
        example="view_1/a01_s01_e00/frame_12_tc_90467351_skeletons.txt",
        parse=None,
        pattern=(
            r"view_?(?P<view>\d{1,2})/"
            r"a(?P<code>\d\d)_s(?P<subject>\d\d)_e(?P<episode>\d\d)/" + _FRAME
        ),
        naming=_json_name,
        parse_frames=_parse_frames,
        frame=_FRAME,
    ),
)

INFO = DatasetInfo(
    title="Northwestern-UCLA Multiview Action 3D",
    what="Ten everyday actions before three Kinect cameras at once.",
    citation="J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu, Cross-view Action "
    "Modeling, Learning and Recognition, CVPR 2014",
    home=(
        "http://users.eecs.northwestern.edu/~jwa368/my_data.html",
        "https://github.com/Uason-Chen/CTR-GCN",
    ),
    terms="none stated that we know of beyond citing the paper; treat as research only",
    contents="1484 clips in the JSON release that the field uses (papers speak of "
    "1494), 10 classes, 10 persons, 20 joints",
    protocols=(("cross-view", "1020 / 464, of which 369 are clean"),),
    quirks=(
        "95 of the 464 test clips repeat the numbers of a training clip: all of "
        "view 3 of the classes pick up with two hands and drop trash.",
        "16 pairs of clips of subject 1, donning and doffing, share frames, all "
        "among the training views.",
        "Two clips have a single frame; two have one frame with untracked joints, "
        "stored as zeros.",
        "There is no class a07 and no a10.",
    ),
    prepare="prepare nucla --source path/to/all_sqe.zip",
)
