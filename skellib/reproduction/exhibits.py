"""Keep what a figure shows of trained networks, small enough for the repository.

Some figures need trained networks and clips. An exhibit is what remains of both once
the figure can be drawn: class means of spectra, points in the plane, accuracies, with
the run and the data that they come from. No clip can be recovered from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

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
    frame_indices,
    rotate,
    supports_rotation,
)
from skellib.provenance import stamp
from skellib.records import read_json, to_json
from skellib.reproduction.results import columns_on, get_table

Networks = Mapping[tuple[str, int], tuple[SLnLRFA, Experiment]]
"""Trained networks with their experiments, by name and seed."""


class Exhibit(BaseModel):
    """Hold what the exhibits have in common: their networks' data and classes.

    A new exhibit is a subclass with :meth:`make` and its class attributes, and an
    entry in :data:`EXHIBITS`.

    Attributes:
        kind: name on the command line and in the file name.
        table: number of the table whose rows are shown.
        networks: labels of these rows by the names that the exhibit gives them.
        seeds: seeds of the networks; by default a single one, chosen by the caller.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    table: ClassVar[str]
    networks: ClassVar[dict[str, str]]
    seeds: ClassVar[tuple[int, ...]] = ()

    dataset: str
    protocol: str
    profile: str
    seed: int
    classes: list[str]
    data: dict[str, Any]
    stamp: dict[str, Any]

    @classmethod
    def make(
        cls,
        networks: Networks,
        every: PackedDataset,
        train: PackedDataset,
        test: PackedDataset,
    ) -> Self:
        """Make the exhibit of trained networks.

        Args:
            networks: those of :meth:`experiments`, trained; all on the same clips.
            every: all clips of the data set.
            train: the training clips.
            test: the test clips.
        """
        raise NotImplementedError

    @classmethod
    def experiments(cls, dataset: str, profile: str) -> dict[str, Experiment]:
        """Return the experiments of the exhibit's networks on a data set, by name.

        Raises:
            InputError: if the exhibit's table has no column on the data set.
        """
        table = get_table(cls.table)
        columns = columns_on(table, dataset)
        if not columns:
            raise InputError(f"exhibit {cls.kind}: table {cls.table} has no {dataset}")
        return {
            name: table.row(label).experiment(columns[0], profile)
            for name, label in cls.networks.items()
        }


def class_means(maps: Tensor, label: Tensor, classes: int) -> Tensor:
    """Average maps (n, ...) by class, (classes, ...); every class needs a clip."""
    return torch.stack([maps[label == c].mean(0) for c in range(classes)])


def centroids(means: Tensor) -> Tensor:
    """Compute the mean temporal frequency of maps (classes, T', N'), in cycles a clip.

    The mean is over the frequencies from 0 to T' / 2 and all joint frequencies.
    """
    half = means[:, : means.shape[1] // 2 + 1].mean(2)
    return (half * torch.arange(half.shape[1])).sum(1) / half.sum(1)


def low_middle_high(centroid: Tensor) -> list[int]:
    """Return the classes with the lowest, the middle and the highest centroid."""
    order = centroid.argsort().tolist()
    return [order[0], order[len(order) // 2], order[-1]]


VIEWS = {
    "map": lambda maps: maps.flatten(1),
    "time": lambda maps: maps.mean(-1),
    "joints": lambda maps: maps.mean(-2),
}
"""What of a map is compared: all of it, or its profile along one frequency axis."""


def nearest_mean(means: Tensor, maps: Tensor, view: str = "map") -> Tensor:
    """Classify each map by the nearest class mean, (n,).

    Args:
        means: mean maps of the classes, (classes, T', N').
        maps: maps of the clips, (n, T', N').
        view: one of :data:`VIEWS`.
    """
    part = VIEWS[view]
    return torch.cdist(part(maps), part(means)).argmin(1)


class FrequencyExhibit(Exhibit):
    """Hold the class means of the spectra of ``X'`` (Fig. 1), position stream.

    Attributes:
        key: key of the network's experiment.
        train, test: class means of log-magnitudes, (classes, T', N'), in the
            transform's own order; see :func:`skellib.evaluation.frequency_maps`.
        correct: share of test clips that are classified correctly by the nearest class
            mean of the training clips, by what is compared: ``"map"``, ``"time"`` (its
            profile along the temporal frequency), ``"joints"``; and by the
            ``"network"`` itself.
    """

    kind: ClassVar[str] = "frequency"
    table: ClassVar[str] = "IV"
    networks: ClassVar[dict[str, str]] = {"final": "SLnL-rFA+ML"}

    key: str
    train: list[list[list[float]]]
    test: list[list[list[float]]]
    correct: dict[str, float]

    def centroids(self) -> Tensor:
        """Return the mean temporal frequency of each class in training, (classes,)."""
        return centroids(torch.tensor(self.train))

    @classmethod
    def make(
        cls,
        networks: Networks,
        every: PackedDataset,
        train: PackedDataset,
        test: PackedDataset,
    ) -> Self:
        (((_, seed), (model, experiment)),) = networks.items()
        crop = experiment.preprocessing
        clips = {
            name: DeviceClips(part, preprocessing=crop)
            for name, part in (("train", train), ("test", test))
        }
        maps = {
            name: evaluation.frequency_maps(model, part, crop)
            for name, part in clips.items()
        }
        means = {
            name: class_means(maps[name], part.label, train.num_classes)
            for name, part in clips.items()
        }
        answers = {
            view: nearest_mean(means["train"], maps["test"], view) for view in VIEWS
        }
        logits = evaluation.predict(model, clips["test"], crop)["fused"]
        answers["network"] = logits.argmax(1)
        return cls(
            **_origin(experiment, seed, train),
            key=experiment.key,
            train=_rounded(means["train"]),
            test=_rounded(means["test"]),
            correct={
                name: (answer == clips["test"].label).double().mean().item()
                for name, answer in answers.items()
            },
        )


class EmbeddingExhibit(Exhibit):
    """Hold an embedding of the test clips' features under several losses (Fig. 8).

    Attributes:
        keys: keys of the networks' experiments, by loss.
        label: classes of the test clips, (n,).
        points: t-SNE of the features by loss, (n, 2) each; its random state is the
            networks' seed.
        spread: see :func:`skellib.evaluation.class_separation`, by loss.
    """

    kind: ClassVar[str] = "embedding"
    table: ClassVar[str] = "VI"
    networks: ClassVar[dict[str, str]] = {
        "CE": "CE (Baseline1)",
        "SMCE": "SMCE (,0.6)",
        "SMFL": "SMFL (2,0.6)",
    }

    keys: dict[str, str]
    label: list[int]
    points: dict[str, list[list[float]]]
    spread: dict[str, dict[str, float]]

    @classmethod
    def make(
        cls,
        networks: Networks,
        every: PackedDataset,
        train: PackedDataset,
        test: PackedDataset,
    ) -> Self:
        from sklearn.manifold import TSNE  # slow to import, and needed here only

        (seed,) = {seed for _, seed in networks}
        (_, first), *_ = networks.values()
        clips = DeviceClips(test, preprocessing=first.preprocessing)
        features = {
            name: evaluation.features(model, clips, experiment.preprocessing)["fused"]
            for (name, _), (model, experiment) in networks.items()
        }
        points = {
            name: TSNE(perplexity=30, init="pca", random_state=seed).fit_transform(f)
            for name, f in features.items()
        }
        return cls(
            **_origin(first, seed, test),
            keys={name: each.key for (name, _), (_, each) in networks.items()},
            label=clips.label.tolist(),
            points={
                name: _rounded(torch.from_numpy(p), 2) for name, p in points.items()
            },
            spread={
                name: evaluation.class_separation(f, clips.label)
                for name, f in features.items()
            },
        )


ROTATIONS: dict[str, tuple[float, ...]] = {
    "pitch": (-10, -5, 0, 5, 10, 15),
    "yaw": (-60, -40, -20, 0, 20, 40, 60),
}
"""Degrees by which test clips are rotated, about the rightward and the upward axis."""
AXES = {"pitch": PITCH_AXIS, "yaw": YAW_AXIS}

Scores = dict[str, dict[int, dict[str, list[float]]]]
"""By row, seed and axis an accuracy for each angle."""


class RotationExhibit(Exhibit):
    """Hold the accuracy of trained networks on rotated test clips.

    Attributes:
        keys: keys of the networks' experiments, by the name of their row.
        tilt: by camera, how far the bodies lean towards it on average, see
            :func:`tilt`.
        degrees: the angles by axis, see :func:`skellib.preprocessing.rotate`.
        top1: by row, seed and axis the accuracy at each angle.
        clean: the same on test clips without a duplicate among the training clips.
    """

    kind: ClassVar[str] = "rotation"
    table: ClassVar[str] = "Initialisation"
    networks: ClassVar[dict[str, str]] = {
        "not learnt": "Transforms not learnt",
        **{
            f"seed {seed}": f"Transforms initialised by seed {seed}"
            for seed in range(3)
        },
    }
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2)

    keys: dict[str, str]
    tilt: dict[int, float]
    degrees: dict[str, list[float]]
    top1: Scores
    clean: Scores

    @property
    def steeper(self) -> float:
        """Degrees by which the last camera looks down more than the others' mean."""
        *others, last = (self.tilt[camera] for camera in sorted(self.tilt))
        return last - sum(others) / len(others)

    def gains(self, axis: str, angle: float, clean: bool = False) -> list[float]:
        """Return the points that each network gains by a rotation, row by row."""
        zero, at = (self.degrees[axis].index(a) for a in (0, angle))
        return [
            100 * (found[axis][at] - found[axis][zero])
            for seeds in (self.clean if clean else self.top1).values()
            for found in seeds.values()
        ]

    @classmethod
    def make(
        cls,
        networks: Networks,
        every: PackedDataset,
        train: PackedDataset,
        test: PackedDataset,
    ) -> Self:
        (_, first), *_ = networks.values()
        keep = torch.from_numpy(without_leakage(train, test))
        top1: Scores = {}
        clean: Scores = {}
        for (row, seed), (model, experiment) in networks.items():
            for axis, degrees in ROTATIONS.items():
                right = _right_when_rotated(model, experiment, test, axis, degrees)
                for scores, part in ((top1, torch.ones_like(keep)), (clean, keep)):
                    shares = [round(r[part].double().mean().item(), 6) for r in right]
                    scores.setdefault(row, {}).setdefault(seed, {})[axis] = shares
        return cls(
            **_origin(first, min(seed for _, seed in networks), test),
            keys={row: each.key for (row, _), (_, each) in networks.items()},
            tilt=tilt(every),
            degrees={axis: list(degrees) for axis, degrees in ROTATIONS.items()},
            top1=top1,
            clean=clean,
        )


def _right_when_rotated(
    model: SLnLRFA,
    experiment: Experiment,
    test: PackedDataset,
    axis: str,
    degrees: tuple[float, ...],
) -> list[Tensor]:
    """Tell for each angle which clips are classified correctly, (n,) bool each."""
    crop = experiment.preprocessing
    clips = DeviceClips(test, preprocessing=crop)
    recorded = clips.joints
    right = []
    for angle in degrees:
        clips.joints = rotate(recorded, angle, AXES[axis])
        answers = evaluation.predict(model, clips, crop)["fused"].argmax(1)
        right.append(answers == clips.label)
    return right


def tilt(dataset: PackedDataset) -> dict[int, float]:
    """Measure how far the bodies lean towards each camera, in degrees by camera.

    This is the angle between the upward axis and the mean direction from the body's
    centre to the head, in the plane of the upward axis and the depth: by as much does
    the camera look down on people who stand upright. Duplicates are left out, since
    they may have been recorded by another camera.

    Raises:
        InputError: if the layout has no head, or no depth and upward second axis.
    """
    layout = dataset.layout
    if "head" not in layout.joints or not supports_rotation(layout):
        raise InputError(f"{dataset.key}: no head, or no depth, to measure a tilt")
    own = dataset.subset(np.flatnonzero(np.asarray(dataset.duplicate_of) < 0))
    which, frames = frame_indices(
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


def _origin(
    experiment: Experiment, seed: int, dataset: PackedDataset
) -> dict[str, Any]:
    """Return the fields that all exhibits have."""
    return {
        "dataset": experiment.dataset,
        "protocol": experiment.protocol,
        "profile": experiment.profile,
        "seed": seed,
        "classes": list(dataset.classes),
        "data": {"fingerprint": dataset.fingerprint, "source": dataset.source},
        "stamp": stamp(),
    }


def _rounded(values: Tensor, digits: int = 4) -> list[Any]:
    return torch.round(values.double(), decimals=digits).tolist()


EXHIBITS: dict[str, type[Exhibit]] = {
    each.kind: each for each in (FrequencyExhibit, EmbeddingExhibit, RotationExhibit)
}
"""All exhibits by their kind."""


def get_exhibit(kind: str) -> type[Exhibit]:
    """Return the class of a kind of exhibit.

    Raises:
        InputError: if there is no such kind.
    """
    if kind not in EXHIBITS:
        raise InputError(f"exhibit {kind!r} is none of {', '.join(EXHIBITS)}")
    return EXHIBITS[kind]


def exhibit_path(
    kind: str, dataset: str, profile: str, folder: Path | None = None
) -> Path:
    """Return an exhibit's path, ``data/exhibits/<kind>-<dataset>-<profile>.json``."""
    return data_folder("exhibits", folder) / f"{kind}-{dataset}-{profile}.json"


def write(exhibit: Exhibit, folder: Path | None = None) -> Path:
    """Write an exhibit and return its path."""
    path = exhibit_path(exhibit.kind, exhibit.dataset, exhibit.profile, folder)
    write_text(path, to_json(exhibit))
    return path


def read(kind: str, dataset: str, profile: str, folder: Path | None = None) -> Any:
    """Read an exhibit, or return None if there is none.

    Args:
        kind: one of :data:`EXHIBITS`.
        dataset, profile: data set and profile of its networks.
        folder: folder of the exhibits; ``data/exhibits`` by default.

    Raises:
        InputError: if the kind is unknown or the file is not such an exhibit.
    """
    path = exhibit_path(kind, dataset, profile, folder)
    return read_json(get_exhibit(kind), path, "not an exhibit; make it again")
