"""Data of one's own: both documented forms, layouts by names, and what is refused."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skellib import data
from skellib.data import PackedDataset, protocols_of
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.paths import packed_path
from skellib.readers import custom, preparing
from skellib.readers.clip_tables import read_clip_table
from skellib.readers.custom import check_name
from skellib.readers.layout_files import layout_by_names, read_layout
from tests.streams import in_memory

PUPPET = {
    "name": "puppet",
    "joints": ["left hand", "head", "hips", "right hand"],
    "bones": [["head", "left hand"], ["head", "right hand"], ["hips", "head"]],
    "up": "-y",
    "dims": 2,
}
HEADER = "hips.x,hips.y,head.x,head.y,left hand.x,left hand.y,right hand.x,right hand.y"


def write_layout(folder: Path, **changes) -> Path:
    content = {key: value for key, value in (PUPPET | changes).items() if value}
    path = folder / "layout.json"
    path.write_text(json.dumps(content))
    return path


def table(clip: np.ndarray, frame: bool = True) -> str:
    """A clip (T, M, 4, 2) of the puppet in joint order, as CSV in HEADER's order."""
    lines = [f"frame,body,{HEADER}" if frame else HEADER]
    for t, bodies in enumerate(clip):
        for m, joints in enumerate(bodies):
            cells = [repr(float(v)) for v in joints[[2, 1, 0, 3]].reshape(-1)]
            lines.append(",".join([*([str(t), str(m)] if frame else []), *cells]))
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight clips of two classes, four subjects, in CSV, with a layout."""
    source = tmp_path / "mine"
    source.mkdir()
    write_layout(source)
    rng = np.random.default_rng(0)
    lines = ["file,label,subject,split"]
    for i in range(8):
        clip = rng.normal(size=(3 + i, 1 + i % 2, 4, 2)).astype(np.float32)
        (source / f"c{i}.csv").write_text(table(clip))
        np.save(tmp_path / f"c{i}.npy", clip)
        part = ("train", "test", "")[i % 3]
        lines.append(f"c{i}.csv,{'wave' if i < 4 else 'bow'},anna {i % 4},{part}")
    (source / "clips.csv").write_text("\n".join(lines) + "\n")
    return source


def read_all(*arguments, **options) -> tuple[PackedDataset, tuple]:
    own = custom.read(*arguments, **options)
    return in_memory(own.stream), tuple(own.skipped)


def test_a_folder_of_tables(folder: Path) -> None:
    packed, skipped = read_all(folder, "mine")
    assert skipped == ()
    assert packed.key == "mine" and packed.layout.name == "custom puppet"
    assert packed.classes == ("bow", "wave")
    assert packed.label.tolist() == [1] * 4 + [0] * 4
    assert packed.subject.tolist() == [1, 2, 3, 4] * 2
    assert packed.extras["split"].tolist() == [0, 1, -1, 0, 1, -1, 0, 1]
    assert packed.name.tolist() == [f"c{i}" for i in range(8)]
    assert packed.bodies == 2
    for i in range(8):
        expected = np.load(folder.parent / f"c{i}.npy")
        assert np.array_equal(packed.clip(i)[:, : expected.shape[1]], expected)
        assert not packed.clip(i)[:, expected.shape[1] :].any()


def test_prepared_and_loaded_by_its_name(folder: Path, tmp_path: Path) -> None:
    made = custom.prepare(folder, "mine", packed_path("mine", tmp_path / "packed"))
    assert made.path == packed_path("mine", tmp_path / "packed")
    assert (made.clips, made.skipped) == (8, ())
    opened = PackedDataset.open(made.path)
    opened.verify()
    assert opened.fingerprint == read_all(folder, "mine")[0].fingerprint
    train, test = data.load("mine", root=tmp_path / "packed")  # protocol "given"
    assert (train.index.tolist(), test.index.tolist()) == ([0, 3, 6], [1, 4, 7])


def test_protocols_of_ones_own(folder: Path) -> None:
    packed, _ = read_all(folder, "mine")
    assert protocols_of(packed) == ("given", "cross_subject", "random")
    train, test = data.split(packed, "cross_subject")
    assert set(packed.subject[train]) == {1, 3} and set(packed.subject[test]) == {2, 4}
    train, test = data.split(packed, "random")
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(8))
    assert np.bincount(packed.label[test]).tolist() == [1, 1]  # 30 % of 4 each
    shuffled = packed.subset([5, 1, 7, 0, 2, 4, 6, 3])
    chosen = {packed.name[i] for i in test}
    assert {shuffled.name[i] for i in data.split(shuffled, "random")[1]} == chosen
    with pytest.raises(InputError, match=r"'cross_view'.*no training clip.*given"):
        data.split(packed, "cross_view")


def npz(path: Path, **fields) -> Path:
    content = {
        "joints": np.arange(1, 6 * 4 * 2 + 1, dtype=float).reshape(6, 4, 2),
        "lengths": np.array([1, 2, 3]),
        "label": np.array(["b", "a", "b"]),
    }
    np.savez(path, **{k: v for k, v in (content | fields).items() if v is not None})
    return path


def test_one_npz(tmp_path: Path) -> None:
    layout = write_layout(tmp_path)
    path = npz(tmp_path / "mine.npz", view=np.array([1, 2, 2]), trial=np.arange(3))
    packed, _ = read_all(path, "mine", layout)
    assert packed.classes == ("a", "b") and packed.label.tolist() == [1, 0, 1]
    assert packed.name.tolist() == ["clip 0", "clip 1", "clip 2"]
    assert packed.view.tolist() == [1, 2, 2] and not packed.subject.any()
    assert packed.extras["trial"].tolist() == [0, 1, 2]
    assert packed.joints.shape == (6, 1, 4, 2)
    assert packed.clip(1)[0, 0, 0].tolist() == [9, 10]
    assert protocols_of(packed) == ("cross_view", "random")
    assert [side.tolist() for side in data.split(packed, "cross_view")] == [[0], [1, 2]]


def test_labels_count_into_classes(tmp_path: Path) -> None:
    layout = write_layout(tmp_path)
    names = np.array(["2", "1", "0"])  # numbers are places, whatever the names
    path = npz(tmp_path / "a.npz", label=np.array([0, 2, 2]), classes=names)
    packed, _ = read_all(path, "mine", layout)
    assert packed.classes == ("2", "1", "0") and packed.label.tolist() == [0, 2, 2]
    path = npz(tmp_path / "b.npz", label=np.array(["0", "2", "2"]), classes=names)
    assert read_all(path, "mine", layout)[0].label.tolist() == [2, 0, 0]
    path = npz(tmp_path / "c.npz", label=np.array([7, 30, 7]))
    packed, _ = read_all(path, "mine", layout)
    assert packed.classes == ("7", "30") and packed.label.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": None}, "field 'label': missing"),
        ({"joints": np.zeros((6, 3, 2))}, "3 joints, layout 'custom puppet' has 4"),
        ({"joints": np.zeros((6, 4))}, r"not numbers \(frames, joints"),
        ({"joints": np.ones((6, 4, 1))}, r'1 channels, not 2.*"dims" is 2'),
        ({"joints": np.full((6, 4, 2), np.nan)}, "no usable clip of 3.*not finite"),
        ({"lengths": np.array([1, 2, 4])}, "must sum to the 6 frames"),
        ({"lengths": np.array([-1, 4, 3])}, "not one count of frames a clip"),
        ({"lengths": np.array([2**63 - 1, 2, 3])}, "must sum to the 6 frames"),
        ({"label": np.zeros(3)}, "field 'label': float64"),
        ({"subject": np.arange(2)}, r"field 'subject': int64 \(2,\)"),
        ({"split": np.array(["train", "x", ""])}, "clip 1: field 'split': 'x'"),
        ({"name": np.array(["a", "b", "a"])}, "'a' is there twice"),
        ({"classes": np.array(["a"])}, "'b' is none of the 1 classes"),
        ({"classes": np.array(["a", "b", "a"])}, "'classes': a name is there twice"),
        (
            {"label": np.array([0, 1, 5]), "classes": np.array(["a", "b"])},
            "'5' is none of the 2",
        ),
    ],
)
def test_a_bad_npz_is_refused(tmp_path: Path, fields, message) -> None:
    layout = write_layout(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        custom.read(npz(tmp_path / "mine.npz", **fields), "mine", layout)
    assert "mine.npz" in str(error.value) and "\n" not in str(error.value)


def test_bad_clips_are_skipped(folder: Path) -> None:
    (folder / "c1.csv").write_text(f"{HEADER}\n")
    (folder / "c2.csv").unlink()
    (folder / "c5.csv").write_text(table(np.full((2, 1, 4, 2), 1e300)))
    packed, skipped = read_all(folder, "mine")
    assert packed.name.tolist() == ["c0", "c3", "c4", "c6", "c7"]
    assert packed.extras["split"].tolist() == [0, 0, 1, 0, 1]
    assert [Path(fault.where).name for fault in skipped] == [
        "c1.csv",
        "c2.csv",
        "c5.csv",
    ]
    assert "no such file" in str(skipped[1]) and "not finite" in str(skipped[2])
    with pytest.raises(InputError, match=r"c1\.csv: no frame"):
        custom.read(folder, "mine", strict=True)


def notes_of(folder: Path, **options) -> str:
    made = custom.prepare(folder, "mine", folder.parent / "noted.npz", **options)
    return " | ".join(PackedDataset.open(made.path).summary)


def test_nothing_is_noted_of_a_plain_set(folder: Path) -> None:
    (folder / "clips.csv").write_text(
        (folder / "clips.csv").read_text().replace(",\n", ",test\n")
    )
    own = custom.read(folder, "mine")
    assert (own.stream.notes, own.skipped, own.unlisted) == ((), [], [])


def test_frame_numbers_that_skip_are_counted_or_taken_as_successive(
    folder: Path,
) -> None:
    rows = table(np.ones((5, 1, 4, 2))).splitlines()
    rows[1:] = [
        f"{252 + 4 * i}," + row.split(",", 1)[1] for i, row in enumerate(rows[1:])
    ]
    (folder / "c0.csv").write_text("\n".join(rows))
    stamps = [f"{33.3 * i}," + row.split(",", 1)[1] for i, row in enumerate(rows[1:])]
    packed, _ = read_all(folder, "mine")
    assert packed.lengths[0] == 17
    total = packed.lengths.sum()
    text = notes_of(folder)
    assert f"frames with nobody: 12 of {total} ({1200 / total:.0f} %)" in text
    assert "skip in 1 clips, and 12 frames were filled in" in text
    assert "--successive" in text
    assert "frames" not in notes_of(folder, successive=True)
    packed, _ = read_all(folder, "mine", successive=True)
    assert packed.lengths[0] == 5 and packed.clip(0)[:, 0].all()
    (folder / "c0.csv").write_text("\n".join([rows[0], *reversed(stamps)]))
    assert read_all(folder, "mine", successive=True)[0].lengths[0] == 5
    (fault,) = custom.read(folder, "mine").skipped
    assert "33.3 is not a whole number" in fault.reason or "133.2" in fault.reason


def test_an_empty_row_without_a_frame_number_is_a_frame_with_nobody(
    folder: Path,
) -> None:
    text = f"{HEADER}\n1,1,1,1,1,1,1,1\n,,,,,,,\n1,1,1,1,1,1,1,1\n"
    (folder / "c0.csv").write_text(text)
    assert read_all(folder, "mine")[0].lengths[0] == 3
    assert "frames with nobody: 1 of " in notes_of(folder)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train"] * 8, "8 clips train, 0 test, 0 neither; give both sides"),
        (["Test", ""] * 4, "0 clips train, 4 test, 4 neither"),
        ([""] * 8, "0 clips train, 0 test, 8 neither"),
    ],
)
def test_a_split_of_one_side_is_refused(folder: Path, splits, message) -> None:
    rows = [f"c{i}.csv,{'ab'[i % 2]},{side}" for i, side in enumerate(splits)]
    (folder / "clips.csv").write_text("\n".join(["file,label,split", *rows]))
    with pytest.raises(InputError, match=f"field 'split': {message}"):
        custom.read(folder, "mine")
    layout = folder / "layout.json"
    source = npz(
        folder / "a.npz",
        lengths=np.array([1, 1, 1, 1, 1, 1]),
        label=np.arange(6) % 2,
        split=np.array(splits[:6]),
    )
    with pytest.raises(InputError, match="field 'split'.*give both sides"):
        custom.read(source, "mine", layout)


def test_no_other_split_is_taken_in_place_of_a_given_one(
    folder: Path, tmp_path: Path
) -> None:
    stream = custom.read(folder, "mine").stream
    one_sided = replace(stream, extras={"split": [0] * 8})  # as other readers may give
    path = packed_path("mine", tmp_path / "packed")
    preparing.from_stream(path, one_sided, "float32", progress=False, where=folder)
    text = " | ".join(PackedDataset.open(path).summary)
    assert "| split: field 'split': 8 clips train, 0 test: the split that it" in text
    with pytest.raises(InputError, match=r"8 clips train, 0 test.*--protocol cross_su"):
        data.load("mine", root=tmp_path / "packed")
    train, test = data.load("mine", "random", tmp_path / "packed")
    assert len(train) + len(test) == 8


def test_a_split_whose_test_clips_are_all_bad_is_refused(folder: Path) -> None:
    for i in (1, 4, 7):
        (folder / f"c{i}.csv").write_text("nothing")
    with pytest.raises(InputError, match="3 clips train, 0 test, 2 neither"):
        custom.read(folder, "mine")


def test_clips_on_neither_side_are_counted(folder: Path) -> None:
    assert "protocol: given 3/3 (2 neither)" in notes_of(folder)


def test_tracker_ids_become_body_numbers(folder: Path) -> None:
    clip = np.stack([np.full((3, 4, 2), 1.0), np.full((3, 4, 2), 2.0)], axis=1)
    lines = [line.split(",") for line in table(clip).splitlines()]
    for cells in lines[1:]:
        cells[1] = {"0": "17", "1": "4"}[cells[1]]
    (folder / "c1.csv").write_text("\n".join(map(",".join, lines)))
    packed, skipped = read_all(folder, "mine")
    assert skipped == () and packed.bodies == 2
    assert np.array_equal(packed.clip(1), clip)  # 17 is the first to appear
    assert "bodies were renumbered from 0" in notes_of(folder)
    assert "in 1 clips" in notes_of(folder)


def test_bodies_that_no_clip_has_are_dropped(tmp_path: Path) -> None:
    layout = write_layout(tmp_path)
    joints = np.zeros((6, 4, 4, 2))
    joints[:, 2], joints[3:, 0] = 1.0, 2.0
    own = custom.read(npz(tmp_path / "a.npz", joints=joints), "mine", layout)
    assert own.stream.notes == ("dropped 2 of 4 bodies, which are in no clip",)
    packed = in_memory(own.stream)
    assert packed.bodies == 2 and packed.joints[5, :, 0, 0].tolist() == [2, 1]


def test_files_that_are_not_listed_or_named_otherwise(folder: Path) -> None:
    (folder / "c3.csv").rename(folder / "C3.CSV")  # as another system wrote it
    (folder / "c4.csv").rename(folder / "c4.csv.txt")
    (folder / "c5.csv").rename(folder / "c05.csv")
    (folder / "notes.txt").write_text("mine")
    own = custom.read(folder, "mine")
    assert "c3" in own.stream.name
    assert [(Path(w).name, r) for w, r in own.skipped] == [
        ("c4.csv", "no such file"),
        ("c5.csv", "no such file"),
    ]
    assert {(Path(w).name, r.partition(" ")[0]) for w, r in own.unlisted} == {
        ("c05.csv", "not"),
        ("c4.csv.txt", "its"),
    }
    made = custom.prepare(folder, "mine", folder.parent / "mine.npz")
    assert (made.bad, len(made.skipped)) == (2, 4)
    listed = (folder.parent / "mine.skipped.txt").read_text()
    assert "c05.csv: not in clips.csv" in listed


def test_paths_may_be_written_by_another_system(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "c0.csv").rename(folder / "deep" / "c0.csv")
    text = (folder / "clips.csv").read_text()
    (folder / "clips.csv").write_text(text.replace("c0.csv", "deep\\C0.csv"))
    packed, skipped = read_all(folder, "mine")
    assert skipped == () and packed.name[0] == "deep/C0"


def test_cells_may_have_spaces_and_folders_may_be_links(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "c0.csv").rename(tmp_path / "c0.csv")
    (folder / "linked").symlink_to(tmp_path)
    text = (folder / "clips.csv").read_text().replace("c0.csv", "linked/c0.csv ")
    (folder / "clips.csv").write_text(text.replace(",", " , "))
    own = custom.read(folder, "mine")
    assert (own.skipped, own.unlisted) == ([], [])
    assert own.stream.name[0] == "linked/c0" and own.stream.classes == ("bow", "wave")
    assert list(own.stream.extras["split"]) == [0, 1, -1, 0, 1, -1, 0, 1]


def test_one_bad_clip_of_an_npz_is_skipped(tmp_path: Path) -> None:
    layout = write_layout(tmp_path)
    joints = np.ones((9, 4, 2))
    joints[1], joints[2, 0] = 0.0, np.nan
    path = npz(
        tmp_path / "a.npz",
        joints=joints,
        lengths=np.array([1, 1, 1, 0, 2, 4]),
        label=np.array(["b", "a", "b", "a", "b", "a"]),
    )
    packed, skipped = read_all(path, "mine", layout)
    assert packed.name.tolist() == ["clip 0", "clip 4", "clip 5"]
    assert packed.lengths.tolist() == [1, 2, 4]
    assert [fault.reason for fault in skipped] == [
        "nobody in any frame",
        "field 'joints': frame 0: not finite; write 0 for a joint that was not tracked",
        "field 'lengths': 0 frames",
    ]
    with pytest.raises(InputError, match="clip 1: nobody in any frame"):
        custom.read(path, "mine", layout, strict=True)


def test_a_clip_with_scores_only_has_nobody(folder: Path) -> None:
    names = ("hips", "head", "left hand", "right hand")
    header = ",".join(f"{name}.{c}" for name in names for c in ("x", "y", "score"))
    for i in range(8):
        value = "0" if i == 2 else "1"
        row = ",".join([value, value, ".5"] * 4)
        (folder / f"c{i}.csv").write_text(f"{header}\n{row}\n")
    (fault,) = custom.read(folder, "mine").skipped
    assert fault == (str(folder / "c2.csv"), "nobody in any frame")


def test_one_class_only_is_refused(folder: Path) -> None:
    for i in range(4):
        (folder / f"c{i}.csv").write_text("nothing")
    with pytest.raises(InputError, match="are of class 'bow'; a network needs two"):
        custom.prepare(folder, "mine", folder.parent / "mine.npz")
    assert not (folder.parent / "mine.npz").exists()
    source = npz(folder / "a.npz", label=np.zeros(3, dtype=int))
    with pytest.raises(InputError, match="are of class '0'; a network needs two"):
        custom.read(source, "mine", folder / "layout.json")


def test_classes_without_a_clip_are_named(tmp_path: Path) -> None:
    layout = write_layout(tmp_path)
    path = npz(tmp_path / "a.npz", classes=np.array(["a", "b", "c"]))
    assert "classes without a clip to train on by random: c" in notes_of(
        path, layout=layout
    )


def test_what_fits_float32_may_not_fit_float16(folder: Path) -> None:
    (folder / "c1.csv").write_text(table(np.full((2, 1, 4, 2), 1e6)))
    assert custom.read(folder, "mine").skipped == []
    (fault,) = custom.read(folder, "mine", dtype="float16").skipped
    assert "not finite" in fault.reason


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("file,label\n../c0.csv,a", r"line 2: field 'file': '\.\./c0\.csv': leaves"),
        ("file,label\n/etc/passwd,a", "leaves the folder"),
        ("file,label\nC:\\c0.csv,a", "leaves the folder"),
        ("file,label\nc0.csv,", "line 2: field 'label': '': empty"),
        ("file,label\n,a", "line 2: field 'file': '': empty"),
        ("file,label\nc0.csv,a\n\nc0.csv,b", "line 4: field 'name': 'c0' is there"),
        ("file,label,split\nc0.csv,a,maybe", "line 2: field 'split': 'maybe'"),
        ("file,label,subject\nc0.csv,a,", "line 2: field 'subject': '': empty"),
        ("file,label\nc0.csv", "line 2: 1 cells for the 2 columns"),
        ("file,label,klass\nc0.csv,a,b", "line 2: field 'klass': 'b': unknown"),
        ("file,label,file\nc0.csv,a,b", "field 'file.1': 'b': unknown"),
        ("file\nc0.csv", "column 'label' is missing"),
        ("file,label", "no usable clip"),
        ("", "an empty file"),
        ("\xff", "not text in UTF-8"),
    ],
)
def test_a_bad_list_is_refused(folder: Path, line: str, message: str) -> None:
    (folder / "clips.csv").write_bytes(line.encode("latin-1"))
    with pytest.raises(InputError, match=message) as error:
        custom.read(folder, "mine")
    assert "\n" not in str(error.value)


def test_a_missing_list_or_source_is_named(tmp_path: Path) -> None:
    write_layout(tmp_path)
    with pytest.raises(InputError, match=r"clips\.csv: no such file"):
        custom.read(tmp_path, "mine")
    with pytest.raises(InputError, match="none: no such file or folder"):
        custom.read(tmp_path / "none", "mine")
    with pytest.raises(InputError, match="neither a folder"):
        custom.read(tmp_path / "layout.json", "mine")


def test_without_a_layout_the_message_says_how_to_write_one(folder: Path) -> None:
    (folder / "layout.json").unlink()
    with pytest.raises(InputError, match="--layout ntu25.*") as error:
        custom.read(folder, "mine")
    example = str(error.value).partition("such as ")[2]
    assert layout_by_names(json.loads(example)).size == 2


# --- a clip --------------------------------------------------------------------------

TWO = layout_by_names({"joints": ["a", "b"], "bones": [["a", "b"]], "dims": 2})


def clip_of(tmp_path: Path, text: str, layout=TWO) -> np.ndarray:
    path = tmp_path / "clip.csv"
    path.write_text(text)
    return read_clip_table(path, layout).joints


def test_a_clip_without_frame_and_body(tmp_path: Path) -> None:
    clip = clip_of(tmp_path, "\ufeffb.y,b.x,a.x,a.y\r\n4,3,1,2\r\n8,7,5,6\r\n")
    assert clip.tolist() == [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]


def test_frames_without_a_line_and_untracked_joints_are_zero(tmp_path: Path) -> None:
    text = "frame,body,a.x,a.y,a.score,b.x,b.y,b.score\n"
    clip = clip_of(tmp_path, text + "9,1,1,2,.5,,,\n7,0,3,4,1,5,6,1\n")
    assert clip.shape == (3, 2, 2, 3)
    assert clip[0, 0].tolist() == [[3, 4, 1], [5, 6, 1]]
    assert clip[2, 1].tolist() == [[1, 2, 0.5], [0, 0, 0]]
    assert np.count_nonzero(clip) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.x,a.y,b.x\n1,2,3", r"line 1: column 'b\.y' is missing"),
        ("a.x,a.y,b.x,b.y,b.z\n1,2,3,4,5", r"column 'b\.z' is none of the layout's"),
        ("a.x,a.y,b.x,b.y,b.score\n1,2,3,4,5", r"column 'a\.score' is missing"),
        ("a.x,a.y,b.x,b.y\n", "no frame"),
        ("a.x,a.y,b.x,b.y\n1,2,3,4\n1,2,x,4", r"line 3: field 'b\.x': 'x' is not a f"),
        ("a.x,a.y,b.x,b.y\n1,2,nan,4", r"field 'b\.x': 'nan' is not a finite.*empty"),
        ("a.x,a.y,b.x,b.y\n1,2,,4", "line 2: joint 'b' has some of its cells"),
        ("a.x,a.y,b.x,b.y\n1,2,3,4,5", "line 2: 5 cells for the 4 columns"),
        ("body,a.x,a.y,b.x,b.y\n0,1,2,3,4", "'body' needs a column 'frame'"),
        ("frame,a.x,a.y,b.x,b.y\n1.5,1,2,3,4", "field 'frame': 1.5 is not a whole"),
        ("frame,a.x,a.y,b.x,b.y\n-1,1,2,3,4", "field 'frame': -1 is not a whole"),
        (
            "frame,a.x,a.y,b.x,b.y\n3,1,2,3,4\n3,1,2,3,4",
            "line 3: a second row for the same frame",
        ),
        ("frame,a.x,a.y,b.x,b.y\n0,1,2,3,4\n99999,1,2,3,4", "number frames one by one"),
        (
            "frame,body,a.x,a.y,b.x,b.y\n"
            + "".join(f"0,{i},1,2,3,4\n" for i in range(65)),
            "65 bodies, over 64",
        ),
        ("a.x,a.y,b.x,b.y\n1,2,3,4\n\n  \n1,inf,3,4", r"line 5: field 'a\.y': 'inf'"),
        ('a.x,a.y,b.x,b.y\n"1,2,3,4', "cells for the 4 columns"),
    ],
)
def test_a_bad_clip_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        clip_of(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "clip.csv"))
    assert "\n" not in str(error.value)


def test_a_table_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text("a.x,a.y,b.x,b.y\n" + "1,2,3,4\n" * 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_clip_table(path, TWO, max_bytes=100)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet='frameboy.,xab0159-\n"\0 é', max_size=80),
    cut=st.integers(0, 60),
)
def test_no_other_error_than_the_readers_own(tmp_path: Path, text, cut) -> None:
    good = "frame,body,a.x,a.y,b.x,b.y\n0,0,1,2,3,4\n1,0,1,2,3,4\n"
    path = tmp_path / "clip.csv"
    path.write_text(good[:cut] + text + good[cut:], encoding="utf-8")
    try:
        clip = read_clip_table(path, TWO).joints
    except InputError:
        return
    assert clip.ndim == 4 and np.isfinite(clip).all()


def test_memory_is_of_a_few_clips(folder: Path, tmp_path: Path) -> None:
    clip = np.random.default_rng(0).normal(size=(400, 1, 4, 2))
    lines = ["file,label"]
    for i in range(40):
        (folder / f"c{i}.csv").write_text(table(clip))
        lines.append(f"c{i}.csv,class {i % 2}")
    (folder / "clips.csv").write_text("\n".join(lines))

    def peak() -> int:
        tracemalloc.start()
        custom.prepare(folder, "mine", packed_path("mine", tmp_path / "packed"))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak()  # imports
    many = peak()
    (folder / "clips.csv").write_text("\n".join(lines[:3]))
    assert many < 2 * peak()


# --- layouts and names ---------------------------------------------------------------


def test_a_layout_by_names() -> None:
    layout = layout_by_names(PUPPET)
    assert layout.joints == ("left hand", "head", "hips", "right hand")
    assert layout.bones == ((2, 1), (1, 0), (1, 3))  # parents first
    assert layout.center == ((2, 1.0),)  # the root
    assert layout.pairs == ((0, 3),)
    assert (layout.up, layout.dims) == ((1, -1), 2)


def test_a_layout_with_everything_given(tmp_path: Path) -> None:
    path = write_layout(
        tmp_path,
        center={"left hand": 0.5, "right hand": 0.5},
        pairs=[["right hand", "left hand"]],
        up="x",
        dims=3,
    )
    layout = read_layout(path)
    assert layout.center == ((0, 0.5), (3, 0.5)) and layout.pairs == ((3, 0),)
    assert (layout.up, layout.dims) == ((0, 1), 3)
    assert read_layout("kinect20") is LAYOUTS["kinect20"]


def test_thirds_may_be_written_with_a_few_digits() -> None:
    third = {"hips": 0.3333333, "head": 0.3333333, "left hand": 0.3333333}
    layout = layout_by_names(PUPPET | {"center": third})
    assert sum(weight for _, weight in layout.center) == pytest.approx(1, abs=1e-12)


def test_known_layouts_survive_the_trip_through_names() -> None:
    for layout in LAYOUTS.values():
        made = layout_by_names(
            {
                "joints": layout.joints,
                "bones": [[layout.joints[j] for j in bone] for bone in layout.bones],
                "center": {layout.joints[j]: w for j, w in layout.center},
                "up": ("-" if layout.up[1] < 0 else "") + "xyz"[layout.up[0]],
                "dims": layout.dims,
            }
        )
        assert set(made.bones) == set(layout.bones)
        assert set(made.pairs) == set(layout.pairs)
        assert (made.center, made.up) == (layout.center, layout.up)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": None}, "field 'joints': missing"),
        ({"bones": None}, "field 'bones': missing"),
        (
            {"joints": ["a", "a"], "bones": [["a", "a"]]},
            "'a' is not joined|names must be distinct",
        ),
        ({"bones": [["hips", "tail"]]}, "'bones': 'tail' is none of the joints"),
        ({"bones": [["hips", "head", "hips"]]}, "'bones': 0: .* at most 2 items"),
        ({"bones": [["hips", "head"]]}, "'head' is not joined"),
        (
            {"bones": [["hips", "head"], ["left hand", "head"]]},
            "'head' has two parents",
        ),
        (
            {
                "bones": [
                    ["hips", "head"],
                    ["head", "hips"],
                    ["left hand", "right hand"],
                ]
            },
            "'head' is not joined",
        ),
        ({"center": {"hips": 0.4}}, "'center': the weights must sum to 1"),
        ({"center": {"hips": "1"}}, "'center': 'hips': '1': .*valid number"),
        ({"up": "z"}, "'dims, up': .*axis is below dims"),
        ({"joint": ["a"]}, "field 'joint': .*unknown"),
    ],
)
def test_a_bad_layout_names_its_field(tmp_path: Path, changes, message) -> None:
    path = write_layout(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as error:
        read_layout(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "\ud800", "[" * 100_000])
def test_what_is_no_layout_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "layout.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"layout\.json"):
        read_layout(path)
    with pytest.raises(InputError, match="neither a file nor one of ntu25"):
        read_layout("ntu26")


@pytest.mark.parametrize(
    "name", ["", "a/b", "../a", ".a", "a b", "é", "custom", "NTU", "nucla", "a" * 65]
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InputError, match=r"^name "):
        check_name(name)


def test_names_that_can_be() -> None:
    for name in ("mine", "Dance-2024_b", "7"):
        check_name(name)
