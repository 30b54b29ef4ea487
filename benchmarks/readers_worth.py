"""What the hand-written parsers buy, beside those of Python, SciPy and NumPy.

    python -m benchmarks.readers_worth [--damaged 30000] [--rounds 5]

* pickles: ``interchange.pickles`` beside ``pickle.Unpickler`` with an allow-list in
  ``find_class``, on a file as PYSKL writes it, and on small hostile pickles;
* MATLAB files: ``readers.matlab`` beside ``scipy.io.loadmat``, on whole and on damaged
  files;
* NTU RGB+D: ``readers.ntu`` beside a plain NumPy and a line-by-line parser.

All files are synthetic. Times are processor times, medians over the rounds. Whatever
might crash or exhaust the memory runs in a forked process with 1 GiB of further memory
and 20 seconds. Memory of a load is what a fresh process has allocated once it holds the
result; pages of a mapped file are not counted, since the system can drop them.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import pickle
import random
import resource
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.io import loadmat, savemat

from benchmarks.fuzz_readers import mutated
from benchmarks.ntu_parsing import RELEASE_FILES, cpu_seconds, plain
from skellib.data import PackedDataset, split, synthetic
from skellib.errors import InputError
from skellib.provenance import stamp
from skellib.readers import matlab, ntu
from skellib.readers.interchange import pickles, pyskl
from skellib.readers.sources import SourceFile
from tests.fake_raw import ntu as fake_ntu
from tests.fake_raw import utd_mhad as fake_utd

RESULTS = Path(__file__).parent / "results" / "readers_worth.json"
MEMORY = 2**30  # bytes that a forked process may allocate
SECONDS = 20  # that it may take
UTD = "d_skel"
ALLOWED = {
    *(("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")),
    *(("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytes")),
    *(("numpy.core.multiarray", name) for name in ("_reconstruct", "scalar")),
    *(("numpy._core.multiarray", name) for name in ("_reconstruct", "scalar")),
    *(("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")),
}


class Restricted(pickle.Unpickler):
    """The recipe of Python's manual: only names of an allow-list are imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Import an allowed name."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)


def restricted(path: Path) -> Any:
    """Load a pickle by the standard library's restricted unpickler."""
    with path.open("rb") as file:
        return Restricted(file).load()


def scipy_mat(path: Path) -> Any:
    """Read the joints of a MATLAB file by SciPy, (T, 20, 3)."""
    return loadmat(path, variable_names=[UTD])[UTD].transpose(2, 0, 1)


def skellib_mat(path: Path) -> np.ndarray:
    """Read the joints of a MATLAB file by skellib, (T, 20, 3)."""
    file = SourceFile(str(path), {}, str(path), path.stat().st_size, 0)
    return matlab.read_joints(file, UTD, 20)


def numpy_ntu(path: Path) -> np.ndarray:
    """Read the joints of a ``.skeleton`` file by NumPy, (bodies, 25, 3)."""
    values = np.fromstring(path.read_text(), sep=" ")
    joints, at = [], 1
    for _ in range(int(values[0])):
        bodies, at = int(values[at]), at + 1
        for _ in range(bodies):
            joints.append(values[at + 11 : at + 311].reshape(25, 12)[:, :3])
            at += 311
    return np.array(joints, dtype=np.float32)


def fast_ntu(path: Path) -> np.ndarray:
    """Read the joints of a ``.skeleton`` file by skellib, (bodies, 25, 3)."""
    return ntu.read_recording(path.read_bytes(), str(path)).joints


# --- forked processes ----------------------------------------------------------------


def attempt(load: Callable[[Path], object], path: Path) -> str:
    """Load a file and return the outcome."""
    load(path)
    return "read"


def outcome(work: Callable[[], str]) -> str:
    """Return the outcome that a call returns, or the name of its exception."""
    try:
        return work()
    except (InputError, pickle.UnpicklingError):
        return "refused"
    except BaseException as error:  # MemoryError and all that damage raises
        return type(error).__name__


def peak_mib() -> float:
    """Return the peak of this process's resident set in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def allocated_mib() -> float:
    """Return the allocated (anonymous) memory of this process in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def load_cost(load: Callable[[Path], object], path: Path) -> tuple[float, float]:
    """Load a file; return seconds, and the MiB allocated while the result is held."""
    before, begin = allocated_mib(), time.process_time()
    content = load(path)
    seconds, after = time.process_time() - begin, allocated_mib()
    assert content
    return seconds, after - before


def in_fresh_process(load: Callable[[Path], object], path: Path) -> tuple[float, float]:
    """Return the `load_cost` in a process that has loaded nothing before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(load_cost, (load, path))


def _answer(channel: Connection, works: Sequence[Callable[[], str]]) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0])
    limit = used * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for work in works:
        before = peak_mib()
        what = outcome(work)
        channel.send((what, peak_mib() - before))


def run(works: Sequence[Callable[[], str]]) -> list[tuple[str, float]]:
    """Run calls in forked processes; return the outcome and growth in MiB of each."""
    context = multiprocessing.get_context("fork")
    answers: list[tuple[str, float]] = []
    while len(answers) < len(works):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(there, works[len(answers) :]))
        process.start()
        there.close()
        try:
            while len(answers) < len(works):
                if not here.poll(SECONDS):
                    answers.append((f"over {SECONDS:.0f} s", 0.0))
                    break
                answers.append(here.recv())
        except EOFError:
            process.join()
            code = -(process.exitcode or 0)
            name = signal.Signals(code).name if code > 0 else "exit"
            answers.append((f"crash ({name})", 0.0))
        process.kill()
        process.join()
    return answers


# --- what is compared ----------------------------------------------------------------


def hostile() -> dict[str, bytes]:
    """Return small pickles that no honest program writes."""
    text = b"X" + (2**20).to_bytes(4, "little") + b"a" * 2**20 + b"q\x00"
    copy = b"c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR"
    keys = b"".join(f"I{k * (2**61 - 1)}\nI0\n".encode() for k in range(1, 60_001))
    new = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    return {
        "calls os.system": b"cposix\nsystem\n(X\x04\x00\x00\x00truetR.",
        "array of Python objects": pickle.dumps(np.array([1, "a"], dtype=object)),
        "4 GiB array in 80 bytes": new + b"(I4294967296\ntS'b'\ntR.",
        "1 MiB string, copied 4,000 times": b"(" + text + 4000 * copy + b"l.",
        "60,000 keys with one hash": b"(" + keys + b"d.",
    }


def compare_pickles(folder: Path, rounds: int) -> dict[str, Any]:
    """Compare the pickle machine with a restricted unpickler."""
    path = folder / "clips.pkl"
    dataset = synthetic.generate(takes=8)
    pyskl.write(dataset, path, *split(dataset, "cross_view"))
    check_pickle(path, dataset)
    result: dict[str, Any] = {"mib": round(path.stat().st_size / 2**20, 1)}
    readers: dict[str, Callable[[Path], Any]]
    readers = {"skellib": pickles.load, "standard": restricted}
    for name, load in readers.items():
        costs = [in_fresh_process(load, path) for _ in range(rounds)]
        result[name] = {
            "ms": round(1e3 * statistics.median(cost[0] for cost in costs), 1),
            "memory_mib": round(statistics.median(cost[1] for cost in costs), 1),
        }
    result["hostile"] = {}
    for what, content in hostile().items():
        (folder / "hostile.pkl").write_bytes(content)
        result["hostile"][what] = {
            name: run([partial(attempt, load, folder / "hostile.pkl")])[0][0]
            for name, load in readers.items()
        }
    return result


def check_pickle(path: Path, dataset: PackedDataset) -> None:
    """Assert that both readers load the same arrays."""
    ours, theirs = pickles.load(path), restricted(path)
    assert len(ours["annotations"]) == len(theirs["annotations"]) == len(dataset)
    for one, two in zip(ours["annotations"], theirs["annotations"], strict=True):
        np.testing.assert_array_equal(one["keypoint"], two["keypoint"])


def compare_matlab(folder: Path, rounds: int, damaged: int) -> dict[str, Any]:
    """Compare the MATLAB parser with SciPy."""
    paths = fake_utd.write(folder / "utd", clips=54)
    readers = {"skellib": skellib_mat, "scipy": scipy_mat}
    for path in paths:
        np.testing.assert_array_equal(skellib_mat(path), scipy_mat(path))
    result: dict[str, Any] = {"files": len(paths)}
    bomb = folder / "bomb.mat"
    savemat(bomb, {UTD: np.zeros((20, 3, 500_000))}, do_compression=True)
    result["bomb"] = {"kib": round(bomb.stat().st_size / 1024)}
    uncompressed = io.BytesIO()
    savemat(uncompressed, {UTD: skellib_mat(paths[0])[:8].transpose(1, 2, 0)})
    seeds = {
        "uncompressed": (uncompressed.getvalue(), damaged),
        "compressed": (paths[0].read_bytes(), damaged // 10),
    }
    for name, read in readers.items():
        times = [cpu_seconds(read, paths) for _ in range(rounds)]
        what, mib = run([partial(attempt, read, bomb)])[0]
        result["bomb"][name] = {"outcome": what, "memory_mib": round(mib)}
        result[name] = {"ms": round(1e3 * statistics.median(times), 3)}
        for kind, (seed, inputs) in seeds.items():
            outcomes = fuzz(read, seed, folder / f"{name}.mat", inputs)
            result[name][f"damaged {kind}"] = dict(sorted(outcomes.items()))
    return result


def fuzz(
    read: Callable[[Path], np.ndarray], seed: bytes, path: Path, inputs: int
) -> Counter[str]:
    """Count the outcomes of reading damaged copies of a file."""
    path.write_bytes(seed)
    original = read(path)

    def read_damaged(number: int) -> str:
        path.write_bytes(mutated(seed, random.Random(number)))
        same = np.array_equal(read(path), original)
        return "read" if same else "read wrongly"

    works = [partial(read_damaged, number) for number in range(inputs)]
    return Counter(what for what, _ in run(works))


def compare_ntu(folder: Path, rounds: int) -> dict[str, Any]:
    """Compare the parser of NTU RGB+D with simpler ones."""
    paths = fake_ntu.write(folder / "ntu", clips=40)
    readers: dict[str, Callable[[Path], object]] = {
        "skellib": fast_ntu,
        "numpy": numpy_ntu,
        "line by line": plain,
    }
    for path in paths:
        np.testing.assert_array_equal(fast_ntu(path), numpy_ntu(path))
    turns = [
        {name: cpu_seconds(read, paths) for name, read in readers.items()}
        for _ in range(rounds)
    ]
    return {"files": len(paths)} | {
        name: {"ms": round(1e3 * statistics.median(turn[name] for turn in turns), 2)}
        for name in readers
    }


# --- the report ----------------------------------------------------------------------


def machine(found: dict[str, Any]) -> str:
    """Format what the figures were measured on, for the book's page."""
    stamped = found["stamp"]
    return (
        f"{stamped['device']}; Python {stamped['python']}, NumPy {found['numpy']}, "
        f"SciPy {found['scipy']}; medians of {found['rounds']} rounds."
    )


def table(found: dict[str, Any]) -> str:
    """Format the figures as a Markdown table, for the book's page."""
    pickled, mat, parsed = found["pickles"], found["matlab"], found["ntu"]
    lines = [
        "| | skellib | the simpler way |",
        "| --- | --- | --- |",
    ]
    ours, theirs = pickled["skellib"], pickled["standard"]
    lines += [
        f"| pickle of {pickled['mib']} MiB: milliseconds | {ours['ms']} | "
        f"{theirs['ms']} |",
        f"| the same: MiB allocated | {ours['memory_mib']} | {theirs['memory_mib']} |",
    ]
    lines += [
        f"| pickle: {what} | {row['skellib']} | {row['standard']} |"
        for what, row in pickled["hostile"].items()
    ]
    bomb = mat["bomb"]
    lines += [
        f"| MATLAB file: milliseconds | {mat['skellib']['ms']} | "
        f"{mat['scipy']['ms']} |",
        f"| MATLAB file of {bomb['kib']} KiB that unpacks to 229 MiB | "
        + " | ".join(
            f"{bomb[name]['outcome']}, {bomb[name]['memory_mib']} MiB"
            for name in ("skellib", "scipy")
        )
        + " |",
    ]
    for kind in ("damaged compressed", "damaged uncompressed"):
        ours, theirs = mat["skellib"][kind], mat["scipy"][kind]
        lines.append(
            f"| {sum(ours.values()):,} {kind} MATLAB files | {_outcomes(ours)} | "
            f"{_outcomes(theirs)} |"
        )
    for name in ("numpy", "line by line"):
        lines.append(
            f"| NTU RGB+D file, {name}: milliseconds | {parsed['skellib']['ms']} | "
            f"{parsed[name]['ms']} |"
        )
    minutes = {
        name: parsed[name]["ms"] * RELEASE_FILES / 60e3 for name in ("skellib", "numpy")
    }
    lines.append(
        f"| all {RELEASE_FILES:,} files, NumPy: minutes of one core | "
        f"{minutes['skellib']:.1f} | {minutes['numpy']:.1f} |"
    )
    return "\n".join(lines)


def _outcomes(counts: dict[str, int]) -> str:
    """Format counts of outcomes; exceptions of all types and crashes in sum."""
    own = {what: counts.get(what, 0) for what in ("read", "read wrongly", "refused")}
    crashes = sum(n for what, n in counts.items() if what.startswith("crash"))
    others = {w: n for w, n in counts.items() if w not in own and "crash" not in w}
    if others:
        own[f"errors of {len(others)} types"] = sum(others.values())
    own["crashes"] = crashes
    return ", ".join(f"{number:,} {what}" for what, number in own.items() if number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--damaged", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = {
            "pickles": compare_pickles(folder, given.rounds),
            "matlab": compare_matlab(folder, given.rounds, given.damaged),
            "ntu": compare_ntu(folder, given.rounds),
            "rounds": given.rounds,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "stamp": stamp(),
        }
    text = json.dumps(found, indent=2) + "\n"
    given.output.write_text(text, encoding="utf-8")
    print(f"{machine(found)}\n\n{table(found)}")


if __name__ == "__main__":
    main()
