"""What Figs. 1 and 8 show of trained networks, small enough to be kept with the book.

The figures need a trained network and the clips. An exhibit is what is left of both
once the figure can be drawn: class means of spectra, points in the plane, and the
numbers beside them, with the run and the data that they come from. No clip can be had
back from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from skellib import evaluation
from skellib.config import Experiment
from skellib.data import PackedDataset
from skellib.models import SLnLRFA
from skellib.provenance import project_root, stamp
from skellib.records import read_kept, to_json, write_atomically
from skellib.training import clips_of, crop_of


class _Exhibit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    protocol: str
    profile: str
    seed: int
    classes: list[str]
    data: dict[str, Any]
    stamp: dict[str, Any]


class FrequencyExhibit(_Exhibit):
    """Fig. 1: what the spectra of ``X'`` say of the classes.

    Attributes:
        key: of the network's experiment.
        train, test: class means of log-magnitudes, (classes, T', N'), in the
            transform's own order; see :func:`skellib.evaluation.frequency_maps`.
        correct: share of test clips named by the nearest class mean of the training
            clips, by what is compared: ``"map"``, ``"time"`` (its profile along the
            temporal frequency), ``"joints"``; and by the ``"network"`` itself.
    """

    key: str
    train: list[list[list[float]]]
    test: list[list[list[float]]]
    correct: dict[str, float]

    def centroids(self) -> Tensor:
        """Mean temporal frequency of each class's training map, (classes,)."""
        return centroids(torch.tensor(self.train))


class EmbeddingExhibit(_Exhibit):
    """Fig. 8: features of the test clips under several losses.

    Attributes:
        keys: of the networks' experiments, by loss.
        label: of the test clips, (n,).
        points: t-SNE of the features by loss, (n, 2) each.
        spread: see :func:`skellib.evaluation.spread`, by loss.
    """

    keys: dict[str, str]
    label: list[int]
    points: dict[str, list[list[float]]]
    spread: dict[str, dict[str, float]]


def _origin(
    experiment: Experiment, seed: int, dataset: PackedDataset
) -> dict[str, Any]:
    return {
        "dataset": experiment.dataset,
        "protocol": experiment.protocol,
        "profile": experiment.profile,
        "seed": seed,
        "classes": list(dataset.classes),
        "data": {"fingerprint": dataset.fingerprint, "source": dataset.source},
        "stamp": stamp(),
    }


def class_means(maps: Tensor, label: Tensor, classes: int) -> Tensor:
    """The mean of each class's maps, (classes, ...) of (n, ...); each has a clip."""
    return torch.stack([maps[label == c].mean(0) for c in range(classes)])


def centroids(means: Tensor) -> Tensor:
    """Mean temporal frequency of maps (classes, T', N'), in cycles a clip.

    Over the frequencies from 0 to T' / 2 and all joint frequencies.
    """
    half = means[:, : means.shape[1] // 2 + 1].mean(2)
    return (half * torch.arange(half.shape[1])).sum(1) / half.sum(1)


VIEWS = {
    "map": lambda maps: maps.flatten(1),
    "time": lambda maps: maps.mean(-1),
    "joints": lambda maps: maps.mean(-2),
}
"""What of a map is compared: all of it, or its profile along one frequency."""


def nearest_mean(means: Tensor, maps: Tensor, view: str = "map") -> Tensor:
    """The class whose mean map is nearest to each map, (n,).

    Args:
        means: (classes, T', N').
        maps: (n, T', N').
        view: one of :data:`VIEWS`.
    """
    part = VIEWS[view]
    return torch.cdist(part(maps), part(means)).argmin(1)


def frequency(
    model: SLnLRFA,
    experiment: Experiment,
    seed: int,
    train: PackedDataset,
    test: PackedDataset,
) -> FrequencyExhibit:
    """Fig. 1's exhibit of a trained network's position stream."""
    crop = crop_of(experiment)
    clips = {"train": clips_of(experiment, train), "test": clips_of(experiment, test)}
    maps = {
        name: evaluation.frequency_maps(model, part, crop)
        for name, part in clips.items()
    }
    means = {
        name: class_means(maps[name], part.label, train.num_classes)
        for name, part in clips.items()
    }
    label = clips["test"].label
    logits = evaluation.predict(model, clips["test"], crop)["fused"]
    answers = {
        view: nearest_mean(means["train"], maps["test"], view) for view in VIEWS
    } | {"network": logits.argmax(1)}
    return FrequencyExhibit(
        **_origin(experiment, seed, train),
        key=experiment.key,
        train=_rounded(means["train"]),
        test=_rounded(means["test"]),
        correct={
            name: (answer == label).double().mean().item()
            for name, answer in answers.items()
        },
    )


def embedding(
    models: Mapping[str, tuple[SLnLRFA, Experiment]],
    seed: int,
    test: PackedDataset,
) -> EmbeddingExhibit:
    """Fig. 8's exhibit of networks trained with several losses.

    Args:
        models: by loss, each with its experiment; all with the same data
            set and preprocessing.
        seed: of the networks, and of t-SNE.
        test: the test clips.
    """
    from sklearn.manifold import TSNE  # slow to import, and needed here only

    _, first = next(iter(models.values()))
    clips = clips_of(first, test)
    features = {
        name: evaluation.features(model, clips, crop_of(experiment))["fused"]
        for name, (model, experiment) in models.items()
    }
    tsne = {
        name: TSNE(perplexity=30, init="pca", random_state=seed).fit_transform(f)
        for name, f in features.items()
    }
    return EmbeddingExhibit(
        **_origin(first, seed, test),
        keys={name: experiment.key for name, (_, experiment) in models.items()},
        label=clips.label.tolist(),
        points={name: _rounded(torch.from_numpy(p), 2) for name, p in tsne.items()},
        spread={
            name: evaluation.spread(f, clips.label) for name, f in features.items()
        },
    )


def _rounded(values: Tensor, digits: int = 4) -> list[Any]:
    return torch.round(values.double(), decimals=digits).tolist()


def path(kind: str, dataset: str, profile: str, folder: Path | None = None) -> Path:
    """Where an exhibit is kept: ``data/exhibits/<kind>-<dataset>-<profile>.json``."""
    root = folder or project_root() / "data" / "exhibits"
    return root / f"{kind}-{dataset}-{profile}.json"


KINDS: dict[str, type[FrequencyExhibit] | type[EmbeddingExhibit]] = {
    "frequency": FrequencyExhibit,
    "embedding": EmbeddingExhibit,
}


NETWORKS = {
    "frequency": ("IV", {"final": "SLnL-rFA+ML"}),
    "embedding": (
        "VI",
        {"CE": "CE (Baseline1)", "SMCE": "SMCE (,0.6)", "SMFL": "SMFL (2,0.6)"},
    ),
}
"""The networks that an exhibit shows: a table of the paper, and rows of it by name."""


def write(
    exhibit: FrequencyExhibit | EmbeddingExhibit, folder: Path | None = None
) -> Path:
    """Keep an exhibit, and return its path."""
    kind = next(name for name, each in KINDS.items() if isinstance(exhibit, each))
    where = path(kind, exhibit.dataset, exhibit.profile, folder)
    write_atomically(where, to_json(exhibit))
    return where


def read(kind: str, dataset: str, profile: str, folder: Path | None = None) -> Any:
    """An exhibit that is kept, or None.

    Args:
        kind: ``"frequency"`` or ``"embedding"``.
        dataset, profile: of its networks.

    Raises:
        InputError: if the file is not such an exhibit.
    """
    where = path(kind, dataset, profile, folder)
    return read_kept(KINDS[kind], where, "not an exhibit; make it again")
