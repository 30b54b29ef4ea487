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
from skellib.errors import InputError

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
        str, typer.Argument(help="frequency (Fig. 1), embedding (Fig. 8) or turn.")
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
    """Draw from trained networks what a figure shows, and keep that.

    ``turn`` is of the chapter "The draw and the camera", of several seeds.
    """
    from skellib import weights
    from skellib.data import load, open_dataset
    from skellib.reproduction import exhibits, results

    wanted = exhibits.NETWORKS.get(kind)
    if wanted is None:
        raise InputError(f"exhibit {kind!r} is none of {', '.join(exhibits.NETWORKS)}")
    number, rows = wanted
    table = results.get_table(number)
    column = results.columns_on(table, dataset)[0]
    models = {}
    for name, label in rows.items():
        experiment = table.row(label).experiment(column, profile)
        for each in exhibits.SEEDS.get(kind, (seed,)):
            path = weights.weights_path(experiment, each, checkpoints)
            models[name, each] = weights.load_model(path)[0], experiment
    pair = load(dataset, column.protocol, root)
    made: exhibits.Exhibit
    if kind == "frequency":
        (final,) = models.values()
        made = exhibits.frequency(*final, seed, *pair)
    elif kind == "embedding":
        by_loss = {name: model for (name, _), model in models.items()}
        made = exhibits.embedding(by_loss, seed, pair[1])
    else:
        made = exhibits.turn(models, open_dataset(dataset, root), *pair)
    print(exhibits.write(made, out))
