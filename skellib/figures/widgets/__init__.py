"""Interactive figures and tables: a small script each, which needs no network."""

from skellib.figures.widgets.explorers import (
    confusion_explorer,
    loss_explorer,
    spectrum_explorer,
)
from skellib.figures.widgets.networks import affinity_explorer, classifier
from skellib.figures.widgets.page import Widget
from skellib.figures.widgets.player import player, players
from skellib.figures.widgets.tables import sortable_table

__all__ = [
    "Widget",
    "affinity_explorer",
    "classifier",
    "confusion_explorer",
    "loss_explorer",
    "player",
    "players",
    "sortable_table",
    "spectrum_explorer",
]
