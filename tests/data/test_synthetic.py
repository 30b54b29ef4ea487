"""The synthetic data set: what was planted is there, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from skellib.data import synthetic
from skellib.data.packed import PackedDataset
from skellib.data.synthetic import CLASSES, FPS, PAIRS, generate, motion
from skellib.errors import InputError
from skellib.layouts import LAYOUTS

KINECT = LAYOUTS["kinect20"]
JOINT = {name: j for j, name in enumerate(KINECT.joints)}


@pytest.fixture(scope="module")
def packed() -> PackedDataset:
    return generate()


def of_class(packed: PackedDataset, name: str) -> np.ndarray:
    return np.flatnonzero(packed.label == CLASSES.index(name))


def dominant_hertz(clip: np.ndarray) -> float:
    """Return the dominant frequency of the right wrist about its elbow."""
    wrist = clip[:, 0, JOINT["right wrist"]] - clip[:, 0, JOINT["right elbow"]]
    wrist = wrist - wrist.mean(axis=0)
    direction = np.linalg.svd(wrist, full_matrices=False)[2][0]
    spectrum = np.abs(np.fft.rfft(wrist @ direction, 2048))
    return float(np.fft.rfftfreq(2048, 1 / FPS)[spectrum.argmax()])


def best_threshold(values: np.ndarray, second: np.ndarray) -> float:
    """Return the best accuracy of a threshold on one column of ``values``."""
    order = np.argsort(values, axis=0)
    steps = np.where(second[order], 1, -1)
    return 0.5 + np.abs(steps.cumsum(axis=0)).max() / len(values)


def test_sizes_and_counts(packed: PackedDataset) -> None:
    assert len(packed) == 12 * 8 * 3 * 2
    assert packed.joints.shape[1:] == (1, 20, 3)
    assert packed.joints.dtype == np.float32
    assert packed.lengths.min() >= 20
    assert packed.lengths.max() <= 90
    assert len(np.unique(packed.lengths)) > 30
    assert (np.bincount(packed.label) == 48).all()
    assert set(packed.view) == {1, 2, 3}
    assert set(packed.extras["take"]) == {1, 2}
    assert packed.name.tolist() == sorted(packed.name.tolist())
    assert (packed.duplicate_of == -1).all()
    packed.verify()


def test_the_seed_decides(packed: PackedDataset) -> None:
    assert generate().fingerprint == packed.fingerprint
    assert generate(seed=1).fingerprint != packed.fingerprint


@pytest.mark.parametrize("subjects", [2, [5, 3]])
def test_a_smaller_set_is_a_part_of_a_larger(
    packed: PackedDataset, subjects: int | list[int]
) -> None:
    small = generate(takes=1, subjects=subjects, views=1)
    assert len(small) == 24
    at = {name: i for i, name in enumerate(packed.name.tolist())}
    for i, name in enumerate(small.name.tolist()):
        assert np.array_equal(small.clip(i), packed.clip(at[name]))


def test_units_are_metres_with_y_up_before_the_camera(packed: PackedDataset) -> None:
    bow = packed.clip(of_class(packed, "bow")[0])[0, 0]
    assert (
        bow[JOINT["head"], 1] > bow[JOINT["hip centre"], 1] > bow[JOINT["left foot"], 1]
    )
    assert 1.1 < np.linalg.norm(bow[JOINT["head"]] - bow[JOINT["left foot"]]) < 1.9
    assert (packed.joints[..., 2] > 1).all()
    # A person who faces the camera has the left side at the smaller x, as in Kinect's.
    facing = of_class(packed, "stretch the arms out")
    for i in facing[packed.view[facing] == 2]:
        frame = packed.clip(i)[0, 0]
        assert frame[JOINT["left hand"], 0] < frame[JOINT["right hand"], 0]
        assert frame[JOINT["left foot"], 2] < frame[JOINT["left ankle"], 2]


@pytest.mark.parametrize("layout", ["kinect20", "ntu25"])
@pytest.mark.parametrize("action", CLASSES)
def test_bones_are_rigid_and_the_floor_holds(layout: str, action: str) -> None:
    joints = motion(action, subject=3, take=2, layout=layout)
    parents, children = np.array(LAYOUTS[layout].bones).T
    lengths = np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1)
    np.testing.assert_allclose(lengths, lengths[:1].repeat(len(lengths), 0), atol=1e-12)
    assert (lengths > 0.01).all()
    np.testing.assert_allclose(joints[..., 1].min(axis=1), 0, atol=1e-12)
    step = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max()
    assert step * FPS < 8  # metres a second


def test_subjects_differ_in_their_limbs() -> None:
    shin = [JOINT["left knee"], JOINT["left ankle"]]
    lengths = {
        subject: np.linalg.norm(np.diff(motion("bow", subject)[0, shin], axis=0))
        for subject in range(1, 9)
    }
    assert len({round(float(length), 3) for length in lengths.values()}) == 8
    again = np.linalg.norm(np.diff(motion("arms akimbo", 5, 2)[0, shin], axis=0))
    np.testing.assert_allclose(again, lengths[5])


def test_views_film_the_same_take_with_noise_of_their_own() -> None:
    exact = generate(takes=1, subjects=1, noise=0)
    noisy = generate(takes=1, subjects=1, noise=0.01)
    for i in range(0, len(exact), 3):
        world = motion(CLASSES[exact.label[i]]).astype(np.float64)
        between = np.linalg.norm(world[:, :, None] - world[:, None], axis=-1)
        for view in range(3):
            seen = exact.clip(i + view)[:, 0].astype(np.float64)
            found = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1)
            np.testing.assert_allclose(found, between, atol=1e-5)
    noise = noisy.joints - exact.joints
    assert abs(noise.std() - 0.01) < 2e-4
    a, b = noise[: exact.lengths[0]], noise[exact.lengths[0] : 2 * exact.lengths[0]]
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_the_classes_of_a_pair_share_their_draws(packed: PackedDataset) -> None:
    for first, second in PAIRS.values():
        a, b = of_class(packed, first), of_class(packed, second)
        for field in ("lengths", "subject", "view"):
            values = getattr(packed, field)
            assert np.array_equal(values[a], values[b])


def mean_poses(packed: PackedDataset, clips: np.ndarray) -> np.ndarray:
    """Return the mean joints relative to the hips' centre, (n, 57)."""
    poses = [packed.clip(i)[:, 0].mean(axis=0) for i in clips]
    return np.array([(pose[1:] - pose[0]).ravel() for pose in poses])


def test_the_waves_differ_in_frequency_alone(packed: PackedDataset) -> None:
    slow, quick = (of_class(packed, name) for name in PAIRS["frequency"])
    slow_hertz = [dominant_hertz(packed.clip(i)) for i in slow]
    quick_hertz = [dominant_hertz(packed.clip(i)) for i in quick]
    assert max(slow_hertz) < 1.2 < 2 < min(quick_hertz)
    # In cycles a clip too, and even where a crop halves the quick one.
    slow_cycles = np.array(slow_hertz) * packed.lengths[slow] / FPS
    quick_cycles = np.array(quick_hertz) * packed.lengths[quick] / FPS
    assert slow_cycles.max() < 0.5 * quick_cycles.min()
    poses = mean_poses(packed, np.concatenate([slow, quick]))
    second = np.arange(len(poses)) >= len(slow)
    assert best_threshold(poses, second) < 0.7
    # Noise-free, each point of the wrist's path is on the other's path as well.
    a, b = (motion(name, 2)[:, JOINT["right wrist"]] for name in PAIRS["frequency"])
    np.testing.assert_allclose(np.ptp(a, axis=0), np.ptp(b, axis=0), atol=0.03)


def test_the_arms_differ_in_phase_alone(packed: PackedDataset) -> None:
    hands = [JOINT["left hand"], JOINT["right hand"]]
    signs = []
    for name in PAIRS["phase"]:
        heights = [packed.clip(i)[:, 0, hands, 1] for i in of_class(packed, name)]
        signs.append([np.corrcoef(height.T)[0, 1] for height in heights])
    assert min(signs[0]) > 0.8
    assert max(signs[1]) < -0.5
    a, b = (of_class(packed, name) for name in PAIRS["phase"])
    second = np.arange(len(a) + len(b)) >= len(a)
    assert best_threshold(mean_poses(packed, np.concatenate([a, b])), second) < 0.75
    # One arm is moved alike in both classes: seen alone, it says nothing.
    together, in_turn = (motion(name, 4) for name in PAIRS["phase"])
    left = [JOINT[f"left {part}"] for part in ("elbow", "wrist", "hand")]
    np.testing.assert_array_equal(together[:, left], in_turn[:, left])


def test_standing_up_is_sitting_down_reversed() -> None:
    for subject in range(1, 9):
        down, up = (motion(name, subject) for name in PAIRS["order"])
        np.testing.assert_array_equal(down[::-1], up)
        hips = down[:, JOINT["hip centre"], 1]
        assert hips[0] - hips[-1] > 0.25
        feet = down[:, [JOINT["left foot"], JOINT["right foot"]]]
        assert np.ptp(feet, axis=0).max() < 0.05
    exact = generate(takes=1, subjects=1, noise=0)
    for view in range(3):
        down, up = (exact.clip(of_class(exact, n)[view]) for n in PAIRS["order"])
        np.testing.assert_allclose(down[::-1], up, atol=1e-6)


def test_the_kicks_differ_in_the_leg_alone() -> None:
    legs = [
        [JOINT[f"{side} {part}"] for part in ("knee", "ankle", "foot")]
        for side in ("left", "right")
    ]
    arms = [j for j, name in enumerate(KINECT.joints) if j < 12]
    for subject in range(1, 9):
        left, right = (motion(name, subject) for name in PAIRS["limb"])
        left, right = (m - m[:, :1] for m in (left, right))
        mirrored = right * np.array([-1, 1, 1])
        np.testing.assert_allclose(left[:, legs[0]], mirrored[:, legs[1]], atol=1e-12)
        np.testing.assert_allclose(left[:, arms], right[:, arms], atol=1e-12)
        moved = [np.ptp(left[:, leg, 2], axis=0).max() for leg in legs]
        assert moved[0] > 0.2 > moved[1]


def test_the_held_poses_differ_in_shape_from_every_view(packed: PackedDataset) -> None:
    hands = [JOINT["left hand"], JOINT["right hand"]]
    spans = []
    for name in PAIRS["shape"]:
        clips = [
            packed.clip(i)[:, 0, hands].mean(axis=0) for i in of_class(packed, name)
        ]
        spans.append([np.linalg.norm(left - right) for left, right in clips])
    assert min(spans[0]) > 1.0 > 0.8 > max(spans[1])
    for name in PAIRS["shape"]:
        path = motion(name, 3)[:, hands] - motion(name, 3)[:, :1]
        assert np.ptp(path, axis=0).max() < 0.1


def test_a_second_body_comes_and_goes() -> None:
    two = generate(bodies=2, layout="ntu25")
    assert two.joints.shape[1:] == (2, 25, 3)
    absent = (two.joints[:, 1] == 0).all(axis=(1, 2))
    missing = (two.joints[:, 1] == 0).all(axis=-1)
    assert np.array_equal(missing.any(axis=1), absent)  # the whole body or none
    assert not (two.joints[:, 0] == 0).all(axis=-1).any()
    share = [
        absent[s : s + n].mean() for s, n in zip(two.starts, two.lengths, strict=True)
    ]
    assert any(s == 1 for s in share)
    assert any(0 < s < 1 for s in share)
    one = generate(layout="ntu25", noise=0)
    first = generate(bodies=2, layout="ntu25", noise=0).joints[:, :1]
    np.testing.assert_array_equal(first, one.joints)


def test_bad_arguments_are_named() -> None:
    for arguments in (
        {"views": 4},
        {"views": 0},
        {"takes": 0},
        {"subjects": 0},
        {"subjects": [3, 0]},
        {"subjects": []},
        {"bodies": 3},
        {"layout": "sbu15"},
        {"noise": -1},
        {"noise": float("nan")},
        {"seed": -1},
    ):
        (name,) = arguments
        with pytest.raises(InputError, match=name):
            generate(**arguments)
    with pytest.raises(InputError, match=r"'dance'.*bow"):
        motion("dance")
    assert set(CLASSES) >= {name for pair in PAIRS.values() for name in pair}
    assert synthetic.KEY == "synthetic"
