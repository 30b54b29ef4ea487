"""Skeleton layouts: names of the joints, and the bones that connect them.

Fig. 7 of the paper shows the layouts of its four data sets; those of UTD-MHAD, SBU,
COCO, OpenPose's BODY_25, MediaPipe and Azure Kinect are additions. Joints are numbered
from 0, in the order of each data set's files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from skellib.errors import InputError


@dataclass(frozen=True)
class Layout:
    """Describe the joints and bones of one kind of skeleton (Fig. 7).

    Attributes:
        name: ``"ntu25"``, ``"kinect20"``, ...; custom names begin with ``"custom "``.
        joints: names of the N joints.
        bones: (parent, child) joint numbers of a tree over all joints, parents first.
        center: (joint, weight) terms; their weighted sum is the body centre, which is
            the origin in Section IV-A. The weights sum to 1.
        pairs: (left, right) joint numbers.
        up: (axis, sign) of the upward direction: ``(1, 1)`` for y up, ``(1, -1)`` for
            y down.
        dims: number of channels that are spatial coordinates, 3 or 2.

    Raises:
        InputError: a joint number out of range, a duplicate name, bones that are not
            one tree, or weights that do not sum to 1.

    Example:
        >>> import skellib as sk
        >>> arm = sk.Layout(name="custom arm", joints=("shoulder", "elbow", "hand"),
        ...                 bones=((0, 1), (1, 2)), center=((0, 1.0),), pairs=(),
        ...                 up=(1, 1), dims=3)
        >>> arm.size
        3
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    center: tuple[tuple[int, float], ...]
    pairs: tuple[tuple[int, int], ...]
    up: tuple[int, int]
    dims: int

    def __post_init__(self) -> None:
        if len(set(self.joints)) != self.size or not self.joints:
            raise self._error("joints", "the names must be distinct, at least one")
        numbers = [j for pair in (*self.bones, *self.pairs) for j in pair]
        numbers += [j for j, _ in self.center]
        if any(not 0 <= j < self.size for j in numbers):
            raise self._error(
                "bones, pairs, center", f"joint numbers must lie in 0..{self.size - 1}"
            )
        if not self._is_tree():
            raise self._error("bones", "must be a tree over all joints, parents first")
        if abs(sum(weight for _, weight in self.center) - 1) > 1e-9:
            raise self._error("center", "the weights must sum to 1")
        if self.dims not in (2, 3) or self.up[0] not in range(self.dims):
            raise self._error("dims, up", "dims is 2 or 3 and up's axis is below dims")
        if self.up[1] not in (-1, 1):
            raise self._error("up", "the sign must be 1 or -1")

    def _error(self, field: str, problem: str) -> InputError:
        return InputError(f"layout {self.name!r}: field {field!r}: {problem}")

    def _is_tree(self) -> bool:
        if not self.bones:
            return self.size == 1
        reached = {self.bones[0][0]}
        for parent, child in self.bones:
            if parent not in reached or child in reached:
                return False
            reached.add(child)
        return len(reached) == self.size

    @property
    def size(self) -> int:
        """Number of joints, N."""
        return len(self.joints)

    @property
    def parents(self) -> tuple[int, ...]:
        """Parent of each joint; the first of the tree is its own."""
        above = {child: parent for parent, child in self.bones}
        return tuple(above.get(joint, joint) for joint in range(self.size))

    def side(self, joint: int) -> Literal["left", "right", "middle"]:
        """Return the side of the body that a joint is on."""
        if any(joint == left for left, _ in self.pairs):
            return "left"
        if any(joint == right for _, right in self.pairs):
            return "right"
        return "middle"

    def to_dict(self) -> dict[str, Any]:
        """Convert the layout to plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Layout:
        """Build a layout from the result of ``to_dict``, or from its JSON.

        Raises:
            InputError: a missing field, or one of the wrong type.
        """
        try:
            return cls(
                name=str(data["name"]),
                joints=tuple(str(joint) for joint in data["joints"]),
                bones=tuple((int(a), int(b)) for a, b in data["bones"]),
                center=tuple((int(j), float(w)) for j, w in data["center"]),
                pairs=tuple((int(a), int(b)) for a, b in data["pairs"]),
                up=(int(data["up"][0]), int(data["up"][1])),
                dims=int(data["dims"]),
            )
        except InputError:
            raise
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"layout: not a complete description ({error})") from None


def _both(*names: str) -> tuple[str, ...]:
    """Prefix the names with left, then with right."""
    return tuple(f"{side} {name}" for side in ("left", "right") for name in names)


def _chain(*joints: int) -> tuple[tuple[int, int], ...]:
    """Return the bones along a chain of joints."""
    return tuple(zip(joints[:-1], joints[1:], strict=True))


_ARM = ("shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot")
_KINECT_LIMBS = _both(*_ARM) + _both(*_LEG)  # joints 4 to 19 of every Kinect layout
_KINECT_PAIRS = tuple((j, j + 4) for j in (4, 5, 6, 7, 12, 13, 14, 15))

# Kinect v2. A. Shahroudy et al., CVPR 2016, Fig. 1. The joint "spine" (20) lies
# between the shoulders. The thumb joins the wrist, as in Microsoft's own drawing.
_NTU25 = Layout(
    name="ntu25",
    joints=(
        *("base of the spine", "middle of the spine", "neck", "head"),
        *_KINECT_LIMBS,
        *("spine", "tip of the left hand", "left thumb"),
        *("tip of the right hand", "right thumb"),
    ),
    bones=(
        *_chain(0, 1, 20, 2, 3),
        *_chain(20, 4, 5, 6, 7, 21),
        (6, 22),
        *_chain(20, 8, 9, 10, 11, 23),
        (10, 24),
        *_chain(0, 12, 13, 14, 15),
        *_chain(0, 16, 17, 18, 19),
    ),
    center=((0, 1.0),),
    pairs=(*_KINECT_PAIRS, (21, 23), (22, 24)),
    up=(1, 1),
    dims=3,
)

# Kinect v1: N-UCLA and SYSU.
_KINECT20 = Layout(
    name="kinect20",
    joints=("hip centre", "spine", "shoulder centre", "head", *_KINECT_LIMBS),
    bones=(
        *_chain(0, 1, 2, 3),
        *_chain(2, 4, 5, 6, 7),
        *_chain(2, 8, 9, 10, 11),
        *_chain(0, 12, 13, 14, 15),
        *_chain(0, 16, 17, 18, 19),
    ),
    center=((0, 1.0),),
    pairs=_KINECT_PAIRS,
    up=(1, 1),
    dims=3,
)

# The same joints as kinect20, but the trunk is numbered from the top down.
_UTD20 = Layout(
    name="utd20",
    joints=("head", "shoulder centre", "spine", "hip centre", *_KINECT_LIMBS),
    bones=(
        *_chain(3, 2, 1, 0),
        *_chain(1, 4, 5, 6, 7),
        *_chain(1, 8, 9, 10, 11),
        *_chain(3, 12, 13, 14, 15),
        *_chain(3, 16, 17, 18, 19),
    ),
    center=((3, 1.0),),
    pairs=_KINECT_PAIRS,
    up=(1, 1),
    dims=3,
)

# OpenNI's tracker; the published coordinates are normalised, with y down.
_SBU15 = Layout(
    name="sbu15",
    joints=(
        *("head", "neck", "torso"),
        *_both("shoulder", "elbow", "hand"),
        *_both("hip", "knee", "foot"),
    ),
    bones=(
        *_chain(2, 1, 0),
        *_chain(1, 3, 4, 5),
        *_chain(1, 6, 7, 8),
        *_chain(2, 9, 10, 11),
        *_chain(2, 12, 13, 14),
    ),
    center=((2, 1.0),),
    pairs=tuple((j, j + 3) for j in (3, 4, 5, 9, 10, 11)),
    up=(1, -1),
    dims=3,
)

# OpenPose's COCO model: Kinetics-Skeleton. The channels are x, y and a score; the
# body's centre is midway between the neck and the middle of the hips.
_OPENPOSE18 = Layout(
    name="openpose18",
    joints=(
        *("nose", "neck"),
        *("right shoulder", "right elbow", "right wrist"),
        *("left shoulder", "left elbow", "left wrist"),
        *("right hip", "right knee", "right ankle"),
        *("left hip", "left knee", "left ankle"),
        *("right eye", "left eye", "right ear", "left ear"),
    ),
    bones=(
        *_chain(1, 2, 3, 4),
        *_chain(1, 5, 6, 7),
        *_chain(1, 8, 9, 10),
        *_chain(1, 11, 12, 13),
        *_chain(1, 0, 14, 16),
        *_chain(0, 15, 17),
    ),
    center=((1, 0.5), (8, 0.25), (11, 0.25)),
    pairs=((5, 2), (6, 3), (7, 4), (11, 8), (12, 9), (13, 10), (15, 14), (17, 16)),
    up=(1, -1),
    dims=2,
)

# COCO's key points: 2D poses by HRNet and others, as used by PYSKL. There is no
# neck; the centre is midway between the middles of the shoulders and of the hips.
_COCO17 = Layout(
    name="coco17",
    joints=(
        *("nose", "left eye", "right eye", "left ear", "right ear"),
        *("left shoulder", "right shoulder", "left elbow", "right elbow"),
        *("left wrist", "right wrist", "left hip", "right hip"),
        *("left knee", "right knee", "left ankle", "right ankle"),
    ),
    bones=(
        *_chain(0, 5, 7, 9),
        *_chain(0, 6, 8, 10),
        *_chain(5, 11, 13, 15),
        *_chain(6, 12, 14, 16),
        *_chain(0, 1, 3),
        *_chain(0, 2, 4),
    ),
    center=((5, 0.25), (6, 0.25), (11, 0.25), (12, 0.25)),
    pairs=tuple((j, j + 1) for j in range(1, 17, 2)),
    up=(1, -1),
    dims=2,
)

# OpenPose's BODY_25 model, with the middle of the hips and six points of the feet.
_BODY25 = Layout(
    name="body25",
    joints=(
        *("nose", "neck"),
        *("right shoulder", "right elbow", "right wrist"),
        *("left shoulder", "left elbow", "left wrist", "middle of the hips"),
        *("right hip", "right knee", "right ankle"),
        *("left hip", "left knee", "left ankle"),
        *("right eye", "left eye", "right ear", "left ear"),
        *("left big toe", "left small toe", "left heel"),
        *("right big toe", "right small toe", "right heel"),
    ),
    bones=(
        *_chain(8, 1, 0),
        *_chain(1, 2, 3, 4),
        *_chain(1, 5, 6, 7),
        *_chain(8, 9, 10, 11, 22, 23),
        *_chain(8, 12, 13, 14, 19, 20),
        *((11, 24), (14, 21)),
        *_chain(0, 15, 17),
        *_chain(0, 16, 18),
    ),
    center=((1, 0.5), (8, 0.5)),
    pairs=(
        *((5, 2), (6, 3), (7, 4), (12, 9), (13, 10), (14, 11)),
        *((16, 15), (18, 17), (19, 22), (20, 23), (21, 24)),
    ),
    up=(1, -1),
    dims=2,
)

# MediaPipe's pose landmarks, in metres or relative to the image; y down in both. There
# is no neck; the centre is that of coco17.
_MEDIAPIPE33 = Layout(
    name="mediapipe33",
    joints=(
        "nose",
        *_both("inner eye", "eye", "outer eye"),
        *("left ear", "right ear", "left mouth", "right mouth"),
        *("left shoulder", "right shoulder", "left elbow", "right elbow"),
        *("left wrist", "right wrist", "left pinky", "right pinky"),
        *("left index finger", "right index finger", "left thumb", "right thumb"),
        *("left hip", "right hip", "left knee", "right knee"),
        *("left ankle", "right ankle", "left heel", "right heel"),
        *("left foot", "right foot"),
    ),
    bones=(
        *_chain(0, 1, 2, 3, 7),
        *_chain(0, 4, 5, 6, 8),
        *((0, 9), (0, 10)),
        *_chain(0, 11, 13, 15, 17),
        *((15, 19), (15, 21)),
        *_chain(0, 12, 14, 16, 18),
        *((16, 20), (16, 22)),
        *_chain(11, 23, 25, 27, 29),
        *_chain(12, 24, 26, 28, 30),
        *((27, 31), (28, 32)),
    ),
    center=((11, 0.25), (12, 0.25), (23, 0.25), (24, 0.25)),
    pairs=(
        *((j, j + 3) for j in (1, 2, 3)),
        *((j, j + 1) for j in range(7, 33, 2)),
    ),
    up=(1, -1),
    dims=3,
)

# Azure Kinect's body tracking, y down in the frame of its depth camera.
_AZURE_KINECT32 = Layout(
    name="azure_kinect32",
    joints=(
        *("pelvis", "navel", "chest", "neck"),
        *_both("clavicle", *_ARM, "hand tip", "thumb"),
        *_both(*_LEG),
        *("head", "nose", "left eye", "left ear", "right eye", "right ear"),
    ),
    bones=(
        *_chain(0, 1, 2, 3, 26, 27),
        *_chain(2, 4, 5, 6, 7, 8, 9),
        (7, 10),
        *_chain(2, 11, 12, 13, 14, 15, 16),
        (14, 17),
        *_chain(0, 18, 19, 20, 21),
        *_chain(0, 22, 23, 24, 25),
        *((26, 28), (26, 29), (26, 30), (26, 31)),
    ),
    center=((0, 1.0),),
    pairs=(
        *((j, j + 7) for j in range(4, 11)),
        *((j, j + 4) for j in range(18, 22)),
        *((28, 30), (29, 31)),
    ),
    up=(1, -1),
    dims=3,
)

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        *(_NTU25, _KINECT20, _UTD20, _SBU15, _OPENPOSE18, _COCO17),
        *(_BODY25, _MEDIAPIPE33, _AZURE_KINECT32),
    )
}
"""Layouts of the supported data sets and of common pose estimators by name (Fig. 7).

Example:
    >>> import skellib as sk
    >>> sk.LAYOUTS["ntu25"].size, sk.LAYOUTS["kinect20"].joints[0]
    (25, 'hip centre')
"""


def get(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name not in LAYOUTS:
        raise InputError(f"layout {name!r}: unknown; known are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
