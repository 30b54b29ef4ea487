"""Interactive figures: a canvas and a small script each, which need no network."""

from skellib.figures.widgets.explorers import (
    confusion_explorer,
    loss_explorer,
    spectrum_explorer,
)
from skellib.figures.widgets.networks import affinity_explorer, classifier
from skellib.figures.widgets.page import Widget
from skellib.figures.widgets.player import player, players

__all__ = [
    "Widget",
    "affinity_explorer",
    "classifier",
    "confusion_explorer",
    "loss_explorer",
    "player",
    "players",
    "spectrum_explorer",
]
