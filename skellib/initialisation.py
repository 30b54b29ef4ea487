"""Initialise the weights of a network; the paper does not say how.

Initialisation is keyed: the initial weights of a layer depend only on the seed and the
layer's name. Two networks therefore start with the same weights in every layer that
both have, and a difference paired by seed is due to the networks, not to chance in
their initialisation.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skellib.variants import INITIALISATIONS

TURN = threading.RLock()
"""Lock of the threads that train in this process.

It is held while a network is initialised and while a pass is launched or captured.
These use PyTorch's global generators and choice of attention kernels, and nothing may
be drawn from the device's generator while another thread captures.
"""


def uniform(weight: torch.Tensor) -> None:
    """Keep PyTorch's default: uniform in ±1/√(fan in)."""


def he(weight: torch.Tensor) -> None:
    """Sample a normal distribution of variance 2 / fan out (K. He et al., 2015)."""
    nn.init.kaiming_normal_(weight, mode="fan_out")


def xavier(weight: torch.Tensor) -> None:
    """Sample uniformly, variance 2 / (fan in + fan out) (Glorot and Bengio, 2010)."""
    nn.init.xavier_uniform_(weight)


@torch.no_grad()
def initialise(network: nn.Module, kind: str = "uniform") -> None:
    """Initialise all convolutions and linear layers in place.

    Layers are initialised in turn by PyTorch's global generator. ``W_w`` of the
    non-local modules stays zero; biases are zero except with ``"uniform"``.

    Args:
        network: any module.
        kind: a name in :data:`skellib.variants.INITIALISATIONS`.

    Raises:
        ValueError: if ``kind`` is unknown.
    """
    for layer in network.modules():
        _initialise_layer(layer, kind)


@torch.no_grad()
def initialise_by_name(network: nn.Module, seed: int, kind: str = "uniform") -> None:
    """Initialise each layer with a generator seeded by the seed and the layer's name.

    Args:
        network: any module whose layers with parameters have ``reset_parameters``;
            they are initialised in place.
        seed: seed of the run.
        kind: a name in :data:`skellib.variants.INITIALISATIONS`.

    Raises:
        ValueError: if ``kind`` is unknown, or a layer has parameters and no
            ``reset_parameters``.
    """
    INITIALISATIONS.check(kind)
    for name, layer in network.named_modules():
        reset = getattr(layer, "reset_parameters", None)
        if reset:
            with seeded(layer_seed(seed, name)):
                reset()
                _initialise_layer(layer, kind)
        elif next(layer.parameters(recurse=False), None) is not None:
            raise ValueError(
                f"{name}: {type(layer).__name__} has parameters but no method "
                "reset_parameters, by which they could be initialised"
            )


def layer_seed(seed: int, name: str) -> int:
    """Hash a run's seed and a layer's name to the layer's seed (63 bits)."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's global generator inside the block; then restore its state.

    Other threads wait, since they share the generator.
    """
    gpus = list(range(torch.cuda.device_count()))  # manual_seed reaches them too
    with TURN, torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield


def _initialise_layer(layer: nn.Module, kind: str) -> None:
    rule = INITIALISATIONS.find(kind)
    # Exact types only: subclasses, such as that of W_w, initialise themselves.
    if rule is not uniform and type(layer) in (nn.Conv2d, nn.Linear):
        rule(layer.weight)
        if isinstance(layer.bias, torch.Tensor):
            nn.init.zeros_(layer.bias)
