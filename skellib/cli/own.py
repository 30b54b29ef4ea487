"""Commands that use a trained network: how often it is right, and what a clip shows."""

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
)
from skellib.errors import InputError

if TYPE_CHECKING:
    from skellib.records import Metrics


def evaluate(
    dataset: DatasetOption,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Weights that `train` wrote (.safetensors); unless given, those of "
            "the run that --profile, --set and --seed name."
        ),
    ] = None,
    protocol: ProtocolOption = None,
    fold: FoldOption = 0,
    profile: Annotated[
        str, typer.Option(help="Of the run: quick, laptop or paper.")
    ] = "quick",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Of the run, as for `train`. Repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the run.", min=0)] = 0,
    root: RootOption = None,
    checkpoints: CheckpointsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Write all metrics there too, as JSON.")
    ] = None,
) -> None:
    """Measure a trained network on a data set's test clips: top-1, top-5, by class."""
    from skellib.data import load
    from skellib.experiment import final_model
    from skellib.inference import Predictor
    from skellib.paths import write_text
    from skellib.weights import weights_path

    protocol = protocol_of(dataset, protocol, root)
    if checkpoint is None:
        changes = {"fold": fold, **assignments(settings or [], "--set")}
        experiment = final_model(dataset, profile, protocol).replace(**changes)
        checkpoint = weights_path(experiment, seed, checkpoints)
        if not checkpoint.is_file():
            raise InputError(
                f"{checkpoint}: no such file; train it with `python -m skellib train "
                f"--dataset {dataset} --profile {profile}`, or give --checkpoint"
            )
    train_set, test_set = load(dataset, protocol, root, fold=fold)
    predictor = Predictor(checkpoint)
    known = predictor.experiment
    if (known.dataset, known.protocol, known.fold) != (dataset, protocol, fold):
        print(
            f"skellib: {checkpoint}: trained on {known.dataset}, protocol "
            f"{known.protocol}, fold {known.fold}: test clips may be among its "
            "training clips",
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
        try:
            write_text(out, json.dumps(report, indent=1) + "\n")
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror})") from None


def _by_class(test: Metrics, classes: tuple[str, ...]) -> list[str]:
    """Lines for top-5, where there are classes enough, and for each class."""
    lines = [] if test.top5 is None else [f"{100 * test.top5:.1f} % among the first 5"]
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
            "channels), a .csv as of one's own data, or a file as a data set has them."
        ),
    ],
    checkpoint: Annotated[
        Path, typer.Option(help="Weights that `train` wrote (.safetensors).")
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Whose file format the clips have; that of the weights unless given."
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="How many classes to show.", min=1)] = 5,
    successive: Annotated[
        bool,
        typer.Option(
            "--successive",
            help="Take the rows of a .csv as successive frames, as for `prepare "
            "custom`.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: all classes of every clip.")
    ] = False,
) -> None:
    """Name what clips show: the most likely classes with their probabilities."""
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
    answers: list[dict[str, Any]] = []
    for path in clips:
        clip = read_clip(path, predictor.layout, formats, successive)
        (found,) = predictor.all_probabilities([clip], [str(path)])
        order = found.argsort()[::-1]
        ranked = {predictor.classes[i]: float(found[i]) for i in order}
        answers.append({"clip": str(path), "probabilities": ranked})
        if not as_json:
            print(path)
            for name, share in list(ranked.items())[:top]:
                print(f"  {100 * share:5.1f} %  {name}")
    if as_json:
        print(json.dumps(answers, indent=1))
