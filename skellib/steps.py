"""The forward and backward pass of one batch: launched part by part, or as one graph.

A small batch on a large GPU waits for its launches. Captured once as a CUDA graph, the
whole pass is one launch; the numbers are the same.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from skellib.losses import objective


class Step:
    """Forward and backward, as they are written.

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
        """Leave the gradients of a batch in the parameters, which have none before.

        Args:
            x: (B, d, T, N, M).
            y: (B,) labels.

        Returns:
            The loss, and the logits (B, classes) that decide; without history.
        """
        logits = self.model(x)
        loss = objective(logits, y, **self.loss_settings)
        self.fabric.backward(loss)
        return loss.detach(), logits["fused"].detach()


class CapturedStep(Step):
    """The same as one CUDA graph, for batches of the size of the first one.

    The first batches go as they are written, since libraries set themselves up in
    them; then the pass is captured, and from there on replayed on the values of each
    batch. A batch of another size (the last of an epoch) goes as it is written.
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
            return self._aside(x, y)
        if self.graph is None:
            self._capture(x, y)
        assert self.graph is not None
        self.x.copy_(x)
        self.y.copy_(y)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients):
            parameter.grad = gradient
        return self.result

    def _aside(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Step on a stream of its own, as capture wants of the batches before it."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = super().__call__(x, y)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def _capture(self, x: Tensor, y: Tensor) -> None:
        """Record the pass; nothing is computed, and no gradient may be there yet."""
        self.x, self.y = x.clone(), y.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = super().__call__(self.x, self.y)
        # Each replay writes the gradients anew, to where they were captured.
        self.gradients = [parameter.grad for parameter in self.parameters]
        self.graph = graph
