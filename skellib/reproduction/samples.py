"""Provide sample clips, and the trained networks released with the repository for them.

They are what ``skellib demo`` and the book's widgets show: synthetic clips, since real
ones are not ours to distribute. ``data/README.md`` has the commands that made the
networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import torch

from skellib.data import PackedDataset, synthetic
from skellib.errors import InputError
from skellib.experiment import Experiment, final_model
from skellib.figures import classifier
from skellib.inference import Predictor
from skellib.preprocessing import YAW_AXIS, rotate
from skellib.weights import released_weights_path

SUBJECT, VIEW = 9, 2
"""Person and camera of the sample clips; the data set has persons 1 to 8 only."""

NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "trained on recorded clips": {
        "training.epochs": 40,
        "training.lr_decay": 0.93,
    },
    "trained on rotated clips": {
        "training.epochs": 40,
        "training.lr_decay": 0.93,
        "preprocessing.max_yaw": 90,
        "preprocessing.max_pitch": 20,
    },
}
"""What differs from the profile ``quick``, by name."""


def experiment(name: str) -> Experiment:
    """Return the experiment of one of :data:`NETWORKS`."""
    return final_model("synthetic", "quick").replace(**NETWORKS[name])


def network(name: str) -> Predictor:
    """Load one of the released networks for synthetic clips.

    Raises:
        InputError: if its weights are missing or damaged.
    """
    path = released_weights_path(experiment(name), seed=0)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; it is part of the repository, so run this in a "
            "clone of it, or set SKELLIB_ROOT to one"
        )
    return Predictor(path)


def networks() -> dict[str, Predictor]:
    """Load the released networks for synthetic clips, by name; see :func:`network`."""
    return {name: network(name) for name in NETWORKS}


def clips() -> PackedDataset:
    """Generate the sample clips: one of each class, by a person unknown in training."""
    made = synthetic.generate(subjects=[SUBJECT], takes=1, views=VIEW)
    return made.subset(made.view == VIEW)


def answers(
    networks: Mapping[str, Predictor], clips: PackedDataset, yaw: float = 0
) -> dict[str, np.ndarray]:
    """Compute the class probabilities of clips.

    Args:
        networks: networks by name.
        clips: n clips.
        yaw: angle by which the persons are rotated first, in degrees.

    Returns:
        Probabilities (n, classes) by name of the network.
    """
    joints = (torch.tensor(clips.clip(i)) for i in range(len(clips)))
    arrays = [rotate(each, yaw, YAW_AXIS).numpy() for each in joints]
    return {name: each.all_probabilities(arrays) for name, each in networks.items()}


def page(
    networks: Mapping[str, Predictor],
    clips: PackedDataset,
    found: Mapping[str, np.ndarray],
) -> str:
    """Write a page in which the networks answer while the reader changes a clip.

    Args:
        networks: networks by name.
        clips: sample clips.
        found: their class probabilities, from :func:`answers`.

    Returns:
        An HTML document that needs no network connection.
    """
    widget = classifier(networks, clips, "Rotate the clip, or change its tempo")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in found)
    rows = "".join(
        f'<tr><th scope="row">{escape(clips.classes[label])}</th>'
        + "".join(_answer(clips, label, each[i]) for each in found.values())
        + "</tr>"
        for i, label in enumerate(clips.label)
    )
    return _PAGE.format(widget=widget.data, head=head, rows=rows)


def _answer(clips: PackedDataset, label: int, probabilities: np.ndarray) -> str:
    """Return a table cell with the most probable class of a clip."""
    best = int(probabilities.argmax())
    verdict = "right" if best == label else "wrong"
    share = f"{100 * probabilities[best]:.0f} %"
    return f"<td>{escape(clips.classes[best])}, {share} ({verdict})</td>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>skellib demo</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 720px; margin: 2rem auto; padding: 0 1rem; line-height: 1.5;
  font-family: system-ui, "DejaVu Sans", sans-serif; }}
main > table {{ border-collapse: collapse; }}
main > table :is(th, td) {{ padding: 0.2rem 1rem 0.2rem 0; text-align: left;
  vertical-align: top; }}
main > table tbody th {{ font-weight: normal; }}
</style></head><body><main>
<h1>Trained networks at work</h1>
<p>Two small networks of the kind SLnL-rFA were trained on twelve synthetic actions:
one on the clips as two cameras recorded them, one on clips that were also rotated at
random. Both run in this page; nothing is sent anywhere. The clips show a person whom
neither network has seen.</p>
{widget}
<h2>The answers to the clips as recorded</h2>
<table><thead><tr><th scope="col">sample clip</th>{head}</tr></thead>
<tbody>{rows}</tbody></table>
</main></body></html>
"""
