"""Command that shows trained networks at work, without data and without a GPU."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

PAGE = "skellib-demo.html"
YAW = -90


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the page. Default: a temporary folder."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Classify sample clips by two trained networks and show them in a page.

    In the page the networks answer anew while you rotate a clip or change its tempo.
    """
    from skellib.paths import write_text
    from skellib.reproduction import samples

    networks, clips = samples.networks(), samples.clips()
    found = samples.answers(networks, clips)
    names = [clips.classes[label] for label in clips.label]
    _row("sample clip", networks)
    for i, name in enumerate(names):
        _row(name, (_answer(each[i], clips.classes, name) for each in found.values()))
    _row("right", (_right(each, clips.label) for each in found.values()))
    rotated = samples.answers(networks, clips, YAW).values()
    _row(f"right, rotated by {YAW}°", (_right(each, clips.label) for each in rotated))
    page = (out or Path(tempfile.mkdtemp(prefix="skellib-"))) / PAGE
    write_text(page, samples.page(networks, clips, found))
    print(f"page: {page}")
    if show and not webbrowser.open(page.resolve().as_uri()):
        print("no browser was found; open the page yourself")


def _row(head: str, cells: Iterable[str]) -> None:
    print(f"{head:25}" + "".join(f"{cell:36}" for cell in cells).rstrip())


def _answer(probabilities: np.ndarray, classes: tuple[str, ...], true: str) -> str:
    best = int(probabilities.argmax())
    wrong = "" if classes[best] == true else " (wrong)"
    return f"{100 * probabilities[best]:3.0f} % {classes[best]}{wrong}"


def _right(probabilities: np.ndarray, label: np.ndarray) -> str:
    return f"{(probabilities.argmax(1) == label).sum()} of {len(label)}"
