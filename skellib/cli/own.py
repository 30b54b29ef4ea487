"""Commands that use a trained network: evaluate it, classify clips."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skellib.cli.options import (
    CheckpointsOption,
    DatasetOption,
    FoldOption,
    ProtocolOption,
    RootOption,
    assignments,
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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Setting of the run, as for `train`. Repeatable.",
        ),
    ] = None,
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
    if checkpoint is None:
        changes = {"fold": fold, **assignments(settings or [], "--set")}
        experiment = final_model(dataset, profile, protocol).replace(**changes)
        checkpoint = trained_weights(experiment, seed, checkpoints)
    train_set, test_set = load(dataset, protocol, root, fold=fold)
    predictor = Predictor(checkpoint)
    known = predictor.experiment
    if (known.dataset, known.protocol, known.fold) != (dataset, protocol, fold):
        print(
            f"skellib: {checkpoint}: trained on {known.dataset}, protocol "
            f"{known.protocol}, fold {known.fold}; it may have been trained on "
            "these test clips",
            file=sys.stderr,
        )
    test, clean = predictor.evaluate(train_set, test_set)
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
            help="A .npy (frames, joints, channels) or (frames, bodies, joints, "
            "channels), a .csv as for `prepare custom`, or a file of a data set."
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
    top: Annotated[int, typer.Option(help="Number of classes to show.", min=1)] = 5,
    successive: Annotated[
        bool,
        typer.Option(
            "--successive",
            help="Take the rows of a .csv as successive frames, as for `prepare "
            "custom`.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all classes of each clip as JSON.")
    ] = False,
) -> None:
    """Classify clips: print the most likely classes with their probabilities."""
    from skellib.inference import Predictor
    from skellib.readers import FORMATS
    from skellib.readers.single_clip import read_clip
    from skellib.weights import load_trained

    key = dataset or load_trained(checkpoint).experiment.dataset
    if dataset is not None and dataset not in FORMATS:
        raise InputError(
            f"--dataset {dataset}: has no file format of its own; known are "
            f"{', '.join(FORMATS)}"
        )
    formats = FORMATS.get(key, ())
    predictor = Predictor(checkpoint)
    predictions: list[dict[str, Any]] = []
    for path in clips:
        clip = read_clip(path, predictor.layout, formats, successive)
        (found,) = predictor.all_probabilities([clip], [str(path)])
        order = found.argsort()[::-1]
        ranked = {predictor.classes[i]: float(found[i]) for i in order}
        predictions.append({"clip": str(path), "probabilities": ranked})
        if not as_json:
            print(path)
            for name, share in list(ranked.items())[:top]:
                print(f"  {100 * share:5.1f} %  {name}")
    if as_json:
        print(json.dumps(predictions, indent=1))
