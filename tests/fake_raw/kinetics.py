"""Kinetics-Skeleton's format: one JSON file per clip, one list of labels per split."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from skellib.data import synthetic
from tests.fake_raw.common import perform, write_text

FRAMES = 300
_NUMBERS = tuple(range(0, 396, 33))  # class numbers of the twelve motions
_FOCAL = 1.2  # focal length in image heights

# For each joint of openpose18: joint of kinect20, offset to the side and up in metres.
_JOINTS = (
    *((3, 0.0, -0.05), (2, 0.0, 0.0)),
    *((j, 0.0, 0.0) for j in (8, 9, 10, 4, 5, 6, 16, 17, 18, 12, 13, 14)),
    *((3, -0.03, 0.0), (3, 0.03, 0.0), (3, -0.07, -0.02), (3, 0.07, -0.02)),
)


def write(folder: Path, clips: int = 24, seed: int = 0) -> list[Path]:
    """Write files such as ``kinetics_train/cU1fyH2QssA.json``, and both lists.

    Clips of a class are alternately for training and validation. Frames have none to
    three persons, in any order. Each list also has a clip without a skeleton, and
    without a file.

    Returns:
        Paths of the clips, in the order of writing.
    """
    paths = []
    lists: dict[str, dict[str, Any]] = {"train": {}, "val": {}}
    for number in range(clips):
        take, action = divmod(number, len(_NUMBERS))
        label = {
            "label": synthetic.CLASSES[action],
            "label_index": _NUMBERS[action],
        }
        split, name = ("train", "val")[take % 2], _name(seed, number)
        content = {"data": _frames(action, take + 1, seed), **label}
        path = folder / f"kinetics_{split}" / f"{name}.json"
        paths.append(write_text(path, json.dumps(content)))
        lists[split][name] = {"has_skeleton": True, **label}
    for split, entries in lists.items():
        empty = {"label": synthetic.CLASSES[0], "label_index": _NUMBERS[0]}
        entries[_name(seed, -1)] = {"has_skeleton": False, **empty}
        path = folder / f"kinetics_{split}_label.json"
        write_text(path, json.dumps(entries, indent=4))
    return paths


def _name(seed: int, number: int) -> str:
    """Return eleven characters, like the id of a video."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return base64.urlsafe_b64encode(digest)[:11].decode()


def _frames(action: int, take: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng((seed, action, take))
    motion = perform(action, take, 1, seed=seed)
    motion = np.resize(motion, (FRAMES, *motion.shape[1:]))
    people = rng.choice(4, FRAMES, p=(0.05, 0.6, 0.25, 0.1))
    frames = []
    for number, (joints, count) in enumerate(zip(motion, people, strict=True), start=1):
        crowd = [_person(joints + [0.5 * n, 0, 0], n, rng) for n in range(count)]
        rng.shuffle(crowd)
        frames.append({"frame_index": number, "skeleton": crowd})
    return frames


def _person(
    joints: np.ndarray, rank: int, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Project joints (20, 3) to an OpenPose person; scores decrease with the rank."""
    x, y, z = (
        joints[[j for j, _, _ in _JOINTS]] + [[s, u, 0] for _, s, u in _JOINTS]
    ).T
    score = np.clip(rng.normal(0.75 - 0.2 * rank, 0.08, len(_JOINTS)), 0.05, 1).round(3)
    score[rng.random(len(_JOINTS)) < 0.08] = 0
    seen = np.stack([0.5 + _FOCAL * x / z, 0.5 - _FOCAL * y / z], axis=1).round(3)
    seen[score == 0] = 0
    return {"pose": seen.ravel().tolist(), "score": score.tolist()}
