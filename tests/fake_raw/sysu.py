"""SYSU 3D HOI's format: one MATLAB file per clip, in a folder per subject."""

from __future__ import annotations

from pathlib import Path

from skellib.readers.sysu import CLASSES
from tests.fake_raw.common import perform, write_mat


def write(
    folder: Path, clips: int = 24, seed: int = 0, subject: str = "subject{:02d}"
) -> list[Path]:
    """Write files such as ``3DvideoNorm/subject01/video1/sklWorld.mat``.

    Args:
        folder: where to.
        clips: 12 make a subject complete.
        seed: of the content.
        subject: the name of a subject's folder, with a place for the number.

    Returns:
        The paths, in the order of writing.
    """
    paths = []
    for number in range(clips):
        person, label = divmod(number, len(CLASSES))
        frames = perform(label, person + 1, 1, seed=seed)
        place = folder / "3DvideoNorm" / subject.format(person + 1)
        path = place / f"video{label + 1}" / "sklWorld.mat"
        paths.append(write_mat(path, SW=frames.transpose(1, 2, 0)))
    return paths
