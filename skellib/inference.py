"""A trained network on clips that it has not seen: their classes, and how sure it is.

What must be known of a clip's form (joints, channels, bodies, classes, cropping) comes
from the weights' own file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from skellib.data import PackedDataset
from skellib.data.clip_tables import read_clip_table
from skellib.data.release import Release
from skellib.data.sources import SourceFile
from skellib.errors import InputError
from skellib.evaluation import predict
from skellib.layouts import Layout
from skellib.networks import load_trained
from skellib.records import Metrics
from skellib.training import assess, clips_of, crop_of


class Predictor:
    """The network of a weights file, ready to be asked.

    Args:
        weights: a ``.safetensors`` file that training wrote.
        layout: of the clips, for weights that do not hold theirs.
        device: where the network computes.

    Attributes:
        experiment: what the network was trained for.
        classes: one name a class.
        layout: the skeleton of its clips.
        channels, bodies: ``C`` and ``M`` of its clips.

    Raises:
        InputError: weights that cannot be read, or without a layout.
    """

    def __init__(
        self,
        weights: Path | str,
        *,
        layout: Layout | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        trained = load_trained(weights)
        own = trained.layout or layout
        if own is None:
            raise InputError(
                f"{weights}: field 'layout': missing: an early skellib wrote the file; "
                "name the data set that it was trained on, or train again"
            )
        self.weights, self.device = Path(weights), torch.device(device)
        self.model = trained.model.to(self.device)
        self.experiment, self.classes = trained.experiment, trained.classes
        self.layout: Layout = own
        self.channels, self.bodies = trained.channels, trained.bodies

    def probabilities(self, clip: np.ndarray) -> np.ndarray:
        """How likely the network finds each class of one clip.

        Args:
            clip: (T, M, N, C), or (T, N, C) of a single body, in the units and axes of
                the training clips; uncentred, of any length. Fewer bodies than the
                network takes are filled up by absent ones.

        Returns:
            (classes,) float64, positive, of sum 1.

        Raises:
            InputError: a clip of another form, or with a value that is not finite.
        """
        return self.all_probabilities([clip])[0]

    def all_probabilities(
        self, clips: Sequence[np.ndarray], names: Sequence[str] | None = None
    ) -> np.ndarray:
        """The same for several clips: (n, classes).

        Args:
            clips: as above.
            names: what to call each in messages.
        """
        names = names or [f"clip {i}" for i in range(len(clips))]
        fitted = [
            self._fitted(np.asarray(clip), name)
            for clip, name in zip(clips, names, strict=True)
        ]
        packed = PackedDataset.from_clips(
            fitted,
            label=[0] * len(fitted),
            subject=[0] * len(fitted),
            name=names,
            layout=self.layout,
            classes=self.classes,
            key=self.experiment.dataset,
            source="clips to be named",
            dtype=np.result_type(*fitted),
        )
        return softmax(self._logits(packed))

    def evaluate(
        self, train_set: PackedDataset, test_set: PackedDataset
    ) -> tuple[Metrics, Metrics | None]:
        """Metrics on test clips, and on those without an exact twin in training.

        As a run's record has them, see :func:`skellib.training.assess`.

        Raises:
            InputError: the data set has other classes, joints, channels or bodies than
                the network.
        """
        for what, theirs, own in (
            ("classes", test_set.classes, self.classes),
            ("joints", test_set.layout.joints, self.layout.joints),
            ("channels", test_set.channels, self.channels),
            ("bodies", test_set.bodies, self.bodies),
        ):
            if theirs != own:
                raise InputError(
                    f"{self.weights}: its {what} are not those of data set "
                    f"{test_set.key}: {_briefly(own)}, not {_briefly(theirs)}"
                )
        return assess(self.experiment, self._logits(test_set), train_set, test_set)

    def _logits(self, dataset: PackedDataset) -> torch.Tensor:
        clips = clips_of(self.experiment, dataset, self.device)
        return predict(self.model, clips, crop_of(self.experiment))["fused"]

    def _fitted(self, clip: np.ndarray, name: str) -> np.ndarray:
        """The clip as (T, M, N, C) with the network's M."""
        if clip.ndim == 3:
            clip = clip[:, None]
        n, c = self.layout.size, self.channels
        if clip.dtype.kind not in "fiu" or clip.ndim != 4 or clip.shape[2:] != (n, c):
            raise InputError(
                f"{name}: {clip.dtype} {clip.shape}, not numbers (frames, bodies, {n} "
                f"joints, {c} channels) of layout {self.layout.name!r}"
            )
        if 0 in clip.shape:
            raise InputError(f"{name}: {clip.shape}: no frame or no body")
        if clip.shape[1] > self.bodies:
            raise InputError(
                f"{name}: {clip.shape[1]} bodies, the network was trained on "
                f"{self.bodies} at most; keep those that matter"
            )
        with np.errstate(over="ignore"):  # refused as infinite further on
            clip = clip if clip.dtype == np.float16 else clip.astype(np.float32)
        absent = self.bodies - clip.shape[1]
        return np.pad(clip, ((0, 0), (0, absent), (0, 0), (0, 0)))


def read_clip(
    path: Path | str, layout: Layout, releases: Sequence[Release] = ()
) -> np.ndarray:
    """One clip from a file of its own.

    Args:
        path: a ``.npy`` (T, M, N, C) or (T, N, C); a ``.csv``, see
            :mod:`skellib.data.clip_tables`; or a file of one of ``releases``.
        layout: of the clip.
        releases: the file formats of a data set.

    Returns:
        (T, M, N, C), or (T, N, C).

    Raises:
        InputError: no such file, none of these, or a bad one.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".csv":
        return read_clip_table(path, layout)
    if path.suffix == ".npy":
        try:
            clip = np.load(path, allow_pickle=False)
        except Exception:  # NumPy lists no errors: damage raises all kinds of them
            clip = None
        if not isinstance(clip, np.ndarray):
            raise InputError(f"{path}: not a readable .npy of numbers")
        return clip
    faults = []
    for release in releases:
        if path.suffix == _suffix(release):
            try:
                return _as_released(path, release)
            except InputError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    endings = dict.fromkeys([".npy", ".csv", *map(_suffix, releases)])
    raise InputError(f"{path}: ends in none of {', '.join(endings)}")


def _suffix(release: Release) -> str:
    return Path(f"name{release.ending}").suffix


def _as_released(path: Path, release: Release) -> np.ndarray:
    """A clip in the format of a release, whatever its name if that can be."""
    if re.search(rf"(?:^|/){release.path}$", path.absolute().as_posix()):
        return release.read_clip(path)
    file = SourceFile(str(path), {"name": path.stem}, str(path), 0, 0)
    try:
        return release.reader([file])
    except KeyError:  # the parser compares the content with the name
        raise InputError(
            f"{path}: not a name such as {release.example}{release.ending}"
        ) from None


def softmax(logits: torch.Tensor) -> np.ndarray:
    """Probabilities from logits (n, classes), as float64 on the host."""
    return logits.double().softmax(1).cpu().numpy()


def _briefly(value: object) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} ({', '.join(value[:3])}, ...)"
    return str(value)
