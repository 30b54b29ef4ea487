"""Records of runs: one JSON file per experiment and seed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json
from scipy.special import softmax

from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.paths import check_writable, data_folder, write_text

VERSION = 2

Model = TypeVar("Model", bound=BaseModel)


class Metrics(BaseModel):
    """Hold the metrics of a network on a set of clips; accuracies are fractions of 1.

    Attributes:
        clips: number of clips.
        loss: mean objective, without the mimicry term.
        top1: top-1 accuracy.
        top5: top-5 accuracy; None with fewer than six classes.
        per_class: top-1 accuracy of each class; None for a class without clips.
        confusion: numbers of clips by true class (rows) and predicted class (columns).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clips: int = Field(ge=1)
    loss: float
    top1: float = Field(ge=0, le=1)
    top5: float | None = Field(ge=0, le=1)
    per_class: list[float | None]
    confusion: list[list[int]]


class Epoch(BaseModel):
    """Hold the progress of training after one epoch.

    Attributes:
        epoch: number of the epoch, from 1.
        learning_rate: learning rate in this epoch.
        loss: mean objective over the training batches, with dropout and random crops.
        top1: accuracy of the fused classifier over the training batches, likewise.
        test_top1: accuracy on the test clips; None if they were not evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    learning_rate: float
    loss: float
    top1: float
    test_top1: float | None = None


class TestLogits(BaseModel):
    """Hold the logits of all test clips, for ensembles and bootstraps without new runs.

    The largest logit of each clip is subtracted before rounding to half precision. This
    changes neither the softmax nor which class is first.

    Attributes:
        classes: number of classes.
        logits: (n, classes) little-endian float16, in base64.
        label: (n,) true classes.
        leaked: indices of the clips that have an exact duplicate in training.
    """

    __test__ = False  # not a test case of pytest
    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: int = Field(ge=1)
    logits: str
    label: list[int]
    leaked: list[int]

    @classmethod
    def of(
        cls, logits: np.ndarray, label: np.ndarray, leaked: np.ndarray
    ) -> TestLogits:
        """Encode logits (n, classes), labels (n,) and a mask of leaked clips (n,)."""
        lowered = logits - logits.max(1, keepdims=True)
        return cls(
            classes=logits.shape[1],
            logits=base64.b64encode(lowered.astype("<f2").tobytes()).decode(),
            label=np.asarray(label).tolist(),
            leaked=np.flatnonzero(leaked).tolist(),
        )

    @model_validator(mode="after")
    def _complete(self) -> TestLogits:
        size = len(base64.b64decode(self.logits, validate=True))
        if size != 2 * self.classes * len(self.label):
            raise ValueError("logits: expected one value per class for each label")
        return self

    def array(self) -> np.ndarray:
        """Decode the logits, (n, classes) float32; the largest of each clip is 0."""
        flat = np.frombuffer(base64.b64decode(self.logits), "<f2")
        return flat.reshape(len(self.label), self.classes).astype(np.float32)

    def correct(self, clean: bool = False) -> np.ndarray:
        """Tell which clips are classified correctly, (n,) boolean.

        Args:
            clean: leave out clips that have a duplicate in training.
        """
        correct = self.array().argmax(1) == np.array(self.label)
        return np.delete(correct, self.leaked) if clean else correct

    def accuracy(self, clean: bool = False) -> float:
        """Compute the top-1 accuracy, a fraction of 1; see :meth:`correct`."""
        return float(self.correct(clean).mean())


class BestEpoch(NamedTuple):
    """Hold the best test accuracy in the history of a run.

    This epoch is chosen on the test clips, as many papers do without saying so. It is
    shown next to the result of the last epoch, never in its place.

    Attributes:
        epoch: number of the epoch, from 1.
        top1: accuracy on the test clips, a fraction of 1.
        evaluations: number of epochs after which the test clips were evaluated.
    """

    epoch: int
    top1: float
    evaluations: int


class RunRecord(BaseModel):
    """Hold everything about one completed run: an experiment trained with a seed.

    Attributes:
        version: version of this format.
        key: key of the experiment; must match its configuration.
        experiment: the whole configuration.
        seed: seed of initialisation, order, crops and dropout.
        test: metrics on all test clips after the last epoch.
        clean: the same without leaked clips, those with an exact duplicate among the
            training clips; None if there are none.
        test_logits: logits of the test clips; None in records of the first edition.
        history: one entry per epoch.
        seconds: wall time of training and evaluation, including resumed parts.
        peak_memory: bytes on the GPU, or of the process on a CPU.
        parameters: number of parameters of the network.
        execution: how the run was executed: device, precision, compilation, processes,
            and number of runs that shared the device.
        data: fingerprint and source of the data, numbers of training and test clips.
        stamp: commit, versions, device and date, see
            :func:`skellib.provenance.stamp`.
        former_key: key in the first edition, for a record that was converted.

    Example:
        >>> import skellib as sk, tempfile
        >>> tiny = sk.final_model("synthetic", "quick")
        >>> tiny = tiny.replace(**{"training.epochs": 1})
        >>> clips = [part.subset(range(0, 160, 40)) for part in sk.load("synthetic")]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = sk.RecordStore(folder)
        ...     record = sk.train(tiny, 0, *clips, store=store, checkpoints=folder,
        ...                       execution=sk.Execution("cpu"), progress=False)
        >>> record.test.clips, record.key == tiny.key
        (4, True)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    key: str
    experiment: Experiment
    seed: int = Field(ge=0)
    test: Metrics
    clean: Metrics | None
    test_logits: TestLogits | None = Field(
        default=None, validation_alias=AliasChoices("test_logits", "answers")
    )
    history: list[Epoch]
    seconds: float
    peak_memory: int
    parameters: int
    execution: dict[str, Any]
    data: dict[str, Any]
    stamp: dict[str, Any]
    former_key: str | None = None

    @property
    def best(self) -> BestEpoch | None:
        """The best of the epochs after which the test clips were evaluated."""
        tested = [
            (e.test_top1, -e.epoch) for e in self.history if e.test_top1 is not None
        ]
        if not tested:
            return None
        top1, epoch = max(tested)
        return BestEpoch(-epoch, float(top1), len(tested))

    def check_data(self, data: dict[str, Any], path: Path) -> None:
        """Make sure that the run was trained and tested on the same data.

        Args:
            data: fingerprint and perhaps numbers of clips at hand, as in :attr:`data`.
            path: path of this record, for the message.

        Raises:
            InputError: if one of them differs.
        """
        for name in ("fingerprint", "train_clips", "test_clips"):
            own = self.data.get(name)
            if name in data and own != data[name]:
                raise InputError(
                    f"{path}: recorded with other data ({name} {own}, not "
                    f"{data[name]}); train with --anew to replace it, or use --records"
                )


def ensemble(records: Sequence[RunRecord]) -> TestLogits:
    """Combine runs on the same test clips by the mean of their probabilities.

    Args:
        records: runs, of other seeds, other data streams or other networks.

    Returns:
        The logarithms of the mean probabilities, as the logits of one run.

    Raises:
        InputError: if there is no run, a run has no logits, or the test clips differ.
    """
    kept = [each for record in records if (each := record.test_logits)]
    about = {(each.classes, *each.label, -1, *each.leaked) for each in kept}
    if len(about) != 1 or len(kept) < len(records):
        runs = ", ".join(f"{record.key} seed {record.seed}" for record in records)
        raise InputError(
            f"ensemble of {runs or 'nothing'}: not runs with the logits of the same "
            "test clips"
        )
    logits = np.stack([each.array() for each in kept]).astype(np.float64)
    probabilities = softmax(logits, axis=2).mean(0)
    log = np.log(probabilities.clip(np.finfo(np.float64).tiny))
    label = np.array(kept[0].label)
    return TestLogits.of(log, label, np.isin(np.arange(len(label)), kept[0].leaked))


NO_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""Errors of opening a path at which there is no file."""


def read_json(kind: type[Model], path: Path, fault: str) -> Model | None:
    """Read a model that :func:`to_json` wrote; return None if there is no file.

    Args:
        kind: class of the model.
        path: path of the file.
        fault: message for an invalid file, with what to do about it.

    Raises:
        InputError: if the file is invalid.
    """
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except NO_FILE:
        return None
    except (ValidationError, UnicodeDecodeError):
        raise InputError(f"{path}: {fault}") from None


def to_json(model: BaseModel) -> str:
    """Format a model as readable JSON: indented, with rows of numbers on one line."""
    return (
        re.sub(
            r"\[[\d\s.,eE+\-nul]*\]",
            lambda row: "[" + " ".join(row[0][1:-1].split()) + "]",
            model.model_dump_json(indent=1),
        )
        + "\n"
    )


def file_name(key: str, seed: int) -> str:
    """Return the file name of a run's record."""
    return f"{key}-seed{seed}.json"


def read_record(path: Path) -> RunRecord:
    """Read and check one record.

    Raises:
        InputError: if the file is not a complete record of the current version, its key
            does not match its configuration, or its name belongs to another run.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = from_json(text)
        version = content.get("version") if isinstance(content, dict) else None
        if isinstance(version, int) and version != VERSION:
            raise InputError(
                f"{path}: a record of version {version}, expected {VERSION}; "
                "convert it with `python -m skellib migrate PATH`"
            )
        record = RunRecord.model_validate_json(text)
    except InputError:
        raise
    except ValueError as error:  # no UTF-8, no JSON, or no record
        fault = str(error).splitlines()
        detail = " ".join(line.strip() for line in fault[1:3]) or fault[0]
        raise InputError(f"{path}: not a run record ({detail}); delete it") from None
    if record.key != record.experiment.key:
        raise InputError(
            f"{path}: key {record.key} is not that of its experiment "
            f"({record.experiment.key}): the file was edited, or another version of "
            "skellib wrote it"
        )
    if path.name != file_name(record.key, record.seed):
        raise InputError(
            f"{path}: holds another run, {file_name(record.key, record.seed)}; "
            "rename or delete it"
        )
    return record


class RecordStore:
    """Read and write records in a folder, as ``<dataset>/<key>-seed<seed>.json``.

    Iterating over a store yields all of its records, ordered by path.

    Args:
        folder: folder of the records; by default ``data/records`` of the project.

    Example:
        >>> import skellib as sk
        >>> store = sk.RecordStore("records")
        >>> store.path(sk.final_model("nucla"), seed=0).parent.as_posix()
        'records/nucla'
        >>> store.get(sk.final_model("nucla"), seed=0) is None  # not trained yet
        True
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = data_folder("records", folder)

    def path(self, experiment: Experiment, seed: int) -> Path:
        """Return the path of a run's record, whether or not it exists."""
        return self.folder / experiment.dataset / file_name(experiment.key, seed)

    def get(self, experiment: Experiment, seed: int) -> RunRecord | None:
        """Return the record of a run, or None if there is none.

        Raises:
            InputError: if the file is not a valid record.
        """
        try:
            return read_record(self.path(experiment, seed))
        except NO_FILE:
            return None

    def check_writable(self, experiment: Experiment, seed: int) -> None:
        """Make sure, before a long run, that its record can be written.

        Raises:
            InputError: if it cannot.
        """
        check_writable(self.path(experiment, seed))

    def put(self, record: RunRecord) -> Path:
        """Write a record atomically and return its path."""
        path = self.path(record.experiment, record.seed)
        write_text(path, to_json(record))
        return path

    def __iter__(self) -> Iterator[RunRecord]:
        """Yield all records, ordered by path.

        Raises:
            InputError: at the first file that is not a valid record.
        """
        for path in sorted(self.folder.glob("*/*.json")):
            yield read_record(path)

    def count(self, experiment: Experiment) -> int:
        """Count the recorded runs of an experiment without reading them."""
        folder = self.folder / experiment.dataset
        return sum(1 for _ in folder.glob(f"{experiment.key}-seed*.json"))

    def set_aside(self, experiment: Experiment, seed: int) -> None:
        """Rename a run's record to ``*.json.replaced`` if there is one."""
        path = self.path(experiment, seed)
        if path.is_file():
            path.replace(path.with_name(f"{path.name}.replaced"))

    def of(self, experiment: Experiment) -> list[RunRecord]:
        """Return the records of an experiment, ordered by seed."""
        folder = self.folder / experiment.dataset
        found = folder.glob(f"{experiment.key}-seed*.json")
        return sorted(map(read_record, found), key=lambda record: record.seed)


class ReadOnce(RecordStore):
    """Read the records of an experiment from disk only once.

    Records that are added later are not seen.

    Args:
        store: the store to read from.
    """

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store.folder)
        self._known: dict[str, list[RunRecord]] = {}

    def of(self, experiment: Experiment) -> list[RunRecord]:
        """Return the records of an experiment, ordered by seed."""
        if experiment.key not in self._known:
            self._known[experiment.key] = super().of(experiment)
        return self._known[experiment.key]

    def count(self, experiment: Experiment) -> int:
        """Count the recorded runs of an experiment."""
        return len(self.of(experiment))
