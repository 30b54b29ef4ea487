"""Build, save and load the network of an experiment."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.experiment import Experiment, parse
from skellib.initialisation import initialise_by_name, seeded
from skellib.layouts import Layout
from skellib.models import TransformNetwork
from skellib.paths import atomic_write, data_folder, read_errors, write_errors
from skellib.variants import resolve


def build_model(experiment: Experiment, dataset: PackedDataset, seed: int) -> nn.Module:
    """Build and initialise the network of an experiment.

    If ``training.draws`` is ``"keyed"``, the initial weights of a layer depend only on
    the seed and the layer's name. If it is ``"sequential"``, layers are initialised in
    turn, as in the first edition. The global generator's state is not changed.

    Args:
        experiment: configuration of the network.
        dataset: data set that determines the shape of the input.
        seed: seed of the initialisation.
    """
    shape = input_shape(experiment, dataset)
    return _initialised(experiment, shape, dataset.layout, seed)


def input_shape(experiment: Experiment, dataset: PackedDataset) -> dict[str, int]:
    """Return the arguments of :class:`SLnLRFA` that depend on the data set."""
    return {
        "num_classes": dataset.num_classes,
        "in_channels": dataset.channels,
        "joints": dataset.layout.size,
        "bodies": dataset.bodies,
        "frames": experiment.preprocessing.frames,
    }


def _construct(
    experiment: Experiment, shape: dict[str, int], layout: Layout
) -> nn.Module:
    """Construct the network of an experiment: ours, or a peer with its settings."""
    network, config = experiment.network, experiment.model
    build = resolve(network.build)
    if network.settings is None:
        return build(**shape, config=config)
    rest = {name: size for name, size in shape.items() if name != "joints"}
    return build(
        layout=layout, **rest, **config.model_dump(include={*network.settings})
    )


def _initialised(
    experiment: Experiment, shape: dict[str, int], layout: Layout, seed: int
) -> nn.Module:
    """Initialise a network, if configured with a separate seed for the transforms."""
    settings = experiment.training
    model = _seeded_network(experiment, shape, layout, seed)
    transforms = [
        name
        for name, module in model.named_modules()
        if isinstance(module, TransformNetwork)
    ]
    if transforms and settings.transform_seed is not None:
        other = _seeded_network(experiment, shape, layout, settings.transform_seed)
        for name in transforms:
            state = other.get_submodule(name).state_dict()
            model.get_submodule(name).load_state_dict(state)
    for name in transforms:
        model.get_submodule(name).requires_grad_(settings.learn_transforms)
    return model


def _seeded_network(
    experiment: Experiment, shape: dict[str, int], layout: Layout, seed: int
) -> nn.Module:
    """Initialise a network with one seed."""
    with seeded(seed):
        model = _construct(experiment, shape, layout)
    if experiment.training.draws == "keyed":
        initialise_by_name(model, seed, experiment.model.initialisation)
    return model


def weights_path(
    experiment: Experiment, seed: int, checkpoints: Path | str | None = None
) -> Path:
    """Return the path of a run's final weights, whether or not they exist.

    Args:
        experiment, seed: the run.
        checkpoints: folder of weights; by default ``data/checkpoints`` of the project.
    """
    folder = data_folder("checkpoints", checkpoints)
    return folder / experiment.dataset / f"{experiment.key}-seed{seed}.safetensors"


def released_weights_path(experiment: Experiment, seed: int) -> Path:
    """Return the path of a run's weights in the repository, whether or not they exist.

    They are in half precision: ``data/weights/<dataset>/<key>-seed<seed>.safetensors``.
    """
    folder = data_folder("weights")
    return folder / experiment.dataset / f"{experiment.key}-seed{seed}.safetensors"


def find_weights(
    experiment: Experiment, seed: int, checkpoints: Path | str | None = None
) -> Path | None:
    """Find the final weights of a run; return None if there are none.

    Weights trained on this machine come first, then those released with the repository,
    then those of the first edition, whose networks were initialised differently.

    Args:
        experiment, seed: the run.
        checkpoints: folder of weights trained on this machine; by default
            ``data/checkpoints`` of the project.
    """
    places = (
        weights_path(experiment, seed, checkpoints),
        released_weights_path(experiment, seed),
        weights_path(experiment.first_edition, seed, checkpoints),
        released_weights_path(experiment.first_edition, seed),
    )
    return next((path for path in places if path.is_file()), None)


def save_weights(
    model: nn.Module,
    path: Path,
    experiment: Experiment,
    seed: int,
    dataset: PackedDataset,
) -> None:
    """Write a network as safetensors, with the metadata that loading it requires.

    Args:
        model: the network.
        path: path of the file; its folder is created if necessary.
        experiment, seed: the run.
        dataset: data set with the classes and the layout.

    Raises:
        InputError: if the file cannot be written.
    """
    metadata = {
        "experiment": experiment.model_dump_json(),
        "shape": json.dumps(input_shape(experiment, dataset)),
        "classes": json.dumps(dataset.classes),
        "layout": json.dumps(dataset.layout.to_dict()),
        "fingerprint": dataset.fingerprint,
        "seed": str(seed),
    }
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, sync=False) as file:
            file.write(save(state, metadata=metadata))


@dataclass(frozen=True)
class Trained:
    """Hold a trained network and the metadata required to use it.

    Attributes:
        model: network in evaluation mode.
        experiment: experiment that it was trained for.
        classes: names of the classes.
        layout: skeleton layout.
        channels, bodies: ``C`` and ``M`` of its input.
        fingerprint: of the data set that it was trained on; empty if unknown.
    """

    model: nn.Module
    experiment: Experiment
    classes: tuple[str, ...]
    layout: Layout
    channels: int
    bodies: int
    fingerprint: str = ""

    def saw_other_data(self, dataset: PackedDataset) -> bool:
        """Return whether it was trained on other data under the name of this set."""
        known = self.fingerprint and self.experiment.dataset == dataset.key
        return bool(known) and self.fingerprint != dataset.fingerprint


def load_model(path: Path | str) -> tuple[nn.Module, Experiment, tuple[str, ...]]:
    """Load the network, the experiment and the classes; see :func:`load_trained`."""
    trained = load_trained(path)
    return trained.model, trained.experiment, trained.classes


def load_trained(path: Path | str) -> Trained:
    """Load a network that :func:`save_weights` wrote.

    Weights in half precision are converted to float32.

    Raises:
        InputError: if the file is missing, damaged or not written by skellib.
    """
    with _open_weights(path) as (file, metadata, experiment, shape, layout):
        model = _construct(experiment, shape, layout)
        state = {name: file.get_tensor(name) for name in sorted(file.keys())}
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
        return Trained(
            model.eval(),
            experiment,
            tuple(json.loads(metadata["classes"])),
            layout,
            shape["in_channels"],
            shape["bodies"],
            metadata.get("fingerprint", ""),
        )


def initial_network(path: Path | str) -> nn.Module:
    """Rebuild the network of a file as it was initialised, before training.

    Raises:
        InputError: as :func:`load_trained`.
    """
    with _open_weights(path) as (_, metadata, experiment, shape, layout):
        return _initialised(experiment, shape, layout, int(metadata["seed"])).eval()


@contextmanager
def _open_weights(
    path: Path | str,
) -> Iterator[tuple[Any, dict[str, str], Experiment, dict[str, int], Layout]]:
    """Open a file of weights; yield the file, metadata, experiment, shape and layout.

    Raises:
        InputError: if the file cannot be opened, or an error occurs inside the block.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file")
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder; give one of its .safetensors files")
    if not Path(path).is_file():  # opening a pipe would wait forever
        raise InputError(f"{path}: not a regular file")
    sys.audit("open", str(path), "rb", 0)  # which safe_open does not tell
    try:
        with read_errors(path), safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "arguments" in metadata:
                raise InputError(
                    f"{path}: weights of the first edition; convert them with "
                    "`python -m skellib migrate PATH`"
                )
            experiment = parse(json.loads(metadata["experiment"]))
            shape = json.loads(metadata["shape"])
            layout = Layout.from_dict(json.loads(metadata["layout"]))
            yield file, metadata, experiment, shape, layout
    except InputError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a network of skellib ({reason})") from None
