"""Feed every reader with damaged files, and look for anything but its own error.

    python -m benchmarks.fuzz_readers --inputs 100000

The files are fake ones of each format, or real ones with ``--samples FOLDER``, that
are then cut, doubled, shuffled, and sprinkled with odd bytes and odd numbers. A reader
must either read such a file or raise InputError: no other exception, no crash of the
process, no input that takes longer than a few seconds, no memory beyond a bound.
Inputs are drawn from ``--seed``, so a failure can be had again.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import os
import pickle
import random
import re
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat

from skellib.data import PackedDataset, synthetic, writing
from skellib.errors import InputError
from skellib.provenance import stamp
from skellib.readers import FORMATS, custom, interchange, sources
from skellib.readers.layout_files import read_layout
from skellib.readers.source_format import SourceFormat
from tests.fake_raw import kinetics, ntu, nucla, sbu, sysu, utd_mhad

RESULTS = Path(__file__).parent / "results" / "fuzz_readers.json"
SECONDS = 20  # an input that takes longer counts as a hang, on a busy machine too
MEMORY = 6 * 2**30  # address space of a worker

ODD = [
    b"nan", b"inf", b"-1", b"0", b"1e999", b"99999999999999999999", b"2147483648",
    b"", b" ", b"\n", b"\r", b"\x00", b"\xff\xfe", b"x", b"[", b"]", b"{", b'"', b",",
    b"1_0", b"0x10", b"1e-400", b"-0", b"+", b"e", "\u0661".encode(),
]  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to four random ways."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        size = max(1, len(data))
        at = rng.randrange(size)
        kind = rng.randrange(9)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at : at + rng.randint(1, 200)]
        elif kind == 2:
            data[at:at] = rng.choice(ODD)
        elif kind == 3 and data:
            data[min(at, len(data) - 1)] = rng.randrange(256)
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 2000)]
        elif kind == 5:
            _replace_token(data, rng)
        elif kind == 6:
            _swap_lines(data, rng)
        elif kind == 7:
            data[at:at] = rng.randbytes(rng.randint(1, 20))
        else:
            _flip_bits(data, rng)
    return bytes(data)


def _replace_token(data: bytearray, rng: random.Random) -> None:
    """Replace a number near a random position by an odd one, or remove it."""
    at = rng.randrange(max(1, len(data)))
    found = re.compile(rb"[-+.\w]+").search(data, at, at + 4096)
    if found:
        data[found.start() : found.end()] = rng.choice(ODD)


def _swap_lines(data: bytearray, rng: random.Random) -> None:
    lines = data.split(b"\n")
    if len(lines) > 2:
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i], lines[j] = lines[j], lines[i]
        if rng.random() < 0.5:
            del lines[i]
        data[:] = b"\n".join(lines)


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


@dataclass(frozen=True)
class Target:
    """A reader and files that it reads.

    Attributes:
        name: for the report.
        seeds: whole files, as (path below the folder, content); the first is damaged,
            the others lie beside it.
        read: given the damaged file and the folder; reads all of it.
    """

    name: str
    seeds: tuple[tuple[tuple[str, bytes], ...], ...]
    read: Callable[[Path, Path], object]


def _of_format(source_format: SourceFormat, paths: list[Path], top: Path) -> Target:
    def read(file: Path, folder: Path) -> object:
        where = file if source_format.parse_frames is None else file.parent
        found = sources.find([where], [source_format.path])
        if found.faults:
            raise InputError(str(found.faults[0]))
        source_format.read_clip(where)  # as `predict` does, and then as `prepare` does
        return source_format.reader(found.files[0])

    seeds = tuple(((str(path.relative_to(top)), path.read_bytes()),) for path in paths)
    return Target(f"{source_format.key} {source_format.ending or 'text'}", seeds, read)


def _drained(stream: writing.ClipStream) -> int:
    frames = 0
    for clip in stream.clips():
        if isinstance(clip, InputError):
            raise clip
        frames += len(clip)
    return frames


def targets(top: Path, samples: Path | None) -> list[Target]:
    """Return every reader with seed files, written below ``top``."""
    made: dict[str, list[Path]] = {
        "ntu": ntu.write(top / "ntu", 6, frames=(3, 12)),
        "kinetics": [
            path
            for path in kinetics.write(top / "kinetics", 4)
            if "label" not in path.name
        ],
        "sysu": sysu.write(top / "sysu", 4),
        "nucla": nucla.write(top / "nucla", 4),
        "utd_mhad": utd_mhad.write(top / "utd_mhad", 4),
        "sbu": sbu.write(top / "sbu", 4),
    }
    for key, variable in (("sysu", "SW"), ("utd_mhad", "d_skel")):
        made[key] += [_unpacked(path, variable, top) for path in made[key]]
    found = []
    for key, paths in made.items():
        real = sorted(samples.rglob("*")) if samples else []
        source_format = FORMATS[key][0]
        ending = re.compile(rf"(?:^|/){source_format.path}$")
        paths += [p for p in real if p.is_file() and ending.search(p.as_posix())]
        found.append(_of_format(source_format, paths, Path("/")))
    text = next(r for r in FORMATS["nucla"] if r.parse_frames is not None)
    frames = [p for p in nucla.write_frames(top / "text", 2) if p.stat().st_size][:6]
    found.append(_of_format(text, frames, Path("/")))
    return found + _whole_files(top)


def _unpacked(path: Path, variable: str, top: Path) -> Path:
    """Return a MATLAB file without compression, so that numbers can be damaged."""
    target = top / "plain" / path.relative_to(top)
    target.parent.mkdir(parents=True, exist_ok=True)
    savemat(target, {variable: loadmat(path)[variable]})
    return target


def _whole_files(top: Path) -> list[Target]:
    """Return the formats with a whole data set in one file."""
    whole = synthetic.generate()
    chosen = [i for v in (1, 2, 3) for i in np.flatnonzero(whole.view == v)[:2]]
    small = whole.subset(chosen)
    top.mkdir(parents=True, exist_ok=True)

    def one(name: str, path: Path, read: Callable, *beside: Path) -> Target:
        seeds = ((path.name, path.read_bytes()),) + tuple(
            (other.name, other.read_bytes()) for other in beside
        )
        return Target(name, (seeds,), read)

    def streamed(file: Path, folder: Path) -> object:
        return _drained(interchange.stream(file, "fuzzed"))

    def opened(file: Path, folder: Path) -> object:
        PackedDataset.open(file).verify()
        return None

    def own(file: Path, folder: Path) -> object:
        source = folder if (folder / "clips.csv").exists() else file
        return _drained(custom.read(source, "fuzzed", "kinect20").stream)

    packed = small.save(top / "packed.npz")
    for form, name in (("ctrgcn", "c.npz"), ("pyskl", "p.pkl"), ("stgcn", "st")):
        interchange.write(small, top / name, form, "cross_view")
    npy, pkl = top / "st" / "train_data.npy", top / "st" / "train_label.pkl"
    arrays = top / "own.npz"
    np.savez(
        arrays,
        joints=np.concatenate([small.clip(i) for i in range(len(small))]),
        lengths=small.lengths,
        label=np.arange(len(small)) % 2,
    )
    table, clip, layout = _own_folder(top / "own", small)
    hostile = top / "hostile.pkl"
    hostile.write_bytes(pickle.dumps({"annotations": [_Hostile()], "split": {}}))
    return [
        one("packed npz", packed, opened),
        one("CTR-GCN npz", top / "c.npz", streamed),
        one("PYSKL pickle", top / "p.pkl", streamed),
        one("hostile pickle", hostile, streamed),
        one("ST-GCN npy", npy, streamed, pkl),
        one("ST-GCN labels", pkl, streamed, npy),
        one("own npz", arrays, own),
        one("own clips.csv", table, own, clip),
        one("own clip", clip, own, table),
        one("own layout.json", layout, lambda file, folder: read_layout(file)),
    ]


class _Hostile:
    def __reduce__(self) -> tuple:
        return (os.abort, ())  # a reader that executes it takes the process down


def _own_folder(folder: Path, small: PackedDataset) -> tuple[Path, Path, Path]:
    folder.mkdir(exist_ok=True)
    names = small.layout.joints
    columns = [f"{name}.{axis}" for name in names for axis in "xyz"]
    rows = small.clip(0)[:, 0].reshape(-1, len(columns))
    lines = [",".join(columns), *(",".join(f"{v:.4f}" for v in row) for row in rows)]
    clip, table = folder / "one.csv", folder / "clips.csv"
    clip.write_text("\n".join(lines) + "\n")
    table.write_text("file,name,label\none.csv,a,wave\none.csv,b,bow\n")
    bones = [[names[a], names[b]] for a, b in small.layout.bones]
    layout = folder / "layout.json"
    layout.write_text(json.dumps({"joints": names, "bones": bones, "up": "y"}))
    return table, clip, layout


class _Hang(BaseException):
    """An input that took too long."""


def _alarm(*_: object) -> None:
    raise _Hang


def work(task: tuple[int, int, int, str | None]) -> dict:
    """Run a worker on its share of the inputs, alternating between targets."""
    number, inputs, seed, samples = task
    faulthandler.enable()
    warnings.simplefilter("error", RuntimeWarning)  # a fault, too
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _alarm)
    rng = random.Random(seed * 1000 + number)
    counts: Counter = Counter()
    faults: list[dict] = []
    slowest = (0.0, "")
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        top = Path(folder)
        readers = targets(top / "seeds", Path(samples).resolve() if samples else None)
        (top / "in").mkdir()
        for target in readers:  # or every refusal below would say nothing
            for seed_files in target.seeds:
                _must_read(target, seed_files, top / "in/sound")
        for i in range(inputs):
            target = readers[i % len(readers)]
            result, seconds, detail = _once(target, top / f"in/{i % 64}", rng)
            counts[f"{target.name}: {result}"] += 1
            slowest = max(slowest, (seconds, target.name))
            if result not in ("read", "refused"):
                faults.append({"target": target.name, "result": result, **detail})
    return {
        "counts": dict(counts),
        "faults": faults[:20],
        "slowest": slowest,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _must_read(
    target: Target, files: tuple[tuple[str, bytes], ...], place: Path
) -> None:
    for name, content in files:
        file = place / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    if target.name != "hostile pickle":
        target.read(place / files[0][0].lstrip("/"), place)
    shutil.rmtree(place)


def _once(target: Target, place: Path, rng: random.Random) -> tuple[str, float, dict]:
    """Damage one file and read it."""
    (first, content), *beside = rng.choice(target.seeds)
    damaged = mutated(content, rng)
    file = place / first.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(damaged)
    for name, other in beside:
        (place / name).write_bytes(other)
    began = time.perf_counter()
    detail: dict = {}
    try:
        signal.alarm(SECONDS)
        target.read(file, place)
        result = "read"
    except InputError as error:
        result = "refused"
        if len(str(error).splitlines()) != 1:
            result, detail = "not one line", {"message": str(error)[:400]}
    except _Hang:
        result = "hang"
    except BaseException as error:
        result = type(error).__name__
        detail = {"trace": traceback.format_exc()[-1500:]}
    finally:
        signal.alarm(0)
    seconds = time.perf_counter() - began
    if result not in ("read", "refused"):
        detail["content"] = damaged[:200].hex()
    shutil.rmtree(place)
    return result, seconds, detail


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", help="A folder of real files, more seeds.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    share = -(-options.inputs // options.workers)
    tasks = [(n, share, options.seed, options.samples) for n in range(options.workers)]
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        parts = pool.map(work, tasks)
    counts: Counter = Counter()
    for part in parts:
        counts.update(part["counts"])
    faults = [fault for part in parts for fault in part["faults"]]
    report = {
        "inputs": sum(counts.values()),
        "real seeds": bool(options.samples),
        "seconds": round(time.perf_counter() - began),
        "slowest": max(part["slowest"] for part in parts),
        "peak memory (MiB)": round(max(part["peak"] for part in parts) / 2**20),
        "faults": len(faults),
        "counts": dict(sorted(counts.items())),
        "stamp": stamp(),
    }
    print(json.dumps(report, indent=1))
    for fault in faults:
        print(json.dumps(fault, indent=1))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
