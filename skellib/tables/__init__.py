"""The paper's tables beside what was measured: each number says whose it is."""

from skellib.tables.cell import (
    COMMAND,
    NEEDED,
    NEEDS,
    THEN,
    Cell,
    cells,
    column_cells,
    difference_text,
    summary_text,
)
from skellib.tables.frames import (
    by_seed,
    frame,
    gains,
    levels,
    marks,
    settings,
    shown,
    tally,
)
from skellib.tables.lookup import column, columns, experiments, named, unit_of
from skellib.tables.recorded import coverage, others, scan, wanted
from skellib.tables.scores import compared
from skellib.tables.text import html, plain, report

__all__ = [
    "COMMAND",
    "NEEDED",
    "NEEDS",
    "THEN",
    "Cell",
    "by_seed",
    "cells",
    "column",
    "column_cells",
    "columns",
    "compared",
    "coverage",
    "difference_text",
    "experiments",
    "frame",
    "gains",
    "html",
    "levels",
    "marks",
    "named",
    "others",
    "plain",
    "report",
    "scan",
    "settings",
    "shown",
    "summary_text",
    "tally",
    "unit_of",
    "wanted",
]
