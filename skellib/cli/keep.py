"""Commands that keep something of a run with the repository: weights, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skellib.cli.options import (
    CheckpointsOption,
    DatasetOption,
    ProfileOption,
    RootOption,
)

SeedOption = Annotated[int, typer.Option(help="Of the run.", min=0)]


def keep(
    dataset: DatasetOption = "nucla",
    profile: ProfileOption = "laptop",
    table: Annotated[str, typer.Option(help="The table of the run's row.")] = "IV",
    row: Annotated[str, typer.Option(help="Its label there.")] = "SLnL-rFA+ML",
    seed: SeedOption = 0,
    root: RootOption = None,
    checkpoints: CheckpointsOption = None,
) -> None:
    """Copy a run's final weights, in half precision, to where readers find them."""
    from skellib import weights
    from skellib.data import load
    from skellib.reproduction import results

    chosen = results.get_table(table)
    column = results.columns_on(chosen, dataset)[0]
    experiment = chosen.row(row).experiment(column, profile)
    source = weights.weights_path(experiment, seed, checkpoints)
    model, _, _ = weights.load_model(source)
    train_set, _ = load(dataset, experiment.protocol, root)
    target = weights.released_weights_path(experiment, seed)
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
        Path | None, typer.Option(help="Folder; data/exhibits unless given.")
    ] = None,
) -> None:
    """Keep what a figure shows of trained networks, small enough for the repository.

    ``rotation`` (accuracy on rotated test clips) has several seeds of its own.
    """
    from skellib import weights
    from skellib.data import load, open_dataset
    from skellib.reproduction import exhibits

    chosen = exhibits.get_exhibit(kind)
    networks = {}
    for name, experiment in chosen.experiments(dataset, profile).items():
        for each in chosen.seeds or (seed,):
            path = weights.weights_path(experiment, each, checkpoints)
            networks[name, each] = weights.load_model(path)[0], experiment
    every, pair = open_dataset(dataset, root), load(dataset, experiment.protocol, root)
    print(exhibits.write(chosen.make(networks, every, *pair), out))
