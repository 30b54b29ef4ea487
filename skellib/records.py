"""Records of runs: one JSON file for each experiment and seed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.paths import data_folder, write_text

VERSION = 1

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


class RunRecord(BaseModel):
    """Everything about one run: an experiment with a seed, trained to its end.

    Attributes:
        version: of this format.
        key: of the experiment; must be what its configuration hashes to.
        experiment: the whole configuration.
        seed: of initialisation, order, crops and dropout.
        test: metrics of the last epoch on all test clips.
        clean: the same on the test clips without an exact twin among the training
            clips; none where every test clip is clean.
        history: one entry an epoch.
        seconds: wall time of training and evaluation, over all its resumptions.
        peak_memory: bytes; of the GPU, or of the process on a CPU.
        parameters: of the network.
        execution: how it was run: device, precision, compiled or not, processes.
        data: fingerprint and source of the data, counts of training and test clips.
        stamp: commit, clean or not, versions, device, date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    key: str
    experiment: Experiment
    seed: int = Field(ge=0)
    test: Metrics
    clean: Metrics | None
    history: list[Epoch]
    seconds: float
    peak_memory: int
    parameters: int
    execution: dict[str, Any]
    data: dict[str, Any]
    stamp: dict[str, Any]


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
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        fault = str(error).splitlines()
        detail = " ".join(line.strip() for line in fault[1:3]) or fault[0]
        raise InputError(f"{path}: not a run record ({detail}); delete it") from None
    if record.version != VERSION:
        raise InputError(f"{path}: version {record.version}, expected {VERSION}")
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

    def of(self, experiment: Experiment) -> list[RunRecord]:
        """The records of an experiment, by seed."""
        folder = self.folder / experiment.dataset
        found = folder.glob(f"{experiment.key}-seed*.json")
        return sorted(map(read_record, found), key=lambda record: record.seed)
