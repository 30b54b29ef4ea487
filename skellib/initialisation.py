"""How the weights of a new network are drawn; the paper does not say."""

from __future__ import annotations

import torch
from torch import nn

from skellib.errors import check_choice

INITIALISATIONS = ("uniform", "he", "xavier")


@torch.no_grad()
def initialise(network: nn.Module, kind: str) -> None:
    """Draw the weights of all convolutions and linear layers anew.

    ``W_w`` of the non-local modules stays zero. Biases start at zero except with
    ``"uniform"``.

    Args:
        network: its weights are drawn in place.
        kind: ``"uniform"``: PyTorch's own, uniform in ±1/√(fan in), left as it is;
            ``"he"``: normal with variance 2 / fan out (K. He et al., 2015);
            ``"xavier"``: uniform with variance 2 / (fan in + fan out) (X. Glorot and
            Y. Bengio, 2010).

    Raises:
        ValueError: for an unknown ``kind``.
    """
    check_choice("initialisation", kind, INITIALISATIONS)
    if kind == "uniform":
        return
    for layer in network.modules():
        if type(layer) in (nn.Conv2d, nn.Linear):  # not those that start at zero
            if kind == "he":
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
