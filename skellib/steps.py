"""Execution settings (device, precision), and the forward and backward pass.

For small batches on a large GPU, launching kernels takes longer than running them. A
CUDA graph captures the whole forward and backward pass once and replays it with a
single launch; the results are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from skellib.errors import InputError
from skellib.losses import objective
from skellib.settings import LossConfig


@dataclass(frozen=True)
class Execution:
    """Hold the execution settings of a run; they are not part of the experiment.

    Attributes:
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"``, ... (as in Lightning Fabric).
        devices, nodes: numbers of devices per node, and of nodes, that share one run
            (Fabric's DDP).
        precision: ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"`` (as in Fabric).
        compile: compile the network by ``torch.compile``.
        graphs: run each forward and backward pass as one CUDA graph, which is faster
            for small batches. It has no effect on a CPU or with several devices.
        channels_last: store feature maps as (B, T, N, C), the fastest format for
            attention, for convolutions in half precision, and on a CPU. By default
            True, except in single precision on a GPU.
        checkpoint_every: number of epochs between checkpoints.
        evaluate_every: number of epochs between evaluations on the test clips, which
            only affect the history.
        threads: number of CPU threads; 0 leaves the choice to PyTorch.
        concurrent_runs: number of runs that share the device, including this one;
            recorded with the wall time.

    Example:
        >>> import skellib as sk, torch
        >>> execution = sk.Execution(accelerator="cpu", threads=1)
        >>> execution.memory_format(torch.device("cpu"))
        torch.channels_last
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32-true"
    compile: bool = False
    graphs: bool = False
    channels_last: bool | None = None
    checkpoint_every: int = 1
    evaluate_every: int = 5
    threads: int = 0
    concurrent_runs: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InputError: if a count is less than 1.
        """
        for name in ("devices", "nodes", "checkpoint_every", "evaluate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"execution: {name} is {getattr(self, name)}, below 1")

    def fabric(self) -> Fabric:
        """Create and launch Lightning Fabric.

        Raises:
            InputError: if this machine does not support the accelerator or precision.
        """
        try:
            fabric = Fabric(
                accelerator=self.accelerator,
                devices=self.devices,
                num_nodes=self.nodes,
                precision=self.precision,  # type: ignore[arg-type]
            )
        except (ValueError, RuntimeError) as error:
            raise InputError(f"execution: {str(error).splitlines()[0]}") from None
        fabric.launch()
        return fabric

    def memory_format(self, device: torch.device) -> torch.memory_format:
        """Return the memory format of feature maps on a device."""
        last = self.channels_last
        if last is None:
            last = device.type == "cpu" or self.precision != "32-true"
        return torch.channels_last if last else torch.contiguous_format

    def step(self, fabric: Fabric, model: nn.Module, loss: LossConfig) -> Step:
        """Create the forward and backward pass, as a CUDA graph if configured."""
        captured = (
            self.graphs and fabric.device.type == "cuda" and fabric.world_size == 1
        )
        return (CapturedStep if captured else Step)(fabric, model, loss.model_dump())


class Step:
    """Run the forward and backward pass eagerly.

    Args:
        fabric: launched Fabric; its ``backward`` averages gradients over devices.
        model: model returned by ``fabric.setup``.
        loss_settings: arguments of :func:`skellib.losses.objective`.
    """

    def __init__(
        self, fabric: Fabric, model: nn.Module, loss_settings: dict[str, Any]
    ) -> None:
        self.fabric, self.model, self.loss_settings = fabric, model, loss_settings

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss of a batch, and the gradients, which must be None before.

        Args:
            x: (B, d, T, N, M) clips.
            y: (B,) labels.

        Returns:
            The loss and the fused logits (B, classes), both detached.
        """
        logits = self.model(x)
        loss = objective(logits, y, **self.loss_settings)
        self.fabric.backward(loss)
        return loss.detach(), logits["fused"].detach()


class CapturedStep(Step):
    """Run the forward and backward pass as one CUDA graph.

    The first three batches run eagerly, to warm up cuBLAS and cuDNN; then the pass is
    captured, and replayed for all later batches of the same size. A batch of another
    size (the last one of an epoch) runs eagerly.
    """

    WARM_UP = 3

    def __init__(
        self, fabric: Fabric, model: nn.Module, loss_settings: dict[str, Any]
    ) -> None:
        super().__init__(fabric, model, loss_settings)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.seen = 0
        self.shape: torch.Size | None = None
        self.parameters = [p for p in model.parameters() if p.requires_grad]

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        self.shape = self.shape or x.shape
        if x.shape != self.shape:
            return super().__call__(x, y)
        if self.seen < self.WARM_UP:
            self.seen += 1
            return self._warm_up(x, y)
        if self.graph is None:
            self._capture(x, y)
        assert self.graph is not None
        self.x.copy_(x)
        self.y.copy_(y)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients):
            parameter.grad = gradient
        return self.result

    def _warm_up(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Run on a side stream, as CUDA graph capture requires."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = super().__call__(x, y)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def _capture(self, x: Tensor, y: Tensor) -> None:
        """Capture the pass without running it; parameters must not have gradients."""
        self.x, self.y = x.clone(), y.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = super().__call__(self.x, self.y)
        # Each replay overwrites the gradients in the memory captured here.
        self.gradients = [parameter.grad for parameter in self.parameters]
        self.graph = graph
