"""Count parameters and operations, by the paper's rule and exactly (Table XI).

The paper's numbers follow the 2019 release of the ``thop`` profiler. For each output it
counts the inputs of a convolution plus its bias, 4 for batch normalisation, and twice
the inputs less 1 for a fully connected layer. It ignores whatever is not a module:
attention products, Fourier transforms, softmax. The exact count includes every
multiply-accumulate of convolutions and matrix products, also those of attention.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Complexity:
    """Hold the cost of a network.

    Attributes:
        parameters: number of parameters.
        operations: operations of one forward pass by the paper's rule.
        macs: actual multiply-accumulates of one forward pass.
    """

    parameters: int
    operations: int
    macs: int


def _operations(module: nn.Module, output: Tensor) -> int:
    """Count the operations of one call of a leaf module by the paper's rule."""
    if isinstance(module, nn.Conv2d):
        k_h, k_w = module.kernel_size
        inputs = module.in_channels // module.groups * k_h * k_w
        return output.numel() * (inputs + (module.bias is not None))
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return 4 * output.numel()
    if isinstance(module, nn.Linear):
        return output.numel() * (2 * module.in_features - 1)
    return 0


def _shapes_only(model: nn.Module, example: Tensor) -> tuple[nn.Module, Tensor]:
    """Copy to the meta device, where every layer is applied as the equations say."""
    return copy.deepcopy(model).to("meta"), example.to("meta")


def paper_operations(model: nn.Module, example: Tensor) -> int:
    """Count the operations of ``model(example)`` by the paper's rule."""
    model, example = _shapes_only(model, example)
    total = 0

    def add(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        total += _operations(module, output)

    leaves = [m for m in model.modules() if not list(m.children())]
    for leaf in leaves:
        leaf.register_forward_hook(add)
    with torch.no_grad():
        model(example)
    return total


def true_macs(model: nn.Module, example: Tensor) -> int:
    """Count the multiply-accumulates of ``model(example)``, attention included."""
    model, example = _shapes_only(model, example)
    counter = FlopCounterMode(display=False)
    # PyTorch does not count the operations of all fused attention kernels.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(example)
    return counter.get_total_flops() // 2


def count(model: nn.Module, example: Tensor) -> Complexity:
    """Count the parameters and operations of a network (Table XI).

    Args:
        model: any module; it is counted in evaluation mode.
        example: input of the module, (B, d, T, N, M) for
            :class:`skellib.models.SLnLRFA`. Use B = 1 for the operations per clip.

    Returns:
        The number of parameters, and the operations of one forward pass by the paper's
        rule and as actual multiply-accumulates.

    Example:
        >>> import skellib as sk, torch
        >>> sk.count(torch.nn.Linear(10, 2), torch.zeros(1, 10))
        Complexity(parameters=22, operations=38, macs=20)
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
