"""Test experiments: validation, keys, the paper's settings."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from skellib import variants
from skellib.errors import InputError
from skellib.experiment import RENAMED, Experiment, final_model, parse
from skellib.settings import ModelConfig
from skellib.variants import Choices

TABLES = [table for table in vars(variants).values() if isinstance(table, Choices)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.what)
def test_every_choice_is_found_and_others_are_named(table):
    assert all(table.find(name) is not None for name in table)
    with pytest.raises(ValueError, match=f"'no such' is none of {next(iter(table))}"):
        table.check("no such")


def test_a_choice_added_to_a_table_is_known_to_the_configuration(monkeypatch):
    with pytest.raises(ValidationError, match="'diagonal' is none of time, both"):
        ModelConfig(pooling="diagonal")
    monkeypatch.setitem(variants.POOLINGS, "diagonal", (2, 2))
    assert ModelConfig(pooling="diagonal").pooling == "diagonal"


def test_defaults_are_what_they_were():
    """Keys leave out defaults, so that changing a default changes what keys mean."""
    text = json.dumps(Experiment.defaults(), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "b36ba5610ed72357"


def test_paper_settings_of_n_ucla():
    """Section IV-A, Tables VI and IX."""
    e = final_model("nucla")
    training = e.training
    assert (training.epochs, training.batch_size, training.lr_decay) == (60, 32, 0.95)
    assert (training.learning_rate, training.weight_decay) == (0.001, 0.0005)
    assert (e.preprocessing.frames, e.preprocessing.crop_ratio) == (64, (0.5, 1.0))
    assert e.preprocessing.test_crop_ratio == 0.95
    assert (e.loss.gamma, e.loss.margin, e.loss.mutual_weight) == (2, 0.6, 0.1)
    assert e.model.slnl_blocks == 3 and e.model.dropout == 0.2
    assert e.model.channels == (64, 64, 128, 128, 256, 256)


@pytest.mark.parametrize(
    ("dataset", "protocol", "training", "frames", "margin", "slnl"),
    [
        ("ntu", "cross_subject", (100, 32, 0.98), 64, 0.4, 5),
        ("ntu", "cross_view", (100, 32, 0.98), 64, 0.6, 3),
        ("kinetics", "train_val", (300, 128, 0.95), 128, 0.6, 3),
        ("sysu", "cross_subject", (40, 16, 0.92), 64, 0.6, 3),
        ("sysu", "same_subject", (40, 16, 0.92), 64, 0.6, 3),
    ],
)
def test_paper_settings_elsewhere(dataset, protocol, training, frames, margin, slnl):
    e = final_model(dataset, protocol=protocol)
    found = (e.training.epochs, e.training.batch_size, e.training.lr_decay)
    assert found == training
    assert e.preprocessing.frames == frames
    assert (e.loss.margin, e.model.slnl_blocks) == (margin, slnl)
    assert len(e.model.channels) == (8 if dataset == "kinetics" else 6)
    laptop = final_model(dataset, "laptop", protocol)
    assert len(laptop.model.channels) == 6 and laptop.model.kernels == 3


@pytest.mark.parametrize("profile", ["quick", "laptop"])
def test_smaller_profiles_keep_the_kind_of_network_and_the_final_rate(profile):
    paper, small = final_model("nucla"), final_model("nucla", profile)
    changed = {
        name for name, value in small.model if value != getattr(paper.model, name)
    }
    assert changed <= {
        *("channels", "width", "new_joints", "coordinate_systems", "dropout")
    }
    assert small.loss == paper.loss
    last = [e.training.lr_decay**e.training.epochs for e in (paper, small)]
    assert last[0] == pytest.approx(last[1], rel=1e-3)


def test_the_key_is_stable_across_processes():
    code = "from skellib.experiment import final_model as f; print(f('nucla').key)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == final_model("nucla").key
    assert len(final_model("nucla").key) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"loss.gamma": 1},
        {"loss.divergence": "jensen_shannon"},
        {"training.epochs": 59},
        {"model.axes": ("t",)},
        {"model.slnl_blocks": 0},
        {"model.slnl_blocks": 2},
        {"model.frequency_attention": "none"},
        {"model.transform": "none"},
        {"training.draws": "sequential"},
        {"preprocessing.min_crop_frames": 64},
        {"preprocessing.origin": "every"},
        {"preprocessing.align_corners": True},
        {"preprocessing.test_crop_rounding": "cut"},
        {"training.clip_norm": 1.0},
        {"preprocessing.max_pitch": 10},
        {"preprocessing.max_yaw": 30},
        {"preprocessing.align": "yaw"},
        {"preprocessing.joint_noise": 0.01},
        {"model.dropout_kind": "channel"},
        {"model.dropout_at": "pooled"},
        {"model.normalisation": "joints"},
        {"model.velocity_padding": "start"},
        {"model.initialisation": "he"},
        {"model.kernels": (3, 3, 3, 3, 3, 5)},
    ],
)
def test_what_changes_the_result_changes_the_key(change):
    e = final_model("nucla")
    assert e.replace(**change).key != e.key


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_former_name_is_told_the_present_one(old, new):
    with pytest.raises(InputError, match=f"^{old}: is now {new}$"):
        final_model("nucla").replace(**{old: 1})
    section, _, name = old.partition(".")
    values = {"dataset": "nucla", "protocol": "cross_view", section: {name: 1}}
    with pytest.raises(InputError, match=f"{old}: is now {new}"):
        parse(values)


def test_the_former_profile_is_told_its_present_name():
    with pytest.raises(InputError, match="profile 'paper' is now 'full'"):
        final_model("nucla", "paper")


def test_what_does_not_change_the_result_does_not_change_the_key():
    e = final_model("nucla")
    assert e.replace(profile="laptop").key == e.key
    assert e.replace(**{"model.kernels": (3,) * 6}).key == e.key
    assert e.replace(**{"model.axes": ("st", "t", "s")}).key == e.key
    alone = e.replace(**{"loss.mutual_weight": 0})
    assert alone.replace(**{"loss.divergence": "jensen_shannon"}).key == alone.key
    still = alone.replace(**{"model.fusion": "position"})
    assert still.replace(**{"model.velocity_padding": "start"}).key == still.key
    local = e.replace(**{"model.slnl_blocks": 0})
    assert local.replace(**{"model.axes": ("t",), "model.embed_ratio": 0.5}).key == (
        local.key
    )
    assert e.replace(**{"model.axes": ()}).key == local.key
    plain = e.replace(**{"model.frequency_attention": "none"})
    assert plain.replace(**{"model.reduction": 8}).key == plain.key
    whole = e.replace(**{"model.dropout": 0})
    for name, value in {"dropout_at": "inside", "dropout_kind": "channel"}.items():
        assert whole.replace(**{f"model.{name}": value}).key == whole.key
    uncut = e.replace(**{"preprocessing.test_crop_ratio": 1})
    cut = {"preprocessing.test_crop_rounding": "cut"}
    assert uncut.replace(**cut).key == uncut.key
    raw = e.replace(**{"model.transform": "none"})
    assert raw.replace(**{"model.new_joints": 8}).key == raw.key
    fixed = {"training.learn_transforms": False, "training.transform_seed": 1}
    assert raw.replace(**fixed).key == raw.key
    for name, value in fixed.items():
        assert e.replace(**{name: value}).key != e.key


def test_the_order_of_axes_means_nothing():
    e = final_model("nucla")
    other = e.replace(**{"model.axes": ("st", "t", "s", "t")})
    assert other == e and other.model.axes == ("t", "s", "st")


def test_a_copy_has_a_key_of_its_own():
    e = final_model("nucla")
    assert e.key != e.model_copy(update={"fold": 1}).key


@pytest.mark.parametrize(
    "change",
    [
        {"training.learning_rate": float("inf")},
        {"loss.gamma": float("inf")},
        {"model.kernels": 2},
        {"dataset": "../x", "protocol": "given"},
        {"model.transform": ["both"]},
    ],
)
def test_values_that_could_not_be_trained_or_written_are_refused(change):
    with pytest.raises(InputError):
        final_model("nucla").replace(**change)


def test_json_round_trip_keeps_the_key():
    e = final_model("nucla", "laptop")
    assert Experiment.model_validate_json(e.model_dump_json()).key == e.key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss.gama": 1}, "loss.gama: unknown setting; loss has kind, gamma, margin"),
        ({"los.gamma": 1}, "los.gamma: unknown setting; the sections are"),
        ({"loss.gamma.x": 1}, "loss.gamma.x: unknown setting"),
        ({"loss.gamma": -1}, "loss.gamma: Input should be greater than or equal"),
        ({"model.fusion": "sum"}, "loss.mutual_weight needs three branches"),
        ({"model.slnl_blocks": 9}, "slnl_blocks is 9, but channels has 6 blocks"),
        ({"model.kernels": (3, 3)}, "kernels must be one number, or one number per"),
        ({"preprocessing.crop_ratio": (0.9, 0.5)}, "smaller first"),
        ({"protocol": "cross_moon"}, "protocol 'cross_moon' of nucla is none of"),
    ],
)
def test_faults_are_one_line_that_names_the_field(change, message):
    with pytest.raises(InputError, match=message) as caught:
        final_model("nucla").replace(**change)
    assert "\n" not in str(caught.value)


def test_unknown_data_set_profile_and_section():
    with pytest.raises(InputError, match="'imagenet' is none of"):
        final_model("imagenet")
    with pytest.raises(InputError, match="'huge' is none of quick"):
        final_model("nucla", "huge")
    with pytest.raises(InputError, match="epochz: unknown setting"):
        parse({"dataset": "nucla", "protocol": "cross_view", "epochz": 1})


def test_frozen():
    with pytest.raises(ValidationError):
        final_model("nucla").loss.gamma = 1
