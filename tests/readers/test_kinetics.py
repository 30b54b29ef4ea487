"""Kinetics-Skeleton: JSON clips, the lists of labels, and bad input."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skellib.data import split
from skellib.errors import InputError
from skellib.readers import kinetics
from skellib.readers.sources import SourceFile
from tests.fake_raw import kinetics as fake

N = 18
LABEL = {"label": "dining", "label_index": 91}


def person(score: float, x: float = 0.5) -> dict[str, list[float]]:
    """Return a person whose joints are all at (x, 0.25), with one score."""
    return {"pose": [x, 0.25] * N, "score": [score] * N}


def content(*frames: tuple[int, list[dict]], **changes: Any) -> dict[str, Any]:
    data = [{"frame_index": number, "skeleton": found} for number, found in frames]
    return {"data": data, **LABEL, **changes}


def put(folder: Path, data: object, name: str = "aaaaaaaaaaa", part="train") -> Path:
    path = folder / f"kinetics_{part}" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = data if isinstance(data, str) else json.dumps(data)
    path.write_text(text)
    return path


def put_list(folder: Path, part: str, **entries: dict[str, Any]) -> None:
    (folder / f"kinetics_{part}_label.json").write_text(json.dumps(entries))


def entry(label: str = "dining", number: int = 91, skeleton: bool = True) -> dict:
    return {"has_skeleton": skeleton, "label": label, "label_index": number}


def clip(folder: Path, data: object) -> np.ndarray:
    put(folder, data)
    return kinetics.read(folder).clip(0)


def test_the_two_persons_of_highest_mean_score(tmp_path: Path) -> None:
    crowd = [person(0.5, 0.1), person(0.25, 0.2), person(0.75, 0.3)]
    found = clip(tmp_path, content((1, crowd), (2, crowd[:1]), (3, [])))
    assert found.shape == (3, 2, N, 3)
    np.testing.assert_array_equal(found[0, 0], np.float32([[0.3, 0.25, 0.75]] * N))
    np.testing.assert_array_equal(found[0, 1], np.float32([[0.1, 0.25, 0.5]] * N))
    np.testing.assert_array_equal(found[1, 0], found[0, 1])  # alone, so first
    assert not found[1, 1].any() and not found[2].any()


def test_the_mean_is_over_all_joints_and_a_tie_stays_in_order(tmp_path: Path) -> None:
    half = person(0.5)
    half["score"][9:] = [0] * 9  # clear, but half of it is missing: 0.25
    found = clip(tmp_path, content((1, [half, person(0.3, 0.1), person(0.3, 0.2)])))
    assert found[0, :, 0, 0].tolist() == np.float32([0.1, 0.2]).tolist()


def test_joints_without_a_score_are_missing(tmp_path: Path) -> None:
    someone = person(0.5)
    someone["score"][4] = 0.0
    found = clip(tmp_path, content((1, [someone])))
    assert not found[0, 0, 4].any()
    assert np.delete(found[0, 0], 4, axis=0).all()


def test_frames_may_be_skipped_and_out_of_order(tmp_path: Path) -> None:
    frames = [(4, [person(0.5, 0.4)]), (2, [person(0.5, 0.2)])]
    found = clip(tmp_path, content(*frames))
    assert found[:, 0, 0, 0].tolist() == np.float32([0, 0.2, 0, 0.4]).tolist()


def test_lists_say_the_class_and_who_has_no_skeleton(tmp_path: Path) -> None:
    for name, part in (("a", "train"), ("b", "train"), ("c", "val"), ("d", "val")):
        put(tmp_path, content((1, [person(0.5)])), name, part)
    put_list(
        tmp_path, "train", a=entry(), b=entry(skeleton=False), x=entry("abseil", 0)
    )
    put_list(tmp_path, "val", c=entry())
    packed = kinetics.read(tmp_path)
    assert packed.name.tolist() == ["kinetics_train/a", "kinetics_val/c"]
    assert packed.label.tolist() == [91, 91]
    assert packed.extras["split"].tolist() == [0, 1]
    assert packed.num_classes == 400
    assert (packed.classes[0], packed.classes[91]) == ("abseil", "dining")
    assert packed.classes[17] == "class 17"
    assert [side.tolist() for side in split(packed, "train_val")] == [[0], [1]]


def test_without_lists_the_clips_count(tmp_path: Path) -> None:
    put(tmp_path, content((1, [person(0.5)])), "a")
    put(tmp_path, content((1, [person(0.5)]), label="abseil", label_index=0), "b")
    packed = kinetics.read(tmp_path)
    assert packed.label.tolist() == [91, 0]
    assert (packed.classes[0], packed.classes[91]) == ("abseil", "dining")


def test_a_clip_that_contradicts_its_list_is_skipped(tmp_path: Path) -> None:
    put(tmp_path, content((1, [person(0.5)]), label="abseil", label_index=0), "a")
    put(tmp_path, content((1, [person(0.5)])), "b")
    put_list(tmp_path, "train", a=entry(), b=entry())
    assert kinetics.read(tmp_path).name.tolist() == ["kinetics_train/b"]
    listing = kinetics.source_format.scan(kinetics.FORMATS, [tmp_path])
    (left,) = listing.excluded
    assert left.where.endswith("a.json")
    assert left.reason == (
        "field 'label_index': 0 'abseil', but the list of labels says 91 'dining'"
    )


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"a": entry("dining", 91), "b": entry("supper", 91)}, "'supper' here, but"),
        ({"a": entry("dining", 400)}, "'400' is not a class number"),
        ({"a": entry("", 1)}, "field 'label': no class name"),
        ({"a": 7}, "'None' is not a class number"),
    ],
)
def test_a_bad_list(tmp_path: Path, lists: dict, words: str) -> None:
    put(tmp_path, content((1, [person(0.5)])), "a")
    put_list(tmp_path, "train", **lists)
    with pytest.raises(InputError, match=rf"train_label\.json: clip [ab].*{words}"):
        kinetics.read(tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "an empty file"),
        ("[]", "not a JSON object"),
        ('{"data": [', "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ({}, "'label_index': 'None'"),
        (content((1, [person(1)]), label_index=True), "'label_index': 'True'"),
        (content((1, [person(1)]), label_index=10**30), "'label_index'"),
        (content((1, [person(1)]), label=3), "'label': no class name"),
        (content(), "'data': no list of frames"),
        (content((1, [person(1)]), data=None), "'data': no list of frames"),
        (content((1, []), (2, [])), "nobody in any frame"),
        (content((0, [person(1)])), "'frame_index': '0' at place 0"),
        (content((10**9, [person(1)])), "'frame_index': '1000000000'"),
        (content((1, [person(1)]), (1, [])), "'frame_index': 1 is there twice"),
        (content((1, [person(1)]), data=[7]), "'frame_index': 'None'"),
        (content((1, [[]])), "'skeleton': frame 1"),
        (content((1, [{"pose": [0] * 36}])), "a person does not have 18 numbers"),
        (content((1, [person(1), {"pose": [], "score": []}])), "'pose': a person"),
        (content((1, [{"pose": ["x"] * 36, "score": [1] * N}])), "'pose': a person"),
        (content((1, [{"pose": [1] * 36, "score": [[1]] * N}])), "'score': a person"),
        (content((1, [person(float("nan"))])), "'score': a value is not finite"),
        (content((1, [person(0.5, float("inf"))])), "'pose': a value is not finite"),
        (content((1, [person(10**400)])), "'score': a person"),
    ],
)
def test_bad_clips(tmp_path: Path, data: object, words: str) -> None:
    put(tmp_path, data)
    put_list(tmp_path, "train", aaaaaaaaaaa=entry())
    path = str(tmp_path / "kinetics_train/aaaaaaaaaaa.json")
    with pytest.raises(InputError, match=rf"aaaaaaaaaaa\.json: .*{words}"):
        kinetics.FORMATS[0].reader([SourceFile(path, {}, path, 0, 0)])


def test_a_zip_of_fake_files(tmp_path: Path) -> None:
    paths = fake.write(tmp_path / "raw", clips=3)
    with zipfile.ZipFile(tmp_path / "k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "raw").rglob("*.json"):
            archive.write(path, Path("kinetics") / path.relative_to(tmp_path / "raw"))
    packed, again = kinetics.read(tmp_path / "raw"), kinetics.read(tmp_path / "k.zip")
    assert len(packed) == len(paths) == 3
    assert packed.lengths.tolist() == [fake.FRAMES] * 3
    np.testing.assert_array_equal(packed.joints, again.joints)
    assert packed.classes == again.classes


def test_fake_files_against_a_plain_reading(tmp_path: Path) -> None:
    """Compare with plain loops over the frames."""
    (path,) = fake.write(tmp_path, clips=1, seed=3)
    frames = json.loads(path.read_text())["data"]
    expected = np.zeros((len(frames), 2, N, 3))
    for number, frame in enumerate(frames):
        people = sorted(frame["skeleton"], key=lambda p: -sum(p["score"]))
        for place, each in enumerate(people[:2]):
            for joint, score in enumerate(each["score"]):
                if score:
                    x, y = each["pose"][2 * joint : 2 * joint + 2]
                    expected[number, place, joint] = x, y, score
    np.testing.assert_array_equal(
        kinetics.read(tmp_path).clip(0), expected.astype(np.float32)
    )


GOOD = json.dumps(content((1, [person(0.5), person(0.25)]), (3, []))).encode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("data", "skeleton", "frame_index", "pose", "score", "label")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def outcome(path: Path) -> np.ndarray | str:
    """Return a clip, or the message of an InputError."""
    try:
        return kinetics.FORMATS[0].read_clip(path)
    except InputError as error:
        return str(error)


def only_input_errors(folder: Path, data: bytes) -> None:
    path = put(folder, "{}")
    path.write_bytes(data)
    found = outcome(path)
    if isinstance(found, str):
        assert "\n" not in found and found.startswith(str(path))
    else:
        assert found.shape[1:] == (2, N, 3) and np.isfinite(found).all()


@settings(max_examples=150, deadline=None)
@given(
    place=st.integers(0, len(GOOD) - 1), piece=st.binary(max_size=4), cut=st.booleans()
)
def test_damaged_bytes(tmp_path_factory, place: int, piece: bytes, cut: bool) -> None:
    data = GOOD[:place] + piece + (b"" if cut else GOOD[place + len(piece) :])
    only_input_errors(tmp_path_factory.mktemp("fuzz"), data)


@settings(max_examples=150, deadline=None)
@given(frames=JSON)
def test_damaged_structure(tmp_path_factory, frames: object) -> None:
    data = json.dumps({"data": frames, **LABEL}).encode()
    only_input_errors(tmp_path_factory.mktemp("fuzz"), data)


def test_real_samples(shared: Path) -> None:
    packed = kinetics.read(shared / "raw-samples" / "kinetics_skeleton")
    assert packed.name.tolist() == [
        "kinetics_train/cU1fyH2QssA",
        "kinetics_train/kkwHdOvpCoc",
        "kinetics_val/-0BveUV52cM",
    ]
    assert [packed.classes[label] for label in packed.label] == [
        "dining",
        "cutting watermelon",
        "smoking hookah",
    ]
    assert packed.label.tolist() == [91, 83, 317]
    assert packed.lengths.tolist() == [299, 299, 298]
    assert not any(name.startswith("class ") for name in packed.classes)
    first = packed.clip(0)[0, 0]
    np.testing.assert_array_equal(first[0], np.float32([0.466, 0.454, 0.834]))
    assert not first[7].any()  # left wrist, not seen
    assert not packed.clip(2)[0].any() and packed.clip(2)[1, 0].any()
    for i in range(3):
        score = packed.clip(i)[..., 2].mean(axis=2)
        assert (score[:, 0] >= score[:, 1]).all()
