"""NTU RGB+D at its full size: packed, opened, split, and trained on for some steps.

    python -m benchmarks.full_size [--clips 56578] [--profile quick] [--steps 20]

The clips have the names of the release, so that the protocols split them as the real
ones, and random joints; only their number and lengths are like NTU's. Memory is what
the process holds at most in each phase: of its own (``own_mib``), and pages of the
mapped file (``file_mib``), which the system takes back when it needs them. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from skellib import data
from skellib.batches import DeviceClips
from skellib.data import PackedDataset
from skellib.data.writing import ClipStream, write
from skellib.experiment import final_model
from skellib.layouts import LAYOUTS
from skellib.losses import objective
from skellib.paths import packed_path
from skellib.provenance import stamp
from skellib.readers import ntu
from skellib.weights import build_model
from tests.fake_raw.ntu import all_names

RESULTS = Path(__file__).parent / "results" / "full_size.json"
RELEASE_CLIPS = 56_578
COUNTS = {"cross_subject": (40_091, 16_487), "cross_view": (37_646, 18_932)}
MEAN_FRAMES, FRAMES = 80, (20, 300)
_TWO_PERSONS = 49  # labels from here on are interactions
_FORMAT = ntu.FORMATS[0]

Result = TypeVar("Result")


class Memory(threading.Thread):
    """The most memory that this process holds, looked at every few milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = {"RssAnon": 0, "RssFile": 0}
        self.done = threading.Event()

    def look(self) -> None:
        status = Path("/proc/self/status").read_text()
        for field in self.peak:
            found = re.search(rf"^{field}:\s+(\d+) kB", status, re.M)
            kib = int(found[1]) if found else 0
            self.peak[field] = max(self.peak[field], kib)

    def run(self) -> None:
        while not self.done.wait(0.005):
            self.look()


def phase(found: dict[str, Any], name: str, work: Callable[[], Result]) -> Result:
    """Run a phase; record its seconds and peak memory."""
    memory = Memory()
    memory.start()
    begin = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begin
    memory.look()
    memory.done.set()
    memory.join()
    found[name] = {
        "seconds": round(seconds, 3),
        "own_mib": memory.peak["RssAnon"] // 1024,
        "file_mib": memory.peak["RssFile"] // 1024,
    }
    print(name, found[name], flush=True)
    return result


def names(clips: int) -> list[str]:
    """Return evenly spaced names of the data set."""
    skip_reason = _FORMAT.skip_reason
    assert skip_reason is not None
    kept = [name for name in all_names() if skip_reason(name) is None]
    places = np.linspace(0, len(kept) - 1, min(clips, len(kept))).round().astype(int)
    return [kept[place] for place in places]


def stream(clips: int, seed: int = 0) -> ClipStream:
    """Stream random clips under names of the data set."""
    chosen = names(clips)
    groups = [re.fullmatch(_FORMAT.name, name) for name in chosen]
    facts = {
        field: np.array([int(each[field]) for each in groups if each])
        for field in ("code", "subject", "view")
    }
    rng = np.random.default_rng(seed)
    shape = 6.0  # of the lengths: most near the mean, few long
    lengths = rng.gamma(shape, MEAN_FRAMES / shape, len(chosen)).round()
    lengths = lengths.clip(*FRAMES).astype(int)
    label = facts["code"] - 1

    def clips_of() -> Iterator[np.ndarray]:
        for number, length in enumerate(lengths):
            bodies = 2 if label[number] >= _TWO_PERSONS else 1
            clip = np.zeros((length, 2, 25, 3), dtype=np.float32)
            rng = np.random.default_rng((seed, number))
            clip[:, :bodies] = rng.standard_normal(
                (length, bodies, 25, 3), dtype=np.float32
            )
            yield clip

    return ClipStream(
        clips_of,
        label=label,
        subject=facts["subject"],
        view=facts["view"],
        name=chosen,
        layout=LAYOUTS["ntu25"],
        classes=ntu.CLASSES,
        key=ntu.KEY,
        source=f"{len(chosen)} clips of random numbers, for a benchmark",
    )


def train(
    clips: DeviceClips, dataset: PackedDataset, profile: str, steps: int
) -> dict[str, Any]:
    """Run some training steps on the final model, after a warm-up step."""
    experiment = final_model("ntu", profile, "cross_subject")
    device = clips.joints.device
    model = build_model(experiment, dataset, seed=0).to(device).train()
    settings = experiment.training
    optimizer = torch.optim.Adam(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    crop, losses, begin = experiment.preprocessing, [], 0.0
    batches = clips.training(settings.batch_size, crop, seed=0, epoch=0)
    for step, (x, y) in enumerate(islice(batches, steps + 1)):
        loss = objective(model(x), y, **experiment.loss.model_dump())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == 0:
            begin = time.perf_counter()
    each = (time.perf_counter() - begin) / max(len(losses) - 1, 1)
    epoch = -(-len(clips) // settings.batch_size)
    return {
        "profile": profile,
        "steps": len(losses) - 1,
        "batch": settings.batch_size,
        "milliseconds_a_step": round(1e3 * each, 1),
        "minutes_an_epoch": round(each * epoch / 60, 1),
        "losses": [round(losses[0], 4), round(losses[-1], 4)],
    }


def load_epoch(clips: DeviceClips, profile: str) -> dict[str, Any]:
    """Make all batches of a training epoch, and do nothing with them."""
    experiment = final_model("ntu", profile, "cross_subject")
    batch, crop = experiment.training.batch_size, experiment.preprocessing
    begin = time.perf_counter()
    made = sum(len(y) for _, y in clips.training(batch, crop, seed=0, epoch=0))
    if clips.joints.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begin
    return {
        "batch": batch,
        "frames": crop.frames,
        "clips_a_second": int(made / seconds),
    }


def measure(root: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Run all measurements."""
    phases: dict[str, Any] = {}
    path = packed_path("ntu", root)
    source = stream(given.clips)
    phase(phases, "write", lambda: write(path, source, given.dtype))
    packed = phase(phases, "open", lambda: PackedDataset.open(path))
    counts = {}
    for protocol, published in COUNTS.items():
        sides = phase(phases, protocol, partial(data.load, "ntu", protocol, root))
        counts[protocol] = tuple(map(len, sides))
        if len(packed) == RELEASE_CLIPS and counts[protocol] != published:
            raise SystemExit(f"{protocol}: {counts[protocol]}, not {published}")
    train_set, test_set = data.load("ntu", "cross_subject", root)
    device = torch.device(given.device)
    clips, test_clips = phase(
        phases,
        "copy both sides to the device",
        lambda: (DeviceClips(train_set, device), DeviceClips(test_set, device)),
    )
    crop = final_model("ntu", given.profile, "cross_subject").preprocessing
    phase(
        phases,
        "first batch of an epoch",
        lambda: next(clips.training(32, crop, seed=0, epoch=0)),
    )
    loader = phase(
        phases, "batches of an epoch", lambda: load_epoch(clips, given.profile)
    )
    training = phase(
        phases, "train", lambda: train(clips, train_set, given.profile, given.steps)
    )
    on_device = sum(each.joints.nbytes for each in (clips, test_clips))
    return {
        "clips": len(packed),
        "frames": int(packed.lengths.sum()),
        "mean_frames": round(float(packed.lengths.mean()), 1),
        "counts": counts,
        "dtype": str(packed.joints.dtype),
        "file_mib": path.stat().st_size // 2**20,
        "joints_on_device": {
            "dtype": str(clips.joints.dtype).removeprefix("torch."),
            "mib": on_device // 2**20,
            "device": device.type,
        },
        "phases": phases,
        "loader": loader,
        "training": training,
        "threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "stamp": stamp(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", choices=["ntu"], default="ntu")
    parser.add_argument("--clips", type=int, default=RELEASE_CLIPS)
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, help="where the packed file lies")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as root:
        found = measure(Path(root), given)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"loader": found["loader"], "training": found["training"]}))


if __name__ == "__main__":
    main()
