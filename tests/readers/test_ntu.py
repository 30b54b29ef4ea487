"""NTU RGB+D: parsing, the choice of bodies, names, and the fake files."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skellib.errors import InputError
from skellib.readers import ntu
from skellib.readers.ntu_missing import MISSING
from tests.fake_raw import ntu as fake

FILE = "x.skeleton"


def person(seed: int, shift: float = 0.0) -> np.ndarray:
    """Return joints (25, 3) taller than wide."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (25, 3)) * [0.3, 0.9, 0.3] + [shift, 0, 3]


def plain(content: bytes) -> list[list[tuple[str, np.ndarray]]]:
    """Read the bodies in each frame value by value."""
    lines = iter(content.decode("ascii").split("\n"))
    frames = []
    for _ in range(int(next(lines))):
        bodies = []
        for _ in range(int(next(lines))):
            tracking_id = next(lines).split()[0]
            joints = [
                [np.float32(float(value)) for value in next(lines).split()[:3]]
                for _ in range(int(next(lines)))
            ]
            bodies.append((tracking_id, np.array(joints, dtype=np.float32)))
        frames.append(bodies)
    return frames


def check_plain(recording: ntu.Recording, content: bytes) -> None:
    expected = [
        (t, tracking_id, joints)
        for t, bodies in enumerate(plain(content))
        for tracking_id, joints in bodies
    ]
    assert recording.frame.tolist() == [t for t, _, _ in expected]
    ids = list(dict.fromkeys(tracking_id for _, tracking_id, _ in expected))
    assert [ids[i] for i in recording.track] == [i for _, i, _ in expected]
    joints = np.array([joints for _, _, joints in expected], dtype=np.float32)
    assert recording.joints.dtype == np.float32
    assert recording.joints.tobytes() == joints.tobytes()  # -0.0 is not 0.0


def same(a: ntu.Recording, b: ntu.Recording) -> bool:
    return all(
        getattr(a, field).dtype == getattr(b, field).dtype
        and getattr(a, field).tobytes() == getattr(b, field).tobytes()
        for field in ("frame", "track", "joints")
    )


TWO = [[(7, person(0)), (8, person(1))], [], [(8, person(2))], [(9, person(3))]]
GOOD = fake.encode(TWO)
WAYS = {
    "CR LF": GOOD,
    "LF": fake.encode(TWO, crlf=False),
    "no last end of line": GOOD.rstrip(),
    "spaces behind": GOOD.replace(b"\r\n", b" \r\n"),
    "two spaces": GOOD.replace(b" ", b"  "),
    "tabs": GOOD.replace(b" ", b"\t"),
    "mixed ends": GOOD.replace(b"\r\n", b"\n", 9),
    "blank lines at the end": GOOD + b"\r\n \r\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_files_are_read_exactly(way: str) -> None:
    recording = ntu.read_recording(WAYS[way], FILE)
    check_plain(recording, WAYS[way])
    assert recording.track.tolist() == [0, 1, 1, 2]
    assert recording.frame.tolist() == [0, 0, 2, 3]


def test_files_as_recorded_are_read_the_fast_way() -> None:
    for way in ("CR LF", "LF", "no last end of line"):
        fast = ntu._parse_fast(WAYS[way])
        assert fast is not None
        assert same(fast, ntu._parse_by_line(WAYS[way], FILE))
    for way in ("spaces behind", "two spaces", "tabs", "mixed ends"):
        assert ntu._parse_fast(WAYS[way]) is None


def test_files_without_a_body() -> None:
    for content in (b"0", b"0\r\n", b"2\n0\n0\n", b"1\r\n0\r\n"):
        assert len(ntu.read_recording(content, FILE).frame) == 0


def test_many_bodies_in_a_frame() -> None:
    content = fake.encode([[(i, person(i)) for i in range(12)]] * 3)
    assert ntu._parse_fast(content) is not None
    check_plain(ntu.read_recording(content, FILE), content)


NUMBERS = st.one_of(
    st.floats(-9, 9).map(lambda x: f"{x:.7G}"),
    st.floats(-1e-3, 1e-3).map(lambda x: f"{x:.7G}"),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.tuples(st.floats(-99, 99), st.integers(0, 20)).map(lambda x: f"{x[0]:.{x[1]}f}"),
    st.integers(-1000, 1000).map(str),
    st.from_regex(r"[+-]?([0-9]{1,3}\.[0-9]{0,10}|\.[0-9]{1,9})", fullmatch=True),
    st.from_regex(r"-?[0-9](\.[0-9]{1,8})?[eE][+-]?[0-9]", fullmatch=True),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=75))
def test_every_number_is_the_float32_of_its_text(texts: list[str]) -> None:
    texts = (texts * 75)[:75]
    rows = [" ".join(texts[i : i + 3]) + " 1 2 3 4 0 0 0 0 2" for i in range(0, 75, 3)]
    content = "\n".join(["1", "1", "5 0 1 1 1 1 0 0.1 0.2 2", "25", *rows]).encode()
    fast = ntu._parse_fast(content)
    assert fast is not None
    expected = np.array([np.float32(float(text)) for text in texts])
    assert fast.joints.tobytes() == expected.tobytes()
    assert same(fast, ntu._parse_by_line(content, FILE))


def read_or_message(content: bytes) -> ntu.Recording | str:
    try:
        return ntu._parse_by_line(content, FILE)
    except InputError as error:
        return str(error)


SMALL = fake.encode([[(7, person(0))], [], [(7, person(1)), (9, person(2))]])


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_an_input_error_or_read_alike_both_ways(data) -> None:
    content = bytearray(data.draw(st.sampled_from([SMALL, WAYS["LF"]])))
    places = st.integers(0, len(content) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        at, to = sorted((data.draw(places), data.draw(places)))
        kind = data.draw(st.sampled_from(["replace", "delete", "insert", "cut"]))
        new = data.draw(st.sampled_from(b"0123456789.-+eE_ \r\n\tnaif\x00\xff"))
        if kind == "replace":
            content[at : at + 1] = bytes([new])
        elif kind == "delete":
            del content[at : min(to, at + 9)]
        elif kind == "insert":
            content[at:at] = bytes([new])
        else:
            del content[to:]
    damaged = bytes(content)
    fast, slow = ntu._parse_fast(damaged), read_or_message(damaged)
    if isinstance(slow, str):
        assert slow.startswith(f"{FILE}: line ")
        assert "\n" not in slow
        assert fast is None
    else:
        assert fast is None or same(fast, slow)
        ntu.select_bodies(slow)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    slow = read_or_message(content)
    if isinstance(slow, str):
        assert slow.startswith(f"{FILE}: line ")
    else:
        assert ntu.select_bodies(slow).shape[1:] == (2, 25, 3)


def spoilt(line: int, text: str | None) -> bytes:
    """Replace a line (from 1) of GOOD, or cut the file before it."""
    lines = GOOD.decode().split("\r\n")
    lines = lines[: line - 1] if text is None else lines
    if text is not None:
        lines[line - 1] = text
    return "\r\n".join(lines).encode()


JOINT = "0.1 0.2 3.0 1 2 3 4 0 0 0 0 2"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: the file ends where the number of frames should be"),
        (b"\xff\xfe\x00", "line 1: .* is not the number of frames"),
        (b"hello\n", "line 1: 'hello' is not the number of frames"),
        (spoilt(1, "-1"), "line 1: '-1' is not the number of frames"),
        (spoilt(1, "4 4"), "line 1: 2 values, not the 1 of the number of frames"),
        (spoilt(1, "99999999999"), "line 1: '99999999999' is not the number of"),
        (spoilt(1, "999999999"), r"line \d+: the file ends where the number of bodies"),
        (spoilt(1, "3"), r"line \d+: more lines than the counts say"),
        (spoilt(2, "1"), "line 30: 10 values, not the 1 of the number of bodies"),
        (spoilt(2, "999999999"), "line"),
        (spoilt(2, "x"), "line 2: 'x' is not the number of bodies"),
        (spoilt(3, "7 0 1"), "line 3: 3 values, not the 10 of a body"),
        (spoilt(3, "a 0 1 1 1 1 0 0 0 2"), "line 3: 'a' is not a tracking id"),
        (spoilt(4, "24"), "line 4: 24 joints, not 25"),
        (spoilt(4, "250"), "line 4: 250 joints, not 25"),
        (spoilt(4, "999999999"), "line 4: 999999999 joints"),
        (spoilt(5, JOINT[:20]), "line 5: 7 values, not the 12 of a joint"),
        (spoilt(5, JOINT + " 2"), "line 5: 13 values"),
        (spoilt(5, ""), "line 5: 0 values"),
        (spoilt(6, JOINT.replace("0.1", "nan")), "line 6: 'nan' is not a finite"),
        (spoilt(6, JOINT.replace("0.2", "-inf")), "line 6: '-inf' is not a finite"),
        (spoilt(6, JOINT.replace("3.0", "1e39")), "line 6: '1e39' is not a finite"),
        (spoilt(6, JOINT.replace("3.0", "3_0")), "line 6: '3_0' is not a finite"),
        (spoilt(6, JOINT.replace("3.0", "left")), "line 6: 'left' is not a finite"),
        (spoilt(20, None), "line 20: the file ends where a joint should be"),
        (GOOD[: len(GOOD) // 2], r"line \d+: "),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=f"^{FILE}: {words}") as caught:
        ntu.read_recording(content, FILE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"999999999\n" + b"0\n" * 50_000,
        b"50000\n" + b"0\n" * 50_000,
        b"1\n999999999\n" + GOOD * 20,
        b"1" * 200_000,
        b" " * 200_000,
        b"\n" * 200_000,
        b"1\n1\n5 0 1 1 1 1 0 0 0 2\n25\n" + b"9" * 200_000,
    ],
)
def test_a_bad_file_costs_little_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        ntu.select_bodies(ntu.read_recording(content, FILE))
    except InputError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 30 * len(content)


def clip_of(frames: list, **how) -> np.ndarray:
    return ntu.select_bodies(ntu.read_recording(fake.encode(frames, **how), FILE))


def moving(size: float, frames: int = 20, shift: float = 0.0) -> list[np.ndarray]:
    """Return a person who moves to and fro by ``size`` metres along x."""
    at = np.sin(np.linspace(0, 6, frames))
    return [person(5, shift) + [size * x, 0, 0] for x in at]


def test_the_main_actor_is_the_one_who_moves_most() -> None:
    still, lively = moving(0.1), moving(1.0, shift=2)
    frames = [[(1, a), (2, b)] for a, b in zip(still, lively, strict=True)]
    clip = clip_of(frames)
    assert clip.shape == (20, 2, 25, 3)
    np.testing.assert_allclose(clip[:, 0], lively, rtol=1e-6)
    np.testing.assert_allclose(clip[:, 1], still, rtol=1e-6)


def test_of_three_bodies_the_two_of_most_motion_are_kept() -> None:
    sizes = [moving(0.1), moving(1.0), moving(0.5)]
    clip = clip_of([list(enumerate(bodies)) for bodies in zip(*sizes, strict=True)])
    np.testing.assert_allclose(clip[:, 0], sizes[1], rtol=1e-6)
    np.testing.assert_allclose(clip[:, 1], sizes[2], rtol=1e-6)


def test_one_body_leaves_the_second_place_empty() -> None:
    clip = clip_of([[(1, joints)] for joints in moving(0.3)])
    assert clip[:, 0].all(axis=(1, 2)).all()
    assert not clip[:, 1].any()


def test_frames_without_anybody_are_cut_out() -> None:
    joints = moving(0.3)
    frames = [[(1, body)] for body in joints]
    frames[3] = frames[7] = frames[0] = []
    clip = clip_of(frames)
    kept = [body for t, body in enumerate(joints) if t not in (0, 3, 7)]
    np.testing.assert_allclose(clip[:, 0], kept, rtol=1e-6)


def test_a_body_of_zeros_is_not_there() -> None:
    frames = [[(1, body)] for body in moving(0.3)]
    frames[4] = [(1, np.zeros((25, 3)))]
    frames[5].append((2, np.zeros((25, 3))))
    assert len(clip_of(frames)) == 19
    assert clip_of([[(1, np.zeros((25, 3)))]] * 3).shape == (0, 2, 25, 3)
    assert clip_of([[], []]).shape == (0, 2, 25, 3)


def test_a_track_that_goes_on_under_a_new_id_is_one_body() -> None:
    joints = moving(0.3, frames=40)
    frames = [[(1 if t < 22 else 2, body)] for t, body in enumerate(joints)]
    clip = clip_of(frames)
    np.testing.assert_allclose(clip[:, 0], joints, rtol=1e-6)
    assert not clip[:, 1].any()


def test_a_body_that_comes_and_goes_stays_in_its_frames() -> None:
    main, other = moving(1.0, frames=40), moving(0.4, frames=40, shift=2)
    there = [t for t in range(40) if t % 3]
    frames = [
        [(1, main[t]), *([(2, other[t])] if t in there else [])] for t in range(40)
    ]
    clip = clip_of(frames)
    np.testing.assert_allclose(clip[there, 1], np.array(other)[there], rtol=1e-6)
    assert not clip[::3, 1].any()


def test_short_tracks_are_noise_beside_longer_ones() -> None:
    main = moving(0.1, frames=30)
    for length, kept in ((11, False), (12, True)):
        frames = [[(1, body)] for body in main]
        for t in range(length):
            frames[t].append((2, person(t, shift=t)))
        assert clip_of(frames)[:, 1].any() == kept
    short = [[(1, a), (2, b)] for a, b in zip(main[:5], moving(1, 5), strict=True)]
    assert clip_of(short)[:, 1].any()  # all are short: none is dropped


def flat(seed: int) -> np.ndarray:
    return person(seed)[:, [1, 0, 2]]


def test_tracks_wider_than_tall_are_noise_beside_others() -> None:
    # 69.754 % of 100 frames: 69 flat ones are kept, 70 are not.
    main = moving(0.2, frames=100)
    for count, kept in ((69, True), (70, False)):
        frames = [
            [(1, body), (2, flat(t) if t < count else person(t))]
            for t, body in enumerate(main)
        ]
        assert clip_of(frames)[:, 1].any() == kept
    lying = clip_of([[(1, flat(t)), (2, flat(t + 50))] for t in range(20)])
    assert lying.any(axis=(0, 2, 3)).all()  # both are: neither is dropped


def test_motion_counts_plausible_frames_only() -> None:
    steady, jumping = moving(0.5, frames=40), moving(0.1, frames=40)
    frames = [[(1, b), (2, a)] for a, b in zip(steady, jumping, strict=True)]
    for t in range(10):
        frames[t][0] = (1, flat(t) * [9, 1, 1])
    np.testing.assert_allclose(clip_of(frames)[:, 0], steady, rtol=1e-6)


def test_an_id_twice_in_a_frame() -> None:
    twice = [[(1, person(0)), (1, person(t))] for t in range(20)]
    np.testing.assert_allclose(
        clip_of(twice)[:, 0], [person(t) for t in range(20)], rtol=1e-6
    )


def test_the_list_of_missing_skeletons() -> None:
    # The counts that are published with and without them: cross-subject 40,320 and
    # 16,560 files, 40,091 and 16,487 of them whole; cross-view 37,920 and 18,960,
    # 37,646 and 18,932.
    assert len(MISSING) == 302
    train = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
    subjects = [number // 1000 % 100 for number in MISSING]
    assert sum(s in train for s in subjects) == 40_320 - 40_091
    assert sum(s not in train for s in subjects) == 16_560 - 16_487
    cameras = [number // 100_000 % 10 for number in MISSING]
    assert sum(c in (2, 3) for c in cameras) == 37_920 - 37_646
    assert sum(c == 1 for c in cameras) == 18_960 - 18_932
    assert {number % 100 for number in MISSING} <= set(range(1, 61))


def test_which_names_are_skipped() -> None:
    skip_reason = ntu.FORMATS[0].skip_reason
    assert skip_reason is not None
    assert skip_reason("S001C001P001R001A001") is None
    assert "302" in str(skip_reason("S001C002P005R002A008"))
    assert "NTU RGB+D 120" in str(skip_reason("S018C001P041R001A061"))


def test_the_missing_skeletons_are_the_published_list(shared: Path) -> None:
    path = shared / "raw-samples" / "ntu_rgbd" / "samples_with_missing_skeletons.txt"
    names = path.read_text(encoding="ascii").split()
    skip_reason = ntu.FORMATS[0].skip_reason
    assert skip_reason is not None
    assert len(names) == 302
    assert all("302" in str(skip_reason(name)) for name in names)


def test_reading_a_folder_and_an_archive(tmp_path: Path) -> None:
    paths = fake.write(tmp_path / "raw", clips=6, frames=(8, 12))
    listed = tmp_path / "raw" / "S001C002P005R002A008.skeleton"
    listed.write_bytes(b"0\n")
    found = ntu.read(tmp_path / "raw")
    assert found.key == "ntu"
    assert found.name.tolist() == sorted(path.stem for path in paths)
    assert found.joints.shape[1:] == (2, 25, 3)
    for i, name in enumerate(found.name.tolist()):
        assert found.label[i] == int(name[17:]) - 1
        assert found.subject[i] == int(name[9:12])
        assert found.view[i] == int(name[5:8])
        assert found.extras["setup"][i] == int(name[1:4])
        assert found.extras["replication"][i] == int(name[13:16])
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"nturgb+d_skeletons/{path.name}")
    zipped = ntu.read(tmp_path / "raw.zip")
    assert zipped.joints.tobytes() == found.joints.tobytes()
    assert zipped.label.tolist() == found.label.tolist()


@pytest.mark.parametrize(
    "name", ["S001C004P001R001A001", "S001C001P041R001A001", "S001C001P001R001A000"]
)
def test_names_beyond_the_release(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.skeleton").write_bytes(GOOD)
    with pytest.raises(InputError, match=f"{name}.skeleton: field"):
        ntu.read(tmp_path)


def test_a_clip_without_anybody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "S001C001P001R001A001.skeleton").write_bytes(b"2\r\n0\r\n0\r\n")
    with pytest.raises(InputError, match=r"A001\.skeleton: nobody in any frame"):
        ntu.read(tmp_path)


def test_fake_files_depend_on_their_arguments_only(tmp_path: Path) -> None:
    some = fake.write(tmp_path / "some", clips=5, frames=(5, 9))
    more = fake.write(tmp_path / "more", clips=7, frames=(5, 9))
    other = fake.write(tmp_path / "other", clips=5, seed=1, frames=(5, 9))
    lines = fake.write(tmp_path / "lines", clips=5, crlf=False, frames=(5, 9))
    for a, b, c, d in zip(some, more, other, lines, strict=False):
        assert a.name == b.name == c.name == d.name
        assert a.read_bytes() == b.read_bytes() != c.read_bytes()
        assert a.read_bytes().replace(b"\r\n", b"\n") == d.read_bytes()


def test_fake_files_are_as_varied_as_the_release(tmp_path: Path) -> None:
    paths = fake.write(tmp_path, clips=120, frames=(3, 40))
    found = ntu.read(tmp_path)
    assert set(found.label) == set(range(60))
    assert set(found.view) == {1, 2, 3}
    assert len(set(found.subject)) > 20
    assert not any(ntu.FORMATS[0].skip_reason(path.stem) for path in paths)  # type: ignore[misc]
    recordings = [ntu.read_recording(p.read_bytes(), p.name) for p in paths]
    assert max(r.track.max() for r in recordings) == 2
    second = [found.clip(i)[:, 1].any() for i in range(len(found))]
    assert sum(second) > 0
    assert not any(second[i] for i in np.flatnonzero(found.label < 49))
    with pytest.raises(InputError, match="names at most"):
        fake.write(tmp_path / "all", clips=99_999)


def test_real_samples(shared: Path) -> None:
    folder = shared / "raw-samples" / "ntu_rgbd"
    for path in sorted(folder.glob("*.skeleton")):
        content = path.read_bytes()
        fast = ntu._parse_fast(content)
        assert fast is not None
        check_plain(fast, content)
    found = ntu.read(folder)
    assert len(found) == 11
    second = {n: found.clip(i)[:, 1].any() for i, n in enumerate(found.name.tolist())}
    assert [name for name in second if second[name]] == ["S001C001P001R001A050"]
    at = found.name.tolist().index("S001C001P001R001A050")
    assert found.clip(at).shape == (74, 2, 25, 3)
    assert found.clip(at).any(axis=(2, 3)).all()


def test_the_benchmark(root: Path, tmp_path: Path) -> None:
    folder = root / "benchmarks"
    spec = spec_from_file_location("ntu_parsing", folder / "ntu_parsing.py")
    assert spec is not None
    assert spec.loader is not None
    benchmark = module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.check(fake.write(tmp_path, clips=6, frames=(20, 30)))
    found = json.loads((folder / "results" / "ntu_parsing.json").read_text("utf-8"))
    assert benchmark.table(found) in (folder / "README.md").read_text("utf-8")
    assert found["files"] == 2000
