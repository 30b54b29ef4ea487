"""The HTML of a widget: style, controls, data and scripts, with nothing to fetch."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from skellib.figures.skeletons import bone_side, view_axes
from skellib.layouts import Layout


@dataclass(frozen=True)
class Widget:
    """Hold an interactive widget: notebooks show it, and any HTML page can contain it.

    Attributes:
        data: the HTML, with its style, data and scripts.
    """

    data: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.data


def widget(
    name: str,
    settings: Mapping[str, Any],
    body: str,
    title: str | None = None,
    libraries: Sequence[str] = (),
    styles: Sequence[str] = (),
    without_script: str = "This part of the page needs JavaScript.",
) -> Widget:
    """Build a widget from its script, its data and its HTML.

    The same arguments always give the same bytes.

    Args:
        name: name of the script ``<name>.js``: a function of the key by which it finds
            its element, the settings and the libraries.
        settings: data for the script, as for ``json.dumps``.
        body: HTML of the canvases and controls.
        title: a heading, also the name of the widget for screen readers.
        libraries: scripts beside ``kit.js``, each an expression that may use those
            before it.
        styles: style sheets beside ``page.css``.
        without_script: what readers without JavaScript are told.
    """
    text = json.dumps(settings, separators=(",", ":")).replace("<", "\\u003c")
    key = hashlib.sha256("\n".join([name, body, text]).encode()).hexdigest()[:12]
    libraries = ("kit", *libraries)
    scripts = "".join(f"const {each}=({_asset(f'{each}.js')});" for each in libraries)
    heading = f'<p class="title">{escape(title)}</p>' if title else ""
    style = "\n".join(_asset(f"{each}.css") for each in ("page", *styles))
    return Widget(
        f"<style>{style}</style>"
        f'<div class="skellib-widget {name}" data-widget="{key}" role="group" '
        f'aria-label="{escape(title or name)}">{heading}{body}'
        f"<noscript>{escape(without_script)}</noscript></div>"
        f"<script>{{{scripts}({_asset(f'{name}.js')})"
        f'([{",".join(libraries)}],"{key}",{text})}}</script>'
    )


def canvas(label: str, caption: str = "", css: str = "") -> str:
    """Return a canvas that can be focused, with its text for screen readers."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    kind = f' class="{css}"' if css else ""
    return (
        f'<figure{kind}><canvas role="img" tabindex="0" '
        f'aria-label="{escape(label)}"></canvas>{below}</figure>'
    )


def slider(
    name: str, label: str, low: float, high: float, value: float, step: float = 1
) -> str:
    """Return a labelled slider with an output for its value."""
    return (
        f'<label>{escape(label)} <input type="range" name="{name}" min="{low:g}" '
        f'max="{high:g}" value="{value:g}" step="{step:g}"><output></output></label>'
    )


def select(name: str, label: str, options: Sequence[str]) -> str:
    """Return a labelled list to choose from; values are the numbers of the options."""
    items = "".join(
        f'<option value="{i}">{escape(text)}</option>' for i, text in enumerate(options)
    )
    return f'<label>{escape(label)} <select name="{name}">{items}</select></label>'


def button(name: str, label: str) -> str:
    """Return a button."""
    return f'<button type="button" name="{name}">{escape(label)}</button>'


def skeleton(layout: Layout) -> dict[str, Any]:
    """Return what a script needs to draw skeletons of a layout: bones and sides."""
    return {
        "bones": [[*map(int, bone), bone_side(layout, bone)] for bone in layout.bones],
        "sides": [layout.side(joint) for joint in range(layout.size)],
        "axes": view_axes(layout, (0.0, 0.0)).tolist(),
    }


def tensor(values: Any) -> dict[str, Any]:
    """Encode numbers in half precision if that loses nothing, else in float32."""
    values = np.ascontiguousarray(values, dtype="<f4")
    half = values.astype("<f2")
    exact = np.array_equal(half.astype("<f4"), values)
    kind, stored = ("f16", half) if exact else ("f32", values)
    return {kind: base64.b64encode(stored.tobytes()).decode()}


def coordinates(values: Any) -> dict[str, Any]:
    """Encode coordinates as 16-bit integers and their unit; 0 stays 0."""
    values = np.asarray(values, dtype=float)
    unit = float(np.abs(values).max(initial=0.0) or 1.0) / 32767
    whole = (values / unit).round().astype("<i2")
    return {"i16": base64.b64encode(whole.tobytes()).decode(), "unit": unit}


def _asset(name: str) -> str:
    return (files("skellib.figures.widgets") / name).read_text(encoding="utf-8").strip()
