"""What figures show of trained networks, small enough to be kept with the book.

The figures need a trained network and the clips. An exhibit is what is left of both
once the figure can be drawn: class means of spectra, points in the plane, and the
numbers beside them, with the run and the data that they come from. No clip can be had
back from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from skellib import evaluation
from skellib.batches import DeviceClips
from skellib.data import PackedDataset, without_leakage
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.models import SLnLRFA
from skellib.paths import data_folder, write_text
from skellib.preprocessing import (
    PITCH_AXIS,
    YAW_AXIS,
    frames_of,
    rotate,
    supports_rotation,
)
from skellib.provenance import stamp
from skellib.records import read_kept, to_json


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


Turned = dict[str, dict[int, dict[str, list[float]]]]
"""By row, seed and axis a number for each angle."""


class TurnExhibit(_Exhibit):
    """What networks name rightly of test clips that are turned before they are asked.

    Attributes:
        keys: of the networks' experiments, by the name of their row.
        tilt: by camera, how far the bodies lean towards it on average, see
            :func:`tilt`.
        degrees: by axis the angles, see :func:`skellib.preprocessing.rotate`.
        top1: by row, seed and axis the accuracy at each angle.
        clean: the same on the test clips without a twin among the training clips.
    """

    keys: dict[str, str]
    tilt: dict[int, float]
    degrees: dict[str, list[float]]
    top1: Turned
    clean: Turned

    def gained(self, axis: str, angle: float, clean: bool = False) -> list[float]:
        """Points that each network gains by a turn, row by row and seed by seed."""
        zero, at = (self.degrees[axis].index(a) for a in (0, angle))
        return [
            100 * (found[axis][at] - found[axis][zero])
            for seeds in (self.clean if clean else self.top1).values()
            for found in seeds.values()
        ]


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
    crop = experiment.preprocessing
    clips = {
        "train": DeviceClips(train, preprocessing=experiment.preprocessing),
        "test": DeviceClips(test, preprocessing=experiment.preprocessing),
    }
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
    clips = DeviceClips(test, preprocessing=first.preprocessing)
    features = {
        name: evaluation.features(model, clips, experiment.preprocessing)["fused"]
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


PITCH, YAW = "pitch", "yaw"
TURNS: dict[str, tuple[float, ...]] = {
    PITCH: (-10, -5, 0, 5, 10, 15),
    YAW: (-60, -40, -20, 0, 20, 40, 60),
}
"""Degrees by which clips are turned: about the axis to the right; the upward one."""
AXES = {PITCH: PITCH_AXIS, YAW: YAW_AXIS}


def tilt(dataset: PackedDataset) -> dict[int, float]:
    """How far the bodies lean towards each camera, in degrees, by the camera's number.

    The angle between the upward axis and the mean direction from the body's centre to
    the head, in the plane of the upward axis and the depth: that of a camera which
    looks down on people who stand upright. Clips that repeat another one's numbers
    are left out: whoever copied them, they are not this camera's.

    Raises:
        InputError: the layout has no head, or no depth behind an upward second axis.
    """
    layout = dataset.layout
    if "head" not in layout.joints or not supports_rotation(layout):
        raise InputError(f"{dataset.key}: no head, or no depth, to tell a tilt by")
    own = dataset.subset(np.flatnonzero(np.asarray(dataset.duplicate_of) < 0))
    which, frames = frames_of(
        torch.from_numpy(np.asarray(own.starts)),
        torch.from_numpy(np.asarray(own.lengths)),
    )
    first_bodies = np.asarray(own.joints)[frames.numpy(), 0, :, :3]
    joints = torch.from_numpy(first_bodies).double()
    body = joints[:, layout.joints.index("head")] - sum(
        weight * joints[:, joint] for joint, weight in layout.center
    )
    there = body.norm(dim=-1) > 0
    body = body / body.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    view = torch.from_numpy(np.asarray(own.view))[which]
    angles = {}
    for camera in view.unique().tolist():
        mean = body[there & (view == camera)].mean(0)
        angle = torch.atan2(-mean[2], layout.up[1] * mean[1])
        angles[int(camera)] = round(math.degrees(angle.item()), 2)
    return angles


def turn(
    models: Mapping[tuple[str, int], tuple[SLnLRFA, Experiment]],
    every: PackedDataset,
    train: PackedDataset,
    test: PackedDataset,
) -> TurnExhibit:
    """Ask networks for the test clips, turned about two axes, one at a time.

    Args:
        models: by row and seed, each with its experiment; all with the same data set.
        every: the clips of all cameras, for their tilt.
        train: the training clips, to tell which test clips have a twin there.
        test: the test clips.
    """
    (_, first), *_ = models.values()
    keep = torch.from_numpy(without_leakage(train, test))
    both: tuple[Turned, Turned] = {}, {}
    for (row, seed), (model, experiment) in models.items():
        clips, crop = (
            DeviceClips(test, preprocessing=experiment.preprocessing),
            experiment.preprocessing,
        )
        straight = clips.joints
        for name, degrees in TURNS.items():
            right = []
            for angle in degrees:
                clips.joints = rotate(straight, angle, AXES[name])
                answers = evaluation.predict(model, clips, crop)["fused"].argmax(1)
                right.append(answers == clips.label)
            for found, part in zip(both, (torch.ones_like(keep), keep), strict=True):
                shares = [round(r[part].double().mean().item(), 6) for r in right]
                found.setdefault(row, {}).setdefault(seed, {})[name] = shares
    return TurnExhibit(
        **_origin(first, min(seed for _, seed in models), test),
        keys={row: experiment.key for (row, _), (_, experiment) in models.items()},
        tilt=tilt(every),
        degrees={name: list(degrees) for name, degrees in TURNS.items()},
        top1=both[0],
        clean=both[1],
    )


def _rounded(values: Tensor, digits: int = 4) -> list[Any]:
    return torch.round(values.double(), decimals=digits).tolist()


def path(kind: str, dataset: str, profile: str, folder: Path | None = None) -> Path:
    """Where an exhibit is kept: ``data/exhibits/<kind>-<dataset>-<profile>.json``."""
    return data_folder("exhibits", folder) / f"{kind}-{dataset}-{profile}.json"


Exhibit = FrequencyExhibit | EmbeddingExhibit | TurnExhibit
KINDS: dict[str, type[Exhibit]] = {
    "frequency": FrequencyExhibit,
    "embedding": EmbeddingExhibit,
    "turn": TurnExhibit,
}


NETWORKS = {
    "frequency": ("IV", {"final": "SLnL-rFA+ML"}),
    "embedding": (
        "VI",
        {"CE": "CE (Baseline1)", "SMCE": "SMCE (,0.6)", "SMFL": "SMFL (2,0.6)"},
    ),
    "turn": (
        "The draw",
        {
            "as drawn": "Transforms left as drawn",
            **{f"drawn by {s}": f"Transforms drawn by seed {s}" for s in range(3)},
        },
    ),
}
"""The networks that an exhibit shows: a table, and rows of it by name."""
SEEDS = {"turn": (0, 1, 2)}
"""Seeds of those rows where an exhibit shows several."""


def write(exhibit: Exhibit, folder: Path | None = None) -> Path:
    """Keep an exhibit, and return its path."""
    kind = next(name for name, each in KINDS.items() if isinstance(exhibit, each))
    where = path(kind, exhibit.dataset, exhibit.profile, folder)
    write_text(where, to_json(exhibit))
    return where


def read(kind: str, dataset: str, profile: str, folder: Path | None = None) -> Any:
    """An exhibit that is kept, or None.

    Args:
        kind: ``"frequency"``, ``"embedding"`` or ``"turn"``.
        dataset, profile: of its networks.

    Raises:
        InputError: if the file is not such an exhibit.
    """
    where = path(kind, dataset, profile, folder)
    return read_kept(KINDS[kind], where, "not an exhibit; make it again")
