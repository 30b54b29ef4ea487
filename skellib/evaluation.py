"""Apply a trained network to clips and compute its metrics."""

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
from skellib.errors import InputError
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
    """Apply ``function`` to all clips in evaluation mode; average over their crops."""
    training = model.training
    model.eval()
    try:
        crops = [
            [function(x) for x, _ in clips.inference(batch_size, preprocessing, number)]
            for number in range((preprocessing or clips.preprocessing).test_crops)
        ]
    finally:
        model.train(training)
    return {
        name: torch.stack(
            [torch.cat([part[name] for part in parts]) for parts in crops]
        ).mean(0)
        for name in crops[0][0]
    }


def predict(
    model: nn.Module,
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None = None,
    batch_size: int = 64,
    forward: Callable[[Tensor], dict[str, Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Compute the logits of all clips.

    Args:
        model: network of the paper's form, see :class:`skellib.models.SLnLRFA`.
        clips: n clips on the model's device.
        preprocessing: how to crop and resize, if not as in ``clips``.
        batch_size: clips per batch.
        forward: how to apply the model to a batch, see
            :meth:`skellib.steps.Execution.forward`; by default eagerly.

    Returns:
        Logits (n, classes) float32 in the order of the clips, by classifier.
    """
    logits = _over_clips(model, forward or model, clips, preprocessing, batch_size)
    return {name: value.float() for name, value in logits.items()}


def features(
    model: SLnLRFA,
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None = None,
    batch_size: int = 64,
) -> dict[str, Tensor]:
    """Compute the features of all clips, which Fig. 8 embeds.

    Args:
        model: trained network.
        clips: n clips on the model's device.
        preprocessing: how to crop and resize, if not as in ``clips``.
        batch_size: clips per batch.

    Returns:
        Features (n, D) in the order of the clips, by classifier.
    """
    return _over_clips(model, model.features, clips, preprocessing, batch_size)


def frequency_maps(
    model: SLnLRFA,
    clips: DeviceClips,
    preprocessing: PreprocessingConfig | None = None,
    stream: str = "position",
    batch_size: int = 64,
) -> Tensor:
    """Compute the log-magnitude spectra of ``X'``, the input of the attention (Fig. 1).

    Args:
        model: trained network.
        clips: n clips on the model's device.
        preprocessing: how to crop and resize, if not as in ``clips``.
        stream: name of the stream.
        batch_size: clips per batch.

    Returns:
        Mean over channels of ``log(1 + |DFT|)``, (n, T', N'), zero frequency first.
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
    """Compute the metrics of predictions.

    Args:
        logits: (n, classes).
        label: (n,) true classes.
        loss: function of logits and labels that returns a mean.
        keep: (n,) boolean mask of the clips to evaluate; by default all.
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


def check_logits(logits: Tensor, dataset: PackedDataset) -> None:
    """Make sure that logits (n, classes) are finite.

    Raises:
        InputError: if they are not; it names the first clip.
    """
    bad = (~logits.isfinite().all(1)).nonzero()
    if len(bad):
        raise InputError(
            f"{dataset.name[int(bad[0])]}: the network's logits are not finite; are "
            "the joints in the units of the training clips, and was the learning rate "
            "small enough?"
        )


def class_separation(features: Tensor, label: Tensor) -> dict[str, float]:
    """Measure how well classes are separated in a feature space (claim of Fig. 8).

    Args:
        features: (n, D).
        label: (n,) classes; each from 0 to the largest occurs at least once.

    Returns:
        ``within``: root mean square distance of clips from the mean of their class;
        ``between``: root mean square distance of the class means from the overall mean;
        ``ratio``: between / within, independent of the scale of the features;
        ``silhouette``: mean silhouette coefficient of the clips.
    """
    from sklearn.metrics import silhouette_score  # slow to import, and needed here only

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
    """Compute the metrics on all test clips, and on those that are not leaked.

    A test clip is leaked if the training set contains an exact duplicate of it.

    Args:
        experiment: configuration with the loss to report, without the mimicry term.
        logits: (n, classes) logits of the test clips.
        train_set, test_set: training and test clips, from :func:`skellib.data.load`.

    Returns:
        Metrics on all clips, and on the clean ones; None for the latter if no test clip
        is leaked, or all are.

    Raises:
        InputError: if logits are not finite.
    """
    check_logits(logits, test_set)
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
    clean = None
    if not keep.all() and keep.any():
        clean = score(logits, label, supervised, keep)
    return score(logits, label, supervised), clean
