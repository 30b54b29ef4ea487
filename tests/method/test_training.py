"""Test training: reproducible and resumable; checkpoints; weights."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace

import pytest
import torch

from skellib.batches import DeviceClips
from skellib.checkpoint import Checkpoint
from skellib.data import load
from skellib.errors import InputError
from skellib.evaluation import predict
from skellib.experiment import final_model
from skellib.records import RecordStore
from skellib.training import (
    Execution,
    TrainingError,
    _possible_network,
    nesterov,
    train,
)
from skellib.weights import build_model, load_model, weights_path

CPU = Execution(accelerator="cpu", threads=1, evaluate_every=2)


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic", "cross_subject")
    return train_set.subset(range(0, len(train_set), 6)), test_set.subset(range(24))


@pytest.fixture(scope="module")
def experiment():
    return final_model("synthetic", "quick", "cross_subject").replace(
        **{
            "training.epochs": 4,
            "preprocessing.frames": 8,
            "model.channels": (4, 4, 4, 4, 6, 6),
            "model.new_joints": 8,
        }
    )


def run(experiment, data, folder, seed=0, execution=CPU, **options):
    return train(
        experiment,
        seed,
        *data,
        store=RecordStore(folder / "records"),
        checkpoints=folder / "checkpoints",
        execution=execution,
        progress=False,
        **options,
    )


@pytest.fixture(scope="module")
def undisturbed(experiment, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(experiment, data, folder)


def numbers(record):
    """Return the fields that must not depend on when or how often a run was started."""
    return record.model_dump(exclude={"seconds", "stamp", "peak_memory", "execution"})


def weights(folder, experiment, seed=0):
    return weights_path(experiment, seed, folder / "checkpoints")


def test_record(undisturbed, experiment, data):
    folder, record = undisturbed
    assert record.experiment == experiment
    assert [epoch.epoch for epoch in record.history] == [1, 2, 3, 4]
    rates = [epoch.learning_rate for epoch in record.history]
    decay = experiment.training.lr_decay
    assert rates == pytest.approx([0.001 * decay**i for i in range(4)])
    assert [e.test_top1 is not None for e in record.history] == [False, True] * 2
    assert record.history[-1].test_top1 == pytest.approx(record.test.top1)
    assert record.history[-1].loss < record.history[0].loss
    assert record.test.clips == len(data[1]) and record.clean is None
    assert record.data["fingerprint"] == data[0].fingerprint
    assert record.execution["precision"] == "32-true"
    assert record.parameters == sum(
        p.numel() for p in build_model(experiment, data[0], 0).parameters()
    )
    assert record.seconds > 0 and record.peak_memory > 0
    assert not list(folder.glob("**/*.ckpt")) and not list(folder.glob("**/*.part"))


def test_same_seed_same_numbers_other_seed_others(
    undisturbed, experiment, data, tmp_path
):
    _, record = undisturbed
    assert numbers(run(experiment, data, tmp_path)) == numbers(record)
    other = run(experiment, data, tmp_path, seed=1)
    assert other.history[0].loss != record.history[0].loss


def test_a_recorded_run_is_not_trained_again(undisturbed, experiment, data):
    folder, record = undisturbed
    assert run(experiment, data, folder) == record


def test_the_callers_generator_is_left_alone(experiment, data, tmp_path):
    short = experiment.replace(**{"training.epochs": 1})
    before = torch.get_rng_state()
    run(short, data, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


class Killed(Exception):
    pass


def test_milestones_and_warm_up(experiment, data, tmp_path):
    """A tenth from the epoch after each milestone; a rise from 1/3 of the rate."""
    scheduled = experiment.replace(
        **{
            "training.optimizer": "sgd",
            "training.learning_rate": 0.01,
            "training.lr_decay": 0.5,
            "training.warm_up": 3,
            "training.milestones": (1, 3),
        }
    )
    found = run(scheduled, data, tmp_path)
    rates = [epoch.learning_rate for epoch in found.history]
    by_hand = [0.01 / 3, 0.01 * 2 / 3 / 20, 0.01 / 40, 0.01 / 800]
    assert rates == pytest.approx(by_hand)


def test_nesterov_against_its_formula():
    """Momentum 0.9: v = 0.9 v + g, then a step by g + 0.9 v, times the rate."""
    x = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimizer = nesterov([x], lr=0.1, weight_decay=0.5)
    value, speed = 2.0, 0.0
    for _ in range(3):
        optimizer.zero_grad()
        (x**2).sum().backward()
        optimizer.step()
        gradient = 2 * value + 0.5 * value
        speed = 0.9 * speed + gradient
        value -= 0.1 * (gradient + 0.9 * speed)
    assert x.item() == pytest.approx(value)


@pytest.mark.parametrize("after", [1, 3])
def test_resumed_run_equals_undisturbed(
    undisturbed, experiment, data, tmp_path, monkeypatch, after
):
    """A run that is interrupted within an epoch gives the same bits when resumed."""
    steps_an_epoch = -(-len(data[0]) // experiment.training.batch_size)
    left = after * steps_an_epoch + 1
    step = torch.optim.Adam.step

    def dying_step(self, *args, **kwargs):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", dying_step)
        with pytest.raises(Killed):
            run(experiment, data, tmp_path)
    assert list(tmp_path.glob("**/*.ckpt"))
    assert not list(tmp_path.glob("**/*.json"))
    resumed = run(experiment, data, tmp_path)
    folder, record = undisturbed
    assert numbers(resumed) == numbers(record)
    mine, theirs = (
        load_model(weights(place, experiment))[0].state_dict()
        for place in (tmp_path, folder)
    )
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def _run_elsewhere(experiment, data, folder):
    run(experiment, data, folder)


def test_killed_by_the_system(undisturbed, experiment, data, tmp_path):
    """A run that is killed after its first checkpoint gives the same numbers."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run_elsewhere, args=(experiment, data, tmp_path))
    process.start()
    while process.is_alive() and not list(tmp_path.glob("**/*.ckpt")):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert numbers(run(experiment, data, tmp_path)) == numbers(undisturbed[1])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_settings_that_cannot_go_together_are_refused(experiment, data, device):
    """For a GPU without one: shapes are checked there without computing."""
    for changes in ({"preprocessing.frames": 1}, {"preprocessing.frames": 3}):
        with pytest.raises(InputError, match="no network can be trained"):
            _possible_network(
                experiment.replace(**changes), 0, data[0], torch.device(device)
            )
    built = _possible_network(experiment, 0, data[0], torch.device(device))
    expected = build_model(experiment, data[0], 0)
    assert all(p.device.type == "cpu" for p in built.parameters())
    for (name, value), other in zip(
        built.state_dict().items(), expected.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(value, other, rtol=0, atol=0, msg=name)


def test_damaged_and_foreign_checkpoints_are_refused(experiment, data, tmp_path):
    path = weights(tmp_path, experiment).with_suffix(".ckpt")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="damaged checkpoint"):
        run(experiment, data, tmp_path)
    torch.save({"key": "0" * 16}, path)
    with pytest.raises(InputError, match="checkpoint of another experiment"):
        run(experiment, data, tmp_path)


class _Hostile:
    def __reduce__(self):
        return (os.system, ("touch hostile-was-here",))


def test_a_hostile_checkpoint_does_not_execute(experiment, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = weights(tmp_path, experiment).with_suffix(".ckpt")
    path.parent.mkdir(parents=True)
    torch.save({"key": experiment.key, "state": _Hostile()}, path)
    with pytest.raises(InputError, match="damaged checkpoint"):
        run(experiment, data, tmp_path)
    assert not (tmp_path / "hostile-was-here").exists()


def test_a_loss_that_is_not_finite_stops_the_run(experiment, data, tmp_path):
    wild = experiment.replace(**{"training.learning_rate": 1e30})
    with pytest.raises(TrainingError) as caught:
        run(wild, data, tmp_path)
    assert str(caught.value).endswith("nan; try a smaller training.learning_rate")
    assert not list(tmp_path.glob("**/*.json"))
    half = replace(CPU, precision="bf16-mixed", graphs=True)
    with pytest.raises(
        TrainingError, match="--precision 32-true, or no --graphs, or a smaller"
    ):
        run(wild, data, tmp_path, execution=half)


def test_no_checkpoint_if_none_is_wanted(experiment, data, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "save", None)
    run(experiment, data, tmp_path, execution=replace(CPU, checkpoint_every=0))
    with pytest.raises(InputError, match="checkpoint_every is -1, below 0"):
        replace(CPU, checkpoint_every=-1)


def test_saved_network_predicts_what_the_record_says(undisturbed, experiment, data):
    folder, record = undisturbed
    model, read, classes = load_model(weights(folder, experiment))
    assert read == experiment and classes == data[1].classes
    clips = DeviceClips(data[1])
    logits = predict(model, clips, read.preprocessing)["fused"]
    assert (logits.argmax(1) == clips.label).double().mean() == record.test.top1


def test_compiled_and_half_precision_runs_train(experiment, data, tmp_path):
    short = experiment.replace(**{"training.epochs": 1})
    execution = Execution(accelerator="cpu", precision="bf16-mixed", threads=1)
    record = run(short, data, tmp_path, execution=execution)
    assert record.execution["precision"] == "bf16-mixed"
    reference = run(short, data, tmp_path / "full")
    assert record.history[0].loss == pytest.approx(reference.history[0].loss, rel=0.05)


@pytest.mark.parametrize("limit", [None, 0.05])
def test_gradients_are_clipped(experiment, data, tmp_path, monkeypatch, limit):
    norms, plain = [], torch.optim.Adam.step

    def step(optimizer, *args, **options):
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in weights]).item())
        return plain(optimizer, *args, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    change = {"training.clip_norm": limit, "training.epochs": 1}
    run(experiment.replace(**change), data, tmp_path)
    if limit is None:
        assert min(norms) > 0.05
    else:
        assert norms == pytest.approx([limit] * len(norms), rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_gradients_are_clipped_on_a_gpu(experiment, data, tmp_path, precision):
    change = {"training.clip_norm": 0.05, "training.epochs": 2}
    execution = Execution(accelerator="cuda", precision=precision, graphs=True)
    record = run(experiment.replace(**change), data, tmp_path, execution=execution)
    assert record.history[-1].loss < record.history[0].loss


def test_unknown_accelerator():
    with pytest.raises(InputError, match="execution: "):
        Execution(accelerator="abacus").fabric()


def test_progress_is_a_line_every_few_epochs(experiment, data, tmp_path, capfd):
    train(
        experiment,
        0,
        *data,
        store=RecordStore(tmp_path),
        checkpoints=tmp_path,
        execution=CPU,
    )
    lines = capfd.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("epoch")]) == 4
    assert "epoch   4/4" in lines[-1] and "test" in lines[-1]


@pytest.mark.parametrize(
    ("device", "options", "last"),
    [
        ("cpu", {}, True),
        ("cuda", {}, False),
        ("cuda", {"precision": "bf16-mixed"}, True),
        ("cuda", {"channels_last": True}, True),
        ("cpu", {"channels_last": False}, False),
    ],
)
def test_how_images_lie_in_memory(device, options, last):
    layout = Execution(**options).memory_format(torch.device(device))
    assert layout == (torch.channels_last if last else torch.contiguous_format)


def test_training_leaves_pytorch_as_it_was(data, tmp_path):
    before = torch.get_num_threads(), torch.backends.cudnn.benchmark
    state = torch.get_rng_state()
    train(
        final_model("synthetic", "quick").replace(**{"training.epochs": 1}),
        0,
        *data,
        store=RecordStore(tmp_path),
        checkpoints=tmp_path,
        execution=Execution(accelerator="cpu", threads=2),
        progress=False,
    )
    assert (torch.get_num_threads(), torch.backends.cudnn.benchmark) == before
    assert torch.equal(torch.get_rng_state(), state)
