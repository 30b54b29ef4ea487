"""SBU Kinect Interaction: 8 classes of two persons, 7 persons in 21 ordered pairs.

K. Yun, J. Honorio, D. Chattopadhyay, T. L. Berg, D. Samaras, "Two-person Interaction
Detection Using Body-Pose Features and Multiple Instance Learning", CVPR Workshops 2012.
Read from the text files, one per clip, or from an equivalent npz.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers import source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.source_format import ClipFields, SourceFormat
from skellib.readers.sources import SourceFile

KEY = "sbu"
CLASSES = (
    "approaching",
    "departing",
    "kicking",
    "pushing",
    "shaking hands",
    "hugging",
    "exchanging something",
    "punching",
)
_BODIES = 2
_LAYOUT = LAYOUTS["sbu15"]


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``s01s02/01/001/skeleton_pos.txt`` and so
            on at any depth (or a folder of such archives), or an ``.npz``
            with ``joints`` (frames, 2, 15, 3), ``lengths``, ``label``,
            ``subject`` (n, 2: acting, reacting) and ``name``.

    Returns:
        Clips in the order of their names, joints as in the files: x and y about 0 to 1
        with y down, z about 0.8 to 2.5. ``subject`` is the acting person;
        ``extras["reacting"]`` (n,) the other, ``extras["take"]`` (n,).

    Raises:
        InputError: a file that is missing, damaged, or not as published.
    """
    return source_format.read(FORMATS, source)


def _parse(file: SourceFile) -> np.ndarray:
    """Parse a text file to (T, 2, 15, 3) float64."""
    try:
        lines = file.read().decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{file.where}: not a text file; fetch it again") from None
    frames = [
        _numbers(f"{file.where}: line {number}", line)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not frames:
        raise InputError(f"{file.where}: no frame; fetch it again")
    return np.array(frames).reshape(len(frames), _BODIES, _LAYOUT.size, 3)


def _numbers(where: str, line: str) -> list[float]:
    """Parse the coordinates on a line, without the leading frame number."""
    values = line.split(",")
    wanted = 1 + _BODIES * _LAYOUT.size * 3
    if len(values) != wanted:
        raise InputError(f"{where}: {len(values)} values, not {wanted}")
    numbers = []
    for column, value in enumerate(values, start=1):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(
                f"{where}: field {column}: {value.strip()[:20]!r} is not a finite "
                "number"
            )
        numbers.append(number)
    return numbers[1:]


def _as_packed(fields: ClipFields) -> ClipFields:
    """Convert fields from the names to those of the npz: subject is a pair."""
    persons = np.stack([fields["subject"], fields["reacting"]], axis=1)
    return {"label": fields["label"], "subject": persons}


FORMATS = (
    SourceFormat(
        key=KEY,
        classes=CLASSES,
        layout=_LAYOUT,
        bodies=_BODIES,
        name=r"s(?P<subject>\d\d)s(?P<reacting>\d\d)/(?P<code>\d\d)/(?P<take>\d\d\d)",
        ending="/skeleton_pos.txt",
        example="s01s02/01/001",
        allowed={"code": tuple(range(1, len(CLASSES) + 1))},
        parse=_parse,
        as_packed=_as_packed,
    ),
)

INFO = DatasetInfo(
    title="SBU Kinect Interaction",
    what="Eight interactions of two persons.",
    citation="K. Yun, J. Honorio, D. Chattopadhyay, T. L. Berg, D. Samaras, "
    "Two-person Interaction Detection Using Body-Pose Features and Multiple "
    "Instance Learning, CVPR Workshops 2012",
    home=("https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/",),
    terms="research use; cite the paper",
    contents="282 clips, 8 classes, 21 ordered pairs of 7 persons, 2 x 15 joints",
    protocols=(("five folds by pairs of persons", "about 226 / 56"),),
    quirks=(
        "x and y are normalised to about 0 to 1, with y down; z is about 0.8 to "
        "2.5. The authors give the world values as X = 1280 - 2560 x, "
        "Y = 960 - 1920 y, Z = 10000 z / 7.8125.",
        "Fifteen frames a second, half of the other sets' rate.",
    ),
    prepare="prepare sbu --source path/to/clips",
)
