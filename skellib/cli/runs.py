"""Commands for one run: train a network, measure a baseline."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from skellib.cli.options import (
    AcceleratorOption,
    CheckpointEveryOption,
    CheckpointsOption,
    CompileOption,
    DatasetOption,
    FoldOption,
    GraphsOption,
    PrecisionOption,
    ProtocolOption,
    RecordsOption,
    RootOption,
    StoreOption,
    ThreadsOption,
    assignments,
    execution_of,
    protocol_of,
    scores,
    store_of,
)


def train(
    dataset: DatasetOption = "synthetic",
    profile: Annotated[
        str,
        typer.Option(
            help="quick: a narrow network, to check that everything runs; laptop: a "
            "smaller network for a CPU; full: the settings of the paper."
        ),
    ] = "quick",
    protocol: ProtocolOption = None,
    fold: FoldOption = 0,
    seed: Annotated[int, typer.Option(help="Seed of the run.", min=0)] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting, such as loss.gamma=0 or training.epochs=5. "
            "Repeatable.",
        ),
    ] = None,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Train from the start; a record is kept as *.json.replaced, a "
            "checkpoint deleted. If interrupted, go on without --anew.",
        ),
    ] = False,
    root: RootOption = None,
    records: StoreOption = None,
    checkpoints: CheckpointsOption = None,
    accelerator: AcceleratorOption = "auto",
    devices: Annotated[
        int, typer.Option(help="GPUs per machine for this run.", min=1)
    ] = 1,
    nodes: Annotated[int, typer.Option(help="Machines for this run.", min=1)] = 1,
    precision: PrecisionOption = "32-true",
    compile: CompileOption = False,
    graphs: GraphsOption = False,
    threads: ThreadsOption = 0,
    checkpoint_every: CheckpointEveryOption = 1,
) -> None:
    """Train the final model, or a variant of it, and write the record of the run.

    An interrupted run resumes from its last epoch. A run that has a record is not
    trained again, unless --anew is given.
    """
    from skellib.data import load
    from skellib.experiment import final_model
    from skellib.training import train as train_run
    from skellib.weights import find_weights

    protocol = protocol_of(dataset, protocol, root)
    experiment = final_model(dataset, profile, protocol).replace(
        fold=fold, **assignments(settings)
    )
    train_set, test_set = load(
        experiment.dataset, experiment.protocol, root, fold=experiment.fold
    )
    store = store_of(profile, records)
    path = store.path(experiment, seed)
    known = path.is_file() and not anew
    # If several processes share the run, only the first one prints.
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    say = print if first else (lambda *_: None)
    say(
        f"{dataset} {experiment.protocol}, profile {profile}, {experiment.key}, "
        f"seed {seed}: {len(train_set)} clips train, {len(test_set)} test"
    )
    record = train_run(
        experiment,
        seed,
        train_set,
        test_set,
        store=store,
        checkpoints=checkpoints,
        execution=execution_of(
            accelerator,
            precision,
            compile,
            graphs,
            threads,
            devices,
            nodes,
            checkpoint_every=checkpoint_every,
        ),
        anew=anew,
    )
    say(
        f"{'recorded before' if known else 'recorded'}: "
        f"{scores(record.test, record.clean)}, {record.seconds:.0f} s; {path}"
    )
    if known:
        say("nothing was trained; to train it again, add --anew")
    weights = find_weights(experiment, seed, checkpoints)
    say(f"weights: {weights or 'not on this machine'}")


def baseline(
    dataset: DatasetOption = "synthetic",
    protocol: ProtocolOption = None,
    fold: FoldOption = 0,
    root: RootOption = None,
    records: RecordsOption = None,
) -> None:
    """Classify the test clips by their nearest neighbour, as a baseline."""
    from skellib.data import load
    from skellib.reproduction import baselines

    protocol = protocol_of(dataset, protocol, root)
    train_set, test_set = load(dataset, protocol, root, fold=fold)
    measured = baselines.measure(train_set, test_set, protocol, fold=fold)
    print(f"nearest neighbour: {scores(measured.test, measured.clean)}")
    print(baselines.write(measured, records))
