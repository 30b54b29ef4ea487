"""Preparing: in shards, in several processes, interrupted and resumed; bad files."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skellib import data, paths, readers
from skellib.__main__ import main
from skellib.batches import DeviceClips
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.readers import Prepared, preparing, source_format
from skellib.settings import PreprocessingConfig
from tests.readers.toy_format import (
    LAYOUT,
    TOY,
    annotate,
    large,
    lists_out,
    make_format,
    name_from,
    name_of,
    parse_frames,
)


def write_clips(folder: Path, number: int) -> Path:
    """Write the files of a number of clips."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        (folder / f"{name_of(i)}.clip").write_text(f"{i} {i % 5 + 1}")
    return folder


def prepare(source: Path | Sequence[Path], target: Path, **options) -> Prepared:
    options = {"workers": 1, "progress": False, **options}
    formats = options.pop("formats", (TOY,))
    places = [source] if isinstance(source, Path) else source
    return preparing.from_files(formats, places, target, **options)


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write ten clips, to be prepared in shards of four."""
    monkeypatch.setattr(preparing, "CLIPS", 4)
    return write_clips(tmp_path / "raw", 10)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "packed" / "toy.npz"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIP_LOG", str(tmp_path / "log"))
    (tmp_path / "log").touch()
    return tmp_path / "log"


def parsed(log: Path) -> list[str]:
    return [line.split()[1] for line in log.read_text().splitlines()]


def in_folder(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_the_file_is_that_of_the_set_in_memory(raw, target, log, workers) -> None:
    prepared = prepare(raw, target, workers=workers)
    assert (prepared.path, prepared.clips, prepared.skipped) == (target, 10, ())
    assert in_folder(target) == ["toy.npz"]
    assert sorted(parsed(log)) == sorted(name_of(i) for i in range(10))
    processes = {line.split()[0] for line in log.read_text().splitlines()}
    assert (str(os.getpid()) in processes) == (workers == 1)
    whole = source_format.read((TOY,), raw)
    described = replace(whole, summary=PackedDataset.open(target).summary)
    described.save(target.with_name("memory.npz"))
    assert target.read_bytes() == target.with_name("memory.npz").read_bytes()


def test_half_precision_from_an_archive(raw, target) -> None:
    with zipfile.ZipFile(raw.parent / "raw.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in raw.iterdir():
            archive.write(path, path.name)
    prepare(raw.parent / "raw.zip", target, dtype="float16")
    opened = PackedDataset.open(target)
    assert opened.joints.dtype == np.float16
    whole = source_format.read((TOY,), raw)
    np.testing.assert_array_equal(opened.joints, whole.joints.astype(np.float16))


def test_half_precision_trains(raw, target) -> None:
    prepare(raw, target, dtype="float16")
    prepare(raw, target.with_name("full.npz"))
    crop = PreprocessingConfig(frames=8)
    half, full = (
        DeviceClips(PackedDataset.open(path))
        for path in (target, target.with_name("full.npz"))
    )
    for (x, y), (x32, y32) in zip(
        half.training(4, crop, seed=0, epoch=0),
        full.training(4, crop, seed=0, epoch=0),
        strict=True,
    ):
        assert x.dtype == torch.float32
        assert torch.equal(y, y32)
        torch.testing.assert_close(x, x32, rtol=0, atol=5e-3)


def test_several_sources(raw, tmp_path, target) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for path in sorted(raw.iterdir())[:5]:
        path.rename(more / path.name)
    prepare([raw, more], target)
    opened = PackedDataset.open(target)
    assert opened.name.tolist() == sorted(
        (name_of(i) for i in range(10)), key=numbers_of
    )
    assert opened.source == "10 files of raw, more"
    with pytest.raises(InputError, match="is also there as"):
        prepare([raw, raw], target)


def numbers_of(name: str) -> list[int]:
    return [int(part.strip("cs")) for part in name.split("_")]


# Stopped, and gone on with

KILLED = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells ignore it
sys.path.insert(0, {tests!r})
from skellib.readers import preparing
import tests.readers.toy_format as t
if __name__ == "__main__":
    preparing.CLIPS = 4
    target = Path({target!r})
    preparing.from_files((t.TOY,), [{raw!r}], target, workers={workers})
"""


def start(raw: Path, target: Path, workers: int) -> subprocess.Popen:
    tests = Path(__file__).parents[2]
    script = raw.parent / "script.py"
    script.write_text(
        KILLED.format(
            tests=str(tests), raw=str(raw), target=str(target), workers=workers
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(tests)}
    return subprocess.Popen([sys.executable, str(script)], env=environment)


def test_killed_in_the_middle_it_goes_on(raw, target, log, tmp_path) -> None:
    order = sorted((name_of(i) for i in range(10)), key=numbers_of)
    victim = order[6]  # in the second of three shards
    seed = (raw / f"{victim}.clip").read_text()
    (raw / f"{victim}.clip").write_text(f"die {tmp_path / 'died'} {seed}")
    assert start(raw, target, 1).wait(60) == -signal.SIGKILL
    assert parsed(log) == order[:7]
    assert in_folder(target) == [".toy.npz.work"]
    assert not list(target.parent.glob("*.npz"))

    log.write_text("")
    prepared = prepare(raw, target)
    assert prepared.clips == 10
    assert parsed(log) == order[4:]  # the first shard was there
    assert in_folder(target) == ["toy.npz"]
    (raw / f"{victim}.clip").write_text(seed)
    prepare(raw, target.with_name("never.npz"))
    assert target.read_bytes() == target.with_name("never.npz").read_bytes()


def test_an_interrupt_keeps_what_is_done(raw, target, log) -> None:
    order = sorted((name_of(i) for i in range(10)), key=numbers_of)
    (raw / f"{order[6]}.clip").write_text("wait")
    process = start(raw, target, 1)
    deadline = time.monotonic() + 60
    while len(parsed(log)) < 7 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert in_folder(target) == [".toy.npz.work"]
    (raw / f"{order[6]}.clip").write_text("6 2")
    log.write_text("")
    prepare(raw, target)
    assert parsed(log) == order[4:]


def test_a_worker_that_dies_is_told_of(raw, target, log, tmp_path) -> None:
    victim = name_of(7)
    (raw / f"{victim}.clip").write_text(f"die {tmp_path / 'died'} 7 3")
    with pytest.raises(InputError, match="a worker process ended"):
        prepare(raw, target, workers=2)
    assert not target.exists()
    assert prepare(raw, target, workers=2).clips == 10


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_workers_end_with_a_killed_parent(raw, target, log) -> None:
    for i in range(10):
        (raw / f"{name_of(i)}.clip").write_text("wait")
    parent = start(raw, target, 2)
    deadline = time.monotonic() + 60
    while len(parsed(log)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(line.split()[0]) for line in log.read_text().splitlines()]
    assert len(workers) == 2 and all(map(alive, workers))
    parent.kill()
    parent.wait(60)
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    assert not target.exists()


def test_a_second_preparation_of_one_target_is_refused(raw, target) -> None:
    folder = target.with_name(f".{target.name}.work")
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"toy\.npz: is being prepared by another"):
            prepare(raw, target)
        assert folder.is_dir() and not target.exists()
    finally:
        os.close(handle)
    assert prepare(raw, target).clips == 10


def interrupted(raw: Path, target: Path) -> None:
    """Interrupt a preparation after two of three shards."""
    last = sorted((name_of(i) for i in range(10)), key=numbers_of)[-1]
    path = raw / f"{last}.clip"
    text = path.read_text()
    path.write_text("bug")
    with pytest.raises(RuntimeError):
        prepare(raw, target)
    path.write_text(text)


def test_a_changed_file_is_parsed_again(raw, target, log) -> None:
    order = sorted((name_of(i) for i in range(10)), key=numbers_of)
    interrupted(raw, target)
    log.write_text("")
    (raw / f"{order[2]}.clip").write_text("77 2")
    prepare(raw, target)
    assert parsed(log) == order[:4] + order[8:]  # its shard, and the one not made
    opened = PackedDataset.open(target)
    expected = np.random.default_rng(77).normal(size=(2, 1, 15, 3))
    np.testing.assert_array_equal(opened.clip(2), expected.astype(np.float32))


@pytest.mark.parametrize("damage", ["cut", "spoilt", "other options"])
def test_a_part_that_is_no_good_is_not_used(raw, target, log, damage) -> None:
    interrupted(raw, target)
    made = sorted(target.parent.glob(".toy.npz.work/*.npz"))
    assert len(made) == 2
    content = made[0].read_bytes()
    if damage == "cut":
        made[0].write_bytes(content[: len(content) // 2])
    if damage == "spoilt":
        middle = content.index(b"joints.npy") + 300
        made[0].write_bytes(content[:middle] + b"!!!!" + content[middle + 4 :])
    log.write_text("")
    dtype = "float16" if damage == "other options" else "float32"
    if damage == "spoilt":  # found when it is joined; then made again
        with pytest.raises(InputError, match="damaged.*run the same command again"):
            prepare(raw, target, dtype=dtype)
    prepare(raw, target, dtype=dtype)
    assert len(parsed(log)) == {"cut": 6, "spoilt": 6, "other options": 10}[damage]
    whole = source_format.read((TOY,), raw)
    np.testing.assert_array_equal(
        PackedDataset.open(target).joints, whole.joints.astype(dtype)
    )


# Bad files


def test_bad_files_are_skipped_and_listed(raw, target) -> None:
    (raw / f"{name_of(1)}.clip").write_text("hello")
    (raw / f"{name_of(5)}.clip").write_text("")
    (raw / "c9_s1_1.clip").write_text("1 1")
    (raw / "more.zip").write_text("no archive")
    (raw / "c1_s99999999999_1.clip").write_text("1 1")
    prepared = prepare(raw, target)
    assert (prepared.clips, prepared.bad) == (8, 5)
    reasons = {Path(each.where).name: each.reason for each in prepared.skipped}
    assert reasons == {
        "more.zip": "a damaged or truncated zip archive; fetch it again",
        "c9_s1_1.clip": "field 'code' of the name: 9 is none of 1, 2, 3",
        "c1_s99999999999_1.clip": "field 'subject' of the name: too large",
        f"{name_of(1)}.clip": "line 1: 'hello' is no number",
        f"{name_of(5)}.clip": "an empty file; fetch it again",
    }
    listed = target.with_name("toy.skipped.txt").read_text().splitlines()
    assert listed == [str(each) for each in prepared.skipped]
    opened = PackedDataset.open(target)
    opened.verify()
    kept = [i for i in range(10) if i not in (1, 5)]
    assert sorted(opened.name) == sorted(name_of(i) for i in kept)
    assert opened.source == "8 files of raw"
    for i, name in enumerate(opened.name):  # facts belong to the clips that stay
        code, subject, take = numbers_of(name)
        assert (opened.label[i], opened.subject[i]) == (code - 1, subject)
        assert opened.extras["take"][i] == take
        assert len(opened.clip(i)) == take % 5 + 1
    for name in reasons:
        (raw / name).unlink()
    prepare(raw, target)
    assert in_folder(target) == ["toy.npz"]


@pytest.mark.parametrize(
    ("bad", "workers"), [("hello", 1), ("hello", 2), ("name", 1), ("archive", 1)]
)
def test_strict_stops_at_the_first(raw, target, workers, bad) -> None:
    if bad == "hello":
        (raw / f"{name_of(4)}.clip").write_text("hello")
    elif bad == "name":
        (raw / "c9_s1_1.clip").write_text("1 1")
    else:
        (raw / "more.zip").write_text("no archive")
    with pytest.raises(InputError, match="line 1|'code'|truncated") as caught:
        prepare(raw, target, workers=workers, strict=True)
    assert str(caught.value).startswith(str(raw))
    assert not target.exists()


def test_strict_minds_what_an_earlier_run_skipped(raw, target, log) -> None:
    (raw / f"{name_of(0)}.clip").write_text("hello")
    interrupted(raw, target)
    with pytest.raises(InputError, match="'hello' is no number"):
        prepare(raw, target, strict=True)


def test_nothing_that_can_be_used(raw, target) -> None:
    for path in raw.iterdir():
        path.write_text("hello")
    with pytest.raises(InputError) as caught:
        prepare(raw, target)
    message = str(caught.value)
    assert message.startswith("toy: no clip can be used: ")
    assert message.count("is no number") == 3 and message.endswith("and 7 more")
    assert not target.parent.exists()
    (raw.parent / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no file such as c1_s1_1\.clip"):
        prepare(raw.parent / "empty", target)
    (raw.parent / "empty" / "a.zip").write_text("no archive")
    with pytest.raises(InputError, match="truncated"):
        prepare(raw.parent / "empty", target)
    assert not target.parent.exists()


@pytest.mark.parametrize(
    ("what", "workers", "words"),
    [
        ("bug", 1, "KeyError: 'no such thing'"),
        ("bug", 2, "KeyError: 'no such thing'"),
        ("shape", 1, r"\(3, 2, 15"),
    ],
)
def test_a_fault_of_the_parser_names_the_file(raw, target, what, workers, words):
    (raw / f"{name_of(6)}.clip").write_text(what)
    with pytest.raises(RuntimeError, match=rf"{name_of(6)}\.clip: the parser.*{words}"):
        prepare(raw, target, workers=workers)
    assert not target.exists()


def test_values_beyond_the_type_are_skipped(raw, target) -> None:
    (raw / f"{name_of(6)}.clip").write_text("6 4 1e6")
    prepared = prepare(raw, target, dtype="float16")
    (skipped,) = prepared.skipped
    assert skipped.where.endswith(f"{name_of(6)}.clip")
    assert skipped.reason == "frame 0: not finite, or too large for float16"
    assert prepare(raw, target).skipped == ()


def test_a_larger_bound_reads_what_a_smaller_one_skipped(raw, target, log) -> None:
    (raw / f"{name_of(6)}.clip").write_text("6 4" + " " * 100)
    assert prepare(raw, target, max_bytes=50).bad == 1
    assert prepare(raw, target, max_bytes=200).bad == 0


# What the names do not say


def test_lists_and_accompanying_files(raw, target) -> None:
    lines = [f"{name_of(i)} {100 + i}" for i in range(8)]
    (raw / "subjects.txt").write_text("\n".join(lines))
    toy = make_format(
        name=r"c\d_s(?P<_ignored>\w+)_(?P<take>\d+)",
        allowed={},
        skip_reason=lists_out,
        companion=r"subjects\.txt",
        annotate=annotate,
    )
    prepared = prepare(raw, target, formats=(toy,), strict=True)
    assert (prepared.clips, prepared.bad) == (7, 0)
    reasons = [each.reason for each in prepared.skipped]
    assert sorted(reasons) == ["listed as spoilt", *["not in the list"] * 2]
    opened = PackedDataset.open(target)
    assert opened.classes == ("p", "q")
    assert opened.extras.keys() == {"take"}
    assert (opened.subject == 100 + opened.extras["take"]).all()
    assert opened.label.tolist() == [1] * 7


def test_a_file_a_frame(tmp_path, target) -> None:
    for view in (1, 2):
        folder = tmp_path / "raw" / f"view_{view}" / "c2_s1_5"
        folder.mkdir(parents=True)
        for frame in range(11):
            (folder / f"frame_{frame}.txt").write_text(f"{10 * view + frame} 1")
    (tmp_path / "raw" / "view_2" / "c2_s1_5" / "frame_7.txt").write_text("")
    frames = make_format(
        pattern=rf"view_(?P<view>\d)/(?P<name>{TOY.name})/frame_(?P<frame>\d+)\.txt",
        naming=name_from,
        parse=None,
        parse_frames=parse_frames,
    )
    prepared = prepare(tmp_path / "raw", target, formats=(TOY, frames))
    assert (prepared.clips, prepared.bad) == (1, 1)
    assert prepared.skipped[0].where.endswith("view_2/c2_s1_5/frame_0.txt")
    assert "frame_7.txt: an empty file" in prepared.skipped[0].reason
    opened = PackedDataset.open(target)
    assert opened.name.tolist() == ["c2_s1_5_v1"]
    assert (opened.view[0], opened.label[0], opened.extras["take"][0]) == (1, 1, 5)
    expected = [
        np.random.default_rng(10 + k).normal(size=(1, 15, 3)) for k in range(11)
    ]
    np.testing.assert_array_equal(opened.clip(0), np.float32(expected))


def test_one_clip_from_its_file(raw) -> None:
    clip = TOY.read_clip(raw / f"{name_of(4)}.clip")
    np.testing.assert_array_equal(
        clip, np.random.default_rng(4).normal(size=(5, 1, 15, 3))
    )
    with pytest.raises(InputError, match=r"test_preparing\.py: line 1"):
        TOY.read_clip(Path(__file__))


# Memory, and what is shown


def test_memory_is_of_a_part(raw, target) -> None:
    write_clips(raw, 60)
    tracemalloc.start()
    prepare(raw, target, formats=(make_format(parse=large),))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert target.stat().st_size > 100e6
    assert peak < 25e6  # shards of four clips: 7 MB, twice while they are joined


def test_a_part_of_large_files_ends_early(raw, monkeypatch) -> None:
    monkeypatch.setattr(preparing, "BYTES", 6)
    clips = source_format.scan((TOY,), [raw]).files
    assert [len(some) for _, some in preparing._cut(clips)] == [2] * 5


def test_progress_is_a_line_for_each_tenth(raw, target, capsys, monkeypatch) -> None:
    clock = itertools.count(0.0, 2.0)
    monkeypatch.setattr(preparing, "monotonic", lambda: next(clock))
    write_clips(raw, 40)
    prepare(raw, target, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("4 of 40 clips, ") and lines[-1].startswith("40 of 40")


def test_a_quick_preparation_says_one_line(raw, target, capsys, monkeypatch) -> None:
    monkeypatch.setattr(preparing, "monotonic", lambda: 0.0)
    write_clips(raw, 40)
    prepare(raw, target, progress=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("40 of 40 clips, ")


# The data sets, and the command


NUCLA_LINE = '{{"label": "1", "skeletons": {}}}'


def write_nucla(folder: Path, bad: int, good: int = 3) -> None:
    folder.mkdir()
    frame = np.round(np.random.default_rng(0).normal(size=(20, 3)), 3).tolist()
    for i in range(good + bad):
        frames = [frame] if i < good else [frame[:19]]
        path = folder / f"a01_s{i + 1:02d}_e00_v01.json"
        path.write_text(NUCLA_LINE.format(frames))


def call(capfd, *arguments: object) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in arguments])
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


def test_the_command_counts_what_it_leaves_out(tmp_path, capfd) -> None:
    write_nucla(tmp_path / "raw", bad=25)
    command = ["prepare", "nucla", "--source", tmp_path / "raw", "--root", tmp_path]
    status, out, err = call(capfd, *command)
    assert status == 0 and err == ""
    shown = [line for line in out.splitlines() if line.startswith("skipped: ")]
    assert len(shown) == 21 and shown[-1] == "skipped: 5 more"
    assert "_e00_v01.json: field 'skeletons': frame 0 has 19 joints" in shown[0]
    assert f"25 of 28; the list is {tmp_path / 'nucla.skipped.txt'}" in out
    assert "3 clips, 3 frames" in out
    assert len((tmp_path / "nucla.skipped.txt").read_text().splitlines()) == 25
    status, out, err = call(capfd, *command, "--strict")
    assert status == 2 and err.count("\n") == 1 and "has 19 joints" in err


def test_the_command_takes_bounds_and_types(tmp_path, capfd) -> None:
    write_nucla(tmp_path / "raw", bad=0)
    path = tmp_path / "raw" / "a01_s01_e00_v01.json"
    path.write_text(path.read_text() + " " * 2**20)
    command = ["prepare", "nucla", "--source", tmp_path / "raw", "--root", tmp_path]
    status, out, _ = call(capfd, *command, "--max-megabytes=1", "--dtype=float16")
    assert status == 0 and "--max-megabytes raises it" in out and "2 clips" in out
    assert PackedDataset.open(tmp_path / "nucla.npz").joints.dtype == np.float16
    status, out, _ = call(capfd, *command, "--max-megabytes=2", "--workers=1")
    assert status == 0 and "skipped" not in out and "3 clips" in out
    for wrong, words in (
        (["--dtype=float64"], "none of float32, float16"),
        (["--workers=0"], "--workers"),
        (["--max-megabytes=0"], "--max-megabytes"),
        (["--name=mine"], "for `prepare custom`"),
    ):
        status, _, err = call(capfd, *command, *wrong)
        assert status == 2 and words in err and err.count("\n") == 1


def test_an_npz_comes_alone(tmp_path) -> None:
    write_nucla(tmp_path / "raw", bad=0)
    np.savez(tmp_path / "all.npz", joints=np.zeros(3))
    with pytest.raises(InputError, match="neither a folder"):
        readers.prepare("nucla", [tmp_path / "raw", tmp_path / "all.npz"], tmp_path)


def test_a_file_of_another_format_gets_a_name_of_ones_own(tmp_path) -> None:
    clips = np.zeros((3, 4, 2 * 25 * 3), dtype=np.float32)
    clips[:, :3] = np.random.default_rng(0).normal(size=(3, 3, 150))
    classes = np.eye(5)
    path = tmp_path / "someone.npz"
    np.savez(
        path,
        x_train=clips[:2],
        y_train=classes[:2],
        x_test=clips[2:],
        y_test=classes[4:],
    )
    prepared = readers.prepare("theirs", path, tmp_path / "packed", progress=False)
    opened = data.open_dataset("theirs", tmp_path / "packed")
    assert (prepared.clips, opened.key, opened.layout.size) == (3, "theirs", 25)
    assert opened.lengths.tolist() == [3, 3, 3]
    np.testing.assert_array_equal(
        opened.clip(2), clips[2, :3].reshape(3, 2, 25, 3).astype(np.float32)
    )
    with pytest.raises(
        InputError, match=r"someone\.npz: not recognised; data set 'syn"
    ):
        readers.prepare("synthetic", path, tmp_path / "packed")


def test_any_prepared_set_opens_by_its_name(tmp_path) -> None:
    clip = np.ones((2, 1, 15, 3))
    mine = PackedDataset.from_clips(
        [clip],
        label=[0],
        subject=[1],
        name=["a"],
        layout=LAYOUT,
        classes=("x",),
        key="my-own.set",
        source="here",
    )
    mine.save(paths.packed_path("my-own.set", tmp_path))
    assert data.open_dataset("my-own.set", tmp_path).fingerprint == mine.fingerprint
    with pytest.raises(InputError, match=r"'other': unknown; .*nucla.*my-own\.set"):
        data.open_dataset("other", tmp_path)
    with pytest.raises(InputError, match="prepare nucla --source PATH"):
        data.open_dataset("nucla", tmp_path)
    mine.save(paths.packed_path("renamed", tmp_path))
    with pytest.raises(InputError, match="holds 'my-own.set', not 'renamed'"):
        data.open_dataset("renamed", tmp_path)
    for name in ("../up", "a/b", "", ".hidden", "a\nb"):
        with pytest.raises(InputError, match="letters, digits"):
            data.open_dataset(name, tmp_path)
