"""Readers: original files, folders, zips and npz; real samples; bad input."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from skellib import data, readers
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.readers import nucla, sbu, utd_mhad

NUCLA = ("a01_s01_e00_v01", "a02_s03_e01_v02", "a02_s03_e01_v03", "a12_s10_e04_v03")
UTD = ("a1_s1_t1_skeleton", "a2_s8_t4_skeleton", "a10_s2_t3_skeleton")
SBU = ("s01s02/01/001", "s06s04/05/002", "s07s03/08/010")


def numbers(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).round(5)


def nucla_json(name: str, frames: np.ndarray | list, **changes) -> str:
    codes = {"a01": "1", "a02": "2", "a12": "10"}
    skeletons = np.asarray(frames).tolist() if not isinstance(frames, list) else frames
    label = codes.get(name[:3], "0")
    content = {"file_name": name, "skeletons": skeletons, "label": label, **changes}
    return json.dumps(content)


def write_nucla(folder: Path) -> list[np.ndarray]:
    clips = [numbers(t, 20, 3, seed=t) for t in (3, 1, 5, 2)]
    clips[2] = clips[1]  # the release's own quirk: a view-3 clip that is view 2's
    for name, clip in zip(NUCLA, clips, strict=True):
        path = folder / name[:3] / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nucla_json(name, clip))
    return [clip[:, None] for clip in clips]


def write_utd(folder: Path) -> list[np.ndarray]:
    clips = [numbers(t, 20, 3, seed=t) for t in (3, 1, 4)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, clip in zip(UTD, clips, strict=True):
        savemat(folder / f"{name}.mat", {"d_skel": clip.transpose(1, 2, 0)})
    return [clip[:, None] for clip in clips]


def sbu_text(clip: np.ndarray) -> str:
    rows = (
        ",".join([str(number), *map(repr, frame.ravel().tolist())])
        for number, frame in enumerate(clip, start=1)
    )
    return "\r\n".join(rows) + "\r\n"


def write_sbu(folder: Path) -> list[np.ndarray]:
    clips = [numbers(t, 2, 15, 3, seed=t) for t in (3, 1, 4)]
    for name, clip in zip(SBU, clips, strict=True):
        path = folder / name / "skeleton_pos.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sbu_text(clip))
    return clips


def zip_folder(folder: Path, target: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, Path("inner") / path.relative_to(folder))
        archive.writestr("__MACOSX/inner/a01_s01_e00_v01.json", "not JSON")
        archive.writestr("inner/readme.txt", "hello")
    return target


WRITERS: dict[str, Callable[[Path], list[np.ndarray]]] = {
    "nucla": write_nucla,
    "utd_mhad": write_utd,
    "sbu": write_sbu,
}
NAMES = {"nucla": NUCLA, "utd_mhad": UTD, "sbu": SBU}
each_reader = pytest.mark.parametrize("key", WRITERS)


@each_reader
def test_a_folder_and_a_zip_give_the_clips(key: str, tmp_path: Path) -> None:
    clips = WRITERS[key](tmp_path / "raw")
    archive = zip_folder(tmp_path / "raw", tmp_path / "raw.zip")
    for source in (tmp_path / "raw", archive, str(archive)):
        packed = readers.READERS[key](source)
        assert packed.key == key
        assert packed.name.tolist() == list(NAMES[key])
        for i, clip in enumerate(clips):
            np.testing.assert_array_equal(packed.clip(i), clip.astype(np.float32))
        assert f"{len(clips)} files" in packed.source


def test_what_the_names_say(tmp_path: Path) -> None:
    write_nucla(tmp_path / "nucla")
    packed = nucla.read(tmp_path / "nucla")
    assert packed.label.tolist() == [0, 1, 1, 9]
    assert packed.subject.tolist() == [1, 3, 3, 10]
    assert packed.view.tolist() == [1, 2, 3, 3]
    assert packed.extras["episode"].tolist() == [0, 1, 1, 4]
    assert packed.duplicate_of.tolist() == [-1, -1, 1, -1]
    write_utd(tmp_path / "utd")
    packed = utd_mhad.read(tmp_path / "utd")
    assert packed.label.tolist() == [0, 1, 9]
    assert packed.subject.tolist() == [1, 8, 2]
    assert packed.extras["trial"].tolist() == [1, 4, 3]
    assert packed.view.tolist() == [0, 0, 0]
    write_sbu(tmp_path / "sbu")
    packed = sbu.read(tmp_path / "sbu")
    assert packed.label.tolist() == [0, 4, 7]
    assert packed.subject.tolist() == [1, 6, 7]
    assert packed.extras["reacting"].tolist() == [2, 4, 3]
    assert packed.extras["take"].tolist() == [1, 2, 10]


def test_classes() -> None:
    assert [len(m.CLASSES) for m in (nucla, utd_mhad, sbu)] == [10, 27, 8]
    assert nucla.CLASSES[8] == "throw"
    assert sbu.CLASSES[3] == "pushing"


def test_a_folder_may_hold_archives_or_be_part_of_the_name(tmp_path: Path) -> None:
    write_sbu(tmp_path / "raw")
    (tmp_path / "sets").mkdir()
    for pair in ("s01s02", "s06s04", "s07s03"):
        with zipfile.ZipFile(tmp_path / "sets" / f"{pair}.zip", "w") as archive:
            for path in (tmp_path / "raw" / pair).rglob("*.txt"):
                archive.write(path, path.relative_to(tmp_path / "raw"))
    assert sbu.read(tmp_path / "sets").name.tolist() == list(SBU)
    assert sbu.read(tmp_path / "raw" / "s06s04").name.tolist() == ["s06s04/05/002"]


def foreign_npz(key: str, packed: PackedDataset, path: Path, **changes) -> Path:
    """Write packed clips as others do: small integers, compressed."""
    bodies = packed.joints if packed.bodies > 1 else packed.joints[:, 0]
    subject = packed.subject
    if key == "sbu":
        subject = np.stack([subject, packed.extras["reacting"]], axis=1)
    arrays = {
        "joints": bodies,
        "lengths": packed.lengths.astype(np.int32),
        "label": packed.label.astype(np.int16),
        "subject": subject.astype(np.int16),
        "name": packed.name,
    }
    if key == "nucla":
        arrays["view"] = packed.view.astype(np.int16)
        arrays["episode"] = packed.extras["episode"].astype(np.int16)
        arrays["duplicate_of"] = packed.duplicate_of.astype(np.int32)
    if key == "utd_mhad":
        arrays["trial"] = packed.extras["trial"].astype(np.int16)
    arrays = {f: a for f, a in {**arrays, **changes}.items() if a is not None}
    np.savez_compressed(path, **arrays)
    return path


@each_reader
def test_an_npz_gives_the_same_as_the_files(key: str, tmp_path: Path) -> None:
    WRITERS[key](tmp_path / "raw")
    raw = readers.READERS[key](tmp_path / "raw")
    packed = readers.READERS[key](foreign_npz(key, raw, tmp_path / "all.npz"))
    np.testing.assert_array_equal(packed.joints, raw.joints)
    for field in ("lengths", "label", "subject", "view", "name", "duplicate_of"):
        np.testing.assert_array_equal(getattr(packed, field), getattr(raw, field))
    assert packed.extras.keys() == raw.extras.keys()
    for field, values in raw.extras.items():
        np.testing.assert_array_equal(packed.extras[field], values)


@each_reader
def test_prepare_saves_what_open_reads(key: str, tmp_path: Path) -> None:
    clips = WRITERS[key](tmp_path / "raw")
    prepared = readers.prepare(key, tmp_path / "raw", root=tmp_path / "packed")
    assert prepared.path == tmp_path / "packed" / f"{key}.npz"
    assert (prepared.clips, prepared.skipped) == (len(clips), ())
    opened = data.open_dataset(key, root=tmp_path / "packed")
    opened.verify()
    np.testing.assert_array_equal(opened.clip(-1), clips[-1].astype(np.float32))


@each_reader
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"joints": None}, "joints"),
        ({"joints": np.zeros((11, 19, 3))}, "joints"),
        ({"joints": np.array([{}])}, "joints"),
        ({"lengths": np.array([1, 2])}, "lengths"),
        ({"lengths": np.array([1.5])}, "lengths"),
        ({"label": None}, "label"),
        ({"label": np.array([0, 0, 0])}, "label"),
        ({"subject": np.array(["a"])}, "subject"),
        ({"name": np.array([1, 2, 3])}, "name"),
    ],
)
def test_a_foreign_npz_that_does_not_agree(key, tmp_path, changes, field) -> None:
    WRITERS[key](tmp_path / "raw")
    raw = readers.READERS[key](tmp_path / "raw")
    path = foreign_npz(key, raw, tmp_path / "all.npz", **changes)
    with pytest.raises(InputError, match=rf"all\.npz: field '{field}'"):
        readers.READERS[key](path)


def test_npz_names_and_duplicates_are_checked(tmp_path: Path) -> None:
    write_nucla(tmp_path / "raw")
    raw = nucla.read(tmp_path / "raw")
    path = tmp_path / "all.npz"
    for changes, words in (
        (
            {"duplicate_of": np.array([-1, -1, -1, -1])},
            r"'duplicate_of': -1 at clip a02",
        ),
        ({"view": np.array([1, 2, 2, 3])}, r"'view': 2 at clip a02_s03_e01_v03, not 3"),
        ({"name": raw.name[::-1]}, r"'name': not sorted"),
        ({"name": np.array(["a", "b", "c", "d"])}, r"a: not a name such as a01"),
    ):
        foreign_npz("nucla", raw, path, **changes)
        with pytest.raises(InputError, match=rf"all\.npz.*{words}"):
            nucla.read(path)


@each_reader
def test_files_that_are_no_npz(key: str, tmp_path: Path) -> None:
    WRITERS[key](tmp_path / "raw")
    read = readers.READERS[key]
    good = foreign_npz(key, read(tmp_path / "raw"), tmp_path / "all.npz").read_bytes()
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        read(tmp_path / "none.npz")
    bad = tmp_path / "bad.npz"
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    spoilt = bytearray(good)
    spoilt[len(good) // 3] ^= 255
    for content in (b"", b"hello", good[:-40], good[: len(good) // 2], bytes(spoilt)):
        bad.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.npz"):
            read(bad)
    bad.write_bytes(single.read_bytes())
    with pytest.raises(InputError, match=r"bad\.npz"):
        read(bad)


@settings(max_examples=60, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_a_spoilt_byte_never_passes(tmp_path_factory, position, bits) -> None:
    folder = tmp_path_factory.mktemp("spoilt")
    write_sbu(folder / "raw")
    raw = sbu.read(folder / "raw")
    path = foreign_npz("sbu", raw, folder / "all.npz")
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= bits
    path.write_bytes(content)
    try:
        found = sbu.read(path)
    except InputError:
        return
    np.testing.assert_array_equal(found.joints, raw.joints)


GOOD = numbers(3, 20, 3, seed=0).tolist()
NAME = "a01_s01_e00_v01"


def frames_with(value: object) -> list:
    frames = json.loads(json.dumps(GOOD))
    frames[1][4][2] = value
    return frames


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (nucla_json(NAME, [f[:19] for f in GOOD]), "frame 0 has 19 joints, not 20"),
        (nucla_json(NAME, [GOOD[0], GOOD[1][:19]]), "frame 1 has 19 joints"),
        (nucla_json(NAME, []), "'skeletons'"),
        (nucla_json(NAME, frames_with("1.0")), "'skeletons'.*numbers"),
        (nucla_json(NAME, frames_with(None)), "'skeletons'.*numbers"),
        (nucla_json(NAME, frames_with([1, 2])), "'skeletons'.*numbers"),
        (nucla_json(NAME, frames_with(float("nan"))), "'skeletons': frame 1.*finite"),
        (nucla_json(NAME, frames_with(float("inf"))), "'skeletons': frame 1.*finite"),
        (nucla_json(NAME, frames_with(10**40)), "'skeletons'"),
        (nucla_json(NAME, [[[1, 2]] * 20]), "x, y, z"),
        (nucla_json(NAME, [[[True] * 3] * 20]), "numbers"),
        (nucla_json(NAME, [5]), "'skeletons'"),
        (nucla_json(NAME, GOOD, label="2"), "'label': '2'.*'1'"),
        (nucla_json(NAME, GOOD, label=None), "'label'"),
        (json.dumps({"label": "1"}), "'skeletons': missing"),
        (json.dumps({"skeletons": GOOD}), "'label': missing"),
        (json.dumps([1, 2]), "missing"),
        (nucla_json(NAME, GOOD)[:-20], "truncated"),
        ("[" * 100_000, "not valid JSON"),
        ("", "empty"),
        ("\x00\xff", "not valid JSON"),
    ],
)
def test_bad_nucla_files(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / f"{NAME}.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=rf"{NAME}\.json: .*{words}") as caught:
        nucla.read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a07_s01_e00_v01", "a01_s01_e00_v04"])
def test_names_beyond_the_release(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.json").write_text(nucla_json(name, GOOD))
    with pytest.raises(InputError, match=rf"{name}\.json: field '(code|view)'"):
        nucla.read(tmp_path)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"other": np.zeros((20, 3, 4))}, "'d_skel': missing"),
        ({"d_skel": np.zeros((19, 3, 4))}, r"'d_skel'.*\(19, 3, 4\)"),
        ({"d_skel": np.zeros((20, 3, 0))}, "'d_skel'"),
        ({"d_skel": np.full((20, 3, 4), np.nan)}, "'d_skel': frame 0.*finite"),
        ({"d_skel": "text"}, "'d_skel'"),
        ({"d_skel": {"a": 1}}, "'d_skel'"),
    ],
)
def test_bad_utd_files(tmp_path: Path, variables: dict, words: str) -> None:
    savemat(tmp_path / f"{UTD[0]}.mat", variables)
    with pytest.raises(InputError, match=rf"{UTD[0]}\.mat: field {words}"):
        utd_mhad.read(tmp_path)


def test_damaged_utd_files(tmp_path: Path) -> None:
    write_utd(tmp_path)
    path = tmp_path / f"{UTD[0]}.mat"
    content = path.read_bytes()
    for damaged in (content[:-50], content[:100], b"hello", b"\x00" * 300):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{UTD[0]}\.mat: "):
            utd_mhad.read(tmp_path)
    path.unlink()
    (tmp_path / "a28_s1_t1_skeleton.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"'code' of the name: 28"):
        utd_mhad.read(tmp_path)


LINE = sbu_text(numbers(1, 2, 15, 3, seed=1)).strip()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LINE + "\n" + LINE + ",0.5\n", "line 2: 92 values, not 91"),
        (LINE.rsplit(",", 1)[0], "line 1: 90 values"),
        (LINE.rsplit(",", 1)[0] + ",left", "line 1: field 91: 'left'"),
        (LINE.rsplit(",", 1)[0] + ",nan", "line 1: field 91: 'nan'"),
        (LINE.rsplit(",", 1)[0] + ",", "line 1: field 91: ''"),
        ("\n\n", "no frame"),
        ("", "an empty file"),
        ("\xff", "not a text file"),
    ],
)
def test_bad_sbu_files(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / SBU[0] / "skeleton_pos.txt"
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=rf"skeleton_pos\.txt: {words}"):
        sbu.read(tmp_path)


def test_sbu_class_beyond_the_release(tmp_path: Path) -> None:
    path = tmp_path / "s01s02" / "09" / "001" / "skeleton_pos.txt"
    path.parent.mkdir(parents=True)
    path.write_text(LINE)
    with pytest.raises(InputError, match="'code' of the name: 9"):
        sbu.read(tmp_path)


@pytest.mark.parametrize(
    "name",
    [f"../{NAME}.json", f"/{NAME}.json", f"x/../../{NAME}.json", f"C:/{NAME}.json"],
)
def test_an_archive_may_not_leave_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        archive.writestr(name, nucla_json(NAME, GOOD))
    with pytest.raises(InputError, match=r"raw\.zip:.*leaves the archive's folder"):
        nucla.read(tmp_path / "raw.zip")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    write_nucla(tmp_path / "raw")
    path = zip_folder(tmp_path / "raw", tmp_path / "raw.zip", zipfile.ZIP_STORED)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"raw\.zip: a damaged or truncated"):
        nucla.read(path)
    spoilt = content.replace(b"skeletons", b"skeletonz", 1)
    path.write_bytes(spoilt)
    with pytest.raises(InputError, match=r"raw\.zip:inner.*CRC"):
        nucla.read(path)


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{NAME}.json").write_text(nucla_json(NAME, GOOD))
    with pytest.raises(InputError, match=rf"{NAME} is also there as .*keep one"):
        nucla.read(tmp_path)


@each_reader
def test_sources_without_a_clip(key: str, tmp_path: Path) -> None:
    read = readers.READERS[key]
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no file such as"):
        read(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt: neither"):
        read(tmp_path / "notes.txt")
    with pytest.raises(InputError, match=r"'synthetic'.*nucla"):
        readers.prepare("synthetic", tmp_path)


def test_nothing_is_written_where_reading_fails(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.json").write_text("{}")
    with pytest.raises(InputError):
        readers.prepare("nucla", tmp_path, root=tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


REAL = {"nucla": "nucla", "utd_mhad": "utd_mhad", "sbu": "sbu_kinect"}


@each_reader
def test_real_samples_are_the_packed_clips(key: str, shared: Path) -> None:
    packed = readers.READERS[key](shared / f"{REAL[key]}.npz")
    samples = readers.READERS[key](shared / "raw-samples" / REAL[key])
    assert len(samples) >= 19
    at = {name: i for i, name in enumerate(packed.name.tolist())}
    for i, name in enumerate(samples.name.tolist()):
        j = at[name]
        np.testing.assert_allclose(samples.clip(i), packed.clip(j), rtol=0, atol=3e-7)
        assert samples.label[i] == packed.label[j]
        assert samples.subject[i] == packed.subject[j]
        for field, values in samples.extras.items():
            assert values[i] == packed.extras[field][j]


def test_real_counts(shared: Path) -> None:
    found = nucla.read(shared / "nucla.npz")
    assert (len(found), len(found.joints)) == (1484, 58534)
    assert (found.duplicate_of >= 0).sum() == 95
    with np.load(shared / "nucla.npz") as given:
        np.testing.assert_array_equal(found.duplicate_of, given["duplicate_of"])
    assert (found.joints == 0).all(axis=-1).sum() == 12
    found = utd_mhad.read(shared / "utd_mhad.npz")
    assert (len(found), len(found.joints)) == (861, 58299)
    assert (found.duplicate_of == -1).all()
    found = sbu.read(shared / "sbu_kinect.npz")
    assert (len(found), len(found.joints)) == (282, 6822)
    assert np.bincount(found.label).tolist() == [42, 43, 40, 41, 18, 21, 39, 38]
