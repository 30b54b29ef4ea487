"""Commands that add results of a run to the repository: weights, exhibits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skellib.cli.options import (
    CheckpointsOption,
    DatasetOption,
    ProfileOption,
    RootOption,
    SettingsOption,
    assignments,
    check_trained_on,
    trained_weights,
)

SeedOption = Annotated[int, typer.Option(help="Seed of the run.", min=0)]


def keep(
    dataset: DatasetOption = "nucla",
    profile: ProfileOption = "laptop",
    table: Annotated[str, typer.Option(help="Table that contains the run.")] = "IV",
    row: Annotated[
        str, typer.Option(help="Label of the row in the table.")
    ] = "SLnL-rFA+ML",
    settings: SettingsOption = None,
    seed: SeedOption = 0,
    root: RootOption = None,
    checkpoints: CheckpointsOption = None,
) -> None:
    """Copy the final weights of a run to data/weights, in half precision."""
    from skellib import weights
    from skellib.data import load
    from skellib.reproduction import results

    chosen = results.get_table(table)
    column = results.columns_on(chosen, dataset)[0]
    experiment = chosen.row(row).experiment(column, profile)
    experiment = experiment.replace(**assignments(settings))
    source = trained_weights(experiment, seed, checkpoints)
    trained = weights.load_trained(source)
    # Released weights may be those of the first edition's experiment.
    model, experiment = trained.model, trained.experiment
    target = weights.released_weights_path(experiment, seed)
    if source == target:
        print(f"{target}: already there; train the run to replace it")
        return
    train_set, _ = load(dataset, experiment.protocol, root)
    check_trained_on(source, trained, train_set)
    weights.save_weights(model.half(), target, experiment, seed, train_set)
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB")


def exhibit(
    kind: Annotated[
        str,
        typer.Argument(help="frequency (Fig. 1), embedding (Fig. 8) or rotation."),
    ],
    dataset: DatasetOption = "nucla",
    profile: ProfileOption = "laptop",
    seed: SeedOption = 0,
    root: RootOption = None,
    checkpoints: CheckpointsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: data/exhibits.")
    ] = None,
) -> None:
    """Compute what a figure shows of trained networks, and add it to data/exhibits.

    rotation (accuracy on rotated test clips) ignores --seed: it uses several seeds.
    """
    from skellib import weights
    from skellib.data import load, open_dataset
    from skellib.models import SLnLRFA
    from skellib.reproduction import exhibits

    chosen = exhibits.get_exhibit(kind)
    networks = {}
    every = open_dataset(dataset, root)
    for name, experiment in chosen.experiments(dataset, profile).items():
        for each in chosen.seeds or (seed,):
            path = trained_weights(experiment, each, checkpoints)
            trained = weights.load_trained(path)
            check_trained_on(path, trained, every)
            assert isinstance(trained.model, SLnLRFA)  # no figure shows a peer
            networks[name, each] = trained.model, trained.experiment
    pair = load(dataset, experiment.protocol, root)
    print(exhibits.write(chosen.make(networks, every, *pair), out))
