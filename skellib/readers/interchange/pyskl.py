"""PYSKL's annotation pickle: ``ntu60_3danno.pkl``, ``ntu60_hrnet.pkl`` and so on.

A dictionary with ``split``, the names of the clips in each part (``xsub_train``,
``xsub_val``, ...), and ``annotations``, one per clip: ``frame_dir`` (its name),
``label``, ``keypoint`` (M, T, N, C), in 2D also ``keypoint_score`` (M, T, N) and
``img_shape`` (height, width). A plain list of annotations is accepted too.

H. Duan et al., "PYSKL: Towards Good Practices for Skeleton Action Recognition", 2022.
"""

from __future__ import annotations

import pickle
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.data.writing import ClipStream
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.paths import atomic_write
from skellib.readers.interchange import common, pickles
from skellib.readers.source_format import SourceFormat
from skellib.readers.summary import listed

_PART = re.compile(
    r"(?P<before>[\w.-]*?)[_-]?(?P<side>train|val|test)[_-]?(?P<after>\d*)"
)
_SHORT = {"cross_subject": "xsub", "cross_view": "xview", "cross_setup": "xset"}
_MAX_PAIRS = 100


def recognise(path: Path) -> bool:
    """Return whether a file may have this format, by its suffix and first byte."""
    if path.suffix.lower() not in (".pkl", ".pickle") or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(1) in (b"\x80", b"(", b"]", b"}")
    except OSError:
        return False


def stream(
    path: Path,
    key: str,
    source_format: SourceFormat | None = None,
    layout: Layout | None = None,
) -> ClipStream:
    """Open a file as a stream of clips, in the order of the file.

    Args:
        path: the file.
        key: key of the data set.
        source_format: the data set's own format, if it has one.
        layout: the skeleton; guessed from the number of joints by default.

    Returns:
        A stream of clips (T, M, N, C), with zeros for absent bodies; the channels are
        x, y, z, or x, y (pixels, y down) and the score. Subject, view and so on are
        parsed from the names if possible. ``extras["split.xsub"]`` represents the parts
        ``xsub_train`` and ``xsub_val``: 0 for training, 1 for test, -1 for neither;
        ``extras["split"]`` is the first such split. In 2D, ``extras["height"]`` and
        ``extras["width"]`` are the size of the image in pixels.

    Raises:
        InputError: a damaged, foreign or hostile file; the message names the field.
    """
    annotations, parts = _contents(path, pickles.load(path))
    faults: common.Faults = {}
    names = common.names_of(
        path, "frame_dir", [each.get("frame_dir") for each in annotations], faults
    )
    labels = [each.get("label") for each in annotations]
    label = common.labels_of(path, "label", labels, names, faults)
    clips = [
        _clip(path, name, each, faults, i)
        for i, (name, each) in enumerate(zip(names, annotations, strict=True))
    ]
    usual = _usual(path, clips, faults)
    for i, clip in enumerate(clips):
        if clip is not None and clip.kind != usual.kind:
            faults.setdefault(i, usual.contradicted_by(clip))
    splits, unknown = _splits(path, names, parts)
    flat = usual.flat
    return common.clip_stream(
        path,
        key,
        source_format,
        clips=partial(_clips, clips, usual.kind),
        names=names,
        label=label,
        faults=faults,
        field="keypoint",
        layout=common.layout_of(path, usual.joints, not flat, source_format, layout),
        extras=splits | _image(clips),
        source=f"{path.name} (PYSKL)",
        notes=[_lacking(unknown)] if unknown else [],
    )


def _lacking(unknown: Sequence[str]) -> str:
    """Note the names in the splits that no clip has."""
    number = f"{len(unknown)} names have" if len(unknown) > 1 else "a name has"
    return f"split: {number} no clip: {listed([common.excerpt(n) for n in unknown])}"


def _contents(
    path: Path, content: Any
) -> tuple[Sequence[dict[str, Any]], dict[str, Any]]:
    """Return the annotations and the parts of the splits of a file."""
    parts: Any = {}
    if isinstance(content, dict):
        parts = content.get("split", {})
        if "annotations" not in content:
            raise InputError(
                f"{path}: field 'annotations': missing; not a file of PYSKL's"
            )
        content = content["annotations"]
    if not isinstance(content, list | tuple) or not content:
        raise InputError(f"{path}: field 'annotations': no list of clips")
    for i, annotation in enumerate(content):
        if not isinstance(annotation, dict):
            raise InputError(
                f"{path}: field 'annotations': number {i} is no dictionary"
            )
    if not isinstance(parts, dict) or not all(
        isinstance(name, str) and isinstance(members, list | tuple | set)
        for name, members in parts.items()
    ):
        raise InputError(f"{path}: field 'split': no dictionary of lists of names")
    return content, parts


class _Clip:
    """Checked annotation of one clip."""

    def __init__(self, path: Path, name: str, annotation: dict[str, Any]) -> None:
        self.where, self.name = f"{path}: clip {name}", name
        self.keypoint = self._array(annotation, "keypoint", 4)
        self.score = None
        self.bodies, self.frames, self.joints, self.channels = self.keypoint.shape
        common.check_shape(self.where, "keypoint", self.frames, self.bodies)
        if self.channels not in (2, 3):
            raise self._error("keypoint", f"{self.channels} channels, not 2 or 3")
        total = annotation.get("total_frames", self.frames)
        if not common.is_integer(total, self.frames, self.frames):
            raise self._error(
                "total_frames",
                f"{common.excerpt(total)}, but keypoint has {self.frames}",
            )
        self.flat = self.channels == 2
        if self.flat and annotation.get("keypoint_score") is not None:
            self.score = self._array(annotation, "keypoint_score", 3)
            if self.score.shape != self.keypoint.shape[:3]:
                raise self._error(
                    "keypoint_score",
                    f"{self.score.shape}, but keypoint is {self.keypoint.shape}",
                )
            self.channels = 3
        self.image = self._image(annotation.get("img_shape"))

    @property
    def kind(self) -> tuple[int, int]:
        """(N, C)."""
        return self.joints, self.channels

    def contradicted_by(self, other: _Clip) -> InputError:
        """Return the error for a clip of another kind than this one."""
        return other._error(
            "keypoint",
            f"{other.joints} joints and {other.channels} channels, but {self.name} has "
            f"{self.joints} and {self.channels}",
        )

    def _get(self, annotation: dict[str, Any], field: str) -> Any:
        if field in annotation:
            return annotation[field]
        if field == "keypoint" and "raw_file" in annotation:
            raise self._error(
                field, "missing: the clips are in files of their own, not in this one"
            )
        raise self._error(field, "missing")

    def _array(self, annotation: dict[str, Any], field: str, ndim: int) -> np.ndarray:
        array = self._get(annotation, field)
        if not isinstance(array, np.ndarray):
            raise self._error(field, "not an array")
        if array.dtype.kind != "f" or array.ndim != ndim:
            raise self._error(
                field, f"{array.dtype} {array.shape}, not floats in {ndim} dimensions"
            )
        return array

    def _image(self, size: Any) -> tuple[int, int]:
        """Return (height, width) of the image; 0 if unknown."""
        if size is None or not self.flat:
            return 0, 0
        sides = list(size) if isinstance(size, tuple | list) else []
        if len(sides) != 2 or not all(common.is_integer(s, 1, 10**6) for s in sides):
            raise self._error("img_shape", "not (height, width)")
        return int(sides[0]), int(sides[1])

    def _error(self, field: str, problem: str) -> InputError:
        return InputError(f"{self.where}: field {field!r}: {problem}")

    def read(self, bodies: int) -> np.ndarray:
        """Return the clip, (T, M, N, C), padded to a number of bodies."""
        dtype = np.result_type(self.keypoint, np.float32)
        clip = np.zeros((self.frames, bodies, self.joints, self.channels), dtype)
        coordinates = self.keypoint.shape[3]
        clip[:, : self.bodies, :, :coordinates] = self.keypoint.swapaxes(0, 1)
        if self.score is not None:
            clip[:, : self.bodies, :, 2] = self.score.swapaxes(0, 1)
        return clip


def _clip(
    path: Path, name: str, annotation: dict[str, Any], faults: common.Faults, i: int
) -> _Clip | None:
    """Check the annotation of clip i; None if it is noted to have a fault."""
    try:
        return _Clip(path, name, annotation)
    except InputError as error:
        faults.setdefault(i, error)
        return None


def _usual(path: Path, clips: Sequence[_Clip | None], faults: common.Faults) -> _Clip:
    """Return the first clip of the kind that most clips have.

    Raises:
        InputError: there is none.
    """
    whole = [clip for i, clip in enumerate(clips) if clip and i not in faults]
    if not whole:
        first = str(faults[0]).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}: no clip of {len(clips)} can be used; the first: {first}"
        )
    ((kind, _),) = Counter(clip.kind for clip in whole).most_common(1)
    return next(clip for clip in whole if clip.kind == kind)


def _clips(
    clips: Sequence[_Clip | None], kind: tuple[int, int]
) -> Iterator[np.ndarray | None]:
    bodies = max(clip.bodies for clip in clips if clip and clip.kind == kind)
    for clip in clips:
        yield clip.read(bodies) if clip and clip.kind == kind else None


def _splits(
    path: Path, names: Sequence[str], parts: dict[str, Any]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert the parts to splits: 0 for training, 1 for test, -1 for neither.

    Returns:
        An (n,) array per pair of parts, and the names without a clip.
    """
    position = {name: i for i, name in enumerate(names)}
    found: dict[str, np.ndarray] = {}
    unknown: dict[str, None] = {}
    for part, members in parts.items():
        match = _PART.fullmatch(part[:100])
        if match is None:
            continue  # another kind of list, such as one of excluded clips
        pair = match["before"] + match["after"]
        side = found.setdefault(
            f"split.{pair}" if pair else "split", np.full(len(names), -1)
        )
        if len(found) > _MAX_PAIRS:
            raise InputError(f"{path}: field 'split': more than {_MAX_PAIRS} splits")
        tests = int(match["side"] != "train")
        for member in members:
            if not isinstance(member, str):
                raise InputError(
                    f"{path}: field 'split': {part} holds {common.excerpt(member)}, "
                    "not a name"
                )
            place = position.get(common.strip_suffix(member))
            if place is None:
                unknown[member] = None
            elif side[place] not in (-1, tests):
                raise InputError(
                    f"{path}: field 'split': {common.excerpt(member)} is both a "
                    f"training and a test clip in {part}"
                )
            else:
                side[place] = tests
    first = {"split": next(iter(found.values()))} if found else {}
    return first | found, list(unknown)


def _image(clips: Sequence[_Clip | None]) -> dict[str, np.ndarray]:
    images = [clip.image if clip else (0, 0) for clip in clips]
    if not any(map(any, images)):
        return {}
    height, width = np.array(images, dtype=np.int64).T
    return {"height": height, "width": width}


def write(
    dataset: PackedDataset,
    path: Path,
    train: np.ndarray,
    test: np.ndarray,
    protocol: str = "",
) -> None:
    """Write all clips of a data set and one split of it, atomically.

    Subjects and views are lost, unless the names contain them. In 2D the score of a
    joint is its third channel; without one it is 1, or 0 if the joint is missing. An
    unknown image size is written as 1 by 1.

    Args:
        dataset: the data set; a copy of its joints is held in memory.
        path: the pickle file.
        train, test: positions of the clips of either side.
        protocol: determines the names of the two parts: ``xsub_train`` and ``xsub_val``
            for ``cross_subject``, as in PYSKL.

    Raises:
        InputError: a file that cannot be written.
    """
    prefix = f"{_SHORT.get(protocol, protocol)}_" if protocol else ""
    content = {
        "split": {
            f"{prefix}train": dataset.name[train].tolist(),
            f"{prefix}val": dataset.name[test].tolist(),
        },
        "annotations": [_annotation(dataset, i) for i in range(len(dataset))],
    }
    with atomic_write(path) as file:
        pickle.dump(content, file, protocol=4)


def _annotation(dataset: PackedDataset, i: int) -> dict[str, Any]:
    clip = dataset.clip(i).swapaxes(0, 1).astype(np.float32)
    annotation = {
        "frame_dir": str(dataset.name[i]),
        "label": int(dataset.label[i]),
        "total_frames": clip.shape[1],
        "keypoint": np.ascontiguousarray(clip[..., : dataset.layout.dims]),
    }
    if dataset.layout.dims == 2:
        image = _size(dataset, "height", i), _size(dataset, "width", i)
        score = clip[..., 2] if dataset.channels > 2 else clip.any(axis=3)
        annotation |= {
            "keypoint_score": np.ascontiguousarray(score, dtype=np.float32),
            "img_shape": image,
            "original_shape": image,
        }
    return annotation


def _size(dataset: PackedDataset, side: str, i: int) -> int:
    known = dataset.extras.get(side)
    return int(known[i]) or 1 if known is not None else 1
