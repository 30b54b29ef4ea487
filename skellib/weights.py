"""An experiment's network: drawn, kept in a file, and read again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.experiment import Experiment, parse
from skellib.layouts import Layout
from skellib.models import SLnLRFA
from skellib.paths import data_folder


def build_model(experiment: Experiment, dataset: PackedDataset) -> SLnLRFA:
    """The experiment's network for the shape of a data set, freshly initialised."""
    return _draw(experiment, model_arguments(experiment, dataset))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw by this seed, and leave the generator to the caller as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _draw(experiment: Experiment, arguments: dict[str, Any]) -> SLnLRFA:
    """A new network; its transforms by a seed of their own where that is asked for."""
    model = SLnLRFA(**arguments)
    settings = experiment.training
    transforms = [f"streams.{stream}.transform" for stream in model.streams]
    if settings.transform_seed is not None:
        with _seeded(settings.transform_seed):
            other = SLnLRFA(**arguments)
        for name in transforms:
            drawn = other.get_submodule(name).state_dict()
            model.get_submodule(name).load_state_dict(drawn)
    for name in transforms:
        model.get_submodule(name).requires_grad_(settings.learn_transforms)
    return model


def model_arguments(experiment: Experiment, dataset: PackedDataset) -> dict[str, Any]:
    """The arguments of :class:`SLnLRFA` for an experiment on a data set."""
    return {
        "classes": dataset.num_classes,
        "channels": dataset.channels,
        "joints": dataset.layout.size,
        "bodies": dataset.bodies,
        "frames": experiment.preprocessing.frames,
        **experiment.model.model_dump(),
    }


def weights_path(
    experiment: Experiment, seed: int, checkpoints: Path | str | None = None
) -> Path:
    """Where the final weights of a run lie, or will.

    Args:
        experiment, seed: the run.
        checkpoints: the folder; ``data/checkpoints`` of the project unless given.
    """
    folder = data_folder("checkpoints", checkpoints)
    return folder / experiment.dataset / f"{experiment.key}-seed{seed}.safetensors"


def released_weights_path(experiment: Experiment, seed: int) -> Path:
    """Where a run's weights are kept with the repository, if they are.

    In half precision: ``data/weights/<data set>/<key>-seed<seed>.safetensors``.
    """
    folder = data_folder("weights")
    return folder / experiment.dataset / f"{experiment.key}-seed{seed}.safetensors"


def find_weights(experiment: Experiment, seed: int) -> Path | None:
    """The final weights of a run: this machine's, else those kept; None without."""
    places = (weights_path(experiment, seed), released_weights_path(experiment, seed))
    return next((path for path in places if path.is_file()), None)


def save_weights(
    model: SLnLRFA,
    path: Path,
    experiment: Experiment,
    seed: int,
    dataset: PackedDataset,
) -> None:
    """Write a network as safetensors, with all that :func:`load_model` needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arguments = model_arguments(experiment, dataset)
    metadata = {
        "experiment": experiment.model_dump_json(),
        "arguments": json.dumps(arguments),
        "classes": json.dumps(dataset.classes),
        "layout": json.dumps(dataset.layout.to_dict()),
        "seed": str(seed),
    }
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file(state, part, metadata=metadata)
    os.replace(part, path)


@dataclass(frozen=True)
class Trained:
    """A trained network and what must be known to use it.

    Attributes:
        model: in evaluation mode.
        experiment: what it was trained for.
        classes: one name a class.
        layout: the skeleton; none in files that an early skellib wrote.
        channels, bodies: ``C`` and ``M`` of its input.
    """

    model: SLnLRFA
    experiment: Experiment
    classes: tuple[str, ...]
    layout: Layout | None
    channels: int
    bodies: int


def load_model(path: Path | str) -> tuple[SLnLRFA, Experiment, tuple[str, ...]]:
    """The network, experiment and classes of :func:`load_trained`."""
    trained = load_trained(path)
    return trained.model, trained.experiment, trained.classes


def load_trained(path: Path | str) -> Trained:
    """Read a network that :func:`save_weights` wrote, in evaluation mode.

    Weights kept in half precision are read as float32.

    Raises:
        InputError: if the file is missing, damaged or was not written by skellib.
    """
    with _opened(path) as (file, metadata, experiment, arguments):
        model = SLnLRFA(**arguments)
        state = {name: file.get_tensor(name) for name in sorted(file.keys())}
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
        layout = json.loads(metadata.get("layout", "null"))
        return Trained(
            model.eval(),
            experiment,
            tuple(json.loads(metadata["classes"])),
            layout and Layout.from_dict(layout),
            arguments["channels"],
            arguments["bodies"],
        )


def initial_network(path: Path | str) -> SLnLRFA:
    """The network of a file as it was before its first step, drawn anew by its seed.

    Raises:
        InputError: as :func:`load_trained`.
    """
    with (
        _opened(path) as (_, metadata, experiment, arguments),
        _seeded(int(metadata["seed"])),
    ):
        return _draw(experiment, arguments).eval()


@contextmanager
def _opened(
    path: Path | str,
) -> Iterator[tuple[Any, dict[str, str], Experiment, dict[str, Any]]]:
    """A file of weights: itself, its metadata, its experiment, its network's arguments.

    Raises:
        InputError: also for what goes wrong while it is read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            experiment = parse(json.loads(metadata["experiment"]))
            yield file, metadata, experiment, json.loads(metadata["arguments"])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a network of skellib ({reason})") from None
