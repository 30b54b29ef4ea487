"""Train one experiment with one seed: a visible loop on Lightning Fabric.

Fabric places the model and the batches, casts to half precision where asked and
averages gradients over several devices; the loop itself is here. A run that is killed
goes on from its last checkpoint and, on a processor, ends with the same numbers as one
that was not.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from skellib.batches import DeviceClips
from skellib.checkpoint import Checkpoint
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.evaluation import assess, predict
from skellib.experiment import Experiment
from skellib.provenance import stamp
from skellib.records import Epoch, RecordStore, RunRecord
from skellib.steps import CapturedStep, Step
from skellib.weights import build_model, save_weights, weights_path


class TrainingError(RuntimeError):
    """Training cannot go on: the loss is not finite."""


@dataclass(frozen=True)
class Execution:
    """How a run is carried out; none of it is part of the experiment.

    Attributes:
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` ... (Fabric's names).
        devices, nodes: processes that share one run (Fabric's DDP).
        precision: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"`` (Fabric's names).
        compile: ``torch.compile`` the network.
        graphs: launch each step's forward and backward pass as one captured CUDA
            graph, which pays where small batches wait for launches; without effect on
            a processor, and where several devices share a run.
        channels_last: keep images as (B, T, N, C) in memory: what convolutions in half
            precision, those of a processor and the attention products read fastest.
            By default there, and not in single precision on a GPU.
        checkpoint_every: epochs between checkpoints.
        evaluate_every: epochs between looks at the test clips, for the history only.
        threads: processor threads; 0 leaves PyTorch's choice.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32-true"
    compile: bool = False
    graphs: bool = False
    channels_last: bool | None = None
    checkpoint_every: int = 1
    evaluate_every: int = 5
    threads: int = 0

    def fabric(self) -> Fabric:
        """A launched Fabric.

        Raises:
            InputError: if the machine has no such accelerator or precision.
        """
        try:
            fabric = Fabric(
                accelerator=self.accelerator,
                devices=self.devices,
                num_nodes=self.nodes,
                precision=self.precision,  # type: ignore[arg-type]
            )
        except (ValueError, RuntimeError) as error:
            raise InputError(f"execution: {str(error).splitlines()[0]}") from None
        fabric.launch()
        return fabric

    def memory_format(self, device: torch.device) -> torch.memory_format:
        """How images lie in memory on a device."""
        last = self.channels_last
        if last is None:
            last = device.type == "cpu" or self.precision != "32-true"
        return torch.channels_last if last else torch.contiguous_format


@contextmanager
def _own_randomness(seed: int, threads: int) -> Iterator[None]:
    """Seed and set up PyTorch for a run; leave it to the caller as it was."""
    before = torch.get_num_threads(), torch.backends.cudnn.benchmark
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        if threads:
            torch.set_num_threads(threads)
        # Batches have few shapes: a GPU may time its convolutions once for each.
        torch.backends.cudnn.benchmark = True
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.backends.cudnn.benchmark = before[1]


def _train_epoch(
    fabric: Fabric,
    step: Step,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
) -> tuple[float, float]:
    """One pass over the training clips; the mean loss and accuracy while it went on."""
    step.model.train()
    totals = torch.zeros(3, dtype=torch.float64, device=fabric.device)
    for x, y in batches:
        optimizer.zero_grad(set_to_none=True)
        loss, logits = step(x, y)
        optimizer.step()
        # Kept on the device: reading a number here would make every step wait.
        right = (logits.argmax(1) == y).sum()
        totals += torch.stack([loss * len(y), right, torch.full_like(right, len(y))])
    summed = fabric.all_reduce(totals, reduce_op="sum")
    assert isinstance(summed, Tensor)
    loss_sum, right, clips = summed.tolist()
    return loss_sum / clips, right / clips


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU's allocator, else the most this process ever held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024


def _report(line: str, bar: tqdm | None, due: bool) -> None:
    """Progress: on the bar of a terminal, else a line every few epochs."""
    if bar is not None:
        bar.set_postfix_str(line.partition("  ")[2])
        bar.update()
    elif due:
        print(line, flush=True)


def train(
    experiment: Experiment,
    seed: int,
    train_set: PackedDataset,
    test_set: PackedDataset,
    *,
    store: RecordStore | None = None,
    checkpoints: Path | str | None = None,
    execution: Execution | None = None,
    progress: bool = True,
) -> RunRecord:
    """Train an experiment with a seed, or return its record if there is one.

    The metrics are those of the last epoch; the test clips select nothing.

    Args:
        experiment: what to train.
        seed: of initialisation, order, crops and dropout.
        train_set, test_set: from :func:`skellib.data.load`.
        store: where the record goes; the project's unless given.
        checkpoints: folder for the checkpoint (removed at the end) and the final
            weights; ``data/checkpoints`` of the project unless given.
        execution: device, precision and the like.
        progress: print progress.

    Raises:
        InputError: for a damaged record or checkpoint.
        TrainingError: if the loss stops being finite.
    """
    store = store or RecordStore()
    done = store.get(experiment, seed)
    if done is not None:
        return done
    execution = execution or Execution()
    with _own_randomness(seed, execution.threads):
        run = _Run(experiment, seed, train_set, test_set, execution, checkpoints)
        run.loop(progress)
        record = run.record()
    if run.fabric.is_global_zero:
        save_weights(run.module, run.weights, experiment, seed, train_set)
        store.put(record)
        run.checkpoint.path.unlink(missing_ok=True)
    run.fabric.barrier()
    return record


class _Run:
    """The parts of one run, from set-up to its record."""

    def __init__(
        self,
        experiment: Experiment,
        seed: int,
        train_set: PackedDataset,
        test_set: PackedDataset,
        execution: Execution,
        checkpoints: Path | str | None,
    ) -> None:
        self.began = time.perf_counter()
        self.experiment, self.seed, self.execution = experiment, seed, execution
        self.train_set, self.test_set = train_set, test_set
        self.stamp = stamp()
        self.fabric = execution.fabric()
        device = self.fabric.device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        settings = experiment.training
        self.module = build_model(experiment, train_set)
        self.module.to(memory_format=execution.memory_format(device))  # type: ignore[call-overload]
        optimizer = torch.optim.Adam(
            self.module.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        if execution.compile:
            # The last batch is smaller: two static shapes, not one dynamic one.
            self.module.compile(dynamic=False)
        self.model, self.optimizer = self.fabric.setup(self.module, optimizer)
        captured = device.type == "cuda" and self.fabric.world_size == 1
        kind = CapturedStep if execution.graphs and captured else Step
        self.step = kind(self.fabric, self.model, experiment.loss.model_dump())
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(
            optimizer, settings.decay
        )
        self.train_clips = DeviceClips(train_set, device, experiment.preprocessing)
        self.test_clips = DeviceClips(test_set, device, experiment.preprocessing)
        self.weights = weights_path(experiment, seed, checkpoints)
        unfinished = self.weights.with_suffix(".ckpt")
        self.checkpoint = Checkpoint(unfinished, experiment.key)
        self.parts = {
            "model": self.module,
            "optimizer": optimizer,
            "schedule": self.schedule,
        }
        self.state = self.checkpoint.load(self.parts)
        if self.fabric.global_rank > 0:  # processes must not drop the same elements
            torch.manual_seed(seed + 7919 * self.fabric.global_rank + self.state.epoch)
        self.crop = experiment.preprocessing
        self.before = self.state.seconds
        self.answers: Tensor | None = None  # logits of the test clips, when last asked

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.began

    def loop(self, progress: bool) -> None:
        """All epochs that are still to come."""
        epochs = self.experiment.training.epochs
        shown = progress and self.fabric.is_global_zero
        bar = None
        if shown and sys.stderr.isatty():
            bar = tqdm(total=epochs, initial=self.state.epoch, unit="epoch")
        for epoch in range(self.state.epoch, epochs):
            last = epoch + 1 == epochs
            line = self.epoch(epoch, last)
            if shown:
                due = last or (epoch + 1) % max(1, epochs // 8) == 0
                _report(line, bar, due)
            if (epoch + 1) % self.execution.checkpoint_every == 0 or last:
                self.state.seconds = self.seconds()
                if self.fabric.is_global_zero:
                    self.checkpoint.save(self.parts, self.state)
        if bar is not None:
            bar.close()

    def epoch(self, epoch: int, last: bool) -> str:
        """Train one epoch, note it in the history, and describe it in a line."""
        rate = self.optimizer.param_groups[0]["lr"]
        batches = self.train_clips.training(
            self.experiment.training.batch,
            self.crop,
            seed=self.seed,
            epoch=epoch,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
        )
        loss, top1 = _train_epoch(self.fabric, self.step, self.optimizer, batches)
        if not math.isfinite(loss):
            raise TrainingError(
                f"{self.experiment.key} seed {self.seed}: the loss of epoch "
                f"{epoch + 1} is {loss}"
            )
        self.schedule.step()
        test_top1: float | None = None
        if last or (epoch + 1) % self.execution.evaluate_every == 0:
            self.answers = predict(self.model, self.test_clips, self.crop)["fused"]
            right = self.answers.argmax(1) == self.test_clips.label
            test_top1 = right.double().mean().item()
        note = Epoch(
            epoch=epoch + 1,
            learning_rate=rate,
            loss=loss,
            top1=top1,
            test_top1=test_top1,
        )
        self.state.history.append(note.model_dump())
        self.state.epoch = epoch + 1
        tested = "" if test_top1 is None else f"  test {100 * test_top1:5.1f} %"
        total = self.experiment.training.epochs
        return (
            f"epoch {epoch + 1:3d}/{total}  loss {loss:7.4f}  "
            f"train {100 * top1:5.1f} %{tested}  {self.seconds():6.0f} s"
        )

    def record(self) -> RunRecord:
        """Evaluate the network as it is after the last epoch."""
        logits = self.answers
        if logits is None:  # killed after its last epoch, and resumed
            logits = predict(self.model, self.test_clips, self.crop)["fused"]
        test, untainted = assess(self.experiment, logits, self.train_set, self.test_set)
        device = self.fabric.device
        return RunRecord(
            key=self.experiment.key,
            experiment=self.experiment,
            seed=self.seed,
            test=test,
            clean=untainted,
            history=[Epoch(**note) for note in self.state.history],
            seconds=round(self.seconds(), 3),
            peak_memory=_peak_memory(device),
            parameters=sum(p.numel() for p in self.module.parameters()),
            execution={
                **asdict(self.execution),
                "accelerator": device.type,
                "threads": torch.get_num_threads(),
            },
            data={
                "key": self.train_set.key,
                "fingerprint": self.train_set.fingerprint,
                "source": self.train_set.source,
                "train_clips": len(self.train_set),
                "test_clips": len(self.test_set),
            },
            stamp=self.stamp,
        )
