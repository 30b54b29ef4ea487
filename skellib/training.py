"""Train an experiment with a seed: an explicit loop with Lightning Fabric.

The loop is :func:`fit`. Fabric places the model on its device, casts to half precision
where configured, and averages gradients over several devices. An interrupted run
resumes from its last checkpoint; on a CPU it ends with exactly the same numbers as an
uninterrupted one.
"""

from __future__ import annotations

import copy
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiplicativeLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from skellib.batches import DeviceClips
from skellib.checkpoint import Checkpoint, Progress
from skellib.data import PackedDataset, without_leakage
from skellib.errors import InputError
from skellib.evaluation import assess, predict
from skellib.experiment import Experiment
from skellib.initialisation import TURN
from skellib.paths import check_writable
from skellib.processes import end_with_parent
from skellib.provenance import stamp
from skellib.records import Epoch, RecordStore, RunRecord, TestLogits
from skellib.settings import TrainingConfig
from skellib.steps import Execution
from skellib.variants import OPTIMIZERS
from skellib.weights import build_model, save_weights, weights_path

__all__ = ["Execution", "TrainingError", "fit", "train"]

Report = Callable[[Epoch, float], None]
"""Function that is called after each epoch, with the seconds since the start."""


class TrainingError(InputError):
    """Report that training cannot continue because the loss is not finite."""


def fit(
    network: nn.Module,
    clips: DeviceClips,
    test_clips: DeviceClips,
    experiment: Experiment,
    seed: int,
    *,
    fabric: Fabric | None = None,
    execution: Execution | None = None,
    checkpoint: Checkpoint | None = None,
    report: Report = lambda epoch, seconds: None,
) -> tuple[Tensor, Progress]:
    """Train a network to its last epoch, by default by Adam (Section IV-A).

    It starts from the checkpoint if there is one. Unlike :func:`train`, it writes no
    record and leaves PyTorch's global generator, which dropout uses, to the caller.

    Args:
        network: network, trained in place.
        clips: training clips on the device that trains.
        test_clips: test clips, evaluated every ``execution.evaluate_every`` epochs for
            the history, and after the last epoch. They select nothing.
        experiment: configuration; the sections ``loss`` and ``training`` are used.
        seed: seed of the order of clips, the crops and the rotations.
        fabric: launched Fabric; by default ``execution.fabric()``.
        execution: device, precision and other execution settings.
        checkpoint: where to keep the state of the run; by default nowhere.
        report: function called after each epoch, with the seconds since the start.

    Returns:
        Fused logits (n, classes) of the test clips after the last epoch, and the
        progress with the history.

    Raises:
        TrainingError: if the loss is not finite.

    Example:
        >>> import skellib as sk
        >>> short = sk.final_model("synthetic", "quick")
        >>> short = short.replace(**{"training.epochs": 1})
        >>> two = sk.load("synthetic")[0].subset([0, 1])
        >>> clips = sk.DeviceClips(two, preprocessing=short.preprocessing)
        >>> network = sk.SLnLRFA(
        ...     num_classes=12, joints=20, frames=24, config=short.model)
        >>> logits, progress = sk.fit(network, clips, clips, short, seed=0,
        ...                           execution=sk.Execution("cpu"))
        >>> logits.shape, progress.epoch  # (clips, classes), epochs
        (torch.Size([2, 12]), 1)
    """
    execution, settings = execution or Execution(), experiment.training
    fabric = fabric or execution.fabric()
    plain = _optimizer(network, settings, execution, fabric)
    model, optimizer = fabric.setup(network, plain)
    schedule = _schedule(plain, settings)
    step = execution.step(fabric, model, experiment.loss)
    averaged = _average(network, settings)
    judged = averaged or model
    forward = execution.forward(fabric, judged)
    state = {"model": network, "optimizer": plain, "schedule": schedule}
    state |= {"average": averaged} if averaged else {}
    progress = checkpoint.load(state) if checkpoint else Progress()
    _seed_rank(fabric, seed, progress.epoch)
    start, test_logits = time.perf_counter() - progress.seconds, None

    for epoch in range(progress.epoch + 1, settings.epochs + 1):
        model.train()
        learning_rate, means = plain.param_groups[0]["lr"], _EpochMeans(fabric)
        for x, y in _batches(clips, settings.batch_size, seed, epoch, fabric):
            optimizer.zero_grad(set_to_none=True)
            loss, logits = step(x, y)
            _clip_gradients(fabric, model, optimizer, settings.clip_norm)
            optimizer.step()
            if averaged:
                averaged.update_parameters(network)
            means.add(loss, logits, y)
        schedule.step()
        done = Epoch(epoch=epoch, learning_rate=learning_rate, **means.compute())
        _check_finite(done, experiment, seed, execution)
        last = epoch == settings.epochs
        if last or epoch % execution.evaluate_every == 0:
            test_logits = predict(judged, test_clips, forward=forward)["fused"]
            top1 = _accuracy(test_logits, test_clips.label)
            done = done.model_copy(update={"test_top1": top1})
        progress.add(done.model_dump(), seconds=time.perf_counter() - start)
        every = execution.checkpoint_every
        due = every and (last or epoch % every == 0)
        if checkpoint and due and fabric.is_global_zero:
            checkpoint.save(state, progress)
        report(done, progress.seconds)

    if test_logits is None:  # resumed after the last epoch
        test_logits = predict(judged, test_clips, forward=forward)["fused"]
    if averaged:
        network.load_state_dict(averaged.module.state_dict())
    return test_logits, progress


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
    """Train an experiment with a seed, unless it has a record already (Section IV-A).

    The metrics are those of the last epoch; the test clips select nothing. An
    interrupted run resumes from its last checkpoint.

    Args:
        experiment: what to train.
        seed: seed of initialisation, order, crops and dropout.
        train_set, test_set: training and test clips, from :func:`skellib.data.load`.
        store: where to write the record; by default the project's ``data/records``.
        checkpoints: folder for the checkpoint, which is deleted at the end, and the
            final weights; by default ``data/checkpoints`` of the project.
        execution: device, precision and other execution settings.
        progress: whether to print the progress.
        anew: train even if there is a record or a checkpoint, and replace them.

    Returns:
        The record of the run, new or existing.

    Raises:
        InputError: if a record or checkpoint is damaged or of other data, a folder
            cannot be written to, or the settings do not go together.
        TrainingError: if the loss is not finite.

    Example:
        >>> import skellib as sk, tempfile
        >>> short = sk.final_model("synthetic", "quick")
        >>> short = short.replace(**{"training.epochs": 1})
        >>> clips = [part.subset(range(0, 160, 40)) for part in sk.load("synthetic")]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record = sk.train(short, 0, *clips, store=sk.RecordStore(folder),
        ...                       checkpoints=folder, progress=False)
        >>> record.test.clips, len(record.history)
        (4, 1)
    """
    store, execution = store or RecordStore(), execution or Execution()
    known = None if anew else store.get(experiment, seed)
    if train_set.key != experiment.dataset:
        raise InputError(
            f"the experiment is for data set {experiment.dataset!r}, and these clips "
            f"are of {train_set.key!r}"
        )
    if len(np.unique(train_set.label)) < 2:
        raise InputError(
            f"{train_set.key}: the training clips are of one class; a network needs two"
        )
    if seed not in range(2**63):
        raise InputError(f"seed {seed}: not a number from 0 to 2^63 - 1")
    if known is not None:
        known.check_data(
            _data_fields(train_set, test_set), store.path(experiment, seed)
        )
        return known
    if os.environ.get("LOCAL_RANK", "0") != "0":  # one of several processes of a run
        end_with_parent()
    weights = weights_path(experiment, seed, checkpoints)
    checkpoint = Checkpoint(
        weights.with_suffix(".ckpt"),
        f"{experiment.key}-seed{seed}",
        train_set.fingerprint,
    )
    store.check_writable(experiment, seed)
    check_writable(weights)
    if anew:  # if interrupted, the run resumes without ``anew``
        store.set_aside(experiment, seed)
        checkpoint.delete()
    with isolated_rng(seed, execution.threads):
        with TURN:
            origin, fabric = stamp(), execution.fabric()
            network = _build_network(experiment, seed, train_set, fabric, execution)
        clips, test_clips = (
            DeviceClips(part, fabric.device, experiment.preprocessing)
            for part in (train_set, test_set)
        )
        test_logits, state = fit(
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
            key=experiment.key,
            experiment=experiment,
            seed=seed,
            **_result_fields(experiment, test_logits, train_set, test_set),
            history=[Epoch(**each) for each in state.history],
            seconds=round(state.seconds, 3),
            peak_memory=_peak_memory(fabric.device),
            parameters=sum(p.numel() for p in network.parameters()),
            execution=_execution_fields(execution, fabric.device),
            data=_data_fields(train_set, test_set),
            stamp=origin,
        )
    if fabric.is_global_zero:
        save_weights(network, weights, experiment, seed, train_set)
        store.put(record)
        checkpoint.delete()
    fabric.barrier()
    return record


_isolated = False


@contextmanager
def isolated_rng(seed: int, threads: int) -> Iterator[None]:
    """Seed and configure PyTorch for a run; restore the caller's state afterwards.

    Within another such block this does nothing: runs that share a process, in threads,
    share its generators.

    Args:
        seed: seed of PyTorch's global generators.
        threads: number of CPU threads; 0 leaves it as it is.
    """
    global _isolated
    if _isolated:
        yield
        return
    before = torch.get_num_threads(), torch.backends.cudnn.benchmark
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        if threads:
            torch.set_num_threads(threads)
        # Batches have few different shapes: let cuDNN benchmark its algorithms.
        torch.backends.cudnn.benchmark = _isolated = True
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.backends.cudnn.benchmark, _isolated = before[1], False


def _build_network(
    experiment: Experiment,
    seed: int,
    train_set: PackedDataset,
    fabric: Fabric,
    execution: Execution,
) -> nn.Module:
    """Build the network in the memory format of the device, compiled if configured."""
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)
    network = _possible_network(experiment, seed, train_set, fabric.device)
    memory_format = execution.memory_format(fabric.device)
    network.to(memory_format=memory_format)  # type: ignore[call-overload]
    if execution.compile:
        # The last batch is smaller: compile two static shapes, not one dynamic shape.
        network.compile(dynamic=False)
    return network


def nesterov(parameters: Iterable[Tensor], **options: Any) -> torch.optim.SGD:
    """Create stochastic gradient descent with Nesterov's momentum of 0.9."""
    return torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **options)


def _average(network: nn.Module, settings: TrainingConfig) -> AveragedModel | None:
    """Create the moving average of the weights and statistics, if configured."""
    if not settings.ema_decay:
        return None
    average = get_ema_multi_avg_fn(settings.ema_decay)
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


def _schedule(optimizer: Optimizer, settings: TrainingConfig) -> MultiplicativeLR:
    """Create the schedule of the learning rate, which is stepped after each epoch."""

    def factor(epoch: int) -> float:
        tenth = 0.1 if epoch in settings.milestones else 1.0
        rise = (epoch + 1) / epoch if epoch < settings.warm_up else 1.0
        return settings.lr_decay * tenth * rise

    return MultiplicativeLR(optimizer, factor)


def _optimizer(
    network: nn.Module, settings: TrainingConfig, execution: Execution, fabric: Fabric
) -> Optimizer:
    """Create the optimiser, with fused kernels where they can be used."""
    # With scaled losses, Fabric does not clip the gradients of a fused optimiser.
    clipped = bool(settings.clip_norm) and execution.precision == "16-mixed"
    return OPTIMIZERS.find(settings.optimizer)(
        network.parameters(),
        lr=settings.learning_rate / max(1, settings.warm_up),  # see _schedule
        weight_decay=settings.weight_decay,
        fused=fabric.device.type in ("cpu", "cuda") and not clipped,
    )


def _clip_gradients(
    fabric: Fabric, model: Any, optimizer: Any, norm: float | None
) -> None:
    """Scale the gradients down to a norm, if one is set."""
    if norm:
        fabric.clip_gradients(model, optimizer, max_norm=norm, error_if_nonfinite=False)


def _possible_network(
    experiment: Experiment, seed: int, train_set: PackedDataset, device: torch.device
) -> nn.Module:
    """Build a network, and make sure that it can be trained on its smallest batch.

    Each setting may be possible, and all of them together not. For a GPU only shapes
    are checked: a forward pass at the paper's size takes a CPU many seconds.

    Raises:
        InputError: if it cannot.
    """
    try:
        network = build_model(experiment, train_set, seed)
        smallest = len(train_set) % experiment.training.batch_size
        clips = smallest or min(len(train_set), experiment.training.batch_size)
        shape = (clips, train_set.channels, experiment.preprocessing.frames)
        where = "cpu" if device.type == "cpu" else "meta"
        x = torch.zeros(*shape, train_set.layout.size, train_set.bodies, device=where)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            copy.deepcopy(network).to(where)(x)
    except (RuntimeError, ValueError, OverflowError, MemoryError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{experiment.key}: no network can be trained with these settings: {reason}"
        ) from None
    return network


def _seed_rank(fabric: Fabric, seed: int, epoch: int) -> None:
    """Seed each further process of a run differently, so that dropout differs."""
    if fabric.global_rank > 0:
        torch.manual_seed(seed + 7919 * fabric.global_rank + epoch)


def _batches(
    clips: DeviceClips, batch_size: int, seed: int, epoch: int, fabric: Fabric
) -> Iterator[tuple[Tensor, Tensor]]:
    """Make this process's batches of an epoch, which is numbered from 1."""
    return clips.training(
        batch_size,
        seed=seed,
        epoch=epoch - 1,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )


class _EpochMeans:
    """Accumulate loss and accuracy over an epoch on the device.

    Reading them after each step would make the CPU wait for the device.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.totals = torch.zeros(3, dtype=torch.float64, device=fabric.device)

    def add(self, loss: Tensor, logits: Tensor, y: Tensor) -> None:
        """Add a batch: its mean loss, logits (B, classes) and labels (B,)."""
        correct = (logits.argmax(1) == y).sum()
        self.totals += torch.stack(
            [loss * len(y), correct, torch.full_like(correct, len(y))]
        )

    def compute(self) -> dict[str, float]:
        """Return the mean loss and the accuracy over the clips of all processes."""
        summed = self.fabric.all_reduce(self.totals, reduce_op="sum")
        assert isinstance(summed, Tensor)
        loss, correct, clips = summed.tolist()
        return {"loss": loss / clips, "top1": correct / clips}


def _accuracy(logits: Tensor, label: Tensor) -> float:
    """Compute the top-1 accuracy of logits (n, classes), a fraction of 1."""
    return (logits.argmax(1) == label).double().mean().item()


def _check_finite(
    done: Epoch, experiment: Experiment, seed: int, execution: Execution
) -> None:
    """Raise a TrainingError if the loss of an epoch is not finite."""
    if math.isfinite(done.loss):
        return
    tries = ["a smaller training.learning_rate"]
    if execution.graphs:
        tries.insert(0, "no --graphs")
    if execution.precision != "32-true":
        tries.insert(0, "--precision 32-true")
    raise TrainingError(
        f"{experiment.key} seed {seed}: the loss of epoch {done.epoch} is {done.loss}; "
        f"try {', or '.join(tries)}"
    )


def _result_fields(
    experiment: Experiment,
    test_logits: Tensor,
    train_set: PackedDataset,
    test_set: PackedDataset,
) -> dict[str, Any]:
    """Compute the fields of a record that depend on the logits of the test clips."""
    test, clean = assess(experiment, test_logits, train_set, test_set)
    leaked = ~without_leakage(train_set, test_set)
    kept = TestLogits.of(test_logits.cpu().numpy(), test_set.label, leaked)
    return {"test": test, "clean": clean, "test_logits": kept}


def _reporter(experiment: Experiment, shown: bool) -> Report:
    """Create a function that prints progress: a bar on a terminal, else a few lines."""
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
    """Return the peak memory in bytes, of the GPU or else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _execution_fields(execution: Execution, device: torch.device) -> dict[str, Any]:
    """Describe the execution for the record, with the values that PyTorch chose."""
    return {
        **asdict(execution),
        "accelerator": device.type,
        "threads": torch.get_num_threads(),
    }


def _data_fields(train_set: PackedDataset, test_set: PackedDataset) -> dict[str, Any]:
    """Describe the data for the record."""
    return {
        "key": train_set.key,
        "fingerprint": train_set.fingerprint,
        "source": train_set.source,
        "train_clips": len(train_set),
        "test_clips": len(test_set),
    }
