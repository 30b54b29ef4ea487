"""Pictures of data cards and duplicates: they show what the numbers say."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from skellib import figures
from skellib.errors import InputError
from skellib.readers.cards import INFO, STEP, ClassCount, read


def texts(figure) -> list[str]:
    """All the words in a figure."""
    return [t.get_text() for ax in figure.axes for t in ax.texts] + [
        ax.get_title() for ax in figure.axes
    ]


@pytest.mark.parametrize("name", ["nucla", "utd_mhad", "sbu", "synthetic"])
def test_data_card(name) -> None:
    card = read(name)
    assert card is not None
    open_figures = plt.get_fignums()
    figure = figures.data_card(card)
    classes, lengths, missing = figure.axes
    assert [t.get_text() for t in classes.get_yticklabels()] == [
        c.name for c in card.classes
    ]
    assert [bar.get_width() for bar in classes.patches] == [
        c.clips for c in card.classes
    ]
    assert lengths.get_title() == f"{card.lengths.min} to {card.lengths.max} frames"
    marked = [line for line in missing.lines if line.get_markersize() == 8.5]
    assert len(marked) == sum(share > 0 for share in card.missing)
    assert ("none" in texts(figure)) == (card.missing_frames == 0)
    assert figure._repr_png_()
    assert plt.get_fignums() == open_figures


def test_many_classes_are_ranked_without_names() -> None:
    card = read("nucla")
    assert card is not None
    many = [
        ClassCount(name=str(i), clips=i % 7, median_frames=None) for i in range(400)
    ]
    figure = figures.data_card(card.model_copy(update={"classes": many}))
    ax = figure.axes[0]
    assert "of 400 classes" in ax.get_title() and not ax.patches
    assert ax.get_xlabel() == "classes, largest first"
    with pytest.raises(InputError, match="'custom'"):
        figures.data_card(card.model_copy(update={"layout": "custom"}))


def test_nearest_distances() -> None:
    figure = figures.nearest_distances([3, 0, 0, 5, 9, 0, 0], STEP, 0.1, title="t")
    (ax,) = figure.axes
    low, high = ax.get_xlim()
    assert low == 0 and high == pytest.approx(1.2)
    assert {"near", "typical", "t"} <= set(texts(figure))
    assert figures.nearest_distances([0], STEP, 0.25).axes


@pytest.mark.parametrize("name", INFO)
def test_facts_table(name) -> None:
    facts = INFO[name]
    page = figures.facts_table(facts).data
    assert all(f'href="{home}"' in page for home in facts.home)
    assert page.count("<li>") == len(facts.quirks)
    assert ("Prepare" in page) == bool(facts.prepare)
    assert page.count("<tr>") == page.count("</tr>")


def test_facts_table_escapes() -> None:
    from dataclasses import replace

    page = figures.facts_table(replace(INFO["sbu"], what="<b>&")).data
    assert "&lt;b&gt;&amp;" in page
