"""Execution settings (device, precision), and the forward and backward pass.

For small batches on a large GPU, launching kernels takes longer than running them. A
CUDA graph captures a whole pass once and replays it with a single launch; the results
are the same. Each shape of a batch has a graph of its own, so that the last, smaller
batch of an epoch and the evaluation are captured as well.

Several runs can share a process, each in a thread and on a CUDA stream of its own: the
device then executes their graphs at the same time. Threads launch them in turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from skellib.errors import InputError
from skellib.initialisation import TURN
from skellib.losses import objective
from skellib.settings import LossConfig

Result = TypeVar("Result")

ACCELERATORS = ("auto", "cpu", "cuda", "gpu", "mps")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")


@dataclass(frozen=True)
class Execution:
    """Hold the execution settings of a run; they are not part of the experiment.

    Attributes:
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"``, ... (as in Lightning Fabric).
        devices, nodes: numbers of devices per node, and of nodes, that share one run
            (Fabric's DDP).
        precision: ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"`` (as in Fabric).
        compile: compile the network by ``torch.compile``.
        graphs: run each forward and backward pass, and each batch of the evaluation, as
            one CUDA graph, which is faster for small batches. It has no effect on a
            CPU or with several devices.
        channels_last: store feature maps as (B, T, N, C), the fastest format for
            attention, for convolutions in half precision, and on a CPU. By default
            True, except in single precision on a GPU.
        checkpoint_every: number of epochs between checkpoints; 0 for none.
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
        """Refuse what means nothing.

        Raises:
            InputError: if a count is too small, or a name is unknown.
        """
        for name, known in (("accelerator", ACCELERATORS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"execution: {name} {getattr(self, name)!r} is none of "
                    f"{', '.join(known)}"
                )
        counts = {"devices": 1, "nodes": 1, "checkpoint_every": 0, "evaluate_every": 1}
        for name, least in counts.items():
            if getattr(self, name) < least:
                value = getattr(self, name)
                raise InputError(f"execution: {name} is {value}, below {least}")

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

    def captures(self, fabric: Fabric) -> bool:
        """Return whether passes are captured as CUDA graphs on Fabric's device."""
        return self.graphs and fabric.device.type == "cuda" and fabric.world_size == 1

    def step(self, fabric: Fabric, model: nn.Module, loss: LossConfig) -> Step:
        """Create the forward and backward pass, as CUDA graphs if configured."""
        kind = CapturedStep if self.captures(fabric) else Step
        return kind(fabric, model, loss.model_dump())

    def forward(
        self, fabric: Fabric, model: nn.Module
    ) -> Callable[[Tensor], dict[str, Tensor]]:
        """Create the forward pass of the evaluation, as CUDA graphs if configured."""
        return CapturedForward(model) if self.captures(fabric) else model


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
        with TURN:  # Fabric marks a backward pass in a variable of the process
            self.fabric.backward(loss)
        return loss.detach(), logits["fused"].detach()


class ByShape(Generic[Result]):
    """Call a function eagerly at first, then a captured copy, for each shape of input.

    Args:
        eager: function of tensors.
        capture: function of the same tensors that returns a copy of ``eager`` for
            tensors of their shapes, without calling it.

    Attributes:
        captured: captured copies by the shape of the first argument.
    """

    WARM_UP = 3

    def __init__(
        self,
        eager: Callable[..., Result],
        capture: Callable[..., Callable[..., Result]],
    ) -> None:
        self.eager, self.capture = eager, capture
        self.seen: Counter[torch.Size] = Counter()
        self.captured: dict[torch.Size, Callable[..., Result]] = {}

    def __call__(self, *inputs: Tensor) -> Result:
        shape = inputs[0].shape
        with TURN:
            if shape not in self.captured:
                if self.seen[shape] < self.WARM_UP:
                    self.seen[shape] += 1
                    return self.eager(*inputs)
                self.captured[shape] = self.capture(*inputs)
            return self.captured[shape](*inputs)


def aside(function: Callable[..., Result], *inputs: Tensor) -> Result:
    """Call a function on a side stream, as a warm-up for its capture must be."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        result = function(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    return result


def capture(function: Callable[..., Result], *inputs: Tensor) -> Callable[..., Result]:
    """Capture a function of tensors as a CUDA graph, without running it.

    Returns:
        A function of tensors of the same shapes that replays the graph. Its result is
        overwritten by the next replay.
    """
    static = [each.clone() for each in inputs]
    graph = torch.cuda.CUDAGraph()
    # In this mode other threads may allocate memory and copy during the capture.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = function(*static)

    def replay(*new: Tensor) -> Result:
        for place, value in zip(static, new, strict=True):
            place.copy_(value)
        graph.replay()
        return result

    return replay


class CapturedStep(Step):
    """Run the forward and backward pass as a CUDA graph, one for each shape of a batch.

    The first batches of a shape run eagerly, to warm up cuBLAS and cuDNN; then the pass
    is captured, and replayed for all later batches of this shape.
    """

    def __init__(
        self, fabric: Fabric, model: nn.Module, loss_settings: dict[str, Any]
    ) -> None:
        super().__init__(fabric, model, loss_settings)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.passes = ByShape(self._warm_up, self._capture)

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.passes(x, y)

    def _warm_up(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return aside(super().__call__, x, y)

    def _capture(
        self, x: Tensor, y: Tensor
    ) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Capture the pass; parameters must not have gradients."""
        graph = capture(super().__call__, x, y)
        # Each replay overwrites the gradients in the memory captured here.
        gradients = [parameter.grad for parameter in self.parameters]

        def replay(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            result = graph(x, y)
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.grad = gradient
            return result

        return replay


class CapturedForward:
    """Apply a network in evaluation mode as a CUDA graph, one for each shape of input.

    Args:
        model: model returned by ``fabric.setup``; its logits are computed by the
            weights that it has at the time.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.passes = ByShape(self._warm_up, self._capture)

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the logits by classifier for clips (B, d, T, N, M)."""
        return self.passes(x)

    def _warm_up(self, x: Tensor) -> dict[str, Tensor]:
        return aside(self.model, x)

    def _capture(self, x: Tensor) -> Callable[[Tensor], dict[str, Tensor]]:
        graph = capture(self.model, x)
        return lambda x: {name: each.clone() for name, each in graph(x).items()}
