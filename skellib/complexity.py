"""Parameters and operations, by the paper's counting rule and exactly (Table XI).

The paper's figures follow the 2019 release of the ``thop`` profiler: a convolution
counts (inputs of one output + bias) for each output, batch normalisation 4 for each
element, a fully connected layer (2 inputs - 1) for each output, and whatever is not a
module (attention products, Fourier transforms, softmax) nothing. The true count beside
it is every multiply-accumulate of convolutions and matrix products, attention included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Complexity:
    """What a network costs.

    Attributes:
        parameters: number of learnt values.
        operations: operations of one forward pass by the paper's rule.
        macs: true multiply-accumulates of one forward pass.
    """

    parameters: int
    operations: int
    macs: int


def _operations(module: nn.Module, output: Tensor) -> int:
    """The operations of one leaf module's call by the paper's rule."""
    if isinstance(module, nn.Conv2d):
        k_h, k_w = module.kernel_size
        inputs = module.in_channels // module.groups * k_h * k_w
        return output.numel() * (inputs + (module.bias is not None))
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return 4 * output.numel()
    if isinstance(module, nn.Linear):
        return output.numel() * (2 * module.in_features - 1)
    return 0


def paper_operations(model: nn.Module, example: Tensor) -> int:
    """Operations of ``model(example)`` by the paper's rule."""
    total = 0

    def add(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        total += _operations(module, output)

    leaves = [m for m in model.modules() if not list(m.children())]
    hooks = [leaf.register_forward_hook(add) for leaf in leaves]
    try:
        with torch.no_grad():
            model(example)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def true_macs(model: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of ``model(example)``, attention products included."""
    counter = FlopCounterMode(display=False)
    # Fused attention kernels differ by device and not all are known to the counter.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(example)
    return counter.get_total_flops() // 2


def count(model: nn.Module, example: Tensor) -> Complexity:
    """Count a network in evaluation mode on one example batch.

    Args:
        model: any module.
        example: its input, (B, d, T, N, M) for :class:`skellib.models.SLnLRFA`; use a
            batch of one clip to count one clip.
    """
    training = model.training
    model.eval()
    try:
        return Complexity(
            parameters=sum(p.numel() for p in model.parameters()),
            operations=paper_operations(model, example),
            macs=true_macs(model, example),
        )
    finally:
        model.train(training)
