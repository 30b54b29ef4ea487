"""Kinetics-Skeleton: OpenPose on 260,000 ten-second web videos, 400 classes.

W. Kay et al., "The Kinetics Human Action Video Dataset", 2017; the skeletons by S. Yan,
Y. Xiong, D. Lin, "Spatial Temporal Graph Convolutional Networks for Skeleton-Based
Action Recognition", AAAI 2018. Read from their JSON files, one per clip.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers import source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.source_format import Annotations, SourceFormat
from skellib.readers.sources import SourceFile

KEY = "kinetics"
NUM_CLASSES = 400
MAX_FRAMES = 10_000
"""Upper bound of a plausible frame number; real clips have 300 frames."""
_BODIES = 2
_LAYOUT = LAYOUTS["openpose18"]
_SPLITS = ("train", "val")


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``kinetics_train/*.json`` and
            ``kinetics_val/*.json`` at any depth, and the lists
            ``kinetics_train_label.json`` and ``kinetics_val_label.json`` beside them.
            Without a list, the labels in the clips' files are used.

    Returns:
        Clips in the order of their names, channels x, y (0 to 1, y down) and score.
        Each frame holds the two persons of highest mean score, in descending order; a
        frame without a person, or absent from the file, is zero. A joint of score 0 is
        missing: all its channels are 0. ``extras["split"]`` (n,) is 0 for training, 1
        for validation. Clips that the lists mark as having no skeleton are skipped.

    Raises:
        InputError: a file that is missing, damaged, or not in the released format.
    """
    return source_format.read(FORMATS, source)


def _parse(file: SourceFile) -> np.ndarray:
    """Parse a JSON file of a labelled clip to (T, 2, 18, 3) float64."""
    content = _json_object(file)
    _label(file.where, content)
    return _joints(file.where, content)


def _parse_unlabelled(file: SourceFile) -> np.ndarray:
    return _joints(file.where, _json_object(file))


def _joints(where: str, content: dict[str, Any]) -> np.ndarray:
    """Convert the content of a JSON file to (T, 2, 18, 3) float64."""
    length, frame, persons = _persons(where, content.get("data"))
    pose, score = (
        _values(where, field, [person.get(field) for person in persons], size)
        for field, size in (("pose", 2 * _LAYOUT.size), ("score", _LAYOUT.size))
    )
    joints = np.dstack([pose.reshape(-1, _LAYOUT.size, 2), score])
    joints[score == 0] = 0
    # By frame, then by descending mean score; ties keep the order of the file.
    with np.errstate(
        over="ignore"
    ):  # infinite scores are rejected when the clip is packed
        order = np.lexsort((-score.mean(axis=1), frame))
    frame = frame[order]
    rank = np.arange(len(frame)) - np.searchsorted(frame, frame)
    kept = rank < _BODIES
    clip = np.zeros((length, _BODIES, _LAYOUT.size, 3))
    clip[frame[kept] - 1, rank[kept]] = joints[order[kept]]
    return clip


def _json_object(file: SourceFile) -> dict[str, Any]:
    """Load a JSON file whose top level is an object."""
    content = file.read()
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InputError(
            f"{file.where}: not a JSON object, or a truncated file; fetch it again"
        )
    return data


def _label(where: str, content: dict[str, Any]) -> tuple[int, str]:
    """Return class number and name from a clip's file or an entry of a list."""
    number, name = content.get("label_index"), content.get("label")
    if type(number) is not int or not 0 <= number < NUM_CLASSES:
        raise InputError(
            f"{where}: field 'label_index': {str(number)[:20]!r} is not a class "
            f"number, 0 to {NUM_CLASSES - 1}"
        )
    if not isinstance(name, str) or not name:
        raise InputError(f"{where}: field 'label': no class name")
    return number, name


def _persons(
    where: str, frames: object
) -> tuple[int, np.ndarray, list[dict[str, Any]]]:
    """Return the length, the frame (P,) of each person from 1, and the persons."""
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{where}: field 'data': no list of frames")
    numbers: set[int] = set()
    owner: list[int] = []
    persons: list[dict[str, Any]] = []
    for place, frame in enumerate(frames):
        number, found = None, None
        if isinstance(frame, dict):
            number, found = frame.get("frame_index"), frame.get("skeleton")
        if type(number) is not int or not 1 <= number <= MAX_FRAMES:
            raise InputError(
                f"{where}: field 'frame_index': {str(number)[:20]!r} at place {place}, "
                f"not a number 1 to {MAX_FRAMES}"
            )
        if number in numbers:
            raise InputError(f"{where}: field 'frame_index': {number} is there twice")
        if not isinstance(found, list) or any(type(each) is not dict for each in found):
            raise InputError(
                f"{where}: field 'skeleton': frame {number} has no list of persons"
            )
        numbers.add(number)
        owner += [number] * len(found)
        persons += found
    if not persons:
        raise InputError(f"{where}: nobody in any frame")
    return max(numbers), np.array(owner), persons


def _values(where: str, field: str, rows: list[Any], size: int) -> np.ndarray:
    """Stack one field of all P persons to (P, size) float64."""
    try:
        values = np.array(rows)
    except (ValueError, OverflowError):
        values = np.array(None)
    # NumPy would silently convert text and booleans to numbers.
    if values.dtype.kind not in "fi" or values.shape != (len(rows), size):
        raise InputError(
            f"{where}: field {field!r}: a person does not have {size} numbers"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{where}: field {field!r}: a value is not finite")
    return values.astype(np.float64)


def _annotate(lists: Sequence[SourceFile], clips: Sequence[SourceFile]) -> Annotations:
    """Return class and split of each clip, from the lists or else from its own file.

    The first readable clip of each class is checked against the list.
    """
    listed = {file.groups["_split"]: _json_object(file) for file in lists}
    names: dict[int, str] = {}
    for file in lists:
        for clip, entry in listed[file.groups["_split"]].items():
            _note(names, f"{file.where}: clip {clip}", entry)
    agreed: set[int] = set()
    found: list[dict[str, int] | str] = []
    for file in clips:
        split, clip = file.groups["_split"], file.groups["_clip"]
        try:
            if split in listed:
                number = _by_list(file, listed[split].get(clip), agreed)
            else:
                number = _note(names, file.where, _json_object(file))
        except InputError as error:
            found.append(str(error).removeprefix(f"{file.where}: "))
        else:
            found.append({"label": number, "split": _SPLITS.index(split)})
    return Annotations(
        found, tuple(names.get(k, f"class {k}") for k in range(NUM_CLASSES))
    )


def _by_list(file: SourceFile, entry: object, agreed: set[int]) -> int:
    """Return the class of a clip by its entry in the list of labels.

    Raises:
        InputError: no entry, no skeleton, or the clip's own file contradicts it.
    """
    if not isinstance(entry, dict):
        raise InputError(f"{file.where}: not in the list of labels")
    if entry.get("has_skeleton") is not True:
        raise InputError(f"{file.where}: has no skeleton, by the list of labels")
    listed = _label(file.where, entry)
    if listed[0] not in agreed:
        own = _label(file.where, _json_object(file))
        if own != listed:
            raise InputError(
                f"{file.where}: field 'label_index': {own[0]} {own[1]!r}, but the list "
                f"of labels says {listed[0]} {listed[1]!r}"
            )
        agreed.add(listed[0])
    return listed[0]


def _note(names: dict[int, str], where: str, content: object) -> int:
    """Record the class name of a file or entry in ``names``, and return its number."""
    number, name = _label(where, content if isinstance(content, dict) else {})
    if names.setdefault(number, name) != name:
        raise InputError(
            f"{where}: field 'label': class {number} is {name!r} here, but "
            f"{names[number]!r} elsewhere"
        )
    return number


FORMATS = (
    SourceFormat(
        key=KEY,
        classes=tuple(f"class {k}" for k in range(NUM_CLASSES)),
        layout=_LAYOUT,
        bodies=_BODIES,
        name=r"kinetics_(?P<_split>train|val)/(?P<_clip>[\w-]+)",
        ending=".json",
        example="kinetics_train/cU1fyH2QssA",
        allowed={},
        parse=_parse,
        parse_unlabelled=_parse_unlabelled,
        companion=r"kinetics_(?P<_split>train|val)_label\.json",
        annotate=_annotate,
    ),
)

INFO = DatasetInfo(
    title="Kinetics-Skeleton",
    what="Video clips of the web, with the skeletons that OpenPose found in them.",
    citation="W. Kay et al., The Kinetics Human Action Video Dataset, 2017; "
    "skeletons: S. Yan, Y. Xiong, D. Lin, Spatial Temporal Graph Convolutional "
    "Networks for Skeleton-Based Action Recognition, AAAI 2018",
    home=("https://github.com/yysijie/st-gcn",),
    terms="see the home pages; the skeletons are linked from the README (7.5 GB)",
    contents="about 260,000 clips, 400 classes, 18 joints in the image plane with "
    "a score",
    protocols=(("train / val", "about 240,000 / 20,000"),),
    quirks=(
        "Of the 19,906 validation clips that the label file lists, 19,796 have a "
        "skeleton.",
        "Coordinates are two, in 0 to 1; the third channel is the estimator's "
        "score. A missing joint has score 0.",
        "A frame holds no person at all or up to seven; the two of highest mean "
        "score are kept.",
    ),
    prepare="prepare kinetics --source path/to/kinetics-skeleton",
)
