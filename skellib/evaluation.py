"""What a trained network says of clips, and how often it is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
)

from skellib.batches import DeviceClips
from skellib.data import PackedDataset, without_leakage
from skellib.experiment import Experiment
from skellib.losses import objective
from skellib.models import SLnLRFA, Stream
from skellib.records import Metrics
from skellib.settings import PreprocessingConfig


@torch.no_grad()
def _over_clips(
    model: nn.Module,
    function: Callable[[Tensor], dict[str, Tensor]],
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None,
    batch_size: int,
) -> dict[str, Tensor]:
    """Apply ``function`` to every batch, the model in evaluation mode, and join."""
    training = model.training
    model.eval()
    try:
        parts = [function(x) for x, _ in clips.inference(batch_size, preprocessing)]
    finally:
        model.train(training)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def predict(
    model: nn.Module,
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None = None,
    batch_size: int = 64,
) -> dict[str, Tensor]:
    """Logits of all clips in order, (n, classes) float32, by classifier."""
    logits = _over_clips(model, model, clips, preprocessing, batch_size)
    return {name: value.float() for name, value in logits.items()}


def features(
    model: SLnLRFA,
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None = None,
    batch_size: int = 64,
) -> dict[str, Tensor]:
    """Features of all clips in order, by classifier: what Fig. 8 embeds."""
    return _over_clips(model, model.features, clips, preprocessing, batch_size)


def frequency_maps(
    model: SLnLRFA,
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None = None,
    stream: str = "position",
    batch_size: int = 64,
) -> Tensor:
    """Log-magnitude of the spectrum of ``X'``, (n, T', N'): Fig. 1, not shifted.

    The mean over channels of ``log(1 + |DFT|)`` of what frequency attention reads.
    """

    chosen = model.streams[stream]
    assert isinstance(chosen, Stream)

    def log_magnitude(x: Tensor) -> dict[str, Tensor]:
        x = chosen.transformed(model.stream_inputs(x)[stream])
        return {"map": torch.fft.fft2(x.float()).abs().log1p().mean(1)}

    return _over_clips(model, log_magnitude, clips, preprocessing, batch_size)["map"]


def score(
    logits: Tensor,
    label: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    keep: np.ndarray | None = None,
) -> Metrics:
    """Metrics of predictions.

    Args:
        logits: (n, classes).
        label: (n,).
        loss: of logits and labels, a mean.
        keep: which clips count, (n,) boolean; all unless given.
    """
    if keep is not None:
        chosen = torch.from_numpy(keep).to(label.device)
        logits, label = logits[chosen], label[chosen]
    classes = logits.shape[1]
    confusion = multiclass_confusion_matrix(logits, label, num_classes=classes)
    counts = confusion.sum(1)
    per_class = confusion.diag().double() / counts
    top5 = None
    if classes > 5:
        top5 = multiclass_accuracy(
            logits, label, num_classes=classes, average="micro", top_k=5
        ).item()
    return Metrics(
        clips=len(label),
        loss=loss(logits, label).item(),
        top1=confusion.diag().sum().item() / len(label),
        top5=top5,
        per_class=[
            p if n else None for p, n in zip(per_class.tolist(), counts.tolist())
        ],
        confusion=confusion.tolist(),
    )


def spread(features: Tensor, label: Tensor) -> dict[str, float]:
    """How far apart classes lie in a feature space, for the claim behind Fig. 8.

    Args:
        features: (n, D).
        label: (n,), every class from 0 to the largest at least once.

    Returns:
        ``within``: root mean square distance of clips from their class's mean;
        ``between``: that of the class means from the mean of all; ``ratio``: between
        over within, which does not change with the scale of the features;
        ``silhouette``: scikit-learn's, mean over clips.
    """
    from sklearn.metrics import silhouette_score  # slow to import, needed here only

    means = torch.stack([features[label == c].mean(0) for c in label.unique()])
    within = (features - means[label]).square().sum(1).mean().sqrt().item()
    between = (means - features.mean(0)).square().sum(1).mean().sqrt().item()
    return {
        "within": within,
        "between": between,
        "ratio": between / within,
        "silhouette": float(silhouette_score(features.numpy(), label.numpy())),
    }


def assess(
    experiment: Experiment,
    logits: Tensor,
    train_set: PackedDataset,
    test_set: PackedDataset,
) -> tuple[Metrics, Metrics | None]:
    """Metrics on all test clips, and on those without an exact twin in training.

    Args:
        experiment: its loss is the one that is reported, without the mimicry term.
        logits: (n, classes) of the test clips in order.
        train_set, test_set: from :func:`skellib.data.load`.

    Returns:
        Both; None for the second where every test clip is clean, or none is.
    """
    settings = experiment.loss

    def supervised(z: Tensor, y: Tensor) -> Tensor:
        return objective(
            {"fused": z},
            y,
            **settings.model_dump(include={"kind", "gamma", "margin"}),
            mutual_weight=0,
        )

    label = torch.from_numpy(test_set.label).to(logits.device)
    keep = without_leakage(train_set, test_set)
    untainted = None
    if not keep.all() and keep.any():
        untainted = score(logits, label, supervised, keep)
    return score(logits, label, supervised), untainted
