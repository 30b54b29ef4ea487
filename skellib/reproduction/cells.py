"""Cells of a table: the paper's number, ours, or the reason why ours is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skellib.experiment import PROFILES, check_profile
from skellib.paths import packed_path
from skellib.records import BestEpoch, RecordStore
from skellib.reproduction.paper_tables import (
    Column,
    Row,
    Table,
    reported_difference,
)
from skellib.reproduction.results import (
    Runs,
    average_by,
    compare_labels,
    recorded_experiments,
    runs_of,
    unit_of,
)
from skellib.statistics import Difference, Summary, summarise, verdict

DATA_ON_REQUEST = {
    "ntu": "NTU RGB+D",
    "kinetics": "Kinetics-Skeleton",
    "sysu": "SYSU 3D HOI",
}
"""The paper's data sets that must be requested: they cannot be redistributed."""
COUNTED_UNITS = {"parameters": "M", "operations": "G"}
"""Measures that are counted from the network and need no run, with their units."""
CHOSEN_CLASSES = "frequency"
"""The measure on a subset of classes, which is chosen once the data are available."""
RESULT_PROFILES = tuple(name for name in PROFILES if name != "quick")
"""The profiles whose runs are results: ``quick`` only proves that the code runs."""

SIZES = {"full": "full size", "laptop": "laptop size", "quick": "quick"}
"""What the network of each profile is called."""
NETWORK = {"full": "", "laptop": ", laptop network", "quick": ", quick network"}


@dataclass(frozen=True)
class Missing:
    """Why a cell has no measured number, and the command that would provide one.

    Its string is the plain text of the cell.
    """

    reason: str
    command: str | None = None

    @property
    def short_text(self) -> str:
        """The reason without the command: ``"not run: needs NTU RGB+D data"``."""
        return f"not run: {self.reason}"

    def __str__(self) -> str:
        return (
            f"{self.short_text}; run {self.command}"
            if self.command
            else self.short_text
        )


@dataclass(frozen=True)
class Cell:
    """Hold the paper's number and ours for one row and column of a table.

    Accuracies are in per cent, differences in percentage points.

    Attributes:
        label: label of the row.
        column: column of the table.
        profile: profile whose runs were looked up.
        reported: the paper's number, if it has one.
        gap: why an expected number of the paper is absent.
        claimed: the paper's difference to the table's baseline row.
        summary: summary of our runs, if there are any.
        difference: our difference to the baseline row, paired by seed or fold.
        verdict: whether the paper's difference was reproduced, in words.
        unit: what is counted: ``"seed"``, or ``"fold"`` if the protocol has several.
        clean: whether only test clips without a duplicate in training count.
        baseline: whether this is the row that the others are compared with.
        missing: why there is no summary; None if there is one.
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
    missing: Missing | None

    @property
    def paper_text(self) -> str:
        """The paper's number: ``"paper: 84.5 %"``."""
        if self.reported is not None:
            return f"paper: {_amount(self.reported, self.column)}"
        return f"paper: no number ({self.gap})" if self.gap else "paper: no number"

    @property
    def measured_text(self) -> str:
        """Our number: ``"measured (3 seeds): 72.4 ± 0.8 % [70, 74]"``, or why not."""
        if self.summary is None:
            return str(self.missing)
        s = self.summary
        where = " on clean clips" if self.clean else ""
        text = f"measured{where}{NETWORK[self.profile]} ({_count(s.n, self.unit)}): "
        if s.sd is None:
            return f"{text}{s.mean:.1f} %"
        return f"{text}{s.mean:.1f} ± {s.sd:.1f} % [{s.low:.1f}, {s.high:.1f}]"

    @property
    def compared_text(self) -> str:
        """Our difference to the baseline row and the paper's."""
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
    unit = COUNTED_UNITS.get(column.measure)
    return f"{value:.3f} {unit}" if unit else f"{value:.1f} %"


def _count(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def signed(value: float) -> str:
    """Format percentage points with their sign: ``"+0.8"``, ``"−1.3"``."""
    return f"{value:+.1f}".replace("-", "−")


def summary_text(s: Summary | None) -> str:
    """Format mean, standard deviation and number of runs: ``"72.4 ± 0.8 (3)"``.

    A single run has no deviation; without any run the text is ``"not run"``.
    """
    if s is None:
        return "not run"
    spread = "" if s.sd is None else f" ± {s.sd:.1f}"
    return f"{s.mean:.1f}{spread} ({s.n})"


def difference_text(d: Difference | None) -> str:
    """Format a difference in points with its interval: ``"+2.0 [−0.5, +4.5]"``.

    A single pair has no interval; without any pair the text is ``"(not run)"``.
    """
    if d is None:
        return "(not run)"
    if d.low is None or d.high is None:
        return signed(d.mean)
    return f"{signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]"


def best_epoch_text(best: Mapping[tuple[int, int], BestEpoch], unit: str) -> str:
    """Format what a row would print if each run reported its best test epoch.

    Args:
        best: best epochs by (fold, seed).
        unit: ``"seed"``, or ``"fold"`` if the protocol has several.

    Returns:
        ``"best epoch of 8 looks (3 seeds): 75.3 ± 2.1 %"``; empty without runs.
    """
    if not best:
        return ""
    runs = {run: 100 * each.top1 for run, each in best.items()}
    s = summarise([*average_by(runs, unit).values()])
    looks = sorted({each.evaluations for each in best.values()})
    number = f"{looks[0]} to {looks[-1]}" if len(looks) > 1 else f"{looks[0]}"
    spread = "" if s.sd is None else f" ± {s.sd:.1f}"
    return f"best epoch of {number} looks ({_count(s.n, unit)}): {s.mean:.1f}{spread} %"


def _tested(d: Difference, unit: str) -> str:
    if d.p is None:
        return f"{difference_text(d)} ({_count(d.n, unit)})"
    p = f"p = {d.p:.2g}" if d.p >= 0.001 else "p < 0.001"
    return f"{difference_text(d)}, {p}"


def missing_data(dataset: str) -> str | None:
    """Name the data that are not prepared: ``"NTU RGB+D data"``, or None."""
    if dataset not in DATA_ON_REQUEST or packed_path(dataset).is_file():
        return None
    return f"{DATA_ON_REQUEST[dataset]} data"


def prepare_command(dataset: str) -> str:
    """Return the command that prepares a downloaded data set."""
    return f"python -m skellib prepare {dataset} --source PATH"


def _why_missing(table: Table, row: Row, column: Column, profile: str) -> Missing:
    if not row.ours:
        return Missing("another method")
    if column.measure in COUNTED_UNITS:
        return Missing("counted from the network")
    data = missing_data(column.dataset)
    if data:
        return Missing(f"needs {data}", prepare_command(column.dataset))
    if column.measure == CHOSEN_CLASSES:
        return Missing("its classes are not chosen yet")
    number = f'"{table.number}"' if " " in table.number else table.number
    return Missing(
        "no record yet",
        f"python -m skellib reproduce --profile {profile} "
        f"--datasets {column.dataset} --tables {number}",
    )


def column_cells(
    table: Table,
    column: Column,
    profile: str,
    store: RecordStore,
    clean: bool = False,
    classes: Sequence[int] | None = None,
) -> list[Cell]:
    """Return the cells of one column, row by row.

    Args:
        table: table of the paper or of this book.
        column: one of its columns, or another column of the same kind: see
            :func:`skellib.reproduction.results.columns_on`.
        profile: profile whose runs to look up.
        store: the records.
        clean: count only test clips without a duplicate among the training clips.
        classes: count only test clips of these classes (as Table VIII does); the
            measure is then the share of them that is right.

    Raises:
        InputError: if the profile is unknown or a record cannot be used.
    """
    check_profile(profile)
    needs_no_run = column.measure in COUNTED_UNITS or (
        column.measure == CHOSEN_CLASSES and classes is None
    )
    found = recorded_experiments(table.rows, column, profile, store)
    experiments = {row.label: each for row, each in zip(table.rows, found)}
    runs: dict[str, Runs] = {
        label: {}
        if needs_no_run
        else runs_of(each, store, column.measure, clean, classes)
        for label, each in experiments.items()
    }
    base = table.row(table.baseline) if table.baseline else None
    unit = unit_of(column)
    pairs = [
        (label, base.label)
        for label, each in experiments.items()
        if base is not None and each != experiments[base.label]
    ]
    compared = compare_labels(runs, pairs, unit).differences
    differences = {pair[0]: each for pair, each in zip(pairs, compared, strict=True)}

    def cell(row: Row) -> Cell:
        mine = runs[row.label]
        is_base = base is not None and experiments[row.label] == experiments[base.label]
        difference, claimed = differences.get(row.label), None
        if base is not None and not is_base and classes is None:
            claimed = reported_difference(row, base, column)
        return Cell(
            label=row.label,
            column=column,
            profile=profile,
            reported=row.reported.get(column.name) if classes is None else None,
            gap=row.gaps.get(column.name, ""),
            claimed=claimed,
            summary=summarise([*average_by(mine, unit).values()]) if mine else None,
            difference=difference,
            verdict=verdict(difference, claimed, profile, unit),
            unit=unit,
            clean=clean,
            baseline=is_base,
            missing=None if mine else _why_missing(table, row, column, profile),
        )

    return [cell(row) for row in table.rows]
