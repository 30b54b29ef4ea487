"""Ways to carry out one training, side by side: eager, bf16, compiled, captured.

    python -m benchmarks.training_variants --dataset nucla --profile full

Each variant trains the same experiment with the same seed twice, for a few epochs and
for some more; the difference is the time of an epoch without set-up and compilation.
The loss of each variant's last epoch stands beside that of the first variant, float32
without compilation: a variant that is faster and drifts away is of no use. With
``--parallel N`` the same number of runs share the device, to see whether that gives
more clips a second in all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from skellib.data import load
from skellib.experiment import final_model
from skellib.provenance import stamp
from skellib.records import RecordStore, RunRecord
from skellib.training import Execution, train

VARIANTS = {
    "eager": {},
    "bf16": {"precision": "bf16-mixed"},
    "compiled": {"compile": True},
    "captured": {"graphs": True},
    "bf16 compiled": {"precision": "bf16-mixed", "compile": True},
    "bf16 captured": {"precision": "bf16-mixed", "graphs": True},
    "bf16 captured, channels first": {
        "precision": "bf16-mixed",
        "graphs": True,
        "channels_last": False,
    },
}
RESULTS = Path(__file__).parent / "results" / "training_variants.json"


def run(task: tuple[str, dict[str, Any], Execution]) -> RunRecord:
    """Train once, into a store of its own, so that nothing is found done."""
    dataset, changes, execution = task
    profile = changes.pop("profile")
    experiment = final_model(dataset, profile).replace(**changes)
    folder = tempfile.mkdtemp()
    pair = load(dataset, experiment.protocol)
    return train(
        experiment, 0, *pair, store=RecordStore(folder), checkpoints=folder,
        execution=execution, progress=False,
    )  # fmt: skip


def measure(
    dataset: str, profile: str, epochs: tuple[int, int], parallel: int, how: Execution
) -> dict[str, float]:
    """Measure seconds per epoch, clips per second over all runs, and the final loss."""
    short, long = (
        {"profile": profile, "training.epochs": n, "training.lr_decay": 1.0}
        for n in epochs
    )
    records = []
    for changes in (short, long):
        tasks = [(dataset, dict(changes), how)] * parallel
        with multiprocessing.get_context("spawn").Pool(parallel) as pool:
            records.append(pool.map(run, tasks))
    seconds = max(
        (b.seconds - a.seconds) / (epochs[1] - epochs[0]) for a, b in zip(*records)
    )
    last = records[1][0]
    clips = last.data["train_clips"]
    return {
        "seconds an epoch": round(seconds, 3),
        "clips a second": round(parallel * clips / seconds, 1),
        "loss": round(last.history[-1].loss, 4),
        "peak memory (MiB)": round(last.peak_memory / 2**20),
        "set-up (s)": round(records[1][0].seconds - epochs[1] * seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--epochs", type=int, nargs=2, default=(2, 6))
    parser.add_argument("--parallel", type=int, nargs="+", default=[1])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    base = Execution(
        accelerator=options.accelerator, evaluate_every=10**6, checkpoint_every=10**6
    )
    found: dict[str, Any] = {}
    for parallel in options.parallel:
        for name in options.variants:
            how = replace(base, **VARIANTS[name])
            label = f"{name}, {parallel} at once"
            try:
                found[label] = measure(
                    options.dataset, options.profile, options.epochs, parallel, how
                )
            except Exception as error:  # one variant may lack what it needs here
                found[label] = {"failed": str(error).splitlines()[0][:200]}
            print(f"{label:42} {found[label]}", flush=True)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            report = {
                "dataset": options.dataset,
                "profile": options.profile,
                "epochs": list(options.epochs),
                "variants": found,
                "stamp": stamp(),
            }
            options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
