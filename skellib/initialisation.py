"""How the first weights of a network are drawn; the paper does not say.

Draws are keyed: a layer's first weights depend on (seed, name of the layer) alone. Two
networks share the first weights of every layer that both have, so that a difference
paired by seed is a difference of the networks, not of the draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skellib.variants import INITIALISATIONS


def uniform(weight: torch.Tensor) -> None:
    """Keep PyTorch's own draw, uniform in ±1/√(fan in)."""


def he(weight: torch.Tensor) -> None:
    """Draw from a normal distribution, variance 2 / fan out (K. He et al., 2015)."""
    nn.init.kaiming_normal_(weight, mode="fan_out")


def xavier(weight: torch.Tensor) -> None:
    """Draw uniformly, variance 2 / (fan in + fan out) (Glorot and Bengio, 2010)."""
    nn.init.xavier_uniform_(weight)


@torch.no_grad()
def initialise(network: nn.Module, kind: str = "uniform") -> None:
    """Draw the weights of all convolutions and linear layers anew, in place.

    ``W_w`` of the non-local modules stays zero. Biases start at zero except with
    ``"uniform"``. The draws are those of the global generator, layer after layer.

    Args:
        network: any module.
        kind: by :data:`skellib.variants.INITIALISATIONS`.

    Raises:
        ValueError: for an unknown ``kind``.
    """
    for layer in network.modules():
        _initialise_layer(layer, kind)


@torch.no_grad()
def initialise_by_name(network: nn.Module, seed: int, kind: str = "uniform") -> None:
    """Draw each layer from a generator of its own, keyed by the seed and its name.

    Args:
        network: any module; layers that have ``reset_parameters`` are drawn in place.
        seed: of the run.
        kind: as for :func:`initialise`.

    Raises:
        ValueError: for an unknown ``kind``.
    """
    INITIALISATIONS.check(kind)
    for name, layer in network.named_modules():
        if hasattr(layer, "reset_parameters"):
            with seeded(key_of(seed, name)):
                layer.reset_parameters()
                _initialise_layer(layer, kind)


def key_of(seed: int, name: str) -> int:
    """Return a generator's seed (63 bits) for a run's seed and a layer's name."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's global generator inside the block; restore its state after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _initialise_layer(layer: nn.Module, kind: str) -> None:
    rule = INITIALISATIONS.find(kind)
    # The exact types: a subclass, such as W_w's, has a start of its own.
    if rule is not uniform and type(layer) in (nn.Conv2d, nn.Linear):
        rule(layer.weight)
        if isinstance(layer.bias, torch.Tensor):
            nn.init.zeros_(layer.bias)
