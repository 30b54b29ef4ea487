"""Synthetic data set: twelve actions with known differences.

A body of rigid segments moves by forward kinematics and is recorded by three cameras.
In each of five pairs of classes (`PAIRS`) the classes differ in a single property: they
share all random numbers except the tracking noise. A model that confuses the classes of
a pair cannot perceive that property.

World frame: metres, right-handed, y up, x to the person's left, z ahead of the person.
Camera frame as of the Kinect: y up, z away from the camera, right-handed, so that the
left side of a person who faces the camera has the smaller x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import LAYOUTS

KEY = "synthetic"
FPS = 30
MIN_FRAMES, MAX_FRAMES = 20, 90
CLASSES = (
    "wave slowly",
    "wave quickly",
    "swing the arms together",
    "swing the arms in turn",
    "sit down",
    "stand up",
    "kick with the left leg",
    "kick with the right leg",
    "stretch the arms out",
    "arms akimbo",
    "walk on the spot",
    "bow",
)
PAIRS: dict[str, tuple[str, str]] = {
    "frequency": ("wave slowly", "wave quickly"),
    "phase": ("swing the arms together", "swing the arms in turn"),
    "order": ("sit down", "stand up"),
    "limb": ("kick with the left leg", "kick with the right leg"),
    "shape": ("stretch the arms out", "arms akimbo"),
}
"""The property in which two classes differ, and the two classes."""

# Azimuth, downward tilt (degrees), height and distance (metres) of each camera.
CAMERAS = ((-35.0, 6.0, 1.2, 3.0), (10.0, 10.0, 1.4, 2.7), (45.0, 14.0, 1.5, 3.2))

_LIMBS = tuple(
    f"{side} {part}"
    for side in ("left", "right")
    for part in ("upper arm", "forearm", "thigh", "shin")
)
_NEIGHBOUR = (
    -0.9,
    0.0,
    -0.2,
)  # position of the second body relative to the first, metres

_Angle = np.ndarray | float  # (T,), or constant over time


@dataclass
class _Pose:
    """Joint angles over time: arrays (T,), in radians.

    The direction of a limb segment is (elevation, azimuth): elevation from straight
    down, azimuth from straight ahead towards its own side. Arms rotate with the trunk.
    """

    frames: int
    lean: np.ndarray = field(init=False)  # forward pitch of the trunk
    roll: np.ndarray = field(init=False)  # roll of the trunk to the left
    back: np.ndarray = field(init=False)  # backward shift of the hips, thigh lengths
    limbs: dict[str, tuple[np.ndarray, np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        zero = np.zeros(self.frames)
        self.lean, self.roll, self.back = zero, zero, zero
        self.limbs = dict.fromkeys(_LIMBS, (zero, zero))

    def point(self, limb: str, elevation: _Angle, azimuth: _Angle = 0.0) -> None:
        """Set the direction of a limb segment, in degrees."""
        e, a = np.broadcast_arrays(elevation, azimuth, np.zeros(self.frames))[:2]
        self.limbs[limb] = np.radians(e), np.radians(a)


@dataclass(frozen=True)
class _Subject:
    """Properties of a person, the same in all takes."""

    tempo: float  # relative speed of all movements
    amplitude: float  # relative size of all movements
    lean: float  # degrees
    carriage: float  # angle between idle arms and trunk, degrees
    bend: float  # of the idle elbows, degrees
    height: float
    limbs: dict[str, float]  # lengths relative to the height

    @classmethod
    def sample(cls, rng: np.random.Generator) -> _Subject:
        """Sample a person."""
        return cls(
            tempo=rng.uniform(0.9, 1.12),
            amplitude=rng.uniform(0.85, 1.1),
            lean=rng.uniform(-3, 5),
            carriage=rng.uniform(6, 16),
            bend=rng.uniform(5, 25),
            height=rng.uniform(0.88, 1.1),
            limbs={
                part: rng.uniform(0.93, 1.07)
                for part in ("trunk", "upper arm", "forearm", "thigh", "shin")
            },
        )


@dataclass(frozen=True)
class _Take:
    """Random properties of a take, shared by the two classes of a pair."""

    time: np.ndarray  # (T,) seconds, at the subject's tempo
    phase: float  # of the periodic movement, radians
    onset: tuple[float, float]  # and end of a single movement, as fractions of the clip
    sway: tuple[float, float, float]  # size (degrees), hertz, phase of the trunk's sway
    amplitude: float
    facing: float  # yaw of the person to the left, radians
    place: tuple[float, float]  # position on the floor, metres

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        seconds: tuple[float, float],
        tempo: float,
    ) -> _Take:
        """Sample a take of a duration in seconds between two bounds, at tempo 1."""
        frames = round(rng.uniform(*seconds) / tempo * FPS)
        frames = min(max(frames, MIN_FRAMES), MAX_FRAMES)
        return cls(
            time=np.arange(frames) / FPS * tempo,
            phase=rng.uniform(0, 2 * np.pi),
            onset=(rng.uniform(0.05, 0.2), rng.uniform(0.8, 0.95)),
            sway=(rng.uniform(1, 3), rng.uniform(0.2, 0.5), rng.uniform(0, 2 * np.pi)),
            amplitude=rng.uniform(0.93, 1.07),
            facing=rng.normal(0, np.radians(7)),
            place=(rng.normal(0, 0.1), rng.normal(0, 0.1)),
        )

    def wave(self, hertz: float, shift: float = 0.0) -> np.ndarray:
        """Return a sine of this frequency at tempo 1, (T,) in [-1, 1]."""
        return np.sin(2 * np.pi * hertz * self.time + self.phase + shift)

    def ramp(self) -> np.ndarray:
        """Return a smooth step from 0 to 1 between the onsets, (T,)."""
        clock = np.linspace(0, 1, len(self.time))
        x = np.clip((clock - self.onset[0]) / (self.onset[1] - self.onset[0]), 0, 1)
        return x * x * (3 - 2 * x)

    def bump(self) -> np.ndarray:
        """Return a smooth bump from 0 to 1 and back, (T,)."""
        return np.sin(np.pi * self.ramp()) ** 2


def _idle(who: _Subject, take: _Take) -> _Pose:
    """Return the idle pose: upright, arms hanging, swaying slightly."""
    pose = _Pose(len(take.time))
    size, hertz, phase = take.sway
    sway = np.sin(2 * np.pi * hertz * take.time + phase)
    pose.roll = np.radians(size * sway)
    pose.lean = np.radians(who.lean + 0.5 * size * sway)
    for side in ("left", "right"):
        pose.point(f"{side} upper arm", who.carriage, 80)
        pose.point(f"{side} forearm", who.carriage + who.bend, 30)
        pose.point(f"{side} thigh", *_raised(0.0))
    return pose


def _raised(thigh: _Angle) -> tuple[_Angle, _Angle]:
    """Return elevation and azimuth of a raised thigh, the knee 4 degrees outwards."""
    outwards = np.sin(np.radians(4))
    azimuth = np.degrees(np.arctan2(outwards, np.sin(np.radians(thigh))))
    return np.add(thigh, 4), azimuth


def _wave(hertz: float) -> Callable[[_Pose, _Take, float], None]:
    def move(pose: _Pose, take: _Take, size: float) -> None:
        pose.point("right upper arm", 85, 75)
        pose.point("right forearm", 150 + 28 * size * take.wave(hertz), 80)

    return move


def _swing(shift: float) -> Callable[[_Pose, _Take, float], None]:
    def move(pose: _Pose, take: _Take, size: float) -> None:
        for side, late in (("left", 0.0), ("right", shift)):
            elevation = 70 + 45 * size * take.wave(0.9, late)
            pose.point(f"{side} upper arm", elevation, 85)
            pose.point(f"{side} forearm", elevation + 8, 80)

    return move


def _sit(pose: _Pose, take: _Take, size: float) -> None:
    down = take.ramp()
    thigh = 82 * down
    pose.lean = pose.lean + np.radians(30 * size * take.bump() + 6 * down)
    pose.back = np.sin(np.radians(thigh))  # the feet stay where they are
    for side in ("left", "right"):
        pose.point(f"{side} thigh", *_raised(thigh))
        pose.point(f"{side} upper arm", 12 + 20 * down, 80 - 60 * down)
        pose.point(f"{side} forearm", 20 + 55 * down, 30 - 20 * down)


def _kick(side: str) -> Callable[[_Pose, _Take, float], None]:
    def move(pose: _Pose, take: _Take, size: float) -> None:
        lift = take.bump()
        thigh = 65 * size * lift
        pose.lean = pose.lean - np.radians(10 * lift)
        pose.point(f"{side} thigh", *_raised(thigh))
        pose.point(f"{side} shin", thigh - 50 * np.sin(np.pi * take.ramp() * 2) ** 2)

    return move


def _stretch(pose: _Pose, take: _Take, size: float) -> None:
    for side in ("left", "right"):
        pose.point(f"{side} upper arm", 88, 88)
        pose.point(f"{side} forearm", 90, 85)


def _akimbo(pose: _Pose, take: _Take, size: float) -> None:
    for side in ("left", "right"):
        pose.point(f"{side} upper arm", 48, 110)
        pose.point(f"{side} forearm", 50, -65)


def _walk(pose: _Pose, take: _Take, size: float) -> None:
    for side, late in (("left", 0.0), ("right", np.pi)):
        stride = take.wave(0.95, late)
        lift = 40 * size * np.maximum(stride, 0) ** 2
        pose.point(f"{side} thigh", lift)
        pose.point(f"{side} shin", -0.5 * lift)
        pose.point(f"{side} upper arm", -22 * size * stride)
        pose.point(f"{side} forearm", 20 - 22 * size * stride)


def _bow(pose: _Pose, take: _Take, size: float) -> None:
    pose.lean = pose.lean + np.radians(60 * size * take.bump())


@dataclass(frozen=True)
class _Action:
    """Movement of a class; classes of a family share their random numbers."""

    family: int
    seconds: tuple[float, float]  # range of a clip's duration at tempo 1
    move: Callable[[_Pose, _Take, float], None]
    backwards: bool = False


# The two waves differ in frequency (0.63 to 0.78 and 2.25 to 2.8 Hz over all tempos)
# and in cycles per clip, even after a crop to half the length (1.3 to 1.9 and 2.3 to
# 6.8): a network that resizes every clip to one length perceives only cycles per clip.
_ACTIONS: dict[str, _Action] = dict(
    zip(
        CLASSES,
        (
            _Action(0, (1.8, 2.7), _wave(0.7)),
            _Action(0, (1.8, 2.7), _wave(2.5)),
            _Action(1, (1.5, 2.7), _swing(0.0)),
            _Action(1, (1.5, 2.7), _swing(np.pi)),
            _Action(2, (0.8, 1.6), _sit),
            _Action(2, (0.8, 1.6), _sit, backwards=True),
            _Action(3, (0.9, 1.5), _kick("left")),
            _Action(3, (0.9, 1.5), _kick("right")),
            _Action(4, (1.0, 2.7), _stretch),
            _Action(4, (1.0, 2.7), _akimbo),
            _Action(5, (1.3, 2.7), _walk),
            _Action(6, (1.0, 2.2), _bow),
        ),
        strict=True,
    )
)

_Bone = tuple[str, tuple[float, float, float]]


def _sided(arm: dict[str, _Bone], leg: dict[str, _Bone]) -> dict[str, _Bone]:
    """Mirror the bones of the left side to the right."""
    rig = {}
    for joint, (part, offset) in (*arm.items(), *leg.items()):
        rig[f"left {joint}"] = (f"left {part}", offset)
        mirrored = (-offset[0], *offset[1:])
        rig[f"right {joint}"] = (f"right {part}", mirrored)
    return rig


_SIDES = _sided(
    {
        "elbow": ("upper arm", (0, 0, 0.28)),
        "wrist": ("forearm", (0, 0, 0.25)),
        "hand": ("forearm", (0, 0, 0.08)),
    },
    {
        "knee": ("thigh", (0, 0, 0.42)),
        "ankle": ("shin", (0, 0, 0.40)),
        "foot": ("pelvis", (0.02, -0.05, 0.12)),
        "hip": ("pelvis", (0.09, -0.06, 0)),
        "shoulder": ("trunk", (0.18, -0.05, 0)),
    },
)
# For each joint, the segment that moves its bone, and the bone at rest: in the frame of
# the pelvis or trunk, or (0, 0, length) along a limb segment.
_RIGS: dict[str, dict[str, _Bone]] = {
    "kinect20": {
        **_SIDES,
        "spine": ("trunk", (0, 0.08, 0)),
        "shoulder centre": ("trunk", (0, 0.38, 0)),
        "head": ("trunk", (0, 0.20, 0.02)),
    },
    "ntu25": {
        **_SIDES,
        "middle of the spine": ("trunk", (0, 0.24, 0)),
        "spine": ("trunk", (0, 0.22, 0)),
        "neck": ("trunk", (0, 0.07, 0)),
        "head": ("trunk", (0, 0.13, 0.02)),
        "tip of the left hand": ("left forearm", (0, 0, 0.08)),
        "tip of the right hand": ("right forearm", (0, 0, 0.08)),
        "left thumb": ("trunk", (-0.02, 0, 0.05)),
        "right thumb": ("trunk", (0.02, 0, 0.05)),
    },
}


def _rotation(axis: str, angle: np.ndarray | float) -> np.ndarray:
    """Return rotation matrices (..., 3, 3) about x, y or z by angles in radians."""
    angle = np.asarray(angle)
    c, s, zero, one = np.cos(angle), np.sin(angle), angle * 0, angle * 0 + 1
    rows = {
        "x": ((one, zero, zero), (zero, c, -s), (zero, s, c)),
        "y": ((c, zero, s), (zero, one, zero), (-s, zero, c)),
        "z": ((c, -s, zero), (s, c, zero), (zero, zero, one)),
    }[axis]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _directions(pose: _Pose, limb: str) -> np.ndarray:
    """Return unit vectors (T, 3) along a limb segment, before the trunk's rotation."""
    elevation, azimuth = pose.limbs[limb]
    outwards = 1.0 if limb.startswith("left") else -1.0
    aside = outwards * np.sin(elevation) * np.sin(azimuth)
    ahead = np.sin(elevation) * np.cos(azimuth)
    return np.stack([aside, -np.cos(elevation), ahead], axis=-1)


def _kinematics(pose: _Pose, who: _Subject, layout: str) -> np.ndarray:
    """Compute joint positions (T, N, 3), metres; the lowest joint is on the floor."""
    skeleton = LAYOUTS[layout]
    number = {joint: j for j, joint in enumerate(skeleton.joints)}
    trunk = _rotation("z", -pose.roll) @ _rotation("x", pose.lean)
    joints = np.zeros((pose.frames, skeleton.size, 3))
    for parent, child in skeleton.bones:
        segment, offset = _RIGS[layout][skeleton.joints[child]]
        part = segment.removeprefix("left ").removeprefix("right ")
        scale = who.height * who.limbs.get(part, 1.0)
        if segment in pose.limbs:
            bone = _directions(pose, segment) * offset[2]
        else:
            bone = np.broadcast_to(np.array(offset), (pose.frames, 3))
        if part in ("trunk", "upper arm", "forearm"):
            bone = np.einsum("tij,tj->ti", trunk, bone)
        joints[:, child] = joints[:, parent] + scale * bone
    thigh = joints[0, number["left knee"]] - joints[0, number["left hip"]]
    joints[..., 2] -= (pose.back * np.linalg.norm(thigh))[:, None]
    joints[..., 1] -= joints[..., 1].min(axis=1, keepdims=True)
    return joints


def _generator(*key: int) -> np.random.Generator:
    """Return a random generator that depends on the key only."""
    return np.random.default_rng(key)


def motion(
    action: str,
    subject: int = 1,
    take: int = 1,
    *,
    seed: int = 0,
    layout: str = "kinect20",
) -> np.ndarray:
    """Generate one noise-free take in the world frame.

    Args:
        action: one of ``CLASSES``.
        subject: number of the subject, from 1.
        take: number of the take, from 1.
        seed: as in ``generate``.
        layout: ``"kinect20"`` or ``"ntu25"``.

    Returns:
        (T, N, 3) float64, metres, y up, the floor at y = 0.

    Raises:
        InputError: an unknown action or layout.
    """
    if action not in _ACTIONS:
        raise InputError(
            f"action {action!r}: unknown; known are {', '.join(map(repr, CLASSES))}"
        )
    _check_layout(layout)
    return _perform(_ACTIONS[action], *_sample(action, subject, take, seed), layout)


def _sample(action: str, subject: int, take: int, seed: int) -> tuple[_Subject, _Take]:
    """Sample the person and the take of a clip."""
    plan = _ACTIONS[action]
    who = _Subject.sample(_generator(seed, 0, subject))
    rng = _generator(seed, 1, plan.family, subject, take)
    return who, _Take.sample(rng, plan.seconds, who.tempo)


def _perform(plan: _Action, who: _Subject, take: _Take, layout: str) -> np.ndarray:
    """Compute the joint positions (T, N, 3) of an action."""
    pose = _idle(who, take)
    plan.move(pose, take, who.amplitude * take.amplitude)
    joints = _kinematics(pose, who, layout)
    return joints[::-1] if plan.backwards else joints


def _neighbour(
    rng: np.random.Generator, frames: int, layout: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return an idle second person: joints (T, N, 3) and presence (T,) bool."""
    who = _Subject.sample(rng)
    seconds = frames / FPS * who.tempo
    idle = _idle(who, _Take.sample(rng, (seconds, seconds), who.tempo))
    joints = _kinematics(idle, who, layout) + np.array(_NEIGHBOUR)
    begin, end = np.sort(rng.integers(0, frames, size=2))
    clock = np.arange(frames)
    present = (clock < begin) | (clock >= end)
    return joints, present & (rng.uniform() < 0.7)


def _film(joints: np.ndarray, take: _Take, view: int) -> np.ndarray:
    """Transform world positions (..., 3) to the frame of camera ``view``, from 1."""
    azimuth, tilt, height, distance = CAMERAS[view - 1]
    rotated = joints @ _rotation("y", take.facing).T
    placed = rotated + np.array([take.place[0], 0.0, take.place[1]])
    # Rotate by 180 degrees more, since the person faces the camera.
    ahead = placed @ _rotation("y", np.pi - np.radians(azimuth)).T
    seen = ahead + np.array([0.0, -height, distance])
    return seen @ _rotation("x", np.radians(-tilt)).T


def generate(
    seed: int = 0,
    takes: int = 2,
    subjects: int | Sequence[int] = 8,
    views: int = 3,
    layout: str = "kinect20",
    bodies: int = 1,
    noise: float = 0.01,
) -> PackedDataset:
    """Generate the data set: 12 classes x ``subjects`` x ``takes`` x ``views`` clips.

    The cameras record the same take, each with its own tracking noise. The result
    depends on the arguments only; a larger data set contains the smaller ones.

    Args:
        seed: seed of all random numbers.
        takes: takes of each class by each subject.
        subjects: number of subjects, numbered from 1; or the numbers themselves.
        views: number of cameras, 1 to 3, numbered from 1.
        layout: ``"kinect20"`` or ``"ntu25"``.
        bodies: 2 adds an idle person, absent (zeros) in some frames and clips.
        noise: standard deviation of the tracking noise in metres; 0 for none.

    Returns:
        Clips of 20 to 90 frames at 30 Hz, metres in each camera's frame, y up;
        ``extras["take"]`` (n,).

    Raises:
        InputError: an argument out of range.
    """
    people = range(1, subjects + 1) if isinstance(subjects, int) else subjects
    for argument, value, low, high in (
        ("seed", seed, 0, 2**63),
        ("takes", takes, 1, 99),
        ("subjects", min(people, default=0), 1, 99),
        ("subjects", max(people, default=0), 1, 99),
        ("views", views, 1, len(CAMERAS)),
        ("bodies", bodies, 1, 2),
    ):
        if not low <= value <= high:
            raise InputError(f"{argument} {value}: must lie in {low}..{high}")
    if not 0 <= noise < np.inf:
        raise InputError(f"noise {noise}: must be 0 or more, in metres")
    _check_layout(layout)
    clips, rows = [], []
    for label in range(len(CLASSES)):
        for subject in people:
            for take in range(1, takes + 1):
                filmed = _takes_views(
                    (seed, label, subject, take), views, layout, bodies, noise
                )
                clips += filmed
                rows += [(label, subject, take, v) for v in range(1, views + 1)]
    label, subject, take, view = np.array(rows).T
    return PackedDataset.from_clips(
        clips,
        label=label,
        subject=subject,
        view=view,
        name=[f"a{a + 1:02d}_s{s:02d}_t{t:02d}_v{v:02d}" for a, s, t, v in rows],
        extras={"take": take},
        layout=LAYOUTS[layout],
        classes=CLASSES,
        key=KEY,
        source=(
            f"generated: seed {seed}, {len(people)} subjects, {takes} takes, {views} "
            f"views, noise {noise} m"
        ),
    )


def _takes_views(
    key: tuple[int, int, int, int], views: int, layout: str, bodies: int, noise: float
) -> list[np.ndarray]:
    """Record one take with every camera: clips (T, M, N, 3)."""
    seed, label, subject, number = key
    action = CLASSES[label]
    who, take = _sample(action, subject, number, seed)
    scene = _perform(_ACTIONS[action], who, take, layout)[:, None]
    present = np.ones(scene.shape[:2], dtype=bool)
    if bodies == 2:
        family = _ACTIONS[action].family
        rng = _generator(seed, 2, family, subject, number)
        other, there = _neighbour(rng, len(scene), layout)
        scene = np.concatenate([scene, other[:, None]], axis=1)
        present = np.stack([present[:, 0], there], axis=1)
    clips = []
    for view in range(1, views + 1):
        rng = _generator(seed, 3, label, subject, number, view)
        clip = _film(scene, take, view) + noise * rng.standard_normal(scene.shape)
        clips.append(np.where(present[..., None, None], clip, 0.0))
    return clips


def _check_layout(layout: str) -> None:
    if layout not in _RIGS:
        raise InputError(
            f"layout {layout!r}: not for synthetic data; those that are: "
            f"{', '.join(_RIGS)}"
        )
