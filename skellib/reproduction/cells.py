"""A number of the paper beside ours: what was measured, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skellib.errors import InputError
from skellib.experiment import PROFILES
from skellib.paths import packed_path
from skellib.records import RecordStore
from skellib.reproduction.paper_tables import Column, Row, Table
from skellib.reproduction.results import average_by, compare, experiments, runs_of
from skellib.statistics import Difference, Summary, summarise, verdict

# The paper's data sets that one must ask for: nobody has run their rows here.
NEEDED = {
    "ntu": "NTU RGB+D",
    "kinetics": "Kinetics-Skeleton",
    "sysu": "SYSU 3D HOI",
}
COUNTED = {"parameters": "M", "operations": "G"}
"""Measures that are counted from the network, not measured by a run; their units."""
CHOSEN = "frequency"
"""The measure on some classes only, which are chosen once the data are there."""

NETWORK = {"full": "", "laptop": ", laptop network", "quick": ", quick network"}


@dataclass(frozen=True)
class Cell:
    """A row of a table in one column: the paper's number and ours.

    Accuracies are in per cent, differences in percentage points.

    Attributes:
        label: of the row.
        column: of the table.
        profile: of the runs that were looked for.
        reported: the paper's number; none where it has none.
        gap: why it has none, where the paper's text lost it.
        claimed: the paper's difference to the table's baseline row.
        summary: of our runs; none where there is none.
        difference: of our runs to those of the baseline row, paired by seed or fold.
        verdict: whether the paper's difference was reproduced, in words.
        unit: what is counted: ``"seed"``, or ``"fold"`` where the protocol has several.
        clean: whether only clean test clips count.
        baseline: whether the others are compared with this row.
        missing: why nothing was measured; empty where something was.
    """

    label: str
    column: Column
    profile: str
    reported: float | None
    gap: str
    claimed: float | None
    summary: Summary | None
    difference: Difference | None
    verdict: str
    unit: str
    clean: bool
    baseline: bool
    missing: str

    @property
    def paper_text(self) -> str:
        """The paper's number: ``"paper: 84.5 %"``."""
        if self.reported is not None:
            return f"paper: {_amount(self.reported, self.column)}"
        return f"paper: no number ({self.gap})" if self.gap else "paper: no number"

    @property
    def measured_text(self) -> str:
        """Ours: ``"measured (3 seeds): 72.4 ± 0.8 % [70.4, 74.4]"``, or why not."""
        if self.summary is None:
            return self.missing
        s = self.summary
        where = " on clean clips" if self.clean else ""
        text = f"measured{where}{NETWORK[self.profile]} ({_count(s.n, self.unit)}): "
        if s.sd is None:
            return f"{text}{s.mean:.1f} %"
        return f"{text}{s.mean:.1f} ± {s.sd:.1f} % [{s.low:.1f}, {s.high:.1f}]"

    @property
    def compared_text(self) -> str:
        """Both differences to the baseline row, each by its name."""
        if self.baseline:
            return "baseline"
        parts = []
        if self.difference is not None:
            parts.append(f"measured: {_tested(self.difference, self.unit)}")
        elif self.summary is not None:
            parts.append(f"measured: no {self.unit} in common with the baseline")
        if self.claimed is not None:
            parts.append(f"paper: {signed(self.claimed)}")
        return "; ".join(parts)


def _amount(value: float, column: Column) -> str:
    unit = COUNTED.get(column.measure)
    return f"{value:.3f} {unit}" if unit else f"{value:.1f} %"


def _count(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def signed(value: float) -> str:
    """Points with their sign: ``"+0.8"``, ``"−1.3"``."""
    return f"{value:+.1f}".replace("-", "−")


def summary_text(s: Summary | None) -> str:
    """Mean, standard deviation and number of runs: ``"72.4 ± 0.8 (3)"``.

    Without the deviation of a single run, ``"not run"`` where there is none.
    """
    if s is None:
        return "not run"
    spread = "" if s.sd is None else f" ± {s.sd:.1f}"
    return f"{s.mean:.1f}{spread} ({s.n})"


def difference_text(d: Difference | None) -> str:
    """A difference in points with its interval: ``"+2.0 [−0.5, +4.5]"``.

    Without the interval where there is none, ``"(not run)"`` where there is nothing.
    """
    if d is None:
        return "(not run)"
    if d.low is None or d.high is None:
        return signed(d.mean)
    return f"{signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]"


def _tested(d: Difference, unit: str) -> str:
    if d.p is None:
        return f"{difference_text(d)} ({_count(d.n, unit)})"
    p = f"p = {d.p:.2g}" if d.p >= 0.001 else "p < 0.001"
    return f"{difference_text(d)}, {p}"


NOT_RUN = "not run: "
COMMAND = f"{NOT_RUN}python -m skellib"
NEEDS = f"{NOT_RUN}needs "
THEN = ", then "


def needs_of(dataset: str) -> str:
    """What is not prepared and must be fetched: ``"NTU RGB+D data"``; or nothing."""
    if dataset not in NEEDED or packed_path(dataset).is_file():
        return ""
    return f"{NEEDED[dataset]} data"


def _why_missing(table: Table, row: Row, column: Column, profile: str) -> str:
    if not row.ours:
        return "not run: another method"
    if column.measure in COUNTED:
        return "not run: counted from the network"
    needs = needs_of(column.dataset)
    if needs:
        prepare = f"python -m skellib prepare {column.dataset} --source PATH"
        return f"{NEEDS}{needs}{THEN}{prepare}"
    if column.measure == CHOSEN:
        return f"{NOT_RUN}its classes are not chosen yet, see chapter 13"
    number = f'"{table.number}"' if " " in table.number else table.number
    return (
        f"{COMMAND} reproduce --profile {profile} "
        f"--datasets {column.dataset} --tables {number}"
    )


def column_cells(
    table: Table,
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> list[Cell]:
    """The cells of one column, row by row.

    Args:
        table: of the paper.
        column: one of its, or another of the same kind: see :func:`columns`.
        profile: whose runs to look for.
        store: the records.
        clean: count only test clips without a twin among the training clips.
        classes: count only test clips of these classes (the question of Table VIII);
            the share of them that is right, whatever the column's measure.

    Raises:
        InputError: an unknown profile, or a record that cannot be used.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    base = table.row(table.baseline) if table.baseline else None
    tried = {
        row.label: experiments(row, column, profile) if row.ours else ()
        for row in table.rows
    }
    unmeasured = column.measure in COUNTED or (
        column.measure == CHOSEN and classes is None
    )
    runs = {
        label: {}
        if unmeasured
        else runs_of(each, store, column.measure, clean, classes)
        for label, each in tried.items()
    }
    several = any(len(each) > 1 for each in tried.values())
    unit = "fold" if several else "seed"

    def cell(row: Row) -> Cell:
        mine, reported = runs[row.label], row.reported.get(column.name)
        difference, claimed = None, None
        same = base is not None and tried[row.label] == tried[base.label]
        if base is not None and not same:
            difference = compare(mine, runs[base.label], unit)
            before = base.reported.get(column.name)
            if reported is not None and before is not None and classes is None:
                claimed = round(reported - before, 6)
        return Cell(
            label=row.label,
            column=column,
            profile=profile,
            reported=reported if classes is None else None,
            gap=row.gaps.get(column.name, ""),
            claimed=claimed,
            summary=summarise([*average_by(mine, unit).values()]) if mine else None,
            difference=difference,
            verdict=verdict(difference, claimed, profile, unit),
            unit=unit,
            clean=clean,
            baseline=same,
            missing="" if mine else _why_missing(table, row, column, profile),
        )

    return [cell(row) for row in table.rows]


def cells(
    table: Table, profile: str, store: RecordStore, clean: bool = False
) -> list[Cell]:
    """All cells of a table's own columns, column by column."""
    return [
        cell
        for each in table.columns
        for cell in column_cells(table, each, profile, store, clean)
    ]
