"""A release made up for tests, with a reader that other processes can import.

``c<code>_s<subject>_<number>.clip`` holds a seed, a number of frames and a scale, or
says what to do. Each time one is parsed, a line goes to the file that the environment
variable CLIP_LOG names.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers.source_format import Annotations, SourceFormat
from skellib.readers.sources import SourceFile

LAYOUT = LAYOUTS["sbu15"]
CLASSES = ("x", "y", "z")


def parse(file: SourceFile) -> np.ndarray:
    """Generate a clip (T, 1, 15, 3) from the seed and length in a file."""
    if "CLIP_LOG" in os.environ:
        with open(os.environ["CLIP_LOG"], "a") as log:
            log.write(f"{os.getpid()} {file.groups['name']}\n")
    words = file.read().decode().split()
    if words[0] == "wait":
        time.sleep(60)
    if words[0] == "die":
        if not Path(words[1]).exists():
            Path(words[1]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        words = words[2:]
    if words[0] == "bug":
        raise KeyError("no such thing")
    if words[0] == "shape":
        return np.zeros((3, 2, 15, 3))
    if not words[0].isdigit():
        raise InputError(f"{file.where}: line 1: {words[0]!r} is no number")
    clip = np.random.default_rng(int(words[0])).normal(size=(int(words[1]), 1, 15, 3))
    return clip * float(words[2]) if len(words) > 2 else clip


def make_format(**changes) -> SourceFormat:
    fields = {
        "key": "toy",
        "classes": CLASSES,
        "layout": LAYOUT,
        "bodies": 1,
        "name": r"c(?P<code>\d)_s(?P<subject>\d+)_(?P<take>\d+)",
        "ending": ".clip",
        "example": "c1_s1_1",
        "allowed": {"code": (1, 2, 3)},
        "parse": parse,
    }
    return SourceFormat(**{**fields, **changes})


TOY = make_format()


def name_of(i: int) -> str:
    return f"c{i % 3 + 1}_s{i // 3 + 1}_{i}"


def parse_frames(files: Sequence[SourceFile]) -> np.ndarray:
    return np.concatenate([parse(file) for file in files])


def name_from(groups) -> str:
    return f"{groups['name']}_v{groups['view']}"


def large(file: SourceFile) -> np.ndarray:
    return np.full((10_000, 1, 15, 3), len(file.read()), dtype=np.float32)  # 1.8 MB


def lists_out(name: str) -> str | None:
    return "listed as spoilt" if name.endswith("3") else None


def annotate(
    companions: Sequence[SourceFile], clips: Sequence[SourceFile]
) -> Annotations:
    subjects = dict(line.split() for line in companions[0].read().decode().splitlines())
    return Annotations(
        [
            {"subject": int(subjects[clip.groups["name"]]), "label": 1}
            if clip.groups["name"] in subjects
            else "not in the list"
            for clip in clips
        ],
        classes=("p", "q"),
    )
