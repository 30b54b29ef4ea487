"""Every plot of the book: one palette, one style, safe for colour-blind readers.

Functions take NumPy arrays or tensors on the CPU and return a matplotlib ``Figure`` (or
HTML); they do not show, save or close anything. Names in the
docstrings such as "Fig. 7" are the paper's figures that they redraw.
"""

from skellib.figures.cards import data_card, facts_table, nearest_distances
from skellib.figures.classes import changes, confusion, confusions, embedding
from skellib.figures.costs import component_shares, growth, speed_ratios
from skellib.figures.curves import divergences, loss_curves, trajectories
from skellib.figures.diagrams import (
    attention_diagram,
    block_diagram,
    fusion_diagram,
    fusion_diagrams,
    network_diagram,
)
from skellib.figures.maps import affinity, frequency_map, frequency_maps, masks, matrix
from skellib.figures.results import (
    by_seed,
    comparisons,
    dots,
    effects,
    gains,
    history,
    mutual_weight,
    waterfall,
)
from skellib.figures.skeletons import (
    layout_sketch,
    layout_sketches,
    rest_pose,
    skeleton_frames,
)
from skellib.figures.style import (
    CATEGORICAL,
    DIVERGING,
    PALETTE,
    SEQUENTIAL,
    canvas,
    style,
)
from skellib.figures.widgets import (
    affinity_explorer,
    classifier,
    confusion_explorer,
    loss_explorer,
    player,
    players,
    sortable_table,
    spectrum_explorer,
)

__all__ = [
    "CATEGORICAL",
    "DIVERGING",
    "PALETTE",
    "SEQUENTIAL",
    "affinity",
    "affinity_explorer",
    "attention_diagram",
    "block_diagram",
    "by_seed",
    "canvas",
    "changes",
    "classifier",
    "comparisons",
    "component_shares",
    "confusion",
    "confusion_explorer",
    "confusions",
    "data_card",
    "divergences",
    "dots",
    "effects",
    "embedding",
    "facts_table",
    "frequency_map",
    "frequency_maps",
    "fusion_diagram",
    "fusion_diagrams",
    "gains",
    "growth",
    "history",
    "layout_sketch",
    "layout_sketches",
    "loss_curves",
    "loss_explorer",
    "masks",
    "matrix",
    "mutual_weight",
    "nearest_distances",
    "network_diagram",
    "player",
    "players",
    "rest_pose",
    "speed_ratios",
    "skeleton_frames",
    "sortable_table",
    "spectrum_explorer",
    "style",
    "trajectories",
    "waterfall",
]
