"""Test skeleton layouts: trees, sides and centres."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout, get

each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def test_sizes_are_those_of_the_data_sets() -> None:
    sizes = {name: layout.size for name, layout in LAYOUTS.items()}
    assert sizes == {
        "ntu25": 25,
        "kinect20": 20,
        "utd20": 20,
        "sbu15": 15,
        "openpose18": 18,
        "coco17": 17,
        "body25": 25,
        "mediapipe33": 33,
        "azure_kinect32": 32,
    }


@each_layout
def test_bones_are_one_tree(layout: Layout) -> None:
    adjacency = np.eye(layout.size)
    for a, b in layout.bones:
        adjacency[a, b] = adjacency[b, a] = 1
    assert len(layout.bones) == layout.size - 1
    assert (np.linalg.matrix_power(adjacency, layout.size) > 0).all()


@each_layout
def test_mirroring_the_sides_keeps_the_skeleton(layout: Layout) -> None:
    mirror = dict(layout.pairs) | {right: left for left, right in layout.pairs}
    bones = {frozenset(bone) for bone in layout.bones}
    mirrored = {frozenset(mirror.get(j, j) for j in bone) for bone in layout.bones}
    assert mirrored == bones
    weights = dict(layout.center)
    assert {mirror.get(j, j): w for j, w in layout.center} == weights


@each_layout
def test_sides_agree_with_the_names(layout: Layout) -> None:
    for number, name in enumerate(layout.joints):
        words = name.split()
        side = next((w for w in words if w in ("left", "right")), "middle")
        assert layout.side(number) == side
    for left, right in layout.pairs:
        assert layout.joints[left].replace("left", "right") == layout.joints[right]


@each_layout
def test_a_trip_through_json_changes_nothing(layout: Layout) -> None:
    assert Layout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


def test_kinect_orders_name_the_same_joints() -> None:
    kinect, utd = get("kinect20"), get("utd20")
    assert set(kinect.joints) == set(utd.joints)

    def named(layout: Layout) -> set[frozenset[str]]:
        return {frozenset(layout.joints[j] for j in bone) for bone in layout.bones}

    assert named(kinect) == named(utd)


def test_centres() -> None:
    names = {
        name: [(layout.joints[j], w) for j, w in layout.center]
        for name, layout in LAYOUTS.items()
    }
    assert names["ntu25"] == [("base of the spine", 1.0)]
    assert names["kinect20"] == names["utd20"] == [("hip centre", 1.0)]
    assert names["sbu15"] == [("torso", 1.0)]
    assert names["openpose18"] == [
        ("neck", 0.5),
        ("right hip", 0.25),
        ("left hip", 0.25),
    ]
    for name in ("coco17", "mediapipe33"):
        assert [joint for joint, _ in names[name]] == [
            f"{side} {joint}"
            for joint in ("shoulder", "hip")
            for side in ("left", "right")
        ]
    assert names["body25"] == [("neck", 0.5), ("middle of the hips", 0.5)]
    assert names["azure_kinect32"] == [("pelvis", 1.0)]
    assert LAYOUTS["openpose18"].dims == LAYOUTS["coco17"].dims == 2
    assert LAYOUTS["sbu15"].up == LAYOUTS["openpose18"].up == (1, -1)


def test_joints_are_numbered_as_their_makers_do() -> None:
    """Compare with the tables of OpenPose, MediaPipe and Microsoft."""
    for name, joints in {
        "body25": {
            0: "nose",
            8: "middle of the hips",
            15: "right eye",
            24: "right heel",
        },
        "mediapipe33": {2: "left eye", 6: "right outer eye", 10: "right mouth"}
        | {17: "left pinky", 22: "right thumb", 23: "left hip", 32: "right foot"},
        "azure_kinect32": {4: "left clavicle", 10: "left thumb", 11: "right clavicle"}
        | {18: "left hip", 26: "head", 27: "nose", 31: "right ear"},
    }.items():
        layout = LAYOUTS[name]
        assert {j: layout.joints[j] for j in joints} == joints
        assert layout.up == (1, -1)


def test_an_unknown_layout_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"'kinect21'.*kinect20"):
        get("kinect21")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bones": ((0, 1), (1, 2), (2, 0))}, "bones"),
        ({"bones": ((0, 1), (2, 1))}, "bones"),
        ({"bones": ((0, 1),)}, "bones"),
        ({"bones": ((0, 1), (1, 3))}, "bones"),
        ({"center": ((0, 0.5),)}, "center"),
        ({"joints": ("a", "b", "b")}, "joints"),
        ({"up": (2, 1), "dims": 2}, "dims"),
        ({"up": (1, 0)}, "up"),
        ({"pairs": ((1, 9),)}, "pairs"),
    ],
)
def test_a_layout_that_does_not_hold_together_is_refused(change, field) -> None:
    good = Layout(
        name="custom three",
        joints=("a", "b", "c"),
        bones=((0, 1), (1, 2)),
        center=((0, 1.0),),
        pairs=(),
        up=(1, 1),
        dims=3,
    )
    with pytest.raises(InputError, match=field):
        replace(good, **change)
    with pytest.raises(InputError, match="layout"):
        Layout.from_dict({"name": "custom three"})
