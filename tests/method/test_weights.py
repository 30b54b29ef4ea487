"""Test the networks of experiments: initialisation, saving and loading."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from skellib.data import load
from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.initialisation import initialise_by_name, seeded
from skellib.records import RecordStore
from skellib.training import Execution, train
from skellib.variants import FREQUENCY_ATTENTION, INITIALISATIONS
from skellib.weights import (
    build_model,
    find_weights,
    initial_network,
    load_model,
    save_weights,
    weights_path,
)

TINY = final_model("synthetic", "quick", "cross_subject").replace(
    **{
        "training.epochs": 1,
        "preprocessing.frames": 8,
        "model.channels": (4, 4, 4, 4, 6, 6),
        "model.new_joints": 8,
    }
)


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic", "cross_subject")
    return train_set.subset(range(0, len(train_set), 12)), test_set.subset(range(8))


def drawn(experiment, data, seed):
    return build_model(experiment, data[0], seed).state_dict()


def trained(experiment, data, folder, seed=0):
    """Train a network and return its file."""
    train(
        experiment,
        seed,
        *data,
        store=RecordStore(folder / "records"),
        checkpoints=folder / "checkpoints",
        execution=Execution(accelerator="cpu", threads=1),
        progress=False,
    )
    return weights_path(experiment, seed, folder / "checkpoints")


def differing(one, other):
    """Return the names of the weights that differ in any bit."""
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_transforms_by_a_seed_of_their_own(data):
    by_3, by_5 = drawn(TINY, data, 3), drawn(TINY, data, 5)
    mixed = drawn(TINY.replace(**{"training.transform_seed": 5}), data, 3)
    transforms = {name for name in by_3 if ".transform." in name}
    assert len(transforms) == 4  # both transforms of both streams
    assert differing(mixed, by_3) == transforms
    assert transforms.isdisjoint(differing(mixed, by_5))
    same = drawn(TINY.replace(**{"training.transform_seed": 3}), data, 3)
    assert not differing(same, by_3)


def test_the_global_generator_is_left_as_it_was(data):
    before = torch.get_rng_state()
    for draws in ("keyed", "sequential"):
        build_model(TINY.replace(**{"training.draws": draws}), data[0], seed=3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("draws", ["keyed", "sequential"])
def test_threads_do_not_disturb_each_other(data, draws):
    """Networks built at the same time once shared PyTorch's generator."""
    experiment = TINY.replace(**{"training.draws": draws})
    seeds = [0, 1, 2] * 4
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda seed: drawn(experiment, data, seed), seeds))
    for seed, weights in zip(seeds, found, strict=True):
        assert not differing(weights, drawn(experiment, data, seed))


# --- keyed initialisation ------------------------------------------------------------


def shared(one, other, data, seed=0):
    """Return the parameters that two experiments share, and those that differ."""
    a, b = (drawn(experiment, data, seed) for experiment in (one, other))
    reshaped = {
        name.rpartition(".")[0]
        for name in a.keys() & b.keys()
        if a[name].shape != b[name].shape
    }
    common = {n for n in a.keys() & b.keys() if n.rpartition(".")[0] not in reshaped}
    differ = {name for name in common if not torch.equal(a[name], b[name])}
    return common, differ


@pytest.mark.parametrize("initialisation", list(INITIALISATIONS))
def test_rows_share_every_layer_that_both_have(data, initialisation):
    base = TINY.replace(**{"model.initialisation": initialisation})
    for change in (
        {"model.frequency_attention": "none"},
        {"model.slnl_blocks": 0},
        {"model.transform": "none"},
        {"model.transform": "skeleton"},
        {"model.fusion": "position", "loss.mutual_weight": 0},
        {"model.axes": ("t",)},
    ):
        common, differ = shared(base, base.replace(**change), data)
        assert common and not differ, change


def test_rows_of_table_vii_differ_in_the_attention_alone(data):
    networks = {
        kind: drawn(TINY.replace(**{"model.frequency_attention": kind}), data, 0)
        for kind in FREQUENCY_ATTENTION
    }
    rest = [
        {name: value for name, value in state.items() if ".attention." not in name}
        for state in networks.values()
    ]
    for other in rest[1:]:
        assert not differing(rest[0], other)


def test_a_layer_that_cannot_be_initialised_by_name_is_refused():
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.rand(3))

    with pytest.raises(ValueError, match="0: Own has parameters but no method"):
        initialise_by_name(torch.nn.Sequential(Own()), seed=0)


def test_every_generator_is_restored(monkeypatch):
    """``manual_seed`` seeds the GPUs too: their state must be forked as well."""
    forked = []
    real = torch.random.fork_rng
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.random,
        "fork_rng",
        lambda devices: forked.append(devices) or real(devices=[]),
    )
    with seeded(3):
        pass
    assert forked == [[0, 1]]


def test_sequential_draws_shift_every_later_layer(data):
    """In the first edition, a change of one layer changed all later layers."""
    base = TINY.replace(**{"training.draws": "sequential"})
    change = {"model.frequency_attention": "none"}
    _, differ = shared(base, base.replace(**change), data)
    assert "classifiers.fused.weight" in differ


def test_seeds_and_layers_have_draws_of_their_own(data):
    zero, one = drawn(TINY, data, 0), drawn(TINY, data, 1)
    name = "streams.position.transform.skeleton.weight"
    assert not torch.equal(zero[name], one[name])
    assert not torch.equal(zero[name], zero[name.replace("position", "velocity")])
    assert not zero["streams.position.blocks.0.partners.t.w.weight"].any()


def test_a_file_knows_the_network_before_its_first_step(data, tmp_path):
    path = trained(TINY, data, tmp_path, seed=4)
    assert not differing(initial_network(path).state_dict(), drawn(TINY, data, 4))
    learnt = load_model(path)[0].state_dict()
    assert ".transform." in str(differing(learnt, drawn(TINY, data, 4)))


def test_transforms_that_are_not_learnt_stay_as_drawn(data, tmp_path):
    fixed = TINY.replace(**{"training.learn_transforms": False})
    path = trained(fixed, data, tmp_path)
    moved = differing(load_model(path)[0].state_dict(), drawn(fixed, data, 0))
    assert not [name for name in moved if ".transform." in name]
    assert "streams.position.blocks.0.temporal.weight" in moved
    assert "classifiers.fused.weight" in moved


def test_half_precision_is_read_as_float32(data, tmp_path):
    model = build_model(TINY, data[0], seed=0)
    path = tmp_path / "half.safetensors"
    save_weights(model.half(), path, TINY, 0, data[0])
    read = load_model(path)[0]
    assert {p.dtype for p in read.parameters()} == {torch.float32}


@pytest.mark.parametrize("read", [load_model, initial_network])
def test_foreign_and_missing_files(read, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.safetensors")
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(InputError, match="not a network of skellib"):
        read(path)


def test_the_draw_of_the_kept_network_is_the_one_it_was_trained_from():
    """A different initialisation would be almost orthogonal to the trained matrix."""
    path = find_weights(final_model("nucla", "laptop"), 0)
    before, after = initial_network(path), load_model(path)[0]
    for stream in ("position", "velocity"):
        name = f"streams.{stream}.transform.skeleton.weight"
        one, other = (net.get_parameter(name).ravel() for net in (before, after))
        assert torch.cosine_similarity(one, other, dim=0) > 0.9
        torch.manual_seed(1)
        stray = torch.rand_like(one) - 0.5
        assert abs(torch.cosine_similarity(stray, other, dim=0)) < 0.3
