"""DatasetInfo: what to know about a data set before downloading it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetInfo:
    """Published description of a data set: citation, home page, terms, quirks.

    Attributes:
        title: full name.
        what: one-sentence summary.
        citation: authors, title, venue and year.
        home: URLs of the data set; empty for the synthetic set.
        terms: terms of use.
        contents: numbers of clips, classes, subjects and joints, as published.
        protocols: name and "training / test" clips of each protocol.
        quirks: pitfalls of the data.
        prepare: arguments of the command that packs it; empty if none is needed.
    """

    title: str
    what: str
    citation: str
    home: tuple[str, ...]
    terms: str
    contents: str
    protocols: tuple[tuple[str, str], ...]
    quirks: tuple[str, ...]
    prepare: str
