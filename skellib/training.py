"""Train one experiment with one seed: a visible loop on Lightning Fabric.

Fabric places the model and the batches, casts to half precision where asked and
averages gradients over several devices; the loop itself is :func:`fit`. A run that is
killed resumes from its last checkpoint and, on a processor, ends with the same numbers
as one that was not.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from skellib.batches import DeviceClips
from skellib.checkpoint import Checkpoint, Progress
from skellib.data import PackedDataset, without_leakage
from skellib.errors import InputError
from skellib.evaluation import assess, predict
from skellib.experiment import Experiment
from skellib.models import SLnLRFA
from skellib.provenance import stamp
from skellib.records import Epoch, RecordStore, RunRecord, TestAnswers
from skellib.steps import Execution
from skellib.weights import build_model, save_weights, weights_path

__all__ = ["Execution", "TrainingError", "fit", "train"]

Report = Callable[[Epoch, float], None]


class TrainingError(InputError):
    """Training cannot go on: the loss is not finite."""


def fit(
    network: SLnLRFA,
    clips: DeviceClips,
    test_clips: DeviceClips,
    experiment: Experiment,
    seed: int,
    *,
    fabric: Fabric,
    execution: Execution,
    checkpoint: Checkpoint,
    report: Report = lambda epoch, seconds: None,
) -> tuple[Tensor, Progress]:
    """Train a network from its checkpoint to the last epoch (Section IV-A).

    Args:
        network: trained in place.
        clips: for training, on Fabric's device.
        test_clips: looked at every ``execution.evaluate_every`` epochs for the
            history, and after the last one; they select nothing.
        experiment: its sections ``loss`` and ``training`` are used.
        seed: of order, crops and rotations.
        fabric: launched.
        execution: precision, capture and the like.
        checkpoint: where the state is kept.
        report: called after each epoch with the seconds so far.

    Returns:
        The fused logits (n, classes) of the test clips, and the progress.

    Raises:
        TrainingError: the loss is not finite.
    """
    began, settings = time.perf_counter(), experiment.training
    adam = torch.optim.Adam(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=fabric.device.type in ("cpu", "cuda"),
    )
    model, optimizer = fabric.setup(network, adam)
    schedule = torch.optim.lr_scheduler.ExponentialLR(adam, settings.lr_decay)
    step = execution.step(fabric, model, experiment.loss)
    parts = {"model": network, "optimizer": adam, "schedule": schedule}
    progress = checkpoint.load(parts)
    _separate_ranks(fabric, seed, progress.epoch)
    began -= progress.seconds
    logits = None

    for epoch in range(progress.epoch, settings.epochs):
        model.train()
        rate, sums = adam.param_groups[0]["lr"], _Sums(fabric)
        for x, y in clips.training(
            settings.batch_size,
            seed=seed,
            epoch=epoch,
            rank=fabric.global_rank,
            world=fabric.world_size,
        ):
            optimizer.zero_grad(set_to_none=True)
            loss, fused = step(x, y)
            optimizer.step()
            sums.add(loss, fused, y)
        schedule.step()
        done = Epoch(epoch=epoch + 1, learning_rate=rate, **sums.means())
        _check_finite(done.loss, experiment, seed, epoch)
        last = epoch + 1 == settings.epochs
        if last or (epoch + 1) % execution.evaluate_every == 0:
            logits = predict(model, test_clips)["fused"]
            right = logits.argmax(1) == test_clips.label
            done = done.model_copy(update={"test_top1": right.double().mean().item()})
        progress.epoch, progress.seconds = epoch + 1, time.perf_counter() - began
        progress.history.append(done.model_dump())
        due = last or (epoch + 1) % execution.checkpoint_every == 0
        if due and fabric.is_global_zero:
            checkpoint.save(parts, progress)
        report(done, progress.seconds)

    if logits is None:  # killed after its last epoch, and resumed
        logits = predict(model, test_clips)["fused"]
    return logits, progress


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
    anew: bool = False,
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
        anew: train even if there is a record or a checkpoint; both are replaced.

    Raises:
        InputError: for a damaged record or checkpoint, one of other data, or a folder
            that cannot be written.
        TrainingError: if the loss stops being finite.

    Example:
        >>> import skellib as sk
        >>> record = sk.train(sk.final_model("synthetic", "quick"), 0, *sk.load(
        ...     "synthetic"))  # doctest: +SKIP
        >>> record.test.top1  # doctest: +SKIP
        0.97
    """
    store, execution = store or RecordStore(), execution or Execution()
    if not anew:
        done = store.get(experiment, seed)
        if done is not None:
            done.check_data(train_set.fingerprint, store.path(experiment, seed))
            return done
    weights = weights_path(experiment, seed, checkpoints)
    store.check_writable(experiment, seed)
    checkpoint = Checkpoint(
        weights.with_suffix(".ckpt"), experiment.key, train_set.fingerprint
    )
    if anew:
        checkpoint.delete()
    with _isolated_rng(seed, execution.threads):
        origin, fabric = stamp(), execution.fabric()
        network = _network(experiment, seed, train_set, fabric, execution)
        clips, test_clips = (
            DeviceClips(each, fabric.device, experiment.preprocessing)
            for each in (train_set, test_set)
        )
        logits, state = fit(
            network,
            clips,
            test_clips,
            experiment,
            seed,
            fabric=fabric,
            execution=execution,
            checkpoint=checkpoint,
            report=_reporter(experiment, progress and fabric.is_global_zero),
        )
        record = RunRecord(
            seed=seed,
            **_judged(experiment, logits, train_set, test_set),
            history=[Epoch(**each) for each in state.history],
            seconds=round(state.seconds, 3),
            peak_memory=_peak_memory(fabric.device),
            parameters=sum(p.numel() for p in network.parameters()),
            execution=_carried_out(execution, fabric.device),
            data=_data(train_set, test_set),
            stamp=origin,
        )
    if fabric.is_global_zero:
        save_weights(network, weights, experiment, seed, train_set)
        store.put(record)
        checkpoint.delete()
    fabric.barrier()
    return record


@contextmanager
def _isolated_rng(seed: int, threads: int) -> Iterator[None]:
    """Seed and set up PyTorch for a run; restore the caller's state after."""
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


def _network(
    experiment: Experiment,
    seed: int,
    train_set: PackedDataset,
    fabric: Fabric,
    execution: Execution,
) -> SLnLRFA:
    """Build the network as the device likes it."""
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)
    network = build_model(experiment, train_set, seed)
    memory_format = execution.memory_format(fabric.device)
    network.to(memory_format=memory_format)  # type: ignore[call-overload]
    if execution.compile:
        # The last batch is smaller: two static shapes, not one dynamic one.
        network.compile(dynamic=False)
    return network


def _judged(
    experiment: Experiment,
    logits: Tensor,
    train_set: PackedDataset,
    test_set: PackedDataset,
) -> dict[str, Any]:
    """Return the parts of a record that the test clips' logits decide."""
    test, clean = assess(experiment, logits, train_set, test_set)
    leaked = ~without_leakage(train_set, test_set)
    answers = TestAnswers.of(logits.cpu().numpy(), test_set.label, leaked)
    return {
        "key": experiment.key,
        "experiment": experiment,
        "test": test,
        "clean": clean,
        "answers": answers,
    }


def _separate_ranks(fabric: Fabric, seed: int, epoch: int) -> None:
    """Keep processes that share a run from dropping the same elements."""
    if fabric.global_rank > 0:
        torch.manual_seed(seed + 7919 * fabric.global_rank + epoch)


class _Sums:
    """Loss and accuracy over an epoch, kept on the device until its end.

    Reading a number earlier would make every step wait for the device.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.totals = torch.zeros(3, dtype=torch.float64, device=fabric.device)

    def add(self, loss: Tensor, logits: Tensor, y: Tensor) -> None:
        """Add a batch: its mean loss, logits (B, classes) and labels (B,)."""
        right = (logits.argmax(1) == y).sum()
        self.totals += torch.stack(
            [loss * len(y), right, torch.full_like(right, len(y))]
        )

    def means(self) -> dict[str, float]:
        """Return the mean loss and accuracy a clip, over all processes."""
        summed = self.fabric.all_reduce(self.totals, reduce_op="sum")
        assert isinstance(summed, Tensor)
        loss, right, clips = summed.tolist()
        return {"loss": loss / clips, "top1": right / clips}


def _check_finite(loss: float, experiment: Experiment, seed: int, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"{experiment.key} seed {seed}: the loss of epoch {epoch + 1} is {loss}; "
            "try --precision 32-true, or a smaller training.learning_rate"
        )


def _reporter(experiment: Experiment, shown: bool) -> Report:
    """Return what prints progress: a bar on a terminal, else a line now and then."""
    if not shown:
        return lambda epoch, seconds: None
    epochs = experiment.training.epochs
    bar = tqdm(total=epochs, unit="epoch") if sys.stderr.isatty() else None

    def report(done: Epoch, seconds: float) -> None:
        test = done.test_top1
        tested = "" if test is None else f"  test {100 * test:5.1f} %"
        line = (
            f"epoch {done.epoch:3d}/{epochs}  loss {done.loss:7.4f}  "
            f"train {100 * done.top1:5.1f} %{tested}  {seconds:6.0f} s"
        )
        if bar is not None:
            bar.set_postfix_str(line.split("  ", 1)[1])
            bar.update(done.epoch - bar.n)
            if done.epoch == epochs:
                bar.close()
        elif done.epoch == epochs or done.epoch % max(1, epochs // 8) == 0:
            print(line, flush=True)

    return report


def _peak_memory(device: torch.device) -> int:
    """Return bytes: of the GPU, or of the process on a processor."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _carried_out(execution: Execution, device: torch.device) -> dict[str, Any]:
    """Return how a run was carried out, with what was left to PyTorch filled in."""
    return {
        **asdict(execution),
        "accelerator": device.type,
        "threads": torch.get_num_threads(),
    }


def _data(train_set: PackedDataset, test_set: PackedDataset) -> dict[str, Any]:
    return {
        "key": train_set.key,
        "fingerprint": train_set.fingerprint,
        "source": train_set.source,
        "train_clips": len(train_set),
        "test_clips": len(test_set),
    }
