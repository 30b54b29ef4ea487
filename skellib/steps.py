"""How a run is carried out: device and precision, and the pass over one batch.

A small batch on a large GPU waits for its launches. Captured once as a CUDA graph, the
whole forward and backward pass is one launch; the numbers are the same.
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
    """How a run is carried out; none of it is part of the experiment.

    Attributes:
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` ... (Fabric's names).
        devices, nodes: processes that share one run (Fabric's DDP).
        precision: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"`` (Fabric's names).
        compile: ``torch.compile`` the network.
        graphs: launch each step's forward and backward pass as one captured CUDA
            graph, which pays where small batches wait for launches; without effect on
            a processor, and where several devices share a run.
        channels_last: keep images as (B, T, N, C) in memory: what convolutions in half
            precision, those of a processor and the attention products read fastest.
            By default there, and not in single precision on a GPU.
        checkpoint_every: epochs between checkpoints.
        evaluate_every: epochs between looks at the test clips, for the history only.
        threads: processor threads; 0 leaves PyTorch's choice.
        concurrent_runs: how many runs share the device, this one included; noted in
            the record beside its wall time.
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

    def fabric(self) -> Fabric:
        """Launch Lightning Fabric.

        Raises:
            InputError: if the machine has no such accelerator or precision.
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
        """Return how images lie in memory on a device."""
        last = self.channels_last
        if last is None:
            last = device.type == "cpu" or self.precision != "32-true"
        return torch.channels_last if last else torch.contiguous_format

    def step(self, fabric: Fabric, model: nn.Module, loss: LossConfig) -> Step:
        """Return the forward and backward pass, captured where that was asked for."""
        captured = (
            self.graphs and fabric.device.type == "cuda" and fabric.world_size == 1
        )
        return (CapturedStep if captured else Step)(fabric, model, loss.model_dump())


class Step:
    """The forward and backward pass, run eagerly.

    Args:
        fabric: places and casts; :meth:`Fabric.backward` sums over devices.
        model: as ``fabric.setup`` returned it.
        loss_settings: of :func:`skellib.losses.objective`.
    """

    def __init__(
        self, fabric: Fabric, model: nn.Module, loss_settings: dict[str, Any]
    ) -> None:
        self.fabric, self.model, self.loss_settings = fabric, model, loss_settings

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compute a batch's loss, and its gradients in parameters that have none yet.

        Args:
            x: (B, d, T, N, M).
            y: (B,) labels.

        Returns:
            The loss, and the fused logits (B, classes); both detached.
        """
        logits = self.model(x)
        loss = objective(logits, y, **self.loss_settings)
        self.fabric.backward(loss)
        return loss.detach(), logits["fused"].detach()


class CapturedStep(Step):
    """The same pass as one CUDA graph, for batches of the size of the first one.

    The first three batches run eagerly, to warm up cuBLAS and cuDNN; then the pass is
    captured, and replayed for every later batch. A batch of another size (the last of
    an epoch) runs eagerly.
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
        """Record the pass without computing it; parameters have no gradient yet."""
        self.x, self.y = x.clone(), y.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = super().__call__(self.x, self.y)
        # Each replay writes the gradients anew, to where they were captured.
        self.gradients = [parameter.grad for parameter in self.parameters]
        self.graph = graph
