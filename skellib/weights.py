"""An experiment's network: drawn, kept in a file, and read again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.experiment import Experiment, parse
from skellib.initialisation import initialise_by_name, seeded
from skellib.layouts import Layout
from skellib.models import SLnLRFA
from skellib.paths import atomic_write, data_folder, write_errors


def build_model(experiment: Experiment, dataset: PackedDataset, seed: int) -> SLnLRFA:
    """Build the experiment's network for the shape of a data set, initialised by seed.

    With ``training.draws`` ``"keyed"`` each layer's first weights depend on the seed
    and the layer's name alone. ``"sequential"`` draws them one after another, as the
    first edition did. The global generator is left as it was.
    """
    return _initialised(experiment, input_shape(experiment, dataset), seed)


def input_shape(experiment: Experiment, dataset: PackedDataset) -> dict[str, int]:
    """Return the arguments of :class:`SLnLRFA` that the data decide."""
    return {
        "num_classes": dataset.num_classes,
        "in_channels": dataset.channels,
        "joints": dataset.layout.size,
        "bodies": dataset.bodies,
        "frames": experiment.preprocessing.frames,
    }


def _initialised(experiment: Experiment, shape: dict[str, int], seed: int) -> SLnLRFA:
    """Build a network; its transforms by a seed of their own where there is one."""
    settings = experiment.training
    model = _drawn(experiment, shape, seed)
    transforms = [f"streams.{stream}.transform" for stream in model.streams]
    if settings.transform_seed is not None:
        other = _drawn(experiment, shape, settings.transform_seed)
        for name in transforms:
            drawn = other.get_submodule(name).state_dict()
            model.get_submodule(name).load_state_dict(drawn)
    for name in transforms:
        model.get_submodule(name).requires_grad_(settings.learn_transforms)
    return model


def _drawn(experiment: Experiment, shape: dict[str, int], seed: int) -> SLnLRFA:
    with seeded(seed):
        model = SLnLRFA(**shape, config=experiment.model)
    if experiment.training.draws == "keyed":
        initialise_by_name(model, seed, experiment.model.initialisation)
    return model


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
    """Return the final weights of a run, or None without.

    This machine's come first, then those released with the repository, then those
    released with the first edition.
    """
    places = (
        weights_path(experiment, seed),
        released_weights_path(experiment, seed),
        released_weights_path(experiment.first_edition, seed),
    )
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
    metadata = {
        "experiment": experiment.model_dump_json(),
        "shape": json.dumps(input_shape(experiment, dataset)),
        "classes": json.dumps(dataset.classes),
        "layout": json.dumps(dataset.layout.to_dict()),
        "seed": str(seed),
    }
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with write_errors(path), atomic_write(path, sync=False) as file:
        file.write(save(state, metadata=metadata))


@dataclass(frozen=True)
class Trained:
    """A trained network and what must be known to use it.

    Attributes:
        model: in evaluation mode.
        experiment: what it was trained for.
        classes: one name a class.
        layout: the skeleton.
        channels, bodies: ``C`` and ``M`` of its input.
    """

    model: SLnLRFA
    experiment: Experiment
    classes: tuple[str, ...]
    layout: Layout
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
    with _opened(path) as (file, metadata, experiment, shape):
        model = SLnLRFA(**shape, config=experiment.model)
        state = {name: file.get_tensor(name) for name in sorted(file.keys())}
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
        return Trained(
            model.eval(),
            experiment,
            tuple(json.loads(metadata["classes"])),
            Layout.from_dict(json.loads(metadata["layout"])),
            shape["in_channels"],
            shape["bodies"],
        )


def initial_network(path: Path | str) -> SLnLRFA:
    """Return the network of a file as it was before its first step, by its seed.

    Raises:
        InputError: as :func:`load_trained`.
    """
    with _opened(path) as (_, metadata, experiment, shape):
        return _initialised(experiment, shape, int(metadata["seed"])).eval()


@contextmanager
def _opened(
    path: Path | str,
) -> Iterator[tuple[Any, dict[str, str], Experiment, dict[str, int]]]:
    """Open a file of weights: itself, its metadata, its experiment, its input's shape.

    Raises:
        InputError: also for what goes wrong while it is read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "arguments" in metadata:
                raise InputError(
                    f"{path}: weights of the first edition; convert them with "
                    "`python -m skellib migrate PATH`"
                )
            experiment = parse(json.loads(metadata["experiment"]))
            yield file, metadata, experiment, json.loads(metadata["shape"])
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a network of skellib ({reason})") from None
