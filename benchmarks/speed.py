"""How fast networks train and predict, beside a naive build and the first edition.

    make bench
    python -m benchmarks.speed [--rounds 7] [--threads 1 2] [--output FILE]

Every way to compute the same training is a process of its own; all take turns, an epoch
of one or two steps each, so that whatever else the machine does weighs on all alike.
Figures are medians over the rounds, and ratios are medians of the ratios within a
round. Beside them stand the floor, which is the number of operations over the rate at
which this machine multiplies large matrices; what each component costs; how long
batches take to make; and how the cost grows.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import components, scale
from benchmarks.machine import describe, in_turns, machine, matmul_rate
from skellib.batches import DeviceClips
from skellib.complexity import true_macs
from skellib.data import load
from skellib.experiment import RENAMED, Experiment, final_model
from skellib.preprocessing import velocity
from skellib.reproduction.paper_tables import BASELINE_0, BASELINE_1, SLNL_RFA_ML
from skellib.weights import build_model

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
FIRST_EDITION = "3ec800f"
NEVER = 10**9
LEAST_ROUNDS, SECONDS = 3, 30
"""Rounds of a case that are always measured; seconds after which no more are begun."""
TASKS = ("train", "infer")


@dataclass(frozen=True)
class Variant:
    """A way to compute the same training.

    Attributes:
        worker: function of ``benchmarks/worker.py``.
        options: settings of :class:`skellib.training.Execution`.
        seeds: networks that the process trains at once; times are those of one.
    """

    worker: str = "current"
    options: Mapping[str, Any] | None = None
    seeds: int = 1


VARIANTS = {
    "naive": Variant("naive"),
    "first edition": Variant("first_edition"),
    "float32": Variant(),
    "bf16": Variant(options={"precision": "bf16-mixed"}),
}
NETWORKS = {"final": SLNL_RFA_ML, "local": BASELINE_1, "raw": BASELINE_0}


@dataclass(frozen=True)
class Case:
    """A network at a size, with so many clips a step and steps an epoch."""

    profile: str
    network: str
    batch: int
    steps: int

    @property
    def changes(self) -> dict[str, Any]:
        """Settings that turn the profile's final model into the network."""
        network = {k: v for k, v in NETWORKS[self.network].items() if v is not None}
        return {**network, "training.batch_size": self.batch}

    @property
    def experiment(self) -> Experiment:
        return final_model("synthetic", self.profile).replace(**self.changes)


CASES = (
    Case("laptop", "final", 32, 1),
    Case("laptop", "local", 32, 2),
    Case("laptop", "raw", 32, 2),
    Case("full", "final", 2, 1),
    Case("full", "local", 4, 1),
)
REHEARSAL = (Case("quick", "raw", 4, 1),)


class Worker:
    """A process that trains a case in one way, an epoch at a time."""

    def __init__(
        self, variant: Variant, case: Case, threads: int, packages: Path
    ) -> None:
        changes, profile = {**case.changes, "training.epochs": NEVER}, case.profile
        if variant.worker == "first_edition":
            old = {new: name for name, new in RENAMED.items()}
            changes = {old.get(name, name): value for name, value in changes.items()}
            profile = "paper" if profile == "full" else profile
        asked = {
            "profile": profile,
            "changes": changes,
            "batch": case.batch,
            "steps": case.steps,
            "threads": threads,
            "options": dict(variant.options or {}),
            "seeds": variant.seeds,
        }
        self.seeds = variant.seeds
        here = Path(__file__).with_name("worker.py")
        self.process = subprocess.Popen(
            [sys.executable, here, variant.worker, json.dumps(asked)],
            env={
                **os.environ,
                "PYTHONPATH": str(packages),
                "OMP_NUM_THREADS": str(threads),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self) -> None:
        """Ask for an epoch."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, float]:
        """Wait for a network's seconds a step and of inference, and for MiB."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.process.args[2:])}: has ended")
        found = json.loads(line)
        return {**found, **{task: found[task] / self.seeds for task in TASKS}}


def first_edition(folder: Path) -> Path | None:
    """Unpack the first edition's library; return None if its commit is not here."""
    command = ["git", "archive", FIRST_EDITION, "skellib"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode:
        print(f"without the first edition: {done.stderr.decode().strip()}")
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def compare(
    case: Case, threads: int, rounds: int, packages: Mapping[str, Path]
) -> list[dict[str, Any]]:
    """Time a case in all ways, in so many rounds at most: a row each."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(VARIANTS[name], case, threads, folder))
            for name, folder in packages.items()
        }
        for worker in workers.values():  # start, import and warm up at the same time
            worker.ask()
        for worker in workers.values():
            worker.answer()
        found: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
        begin = time.monotonic()
        for turn in range(rounds):
            if turn >= LEAST_ROUNDS and time.monotonic() - begin > SECONDS:
                break
            for name, worker in workers.items():
                worker.ask()
                found[name].append(worker.answer())
    rows = []
    for name, answers in found.items():
        row: dict[str, Any] = {
            "profile": case.profile,
            "network": case.network,
            "batch": case.batch,
            "threads": threads,
            "variant": name,
            "rounds": len(answers),
        }
        for task in TASKS:
            pairs = zip(found["naive"], answers, strict=True)
            row[f"{task}_ms"] = round(1e3 * _median(each[task] for each in answers), 2)
            row[f"{task}_times"] = round(
                _median(a[task] / b[task] for a, b in pairs), 3
            )
        rows.append({**row, "mib": round(answers[-1]["mib"])})
        print(_row(rows[-1]), flush=True)
    return rows


def _median(values: Any) -> float:
    return float(statistics.median(values))


def floors(
    cases: Sequence[Case], threads: Sequence[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Count the operations of each case, and measure the rate of matrix products.

    Returns:
        Rates by number of threads, and for each case and number the least milliseconds
        of a training step and of inference.
    """
    rates, rows = [], []
    train_set, _ = load("synthetic")
    for number in threads:
        torch.set_num_threads(number)
        rate = {
            "threads": number,
            "float32_gflops": matmul_rate(torch.float32) / 1e9,
            "bf16_gflops": matmul_rate(torch.bfloat16) / 1e9,
        }
        rates.append({name: round(value, 2) for name, value in rate.items()})
        for case in cases:
            network = build_model(case.experiment, train_set, seed=0).eval()
            frames = case.experiment.preprocessing.frames
            clip = torch.zeros(1, 3, frames, train_set.layout.size, 1)
            macs = true_macs(network, clip)
            for task, passes in (("train", 3), ("infer", 1)):
                row = {
                    "profile": case.profile,
                    "network": case.network,
                    "threads": number,
                    "task": task,
                    "gmacs": round(passes * case.batch * macs / 1e9, 4),
                }
                for name in ("float32", "bf16"):
                    ms = 2e3 * row["gmacs"] / rate[f"{name}_gflops"]
                    row[f"{name}_ms"] = round(ms, 3)
                rows.append(row)
    return rates, rows


def data_path(profile: str, device: str = "cpu", batch: int = 32) -> dict[str, Any]:
    """Time what makes a batch: crop and resize, rotation as well, velocity.

    Clips are centred, and aligned if configured, once: when they are loaded.
    """
    crop = final_model("synthetic", profile).preprocessing
    train_set, _ = load("synthetic")
    clips = DeviceClips(train_set.subset(range(batch)), device, crop)
    turned = crop.model_copy(update={"max_yaw": 60.0, "max_pitch": 10.0})
    ((x, _),) = clips.training(batch, seed=0, epoch=0)

    def finished(work: Callable[[], object]) -> None:
        work()
        if device == "cuda":
            torch.cuda.synchronize()

    works = {
        "crop and resize": lambda: next(clips.training(batch, seed=0, epoch=0)),
        "and rotate": lambda: next(clips.training(batch, turned, seed=0, epoch=0)),
        "velocity": lambda: velocity(x),
    }
    seconds = in_turns({k: partial(finished, work) for k, work in works.items()}, 30)
    ms = {name: round(1e3 * _median(times), 3) for name, times in seconds.items()}
    return {"profile": profile, "batch": batch, "ms": ms}


def _shares(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return batches' share of a training step in float32, by network."""
    made = row["ms"]["and rotate"] + row["ms"]["velocity"]
    return {
        each["network"]: round(
            made * each["batch"] / row["batch"] / each["train_ms"], 5
        )
        for each in rows
        if (each["variant"], each["threads"]) == ("float32", 1)
        and each["profile"] == row["profile"]
    }


def measure(
    cases: Sequence[Case], threads: Sequence[int], rounds: int
) -> dict[str, Any]:
    """Run all measurements."""
    found: dict[str, Any] = {"machine": machine(), "rounds": rounds}
    found["rates"], found["floors"] = floors(cases, threads)
    rows = found["rows"] = []
    with tempfile.TemporaryDirectory() as folder:
        old = first_edition(Path(folder))
        packages = {
            name: old if variant.worker == "first_edition" else ROOT
            for name, variant in VARIANTS.items()
        }
        present = {name: path for name, path in packages.items() if path}
        for number in threads:
            for case in cases:
                rows += compare(case, number, rounds, present)
    torch.set_num_threads(1)
    finals = [case for case in cases if case.network == "final"] or cases
    found["components"] = [
        {
            "profile": case.profile,
            "network": case.network,
            "ms": components.milliseconds(case.experiment, case.batch),
        }
        for case in finals
    ]
    paths = found["data_path"] = []
    for profile in dict.fromkeys(case.profile for case in cases):
        path = data_path(profile)
        paths.append(path | {"share": _shares(path, rows)})
    sweeps = scale.SWEEPS if cases is CASES else {"training.batch_size": (2, 4)}
    found["scale"] = scale.measure(min(rounds, 3), cases[0].profile, sweeps)
    return found


def _row(row: Mapping[str, Any]) -> str:
    return (
        f"| {row['profile']} | {row['network']} | {row['batch']} | {row['threads']} "
        f"| {row['variant']} | {row['train_ms']:.0f} | {row['train_times']:.2f} "
        f"| {row['infer_ms']:.0f} | {row['infer_times']:.2f} | {row['mib']} |"
    )


def tables(found: Mapping[str, Any]) -> str:
    """Format all figures as Markdown tables."""
    lines = [
        describe(found["machine"]) + f"; {found['rounds']} rounds at most",
        "",
        "| size | network | clips | threads | variant | training step, ms "
        "| times the naive speed | inference, ms | times the naive speed | MiB |",
        "|" + " --- |" * 10,
        *map(_row, found["rows"]),
        "",
        "| size | network | threads | task | G multiply-accumulates "
        "| floor in float32, ms | floor in bf16, ms |",
        "|" + " --- |" * 7,
    ]
    lines += [
        f"| {row['profile']} | {row['network']} | {row['threads']} | {row['task']} "
        f"| {row['gmacs']:.1f} | {row['float32_ms']:.1f} | {row['bf16_ms']:.1f} |"
        for row in found["floors"]
    ]
    for part in found["components"]:
        total = sum(part["ms"].values())
        lines += ["", f"{part['profile']}, {part['network']}: {total:.0f} ms a step"]
        lines += [
            f"- {name}: {ms:.1f} ms, {100 * ms / total:.1f} %"
            for name, ms in part["ms"].items()
        ]
    for part in found["data_path"]:
        shares = [
            f"{name} {100 * share:.2f} %" for name, share in part["share"].items()
        ]
        lines += [
            "",
            f"A batch of {part['batch']} at size {part['profile']}: "
            + ", ".join(f"{name} {ms:.2f} ms" for name, ms in part["ms"].items())
            + f"; rotated, with velocity, of a step: {', '.join(shares)}",
        ]
    for setting, points in found["scale"].items():
        lines += ["", setting, "", "| value | ms | G multiply-accumulates |"]
        lines += ["| --- | --- | --- |"]
        lines += [
            f"| {p['value']} | {p['ms']:.0f} | {p['gmacs']:.2f} |" for p in points
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    cores = os.cpu_count() or 1
    numbers = sorted({1, min(2, cores)})
    parser.add_argument("--threads", type=int, nargs="+", default=numbers)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--rehearse", action="store_true", help="one small case, to see that it runs"
    )
    given = parser.parse_args(arguments)
    cases = REHEARSAL if given.rehearse else CASES
    found = measure(cases, given.threads, given.rounds)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(tables(found))


if __name__ == "__main__":
    main()
