"""Commands that use a trained network: evaluate it, classify clips."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skellib.cli.options import (
    CheckpointsOption,
    DatasetOption,
    FoldOption,
    ProtocolOption,
    RootOption,
    SettingsOption,
    assignments,
    check_trained_on,
    protocol_of,
    scores,
    trained_weights,
)
from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.records import Metrics


def evaluate(
    dataset: DatasetOption,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Weights that `train` wrote (.safetensors). Default: those of the run "
            "given by --profile, --set and --seed."
        ),
    ] = None,
    protocol: ProtocolOption = None,
    fold: FoldOption = 0,
    profile: Annotated[
        str, typer.Option(help="Profile of the run: quick, laptop or full.")
    ] = "quick",
    settings: SettingsOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the run.", min=0)] = 0,
    root: RootOption = None,
    checkpoints: CheckpointsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write all metrics to this JSON file.")
    ] = None,
) -> None:
    """Compute the accuracy of a trained network on test clips, also by class."""
    from skellib.data import load
    from skellib.experiment import final_model
    from skellib.inference import Predictor
    from skellib.paths import write_text

    protocol = protocol_of(dataset, protocol, root)
    train_set, test_set = load(dataset, protocol, root, fold=fold)
    found = checkpoint is None
    if checkpoint is None:
        changes = {"fold": fold, **assignments(settings)}
        experiment = final_model(dataset, profile, protocol).replace(**changes)
        checkpoint = trained_weights(experiment, seed, checkpoints)
    predictor = Predictor(checkpoint)
    if found:
        check_trained_on(checkpoint, predictor.trained, test_set)
    test, clean = predictor.evaluate(train_set, test_set)
    known = predictor.experiment
    other = " with other data" if predictor.trained.saw_other_data(test_set) else ""
    if other or (known.dataset, known.protocol, known.fold) != (
        dataset,
        protocol,
        fold,
    ):
        print(
            f"skellib: {checkpoint}: trained on {known.dataset}{other}, protocol "
            f"{known.protocol}, fold {known.fold}; it may have been trained on "
            "these test clips",
            file=sys.stderr,
        )
    print(f"{dataset} {protocol}, {checkpoint}")
    print(scores(test, clean))
    print("\n".join(_by_class(test, predictor.classes)))
    if out is not None:
        report = {
            "weights": str(checkpoint),
            "dataset": dataset,
            "protocol": protocol,
            "fold": fold,
            "fingerprint": test_set.fingerprint,
            "classes": predictor.classes,
            "test": test.model_dump(mode="json"),
            "clean": clean and clean.model_dump(mode="json"),
        }
        write_text(out, json.dumps(report, indent=1) + "\n")


def _by_class(test: Metrics, classes: tuple[str, ...]) -> list[str]:
    """Format the top-5 accuracy, if there is one, and the accuracy of each class."""
    lines = [] if test.top5 is None else [f"{100 * test.top5:.1f} % top-5"]
    width = max(map(len, classes))
    for name, row, share in zip(classes, test.confusion, test.per_class, strict=True):
        score = "no clip" if share is None else f"{100 * share:5.1f} % of {sum(row)}"
        lines.append(f"  {name:{width}}  {score}")
    return lines


def predict(
    clips: Annotated[
        list[Path],
        typer.Argument(
            help="Clips, or folders of them: .npy (frames, joints, channels) or "
            "(frames, bodies, joints, channels), .csv as for `prepare custom`, or "
            "files of a data set."
        ),
    ],
    checkpoint: Annotated[
        Path, typer.Option(help="Weights that `train` wrote (.safetensors).")
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set whose file format the clips have. Default: that of the "
            "weights."
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Skeleton of .npy and .csv clips: a known layout, or a layout.json. "
            "Default: that of the weights."
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Number of classes to show.", min=1)] = 5,
    successive: Annotated[
        bool,
        typer.Option(
            "--successive",
            help="Take the rows of a .csv as successive frames, as for `prepare "
            "custom`.",
        ),
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="text; csv, a row for each class shown; or json, with all classes.",
        ),
    ] = "text",
) -> None:
    """Classify clips: print the most likely classes with their probabilities.

    Clips that cannot be classified are named. The exit status is 1 if there are some,
    and 2 if there are no others.
    """
    from skellib.inference import Predictor
    from skellib.readers import FORMATS
    from skellib.readers.layout_files import read_layout
    from skellib.readers.single_clip import clip_paths, read_clip

    if form not in _WRITERS:
        raise InputError(f"--format {form}: is none of {', '.join(_WRITERS)}")
    if dataset is not None and dataset not in FORMATS:
        raise InputError(
            f"--dataset {dataset}: has no file format of its own; known are "
            f"{', '.join(FORMATS)}"
        )
    own = read_layout(layout) if layout else None
    predictor = Predictor(checkpoint)
    formats = FORMATS.get(dataset or predictor.experiment.dataset, ())

    def answers() -> Iterator[Answer]:
        for path in clip_paths(clips, formats):
            try:
                clip = read_clip(path, predictor.layout, formats, successive, own)
                (shares,) = predictor.all_probabilities([clip], [str(path)])
            except InputError as error:
                print(f"skellib: {error}", file=sys.stderr)
                yield str(path), str(error)
            else:
                order = shares.argsort()[::-1]
                yield (
                    str(path),
                    {predictor.classes[i]: float(shares[i]) for i in order},
                )

    given = list(_WRITERS[form](answers(), top))
    bad = sum(isinstance(answer, str) for _, answer in given)
    if bad:
        raise typer.Exit(2 if bad == len(given) else 1)


Answer = tuple[str, dict[str, float] | str]
"""A clip's name, and its classes with their probabilities, most likely first; or what
is wrong with it."""


def _write_text(answers: Iterator[Answer], top: int) -> Iterator[Answer]:
    for clip, found in answers:
        if isinstance(found, dict):
            print(clip)
            for name, share in list(found.items())[:top]:
                print(f"  {100 * share:5.1f} %  {name}")
        yield clip, found


def _write_csv(answers: Iterator[Answer], top: int) -> Iterator[Answer]:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["clip", "rank", "class", "probability", "error"])
    for clip, found in answers:
        if isinstance(found, str):
            table.writerow([clip, "", "", "", found])
        else:
            for rank, (name, share) in enumerate(list(found.items())[:top], start=1):
                table.writerow([clip, rank, name, f"{share:.6f}", ""])
        yield clip, found


def _write_json(answers: Iterator[Answer], top: int) -> Iterator[Answer]:
    given = list(answers)
    rows = [
        {"clip": clip, "error" if isinstance(found, str) else "probabilities": found}
        for clip, found in given
    ]
    print(json.dumps(rows, indent=1))
    yield from given


_WRITERS = {"text": _write_text, "csv": _write_csv, "json": _write_json}
