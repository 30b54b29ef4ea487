"""A trained network on clips that it has not seen: their classes, and how sure it is.

What must be known of a clip's form (joints, channels, bodies, classes, cropping) comes
from the weights' own file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from skellib.batches import DeviceClips
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.evaluation import assess, predict
from skellib.records import Metrics
from skellib.weights import load_trained


class Predictor:
    """The network of a weights file, ready to be asked.

    Args:
        weights: a ``.safetensors`` file that training wrote.
        device: where the network computes.

    Attributes:
        experiment: what the network was trained for.
        classes: one name a class.
        layout: the skeleton of its clips.
        channels, bodies: ``C`` and ``M`` of its clips.

    Raises:
        InputError: weights that cannot be read.
    """

    def __init__(
        self, weights: Path | str, *, device: torch.device | str = "cpu"
    ) -> None:
        trained = load_trained(weights)
        self.weights, self.device = Path(weights), torch.device(device)
        self.model = trained.model.to(self.device)
        self.experiment, self.classes = trained.experiment, trained.classes
        self.layout = trained.layout
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

        As a run's record has them, see :func:`skellib.evaluation.assess`.

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
        clips = DeviceClips(dataset, self.device, self.experiment.preprocessing)
        return predict(self.model, clips, self.experiment.preprocessing)["fused"]

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


def softmax(logits: torch.Tensor) -> np.ndarray:
    """Probabilities from logits (n, classes), as float64 on the host."""
    return logits.double().softmax(1).cpu().numpy()


def _briefly(value: object) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} ({', '.join(value[:3])}, ...)"
    return str(value)
