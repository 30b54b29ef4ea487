"""N-UCLA's formats: JSON, one file per clip, and original text, one file per frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skellib.readers.nucla import CODES
from tests.fake_raw.common import perform, write_text

_LAST = [0, 1, 2, 4, 12, 16]  # joints that are lost in the last frame of some clips


class _Clip(NamedTuple):
    label: int
    view: int
    subject: int
    episode: int
    frames: np.ndarray  # (T, 20, 3)

    @property
    def folder(self) -> str:
        return f"a{CODES[self.label]:02d}_s{self.subject:02d}_e{self.episode:02d}"


def _clip(number: int, seed: int) -> _Clip:
    label, view = number % 10, number // 10 % 3 + 1
    subject, episode = number // 30 % 10 + 1, number // 300
    frames = perform(label, subject, episode + 1, view=view, seed=seed)
    if number % 7 == 3:
        frames[-1, _LAST] = 0
    # Six digits, as the release has them.
    digits = [float(f"{value:.6g}") for value in frames.ravel()]
    return _Clip(label, view, subject, episode, np.reshape(digits, frames.shape))


def write(folder: Path, clips: int = 20, seed: int = 0) -> list[Path]:
    """Write JSON files such as ``a01_s01_e00_v01.json``.

    Returns:
        The paths, in the order of writing.
    """
    paths = []
    for clip in (_clip(number, seed) for number in range(clips)):
        name = f"{clip.folder}_v{clip.view:02d}"
        content = {
            "file_name": name,
            "skeletons": clip.frames.tolist(),
            "label": str(clip.label + 1),
        }
        paths.append(write_text(folder / f"{name}.json", json.dumps(content)))
    return paths


def write_frames(folder: Path, clips: int = 20, seed: int = 0) -> list[Path]:
    """Write the clips of ``write`` as text files, one folder per clip.

    Each clip has an empty file too, a moment when nobody was tracked, and the first
    frame of each shows a second, farther person.

    Returns:
        The paths, in the order of writing.
    """
    paths = []
    for clip in (_clip(number, seed) for number in range(clips)):
        place = folder / "multiview_action" / f"view_{clip.view}" / clip.folder
        moments = []
        for number, frame in enumerate(clip.frames):
            text = _skeleton(1, frame)
            if number == 0:
                text += _skeleton(2, frame + [1, 0, 1])
            moments.append(text)
        moments.insert(len(moments) // 2, "")
        for number, text in enumerate(moments):
            name = f"frame_{number + 1}_tc_{90_467_000 + 33 * number}_skeletons.txt"
            paths.append(write_text(place / name, text))
        listed = (f"{n + 1} {90_467_000 + 33 * n}\n" for n in range(len(moments)))
        write_text(place / "fileList.txt", "".join(listed))
    return paths


def _skeleton(person: int, joints: np.ndarray) -> str:
    lines = [str(person)]
    for joint in joints:
        state = 2 if joint.any() else 0
        lines.append(",".join([*(f"{value:.6g}" for value in joint), str(state)]))
    return "".join(f"{line}\r\n" for line in lines)
