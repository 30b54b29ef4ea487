"""Clips in the format of NTU RGB+D: ``.skeleton`` files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path

import numpy as np

from skellib.data import synthetic
from skellib.errors import InputError
from skellib.readers import ntu

Body = tuple[int, np.ndarray]
"""A tracking id and joints (25, 3) in metres."""

_SUBJECTS, _CAMERAS, _REPLICATIONS, _SETUPS = 40, 3, 2, 17
_CLIPS = len(ntu.CLASSES) * _SUBJECTS * _CAMERAS * _REPLICATIONS
_STRIDE = 4447  # a prime: neighbours differ in class, camera and subject
_TWO_PERSONS = 49  # labels from here on are interactions
_FIRST_ID = 72057594037930000
_LETTERS = dict.fromkeys(map(ord, "SCPRA"))  # of a name; dropped
_END_JOINTS = (3, 15, 19, 21, 22, 23, 24)  # the recorder gives them no orientation

# Who performs in each setup: 158 pairs of a setup and a performer. Each pair performs
# all 60 classes twice before three cameras: 158 x 2 x 3 x 60 = 56,880. The rules of the
# names do not say who; this is what the published names have in common.
_PERFORMERS = {
    1: (1, 2, 3, 4, 5, 6, 7, 8),
    2: (3, 7, 8, 9, 10, 11, 12, 13, 14),
    3: (1, 2, 7, 8, 15, 16, 17, 18, 19),
    4: (3, 7, 8, 20),
    5: (4, 10, 13, 15, 16, 17, 18, 21),
    6: (1, 7, 8, 15, 16, 17, 19, 22, 23, 24),
    7: (1, 7, 8, 15, 16, 17, 18, 19, 25, 26, 27, 28),
    8: (1, 7, 8, 15, 19, 25, 29, 30, 31, 32, 33, 34, 35, 36),
    9: (7, 8, 15, 16, 17, 19, 25),
    10: (7, 8, 13, 15, 16, 17, 18, 19, 21, 25),
    11: (1, 2, 7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 38),
    12: (7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37),
    13: (7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37),
    14: (7, 8, 15, 17, 19, 25, 27, 37, 39),
    15: (7, 8, 15, 16, 17, 19, 25, 37),
    16: (7, 8, 19, 21, 25, 39, 40),
    17: (3, 7, 8, 9, 15, 16, 17, 20),
}
# The same of NTU RGB+D 120's further setups: 160 pairs perform the other 60 classes.
_PERFORMERS_120 = {
    18: (8, 41, 42, 43, 44, 45),
    19: (8, 41, 42, 46, 47, 48, 49, 50, 51),
    20: (8, 41, 43, 44, 52, 53, 54),
    21: (55, 56, 57, 58, 59, 60),
    22: (61, 62, 63, 64, 65, 66, 67),
    23: (55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68),
    24: (57, 60, 61, 62, 63, 64, 67),
    25: (55, 56, 58, 59, 65, 66, 68),
    26: (8, 41, 44, 49, 50, 51, 69, 70, 71, 72, 74, 75, 76, 77),
    27: (6, 8, 11, 41, 43, 44, 78, 79, 80, 81, 82, 83, 84, 85, 86),
    28: (8, 41, 42, 43, 46, 48, 70, 73, 87),
    29: (6, 8, 41, 43, 44, 48, 49, 51, 67, 74, 75, 80, 88, 89, 90),
    30: (8, 11, 41, 43, 44, 48, 67, 75, 76, 81, 85, 88, 91, 92, 93, 94, 95, 96),
    31: (6, 8, 41, 42, 43, 44, 51, 67, 82, 85, 96, 97, 98, 99, 100, 101),
    32: (8, 41, 43, 44, 67, 102, 103, 104, 105, 106),
}


def all_names(further: bool = False) -> list[str]:
    """Return the names of all 56,880 clips, including those listed as missing.

    Args:
        further: the other 57,600 of NTU RGB+D 120 instead.
    """
    first = 61 if further else 1
    return [
        f"S{setup:03d}C{camera:03d}P{performer:03d}R{replication:03d}A{action:03d}"
        for setup, performers in (_PERFORMERS_120 if further else _PERFORMERS).items()
        for camera, performer, replication, action in product(
            range(1, _CAMERAS + 1),
            performers,
            range(1, _REPLICATIONS + 1),
            range(first, first + len(ntu.CLASSES)),
        )
    ]


def write(
    folder: Path,
    clips: int = 60,
    seed: int = 0,
    *,
    crlf: bool = True,
    frames: tuple[int, int] = (50, 150),
) -> list[Path]:
    """Write clips of synthetic movements under names of the release.

    The movement and its pace depend on the class, so that a network can learn them.
    Two persons act in the classes of interactions; some frames are empty, and in some
    clips a third body, wide and flat, flickers.

    Args:
        folder: made if need be.
        clips: how many, up to 14,400 less those that the release lists as missing.
            Classes follow each other in turn.
        seed: of all random draws.
        crlf: ends lines as the originals do; with LF if false.
        frames: the fewest and the most of a clip.

    Returns:
        The files, in the order of writing. Their content depends on the arguments only,
        and a clip's not on how many there are.

    Raises:
        InputError: more clips than there are names.
    """
    names = list(islice(_names(), clips))
    if len(names) < clips:
        raise InputError(f"clips {clips}: there are {len(names)} names at most")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.skeleton" for name in names]
    for path in paths:
        rng = np.random.default_rng((seed, int(path.stem.translate(_LETTERS))))
        path.write_bytes(encode(_perform(rng, path.stem, frames), crlf=crlf, rng=rng))
    return paths


def encode(
    frames: Sequence[Sequence[Body]],
    *,
    crlf: bool = True,
    rng: np.random.Generator | None = None,
) -> bytes:
    """Encode the file of a clip.

    Args:
        frames: the bodies in each frame.
        crlf: ends lines with CR LF; with LF if false.
        rng: of the columns that no one reads.
    """
    rng = rng or np.random.default_rng(0)
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for tracking_id, joints in bodies:
            lean_x, lean_y = rng.uniform(-0.5, 0.5, size=2).tolist()
            lines.append(f"{tracking_id} 0 1 1 1 1 0 {lean_x:.7G} {lean_y:.7G} 2")
            lines.append(str(len(joints)))
            lines += _joint_lines(joints, rng)
    end = "\r\n" if crlf else "\n"
    return (end.join(lines) + end).encode("ascii")


def _joint_lines(joints: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Format x y z, depth x y, colour x y, orientation w x y z, tracking state."""
    x, y, z = np.asarray(joints, dtype=np.float64).T
    far = np.where(z > 0.1, z, 3.0)
    table = np.empty((len(joints), 12))
    table[:, :3] = joints
    table[:, 3:5] = np.stack([256 + 365 * x / far, 212 - 365 * y / far], axis=1)
    table[:, 5:7] = np.stack([960 + 1060 * x / far, 540 - 1060 * y / far], axis=1)
    turn = rng.standard_normal((len(joints), 4))
    table[:, 7:11] = turn / np.linalg.norm(turn, axis=1, keepdims=True)
    table[list(_END_JOINTS), 7:11] = 0
    table[:, 11] = rng.choice([1, 2], size=len(joints), p=[0.1, 0.9])
    line = " ".join(["%.7G"] * 12)
    return [line % tuple(row) for row in table.tolist()]


def _names() -> Iterator[str]:
    """Yield names SsssCcccPpppRrrrAaaa of the data set, except the missing clips."""
    skip_reason = ntu.FORMATS[0].skip_reason
    for i in range(_CLIPS):
        rest, label = divmod(i * _STRIDE % _CLIPS, len(ntu.CLASSES))
        rest, camera = divmod(rest, _CAMERAS)
        replication, subject = divmod(rest, _SUBJECTS)
        name = (
            f"S{subject % _SETUPS + 1:03d}C{camera + 1:03d}P{subject + 1:03d}"
            f"R{replication + 1:03d}A{label + 1:03d}"
        )
        if skip_reason is None or skip_reason(name) is None:
            yield name


def _perform(
    rng: np.random.Generator, name: str, frames: tuple[int, int]
) -> list[list[Body]]:
    """Return the bodies in each frame, as the recorder would."""
    camera, subject, label = int(name[5:8]), int(name[9:12]), int(name[17:]) - 1
    length = int(rng.integers(frames[0], frames[1] + 1))
    movements = len(synthetic.CLASSES)
    # Classes that share a movement differ in how often it is repeated.
    repeats = 1 + label // movements
    actors = [_movement(label % movements, subject, repeats, length)]
    if label >= _TWO_PERSONS:
        partner = _movement((label + 5) % movements, subject + 1, repeats, length)
        actors.append(partner * [-1, 1, -1] + [0.9, 0, 0.3])
    angle = np.radians((camera - 2) * 45)
    turn = np.array(
        [
            [np.cos(angle), 0, np.sin(angle)],
            [0, 1, 0],
            [-np.sin(angle), 0, np.cos(angle)],
        ]
    )
    # The person faces the camera, which stands 3 metres off and looks straight ahead.
    away = np.array([rng.normal(0, 0.2), -1.0, rng.normal(3.0, 0.2)])
    seen = [
        actor @ turn * [-1, 1, -1] + away + rng.normal(0, 0.005, actor.shape)
        for actor in actors
    ]
    recorded: list[list[Body]] = [
        [(_FIRST_ID + b, actor[t]) for b, actor in enumerate(seen)]
        for t in range(length)
    ]
    if rng.uniform() < 0.1:
        flat = seen[0][0] * [1.5, 0.2, 1] + [0.5, -0.6, 0.4]
        for t in rng.choice(length, size=length // 3, replace=False).tolist():
            ghost = flat + rng.normal(0, 0.05, flat.shape)
            recorded[t].append((_FIRST_ID + len(seen), ghost))
    if rng.uniform() < 0.1:
        for t in rng.choice(length, size=length // 10, replace=False).tolist():
            recorded[t] = []
    return recorded


def _movement(action: int, subject: int, repeats: int, length: int) -> np.ndarray:
    """Generate a motion to and fro, (T, 25, 3) in metres, the floor at y = 0."""
    joints = synthetic.motion(synthetic.CLASSES[action], subject, layout="ntu25")
    there_and_back = np.concatenate([joints, joints[::-1]])
    at = np.linspace(0, repeats * len(there_and_back), length) % len(there_and_back)
    return there_and_back[at.astype(int) % len(there_and_back)]
