"""N-UCLA's original text files, one a frame: the same clips as the JSON release."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skellib.errors import InputError
from skellib.readers import nucla, sources
from tests.fake_raw import nucla as fake

FOLDER = Path("multiview_action/view_2/a08_s03_e01")
FRAME = np.round(np.random.default_rng(0).normal(size=(20, 3)), 3) + 5


def text(joints: np.ndarray = FRAME, states: list[int] | None = None) -> str:
    rows = [
        f"{x},{y},{z},{state}"
        for (x, y, z), state in zip(joints.tolist(), states or [2] * 20, strict=True)
    ]
    return "\n".join(["1", *rows]) + "\n"


def put(folder: Path, number: int | str, content: str | bytes) -> Path:
    path = folder / FOLDER / f"frame_{number}_tc_9046_skeletons.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def outcome(folder: Path) -> np.ndarray | str:
    """Return a clip, or the message of an InputError."""
    (files,) = sources.find([folder], [nucla.FORMATS[1].path]).files
    try:
        return nucla.FORMATS[1].reader(files)
    except InputError as error:
        return str(error)


def test_a_clip_and_what_its_path_says(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        put(tmp_path, number, text(FRAME + number))
    (tmp_path / FOLDER / "fileList.txt").write_text("1 9046\n")
    packed = nucla.read(tmp_path)
    assert packed.name.tolist() == ["a08_s03_e01_v02"]
    assert [packed.classes[k] for k in packed.label] == ["donning"]
    assert (packed.subject[0], packed.view[0], packed.extras["episode"][0]) == (3, 2, 1)
    expected = np.stack([FRAME + number for number in (1, 2, 10)])
    np.testing.assert_array_equal(packed.clip(0)[:, 0], expected.astype(np.float32))


def test_joints_that_were_not_tracked_are_zero(tmp_path: Path) -> None:
    put(tmp_path, 1, text(states=[0, 1, 2, *[2] * 17]))
    found = nucla.read(tmp_path).clip(0)[0, 0]
    assert not found[0].any()
    np.testing.assert_array_equal(found[1:], FRAME[1:].astype(np.float32))


@pytest.mark.parametrize("nobody", ["", "\n", "0\n", text(states=[0] * 20)])
def test_a_frame_without_a_skeleton_is_dropped(tmp_path: Path, nobody: str) -> None:
    put(tmp_path, 1, text())
    put(tmp_path, 2, nobody)
    put(tmp_path, 3, text())
    assert nucla.read(tmp_path).lengths.tolist() == [2]
    put(tmp_path, 1, nobody)
    put(tmp_path, 3, nobody)
    with pytest.raises(InputError, match=r"no skeleton in any of the clip's 3 files"):
        nucla.read(tmp_path)


def test_the_first_of_several_skeletons(tmp_path: Path) -> None:
    put(tmp_path, 1, text() + text(FRAME - 1))
    found = nucla.read(tmp_path).clip(0)[:, 0]
    np.testing.assert_array_equal(found, FRAME[None].astype(np.float32))


def test_one_frame_number_at_two_times_is_two_frames(tmp_path: Path) -> None:
    put(tmp_path, 7, text())
    later = tmp_path / FOLDER / "frame_7_tc_10000_skeletons.txt"
    later.write_text(text(FRAME + 1))
    found = nucla.read(tmp_path).clip(0)[:, 0, 0, 0]
    np.testing.assert_allclose(found, FRAME[0, 0] + [0, 1], rtol=1e-6)


def test_both_formats_give_the_same(tmp_path: Path) -> None:
    fake.write(tmp_path / "json", clips=12, seed=5)
    fake.write_frames(tmp_path / "text", clips=12, seed=5)
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as archive:
        for path in (tmp_path / "text").rglob("*.txt"):
            archive.write(path, path.relative_to(tmp_path / "text"))
    expected = nucla.read(tmp_path / "json")
    for source in ("text", "text.zip"):
        found = nucla.read(tmp_path / source)
        np.testing.assert_array_equal(found.joints, expected.joints)
        for field in ("name", "label", "subject", "view", "lengths", "duplicate_of"):
            np.testing.assert_array_equal(
                getattr(found, field), getattr(expected, field)
            )
        assert found.extras.keys() == expected.extras.keys()


def test_json_is_read_where_both_are_there(tmp_path: Path) -> None:
    fake.write_frames(tmp_path, clips=3)
    fake.write(tmp_path, clips=2)
    assert len(nucla.read(tmp_path)) == 2


LINES = text().splitlines()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (text()[:-60], r"1\d lines, not 21 for each skeleton"),
        ("\n".join(LINES[:-1]), "20 lines, not 21"),
        (text() + "1\n", "22 lines, not 21"),
        ("\n".join(["x", *LINES[1:]]), "line 1: 'x' is not one number"),
        ("\n".join([*LINES[:5], "1,2,3", *LINES[6:]]), "line 6: '1,2,3' is not x,y,z"),
        ("\n".join(["", *LINES[:5], "1,2,nan,2", *LINES[6:]]), "line 7: '1,2,nan,2'"),
        ("\n".join([*LINES[:5], "1,2,1e999,2", *LINES[6:]]), "line 6: '1,2,1e999,2'"),
        ("\n".join([*LINES[:5], "a b c d", *LINES[6:]]), "line 6: 'a b c d'"),
        ("\n".join([*LINES[:5], "1," * 999, *LINES[6:]]), "line 6: '1,1,"),
        (b"\xff\xfe" * 30, "not a text file"),
        (b"\0" * 30, "1 lines, not 21"),
    ],
)
def test_bad_frames(tmp_path: Path, content: str | bytes, words: str) -> None:
    put(tmp_path, 1, text())
    put(tmp_path, 2, content)
    with pytest.raises(InputError, match=rf"frame_2_tc_9046_skeletons\.txt: {words}"):
        nucla.read(tmp_path)


def test_names_that_do_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "view_4" / "a01_s01_e00" / "frame_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text(text())
    with pytest.raises(InputError, match=r"frame_1\.txt.*'view' of the name: 4 is"):
        nucla.read(tmp_path)


GOOD = text().encode()


@settings(max_examples=200, deadline=None)
@given(place=st.floats(0, 1), piece=st.binary(max_size=5), cut=st.booleans())
def test_damaged_bytes(tmp_path_factory, place: float, piece: bytes, cut: bool) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    start = int(place * len(GOOD))
    rest = GOOD[start:] if cut else GOOD[start + len(piece) :]
    put(folder, 1, GOOD[:start] + piece + rest)
    found = outcome(folder)
    if isinstance(found, str):
        assert "\n" not in found and found.startswith(str(folder))
    else:
        assert found.shape[1:] == (1, 20, 3) and np.isfinite(found).all()


def test_real_clips_as_text(shared: Path, tmp_path: Path) -> None:
    """Compare the JSON samples with the same clips in the original text format."""
    source = shared / "raw-samples" / "nucla"
    for path in source.glob("*.json"):
        clip, view = path.stem[:11], int(path.stem[13:])
        place = tmp_path / f"view_{view}" / clip
        place.mkdir(parents=True)
        for number, frame in enumerate(json.loads(path.read_text())["skeletons"]):
            states = [2 if any(joint) else 0 for joint in frame]
            (place / f"frame_{number}_tc_{number}_skeletons.txt").write_text(
                text(np.array(frame), states)
            )
    found, expected = nucla.read(tmp_path), nucla.read(source)
    assert len(found) == len(expected) == 20
    np.testing.assert_array_equal(found.joints, expected.joints)
    np.testing.assert_array_equal(found.name, expected.name)
    np.testing.assert_array_equal(found.label, expected.label)
