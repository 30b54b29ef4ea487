"""NTU RGB+D 120: NTU RGB+D and as many clips again, of 60 more classes.

J. Liu, A. Shahroudy, M. Perez, G. Wang, L.-Y. Duan, A. C. Kot, "NTU RGB+D 120: A
Large-Scale Benchmark for 3D Human Activity Understanding", TPAMI 2019. Its files have
the format of :mod:`skellib.readers.ntu`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from skellib.data.packed import PackedDataset
from skellib.readers import ntu, source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.ntu_missing import MISSING_120

KEY = "ntu120"
CLASSES = (
    *ntu.CLASSES,
    "put on headphones",
    "take off headphones",
    "shoot at a basket",
    "bounce a ball",
    "swing a tennis bat",
    "juggle table tennis balls",
    "hush",
    "flick hair",
    "thumb up",
    "thumb down",
    "make an OK sign",
    "make a victory sign",
    "staple a book",
    "count money",
    "cut nails",
    "cut paper",
    "snap fingers",
    "open a bottle",
    "sniff",
    "squat down",
    "toss a coin",
    "fold paper",
    "ball up paper",
    "play with a magic cube",
    "apply cream to the face",
    "apply cream to the back of a hand",
    "put on a bag",
    "take off a bag",
    "put something into a bag",
    "take something out of a bag",
    "open a box",
    "move heavy objects",
    "shake a fist",
    "throw up a cap",
    "hands up",
    "cross arms",
    "circle the arms",
    "swing the arms",
    "run on the spot",
    "kick backwards",
    "touch toes crosswise",
    "kick to the side",
    "yawn",
    "stretch oneself",
    "blow the nose",
    "hit someone with something",
    "wield a knife towards someone",
    "knock someone over",
    "grab someone's stuff",
    "shoot at someone",
    "step on someone's foot",
    "high five",
    "cheers and drink",
    "carry something together",
    "take a photo of someone",
    "follow someone",
    "whisper in someone's ear",
    "exchange things",
    "support someone",
    "rock-paper-scissors",
)


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``S001C001P001R001A001.skeleton`` and so
            on at any depth (or a folder of such archives).

    Returns:
        Clips as by :func:`skellib.readers.ntu.read`. The 535 clips with missing
        skeletons are skipped.

    Raises:
        InputError: a file that is missing, damaged, or not as published.
    """
    return source_format.read(FORMATS, source)


def skip_reason(name: str) -> str | None:
    """Return why a clip of this name is not part of the data set, or None."""
    setup, camera, performer, replication, code = ntu.numbers(name)
    if code <= len(ntu.CLASSES):
        missing = ntu.skip_reason(name) is not None
    else:
        digits = f"{setup:02d}{camera}{performer:03d}{replication}{code:03d}"
        missing = int(digits) in MISSING_120
    return (
        "one of the 535 clips listed as having missing skeletons" if missing else None
    )


FORMATS = (
    replace(
        ntu.FORMATS[0],
        key=KEY,
        classes=CLASSES,
        allowed={
            "code": tuple(range(1, len(CLASSES) + 1)),
            "setup": tuple(range(1, 33)),
            "view": (1, 2, 3),
            "subject": tuple(range(1, 107)),
        },
        skip_reason=skip_reason,
    ),
)

INFO = DatasetInfo(
    title="NTU RGB+D 120",
    what="NTU RGB+D with as many clips again, of 60 more classes and 66 more persons.",
    citation="J. Liu, A. Shahroudy, M. Perez, G. Wang, L.-Y. Duan, A. C. Kot, NTU "
    "RGB+D 120: A Large-Scale Benchmark for 3D Human Activity Understanding, TPAMI "
    "2019",
    home=ntu.INFO.home,
    terms=ntu.INFO.terms,
    contents="114,480 files, of which 535 are listed as broken; 120 classes, 106 "
    "persons, 25 joints",
    protocols=(
        ("cross-subject", "63,026 / 50,919"),
        ("cross-setup", "54,468 / 59,477"),
    ),
    quirks=(
        "The counts are those without the 535 clips whose skeletons are listed as "
        "missing or broken; with them 63,360 / 51,120 and 54,720 / 59,760. Both follow "
        "from the names.",
        "The paper that this book reproduces is older; it has no number for this data "
        "set.",
    ),
    prepare="prepare ntu120 --source nturgbd_skeletons_s001_to_s017.zip --source "
    "nturgbd_skeletons_s018_to_s032.zip",
)
