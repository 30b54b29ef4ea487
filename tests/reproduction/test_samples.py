"""Sample clips and the networks released for them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from safetensors import safe_open

import skellib as sk
from skellib.cli.options import assignments
from skellib.data import synthetic
from skellib.reproduction import samples
from skellib.weights import released_weights_path


@pytest.fixture(scope="module")
def networks():
    return samples.networks()


@pytest.fixture(scope="module")
def clips():
    return samples.clips()


def right(networks, clips, yaw):
    """Count the clips, rotated by a yaw, that each network recognises."""
    found = samples.answers(networks, clips, yaw)
    return [int((each.argmax(1) == clips.label).sum()) for each in found.values()]


def test_released_networks_are_those_of_their_settings(networks):
    for name, network in networks.items():
        experiment = samples.experiment(name)
        assert network.experiment.key == experiment.key
        assert network.classes == synthetic.CLASSES
        path = released_weights_path(experiment, 0)
        assert path.stat().st_size < 2**21
        with safe_open(path, framework="pt") as file:
            kinds = {file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
        assert kinds == {torch.float16, torch.int64}


def test_released_networks_differ_by_rotation_only():
    one, other = map(samples.experiment, samples.NETWORKS)
    settings = other.preprocessing.model_dump(include={"max_yaw", "max_pitch"})
    changes = {f"preprocessing.{name}": value for name, value in settings.items()}
    assert one.replace(**changes) == other != one


def test_sample_clips_are_one_of_each_class_by_a_new_person(clips):
    assert list(clips.label) == list(range(len(synthetic.CLASSES)))
    assert set(clips.subject) == {samples.SUBJECT}
    train_set, test_set = sk.load("synthetic")
    assert samples.SUBJECT not in {*train_set.subject, *test_set.subject}


def test_networks_recognise_the_clips_and_one_of_them_when_rotated(networks, clips):
    assert min(right(networks, clips, 0)) >= 11
    recorded, rotated = right(networks, clips, -90)
    assert recorded <= 4
    assert rotated >= 10


def test_answers_are_those_of_the_predictor(networks, clips):
    name = "trained on recorded clips"
    found = samples.answers({name: networks[name]}, clips)[name]
    expected = networks[name].probabilities(clips.clip(5))
    np.testing.assert_allclose(found[5], expected, atol=1e-5)
    clip = clips.clip(5).copy()
    clip[..., 0], clip[..., 2] = -clips.clip(5)[..., 2], clips.clip(5)[..., 0]
    expected = networks[name].probabilities(clip)  # -90 degrees about y, by hand
    found = samples.answers({name: networks[name]}, clips, -90)[name]
    np.testing.assert_allclose(found[5], expected, atol=1e-4)


def test_the_commands_in_print_make_the_networks(root):
    text = (root / "data" / "README.md").read_text("utf-8")
    both, rotated = (
        assignments(re.findall(r"--set (\S+=[\d.]+)", line))
        for line in re.findall(r'^(?:SETTINGS|ROTATED)="(.*)"$', text, re.M)
    )
    assert list(samples.NETWORKS.values()) == [both, {**both, **rotated}]
