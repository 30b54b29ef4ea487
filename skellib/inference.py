"""Classify new clips by a trained network.

The file of the weights contains the metadata that this requires: joints, channels,
bodies, classes and cropping.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from skellib.batches import DeviceClips
from skellib.data import PackedDataset
from skellib.errors import InputError
from skellib.evaluation import assess, check_logits, predict
from skellib.records import Metrics
from skellib.weights import load_trained


class Predictor:
    """Classify clips by a trained network (Section III-E, inference by p^c).

    Args:
        weights: path of a ``.safetensors`` file that training wrote.
        device: device of the network.

    Attributes:
        experiment: experiment that the network was trained for.
        classes: names of the classes.
        layout: skeleton layout of its clips.
        channels, bodies: ``C`` and ``M`` of its clips.
        trained: the network with its metadata.

    Raises:
        InputError: if the weights cannot be read.

    Example:
        >>> import skellib as sk
        >>> from skellib.weights import build_model, save_weights
        >>> train_set, test_set = sk.load("synthetic")
        >>> experiment = sk.final_model("synthetic", "quick")
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:  # with untrained weights
        ...     path = pathlib.Path(folder, "network.safetensors")
        ...     model = build_model(experiment, train_set, seed=0)
        ...     save_weights(model, path, experiment, 0, train_set)
        ...     predictor = sk.Predictor(path)
        >>> predictor.probabilities(test_set.clip(0)).shape  # (classes,)
        (12,)
    """

    def __init__(
        self, weights: Path | str, *, device: torch.device | str = "cpu"
    ) -> None:
        self.trained = trained = load_trained(weights)
        self.weights, self.device = Path(weights), torch.device(device)
        self.model = trained.model.to(self.device)
        self.experiment, self.classes = trained.experiment, trained.classes
        self.layout = trained.layout
        self.channels, self.bodies = trained.channels, trained.bodies

    def probabilities(self, clip: np.ndarray) -> np.ndarray:
        """Compute the class probabilities of one clip.

        Args:
            clip: (T, M, N, C), or (T, N, C) for a single body, of any length and not
                centred, with the units and axes of the training clips. Missing bodies
                are filled with zeros.

        Returns:
            (classes,) float64 probabilities, which sum to 1.

        Raises:
            InputError: if the clip has the wrong shape, a value that is not finite or
                nobody in any frame, or the network's answer is not finite.
        """
        return self.all_probabilities([clip])[0]

    def all_probabilities(
        self, clips: Sequence[np.ndarray], names: Sequence[str] | None = None
    ) -> np.ndarray:
        """Compute the class probabilities of several clips.

        Args:
            clips: n clips, as for :meth:`probabilities`.
            names: names of the clips for error messages.

        Returns:
            (n, classes) float64 probabilities; each row sums to 1.

        Raises:
            InputError: as for :meth:`probabilities`.
        """
        names = names or [f"clip {i}" for i in range(len(clips))]
        padded = [
            self._pad_bodies(np.asarray(clip), name)
            for clip, name in zip(clips, names, strict=True)
        ]
        packed = PackedDataset.from_clips(
            padded,
            label=[0] * len(padded),
            subject=[0] * len(padded),
            name=names,
            layout=self.layout,
            classes=self.classes,
            key=self.experiment.dataset,
            source="clips to be classified",
            dtype=np.result_type(*padded),
        )
        return softmax(self._logits(packed))

    def evaluate(
        self, train_set: PackedDataset, test_set: PackedDataset
    ) -> tuple[Metrics, Metrics | None]:
        """Compute the metrics on test clips, as in the record of a run.

        Args:
            train_set, test_set: training and test clips, from
                :func:`skellib.data.load`.

        Returns:
            Metrics on all test clips, and on those without an exact duplicate in
            training; see :func:`skellib.evaluation.assess`.

        Raises:
            InputError: if the classes, joints, channels or bodies of the data set are
                not those of the network.
        """
        for what, theirs, own in (
            ("classes", test_set.classes, self.classes),
            ("joints", test_set.layout.joints, self.layout.joints),
            ("axes", test_set.layout.up, self.layout.up),
            ("channels", test_set.channels, self.channels),
            ("bodies", test_set.bodies, self.bodies),
        ):
            if theirs != own:
                raise InputError(
                    f"{self.weights}: its {what} are not those of data set "
                    f"{test_set.key}: {_abbreviate(own)}, not {_abbreviate(theirs)}"
                )
        return assess(self.experiment, self._logits(test_set), train_set, test_set)

    def _logits(self, dataset: PackedDataset) -> torch.Tensor:
        """Compute the fused logits (n, classes) of all clips.

        Raises:
            InputError: if they are not finite.
        """
        clips = DeviceClips(dataset, self.device, self.experiment.preprocessing)
        logits = predict(self.model, clips, self.experiment.preprocessing)["fused"]
        check_logits(logits, dataset)
        return logits

    def _pad_bodies(self, clip: np.ndarray, name: str) -> np.ndarray:
        """Convert a clip to (T, M, N, C) with the network's M."""
        if clip.ndim == 3:
            clip = clip[:, None]
        n, c = self.layout.size, self.channels
        if clip.dtype.kind not in "fiu" or clip.ndim != 4 or clip.shape[2:] != (n, c):
            raise InputError(
                f"{name}: {clip.dtype} {clip.shape}, not numbers (frames, bodies, {n} "
                f"joints, {c} channels) of layout {self.layout.name!r}"
            )
        if 0 in clip.shape:
            raise InputError(f"{name}: {clip.shape}: no frames or no bodies")
        if not (clip[..., : self.layout.dims] != 0).any():
            raise InputError(f"{name}: nobody in any frame")
        while clip.shape[1] > self.bodies and not (clip[:, -1] != 0).any():
            clip = clip[:, :-1]  # nobody
        if clip.shape[1] > self.bodies:
            raise InputError(
                f"{name}: {clip.shape[1]} bodies, but the network was trained on at "
                f"most {self.bodies}; remove the others"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # refused later
            clip = clip if clip.dtype == np.float16 else clip.astype(np.float32)
        absent = self.bodies - clip.shape[1]
        return np.pad(clip, ((0, 0), (0, absent), (0, 0), (0, 0)))


def softmax(logits: torch.Tensor) -> np.ndarray:
    """Convert logits (n, classes) to probabilities (n, classes), float64."""
    return logits.double().softmax(1).cpu().numpy()


def _abbreviate(value: object) -> str:
    """Format a value for a message; a long tuple by its first three items."""
    if isinstance(value, tuple):
        return f"{len(value)} ({', '.join(map(str, value[:3]))}, ...)"
    return str(value)
