"""How fast the files of NTU RGB+D are read, beside a plain line-by-line parser.

    python -m benchmarks.ntu_parsing [--files 2000] [--rounds 5] [--folder FOLDER]

The files are synthetic, in the format of the release. The plain parser is written as
the field's preparation scripts are: a ``readline`` a line, a dictionary of 12 floats a
joint, then an array filled joint by joint, of which the two bodies that move most are
kept. Everything is measured in turns, so that whatever else the machine does weighs on
all alike; the figures are medians over the rounds. On one core it is processor time
that counts, on all cores time on the clock, of

* ``parse``: files to clips, in worker processes that run already;
* ``parse_idle``: the same on an idle machine, which is the longest of the workers'
  processor times; the plain parser's is its processor time then, too;
* ``folder``, ``zip``: ``skellib.readers.prepare``, from the start of the workers to the
  packed file on disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skellib import readers
from skellib.provenance import stamp
from skellib.readers import ntu
from tests.fake_raw import ntu as fake

RELEASE_FILES = 56_880
PLAIN_FILES = 150  # read by the plain parser in each round
RESULTS = Path(__file__).parent / "results" / "ntu_parsing.json"

BODY = "id clipped left left_state right right_state restricted lean_x lean_y tracking"
JOINT = "x y z depth_x depth_y color_x color_y w qx qy qz tracking"


def plain(path: Path, to_clip: bool = True) -> np.ndarray | None:
    """Read a file line by line; as a clip (T, 2, 25, 3), or only into dictionaries."""
    body_keys, joint_keys = BODY.split(), JOINT.split()
    with open(path) as file:
        frames = []
        for _ in range(int(file.readline())):
            bodies = []
            for _ in range(int(file.readline())):
                values = file.readline().split()
                body = {k: float(v) for k, v in zip(body_keys, values, strict=True)}
                joints = []
                for _ in range(int(file.readline())):
                    values = file.readline().split()
                    joints.append(
                        {k: float(v) for k, v in zip(joint_keys, values, strict=True)}
                    )
                bodies.append((body, joints))
            frames.append(bodies)
    if not to_clip:
        return None
    tracks = np.zeros((4, len(frames), 25, 3), dtype=np.float32)
    for t, bodies in enumerate(frames):
        for m, (_, joints) in enumerate(bodies[:4]):
            for j, joint in enumerate(joints):
                tracks[m, t, j] = [joint["x"], joint["y"], joint["z"]]
    motion = [_motion(track) for track in tracks]
    return tracks[np.argsort(motion)[::-1][:2]].transpose(1, 0, 2, 3)


def plain_all(paths: Sequence[Path]) -> None:
    for path in paths:
        plain(path)


def _motion(track: np.ndarray) -> float:
    there = track[track.any(axis=(1, 2))]
    return float(there.reshape(-1, 3).std(axis=0).sum()) if len(there) else 0.0


def fast(path: Path) -> np.ndarray:
    """Read a file as ``skellib`` does."""
    recording = ntu.read_recording(path.read_bytes(), str(path))
    return ntu.select_bodies(recording)


def fast_all(paths: Sequence[Path]) -> float:
    """Read files in a worker process; its processor time."""
    return cpu_seconds(fast, paths) * len(paths)


def cpu_seconds(read: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Return the processor time per file, which excludes other programs."""
    begin = time.process_time()
    for path in paths:
        read(path)
    return (time.process_time() - begin) / len(paths)


def wall_seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def prepare(source: Path) -> dict[str, float]:
    """Prepare the set in a fresh process, on all cores: seconds and peak memory."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "-m", "benchmarks.ntu_parsing"]
        command += ["--prepare", str(source), root]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def prepare_here(source: Path, root: Path) -> dict[str, float]:
    """Prepare the data set in this process; return seconds and peak memory."""
    seconds = wall_seconds(lambda: readers.prepare("ntu", source, root, progress=False))
    times = [resource.getrusage(who) for who in _WHO]
    # Linux counts the resident set in KiB, and gives the largest of the children's.
    return {
        "seconds": seconds,
        "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in times),
        "main_mib": times[0].ru_maxrss / 1024,
        "worker_mib": times[1].ru_maxrss / 1024,
    }


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def measure(folder: Path, archive: Path, rounds: int) -> dict[str, Any]:
    """Run all measurements."""
    paths = sorted(folder.glob("*.skeleton"))
    files, cores = len(paths), os.cpu_count() or 1
    check(paths[:: max(files // 20, 1)])
    shares = [paths[i::cores] for i in range(cores)]
    turns = []
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        pool.map(fast_all, [share[:5] for share in shares], 1)  # start, import
        for turn in range(rounds):
            some = paths[turn::rounds][:PLAIN_FILES]
            row = {
                "plain_cpu": cpu_seconds(plain, some),
                "dictionaries_cpu": cpu_seconds(lambda p: plain(p, False), some),
                "fast_cpu": cpu_seconds(fast, some),
                "plain": wall_seconds(partial(plain_all, some)) / len(some),
            }
            begin = time.perf_counter()
            row["parse_idle"] = max(pool.map(fast_all, shares, 1)) / files
            row["parse"] = (time.perf_counter() - begin) / files
            for name, source in (("folder", folder), ("zip", archive)):
                run = prepare(source)
                row[name] = run["seconds"] / files
                row[f"{name}_cpu"] = run["cpu_seconds"] / files
                row["main_mib"], row["worker_mib"] = run["main_mib"], run["worker_mib"]
            turns.append(row)
            print(" ".join(f"{k} {v * 1e3:.2f}" for k, v in row.items()), flush=True)
    return summary(turns) | {
        "files": files,
        "mib": round(sum(path.stat().st_size for path in paths) / 2**20, 1),
        "cores": cores,
        "rounds": rounds,
        "numpy": np.__version__,
        "stamp": stamp(),
    }


def summary(turns: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Summarise the rounds by medians."""

    def milliseconds(name: str) -> float:
        return round(1e3 * statistics.median(row[name] for row in turns), 3)

    def times(slow: str, quick: str) -> float:
        return round(statistics.median(row[slow] / row[quick] for row in turns), 1)

    all_cores = (
        ("parse_idle", "plain_cpu"),
        ("parse", "plain"),
        ("folder", "plain"),
        ("zip", "plain"),
    )
    return {
        "one_core": {
            "plain_ms": milliseconds("plain_cpu"),
            "plain_dictionaries_only_ms": milliseconds("dictionaries_cpu"),
            "skellib_ms": milliseconds("fast_cpu"),
            "times_as_fast": times("plain_cpu", "fast_cpu"),
        },
        "plain_ms": milliseconds("plain"),
        "all_cores": {
            name: {
                "files_a_second": round(1e3 / milliseconds(name)),
                "times_as_fast": times(slow, name),
                "minutes_for_the_release": round(
                    milliseconds(name) * RELEASE_FILES / 60e3, 2
                ),
            }
            for name, slow in all_cores
        },
        "prepare_cpu_ms": {
            name: milliseconds(f"{name}_cpu") for name in ("folder", "zip")
        },
        "peak_memory_mib": {
            name: round(max(row[f"{name}_mib"] for row in turns))
            for name in ("main", "worker")
        },
    }


def check(paths: Sequence[Path]) -> None:
    """Assert that both parsers read the same numbers in frames with one body."""
    for path in paths:
        slow, quick = plain(path), fast(path)
        assert slow is not None
        slow = slow[slow.any(axis=(1, 2, 3))]
        if not quick[:, 1].any() and not slow[:, 1].any():
            np.testing.assert_array_equal(slow[:, 0], quick[:, 0])


def table(found: dict[str, Any]) -> str:
    """Format the figures as a Markdown table for the README."""
    one, every, stamped = found["one_core"], found["all_cores"], found["stamp"]
    lines = [
        f"{found['files']} files, {found['mib']:.0f} MiB; {stamped['device']}; Python "
        f"{stamped['python']}, NumPy {found['numpy']}; {found['rounds']} rounds.",
        "",
        "| | files a second | times the plain parser | minutes for 56,880 files |",
        "| --- | --- | --- | --- |",
    ]
    rows = {
        "plain, one core": (one["plain_ms"], 1.0),
        "skellib, one core": (one["skellib_ms"], one["times_as_fast"]),
    }
    for name, (each, times) in rows.items():
        minutes = each * RELEASE_FILES / 60e3
        lines.append(f"| {name} | {1e3 / each:.0f} | {times} | {minutes:.2f} |")
    for name, row in every.items():
        cells = row["files_a_second"], row["times_as_fast"]
        minutes = row["minutes_for_the_release"]
        lines.append(f"| {name}, all cores | {cells[0]} | {cells[1]} | {minutes:.2f} |")
    memory = found["peak_memory_mib"]
    lines += [
        "",
        "Peak memory: {main} MiB (main), {worker} MiB (worker).".format(**memory),
    ]
    return "\n".join(lines)


def pack(folder: Path, archive: Path) -> None:
    """Pack the files into an archive, as they are distributed."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(folder.glob("*.skeleton")):
            target.write(path, path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the files for the next time")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--prepare", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        print(json.dumps(prepare_here(*given.prepare)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "raw"
        archive = folder.with_suffix(".zip")
        if not archive.exists():
            print(f"writing {given.files} files ...", flush=True)
            fake.write(folder, given.files)
            pack(folder, archive)
        found = measure(folder, archive, given.rounds)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2) + "\n"
    given.output.write_text(text, encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
