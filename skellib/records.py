"""Records of runs: one JSON file for each experiment and seed."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.paths import data_folder, write_errors, write_text

VERSION = 2

Kept = TypeVar("Kept", bound=BaseModel)


class Metrics(BaseModel):
    """Scores of a trained network on a set of clips, as fractions of 1.

    Attributes:
        clips: number of clips.
        loss: mean objective, without the mimicry term.
        top1: share of clips whose class was ranked first.
        top5: share ranked among the first five; none with fewer than six classes.
        per_class: top-1 of the clips of each class; none where a class has no clip.
        confusion: row: true class, column: predicted class, in clips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clips: int = Field(ge=1)
    loss: float
    top1: float = Field(ge=0, le=1)
    top5: float | None = Field(ge=0, le=1)
    per_class: list[float | None]
    confusion: list[list[int]]


class Epoch(BaseModel):
    """What one epoch of training showed.

    ``loss`` (the whole objective) and ``top1`` are means over the epoch's training
    clips while it went on, dropout and crops included; ``test_top1`` is there for the
    epochs after which the test clips were looked at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    learning_rate: float
    loss: float
    top1: float
    test_top1: float | None = None


class TestAnswers(BaseModel):
    """The test clips' logits, in the order of the clips; ensembles need no new run.

    Logits are kept in half precision, each clip's lowered by its largest, which
    softmax does not see: the first place then stays the first.

    Attributes:
        classes: number of classes.
        logits: (n, classes) little-endian float16, as base64.
        label: (n,) true classes.
        leaked: positions of the clips that have an exact duplicate in training.
    """

    __test__ = False  # no test class, whatever its name
    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: int = Field(ge=1)
    logits: str
    label: list[int]
    leaked: list[int]

    @classmethod
    def of(
        cls, logits: np.ndarray, label: np.ndarray, leaked: np.ndarray
    ) -> TestAnswers:
        """Keep logits (n, classes), labels (n,) and which clips leaked (n,)."""
        lowered = logits - logits.max(1, keepdims=True)
        return cls(
            classes=logits.shape[1],
            logits=base64.b64encode(lowered.astype("<f2").tobytes()).decode(),
            label=np.asarray(label).tolist(),
            leaked=np.flatnonzero(leaked).tolist(),
        )

    @model_validator(mode="after")
    def _whole(self) -> TestAnswers:
        size = len(base64.b64decode(self.logits, validate=True))
        if size != 2 * self.classes * len(self.label):
            raise ValueError("answers.logits: not one row of classes for each label")
        return self

    def array(self) -> np.ndarray:
        """Return the logits, (n, classes) float32, the largest of each clip 0."""
        flat = np.frombuffer(base64.b64decode(self.logits), "<f2")
        return flat.reshape(len(self.label), self.classes).astype(np.float32)

    def accuracy(self, clean: bool = False) -> float:
        """Return the share that is classified correctly.

        Args:
            clean: only of clips without a duplicate in training.
        """
        right = self.array().argmax(1) == np.array(self.label)
        if clean:
            right = np.delete(right, self.leaked)
        return float(right.mean())


class BestEpoch(NamedTuple):
    """The best test accuracy in a run's history.

    It was chosen on the test clips, as many papers do without saying so; this book
    shows it beside the last epoch's, never instead.
    """

    epoch: int
    top1: float
    evaluations: int


class RunRecord(BaseModel):
    """Everything about one run: an experiment with a seed, trained to its end.

    Attributes:
        version: of this format.
        key: of the experiment; must be what its configuration hashes to.
        experiment: the whole configuration.
        seed: of initialisation, order, crops and dropout.
        test: metrics of the last epoch on all test clips.
        clean: the same on the test clips without an exact duplicate among the
            training clips; none where every test clip is clean.
        answers: the test clips' logits; none in records of the first edition.
        history: one entry an epoch.
        seconds: wall time of training and evaluation, over all its resumptions.
        peak_memory: bytes; of the GPU, or of the process on a CPU.
        parameters: of the network.
        execution: how it was run: device, precision, compiled or not, processes, and
            how many runs shared the device.
        data: fingerprint and source of the data, counts of training and test clips.
        stamp: commit, clean or not, versions, device, date.
        former_key: of a record of the first edition, the key that it had there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    key: str
    experiment: Experiment
    seed: int = Field(ge=0)
    test: Metrics
    clean: Metrics | None
    answers: TestAnswers | None = None
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
        """The best epoch among those after which the test clips were looked at."""
        looks = [(e.test_top1, -e.epoch) for e in self.history if e.test_top1]
        if not looks:
            return None
        top1, epoch = max(looks)
        return BestEpoch(-epoch, float(top1), len(looks))

    def check_data(self, fingerprint: str, path: Path) -> None:
        """Compare the data that the run was made with to the data at hand.

        Raises:
            InputError: they differ.
        """
        own = self.data.get("fingerprint")
        if own != fingerprint:
            raise InputError(
                f"{path}: recorded with other data (fingerprint {own}, not "
                f"{fingerprint}); train with --anew to replace it, or use --records"
            )


def read_kept(kind: type[Kept], path: Path, fault: str) -> Kept | None:
    """What :func:`to_json` wrote of a model, or None where there is no file.

    Args:
        kind: the model.
        path: of the file.
        fault: what to say of a file that is none: what it is not, and the mend.

    Raises:
        InputError: if the file is not such a model.
    """
    if not path.is_file():
        return None
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise InputError(f"{path}: {fault}") from None


def to_json(model: BaseModel) -> str:
    """A model as JSON for people too: indented, but rows of numbers on one line."""
    return (
        re.sub(
            r"\[[\d\s.,eE+\-nul]*\]",
            lambda row: "[" + " ".join(row[0][1:-1].split()) + "]",
            model.model_dump_json(indent=1),
        )
        + "\n"
    )


def file_name(key: str, seed: int) -> str:
    """The name of a run's record."""
    return f"{key}-seed{seed}.json"


def read_record(path: Path) -> RunRecord:
    """Read and check one record.

    Raises:
        InputError: if the file is not a whole record of this version, its key is not
            that of its configuration, or its name is another run's.
    """
    try:
        text = path.read_text(encoding="utf-8")
        version = re.match(r'\{\s*"version":\s*(\d+)', text)
        if version and int(version[1]) != VERSION:
            raise InputError(
                f"{path}: a record of version {version[1]}, expected {VERSION}; "
                "convert it with `python -m skellib migrate PATH`"
            )
        record = RunRecord.model_validate_json(text)
    except (ValidationError, UnicodeDecodeError) as error:
        fault = str(error).splitlines()
        detail = " ".join(line.strip() for line in fault[1:3]) or fault[0]
        raise InputError(f"{path}: not a run record ({detail}); delete it") from None
    if record.key != record.experiment.key:
        raise InputError(
            f"{path}: key {record.key} is not that of its experiment "
            f"({record.experiment.key}): the configuration's meaning has changed"
        )
    if path.name != file_name(record.key, record.seed):
        raise InputError(
            f"{path}: holds another run, {file_name(record.key, record.seed)}; "
            "name it so, or delete it"
        )
    return record


class RecordStore:
    """The folder of records: ``<dataset>/<key>-seed<seed>.json``.

    Args:
        folder: ``data/records`` of the project unless given.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = data_folder("records", folder)

    def path(self, experiment: Experiment, seed: int) -> Path:
        """Where the record of a run lies, or will."""
        return self.folder / experiment.dataset / file_name(experiment.key, seed)

    def get(self, experiment: Experiment, seed: int) -> RunRecord | None:
        """The record of a run, or None if it has none.

        Raises:
            InputError: if its file is not a whole record.
        """
        path = self.path(experiment, seed)
        return read_record(path) if path.is_file() else None

    def check_writable(self, experiment: Experiment, seed: int) -> None:
        """Make sure, before a long run, that its record can be written.

        Raises:
            InputError: the folder cannot be written.
        """
        path = self.path(experiment, seed)
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass

    def put(self, record: RunRecord) -> Path:
        """Write a record, whole or not at all, and return its path."""
        path = self.path(record.experiment, record.seed)
        write_text(path, to_json(record))
        return path

    def __iter__(self) -> Iterator[RunRecord]:
        """All records, by path.

        Raises:
            InputError: at the first file that is not a whole record.
        """
        for path in sorted(self.folder.glob("*/*.json")):
            yield read_record(path)

    def has(self, experiment: Experiment) -> bool:
        """Tell whether an experiment has a record, of any seed."""
        folder = self.folder / experiment.dataset
        return any(folder.glob(f"{experiment.key}-seed*.json"))

    def of(self, experiment: Experiment) -> list[RunRecord]:
        """The records of an experiment, by seed."""
        folder = self.folder / experiment.dataset
        found = folder.glob(f"{experiment.key}-seed*.json")
        return sorted(map(read_record, found), key=lambda record: record.seed)
