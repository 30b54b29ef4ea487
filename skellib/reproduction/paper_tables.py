"""The paper's tables: each row with its printed numbers and its Experiment.

The ablations build on one another (Section IV-C): each baseline is the previous one
with one change. None uses mutual learning before Table X. Rows of different tables that
are the same experiment share a key and are trained once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skellib.errors import InputError
from skellib.experiment import PROFILES, Experiment, final_model

Changes = dict[str, Any]

# The changes of each baseline row. `None` takes the data set's own value: its best
# margin and its best number of SLnL blocks, see `skellib.experiment`.
WITHOUT_MUTUAL: Changes = {"loss.mutual_weight": 0.0}
BASELINE_0: Changes = {
    **WITHOUT_MUTUAL,
    "model.transform": "none",
    "model.frequency_attention": "none",
    "model.slnl_blocks": 0,
    "loss.gamma": 0.0,
    "loss.margin": 0.0,
}
BASELINE_1: Changes = {**BASELINE_0, "model.transform": "both"}
BASELINE_2: Changes = {**BASELINE_1, "loss.gamma": 2.0, "loss.margin": None}
BASELINE_3: Changes = {**BASELINE_2, "model.frequency_attention": "residual"}
SLNL_RFA: Changes = {**BASELINE_3, "model.slnl_blocks": None}
SLNL_RFA_ML: Changes = {**SLNL_RFA, "loss.mutual_weight": 0.1}


@dataclass(frozen=True)
class Column:
    """A column of a table: a data set with its protocol, and a measure."""

    name: str
    dataset: str
    protocol: str
    measure: str = "top1"


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        label: as in the paper.
        reported: the paper's numbers by column, in per cent (in Table XI also millions
            of parameters and 10^9 operations). Columns without a number are absent.
        changes: settings that turn the final model into this row; None for other
            authors' methods, which this book cannot run.
        gaps: by column, why an expected number is absent.
        year: publication year of another author's method.
        profiles: profiles in which the queue runs the row.
    """

    label: str
    reported: Mapping[str, float]
    changes: Changes | None = None
    gaps: Mapping[str, str] = field(default_factory=dict)
    year: int | None = None
    profiles: tuple[str, ...] = tuple(PROFILES)

    @property
    def ours(self) -> bool:
        """Tell whether this book can run the row."""
        return self.changes is not None

    def runs_in(self, profile: str) -> bool:
        """Tell whether the queue of a profile runs the row."""
        return self.ours and profile in self.profiles

    def experiment(self, column: Column, profile: str = "full") -> Experiment:
        """Return the row's experiment on a column's data set.

        Raises:
            InputError: if the row is another author's method.
        """
        if self.changes is None:
            raise InputError(f"{self.label}: another method; it has no experiment")
        changes = {k: v for k, v in self.changes.items() if v is not None}
        base = final_model(column.dataset, profile, column.protocol)
        return base.replace(**changes)


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        number: Roman, as in the paper; ``"Fig. 9"`` for the sweep of that figure.
        title: our own title.
        columns, rows: in the paper's order.
        baseline: label of the row that the others are compared with, if any.
        seeds: number of seeds of a row by default; None for that of the profile.
    """

    number: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    baseline: str | None = None
    seeds: int | None = None

    def row(self, label: str) -> Row:
        """Return the row with this label.

        Raises:
            InputError: if there is no such row.
        """
        for row in self.rows:
            if row.label == label:
                return row
        raise InputError(f"Table {self.number} has no row {label!r}")

    def column(self, name: str) -> Column:
        """Return the column with this name.

        Raises:
            InputError: if there is no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise InputError(f"Table {self.number} has no column {name!r}")


def reported_difference(row: Row, other: Row, column: Column) -> float | None:
    """Return the paper's row minus other in points, or None if a number is absent."""
    mine, theirs = (each.reported.get(column.name) for each in (row, other))
    return None if mine is None or theirs is None else round(mine - theirs, 6)


def reported_by(table: Table, setting: str, column: Column) -> dict[Any, float | None]:
    """Return the paper's numbers of a column by the value of a row's setting.

    Args:
        table: table whose rows all change the setting, such as Table V.
        setting: its name, such as ``"model.transform"``.
        column: the column.
    """
    return {
        row.changes[setting]: row.reported.get(column.name)
        for row in table.rows
        if row.changes is not None
    }


NTU_CS = Column("NTU-CS", "ntu", "cross_subject")
NTU_CV = Column("NTU-CV", "ntu", "cross_view")
UCLA = Column("N-UCLA", "nucla", "cross_view")
KINETICS_1 = Column("top-1", "kinetics", "train_val")
KINETICS_5 = Column("top-5", "kinetics", "train_val", "top5")
SYSU_CS = Column("SYSU-CS", "sysu", "cross_subject")
SYSU_SS = Column("SYSU-SS", "sysu", "same_subject")


def _numbers(
    columns: tuple[Column, ...], values: tuple[float | None, ...]
) -> dict[str, float]:
    pairs = zip(columns, values, strict=True)
    return {column.name: value for column, value in pairs if value is not None}


def _peers(
    columns: tuple[Column, ...], *rows: tuple[str, int, tuple[float | None, ...]]
) -> tuple[Row, ...]:
    """Make the rows of other authors: label, year and numbers."""
    return tuple(
        Row(label, _numbers(columns, values), year=year) for label, year, values in rows
    )


def _ours(
    columns: tuple[Column, ...], *rows: tuple[str, tuple[float | None, ...], Changes]
) -> tuple[Row, ...]:
    """Make the paper's own rows: label, numbers and changes."""
    return tuple(
        Row(label, _numbers(columns, values), changes)
        for label, values, changes in rows
    )


def _final_rows(
    columns: tuple[Column, ...],
    preliminary: tuple[float, ...],
    final: tuple[float, ...],
) -> tuple[Row, ...]:
    """Make the last two rows of Tables I to IV."""
    return _ours(
        columns,
        ("SLnL-rFA", preliminary, SLNL_RFA),
        ("SLnL-rFA+ML", final, SLNL_RFA_ML),
    )


_NTU = (NTU_CS, NTU_CV)
_KINETICS = (KINETICS_1, KINETICS_5)
_SYSU = (SYSU_CS, SYSU_SS)
_ABLATION = (NTU_CS, NTU_CV, UCLA)

_TABLE_I = Table(
    "I",
    "State of the art on NTU RGB+D",
    _NTU,
    _peers(
        _NTU,
        ("Lie Group", 2014, (50.1, 62.8)),
        ("H-RNN", 2015, (59.1, 64.0)),
        ("PA-LSTM", 2016, (62.9, 70.3)),
        ("ST-LSTM+TG", 2016, (69.2, 77.7)),
        ("VA-LSTM", 2017, (79.4, 87.6)),
        ("Synthesized+Pre-trained", 2017, (80.0, 87.2)),
        ("TS-CNN", 2017, (83.2, 89.3)),
        ("ST-GCN", 2018, (81.5, 88.3)),
        ("HCN", 2018, (86.5, 91.1)),
        ("SR-TSL", 2018, (84.8, 92.4)),
        ("MANs", 2018, (83.0, 93.2)),
        ("SGN", 2019, (86.6, 93.4)),
        ("AS-GCN", 2019, (86.8, 94.2)),
    )
    + _final_rows(_NTU, (89.1, 94.9), (89.7, 95.4)),
)

_TABLE_II = Table(
    "II",
    "State of the art on Kinetics",
    _KINETICS,
    _peers(
        _KINETICS,
        ("Feature Encoding", 2015, (14.9, 25.8)),
        ("Deep LSTM", 2016, (16.4, 35.3)),
        ("Temporal ConvNet", 2017, (20.3, 40.0)),
        ("ST-GCN", 2018, (30.7, 52.8)),
        ("AS-GCN", 2019, (34.8, 56.5)),
    )
    + _final_rows(_KINETICS, (36.6, 59.1), (37.5, 60.3)),
)

_TABLE_III = Table(
    "III",
    "State of the art on SYSU",
    _SYSU,
    _peers(
        _SYSU,
        ("VA-LSTM", 2017, (77.5, 76.9)),
        ("ST-LSTM", 2018, (76.5, None)),
        ("DPRL+GCNN", 2018, (76.9, None)),
        ("GCA-LSTM", 2018, (78.6, None)),
        ("SR-TSL", 2018, (81.9, 80.7)),
        ("ElAtt-GRU", 2018, (85.7, 85.7)),
        ("MANs", 2018, (87.6, None)),
        ("SGN", 2019, (86.9, 86.5)),
    )
    + _final_rows(_SYSU, (87.7, 87.4), (88.3, 88.1)),
)

_TABLE_IV = Table(
    "IV",
    "State of the art on N-UCLA",
    (UCLA,),
    _peers(
        (UCLA,),
        ("Lie Group", 2014, (74.2,)),
        ("Actionlet ensemble", 2014, (76.0,)),
        ("HBRNN-L", 2015, (78.5,)),
        ("Visualization CNN", 2017, (86.1,)),
        ("Ensemble TS-LSTM", 2017, (89.2,)),
        ("Synthesized+Pre-trained", 2017, (92.6,)),
        ("ElAtt-GRU", 2018, (90.7,)),
        ("SGN", 2019, (92.5,)),
    )
    + _final_rows((UCLA,), (93.1,), (93.5,)),
)

_TABLE_V = Table(
    "V",
    "Transform methods",
    _ABLATION,
    _ours(
        _ABLATION,
        ("No Trans. (Baseline0)", (84.5, 90.6, 89.6), BASELINE_0),
        ("CNN Variant", (84.7, 90.7, 89.8), {**BASELINE_0, "model.transform": "cnn"}),
        (
            "Coordinate Trans.",
            (85.0, 91.1, 90.2),
            {**BASELINE_0, "model.transform": "coordinate"},
        ),
        (
            "Skeleton Trans.",
            (85.1, 90.9, 90.0),
            {**BASELINE_0, "model.transform": "skeleton"},
        ),
        ("Coordinate and Skeleton Trans.", (85.5, 91.3, 90.5), BASELINE_1),
    ),
    baseline="No Trans. (Baseline0)",
)


def _loss(gamma: float, margin: float) -> Changes:
    return {**BASELINE_1, "loss.gamma": gamma, "loss.margin": margin}


_TABLE_VI = Table(
    "VI",
    "Loss functions",
    _ABLATION,
    _ours(
        _ABLATION,
        ("CE (Baseline1)", (85.5, 91.3, 90.5), BASELINE_1),
        ("FL (2,)", (85.8, 91.9, 90.9), _loss(2.0, 0.0)),
        ("FL (3,)", (85.6, 91.8, 90.6), _loss(3.0, 0.0)),
        ("SMCE (,0.4)", (86.4, 92.0, 90.8), _loss(0.0, 0.4)),
        ("SMCE (,0.6)", (86.2, 92.3, 91.2), _loss(0.0, 0.6)),
        ("SMFL (2,0.4)", (86.9, 92.5, 91.0), _loss(2.0, 0.4)),
        ("SMFL (2,0.6)", (86.5, 92.6, 91.4), _loss(2.0, 0.6)),
    ),
    baseline="CE (Baseline1)",
)

_LOST = {
    "NTU-CV": "the text has five numbers for six rows; which of the four between "
    "amplitude and residual is lost is not known"
}


def _attention(
    label: str, kind: str, reported: tuple[float | None, ...], lost: bool = False
) -> Row:
    return Row(
        label,
        _numbers(_ABLATION, reported),
        {**BASELINE_2, "model.frequency_attention": kind},
        gaps=_LOST if lost else {},
    )


_TABLE_VII = Table(
    "VII",
    "Frequency attention",
    _ABLATION,
    (
        _attention("No FA (Baseline2)", "none", (86.9, 92.6, 91.4)),
        _attention("Amplitude FA", "amplitude", (84.7, 89.8, 90.1)),
        _attention("Sinusoidal FA", "sine", (87.2, None, 91.6), lost=True),
        _attention("Cosine FA", "cosine", (87.1, None, 91.7), lost=True),
        _attention("Shared FA", "shared", (87.3, None, 91.7), lost=True),
        _attention("Dependent FA", "dependent", (87.5, None, 92.0), lost=True),
        _attention("Residual FA (rFA)", "residual", (87.7, 93.6, 92.2)),
        _attention("Spatio-temporal Attention", "spatio_temporal", (87.3, 93.1, 91.8)),
    ),
    baseline="No FA (Baseline2)",
)

_KINETICS_ALL = Column("Kinetics", "kinetics", "train_val")
_KINETICS_FREQUENCY = Column("Kinetics-Frequency", "kinetics", "train_val", "frequency")
_FREQUENCY = (_KINETICS_ALL, _KINETICS_FREQUENCY)

_TABLE_VIII = Table(
    "VIII",
    "Attention on classes with a characteristic frequency",
    _FREQUENCY,
    _ours(
        _FREQUENCY,
        (
            "w/o Atten.",
            (36.1, 45.4),
            {**SLNL_RFA_ML, "model.frequency_attention": "none"},
        ),
        ("w/ rFA", (37.5, 49.7), SLNL_RFA_ML),
        (
            "w/ S.T. Atten.",
            (36.7, 46.5),
            {**SLNL_RFA_ML, "model.frequency_attention": "spatio_temporal"},
        ),
    ),
    baseline="w/o Atten.",
)


def _slnl(blocks: int, *axes: str) -> Changes:
    changes = {**BASELINE_3, "model.slnl_blocks": blocks}
    return {**changes, "model.axes": axes} if axes else changes


_TABLE_IX = Table(
    "IX",
    "Affinity fields",
    _ABLATION,
    _ours(
        _ABLATION,
        ("Local (Baseline3)", (87.7, 93.6, 92.2), BASELINE_3),
        ("tSLnL (M1=1, M2=5)", (88.1, 93.9, 92.4), _slnl(1, "t")),
        ("sSLnL (M1=1, M2=5)", (88.0, 94.1, 92.3), _slnl(1, "s")),
        ("SLnL (M1=1, M2=5)", (88.3, 94.3, 92.6), _slnl(1)),
        ("SLnL (M1=2, M2=4)", (88.6, 94.6, 92.8), _slnl(2)),
        ("SLnL (M1=3, M2=3)", (88.8, 94.9, 93.1), _slnl(3)),
        ("SLnL (M1=4, M2=2)", (88.9, 94.8, 92.9), _slnl(4)),
        ("SLnL (M1=5, M2=1)", (89.1, 94.7, 93.0), _slnl(5)),
        ("SLnL (M1=6, M2=0)", (88.8, 94.7, 92.9), _slnl(6)),
    ),
    baseline="Local (Baseline3)",
)


def _fusion(policy: str) -> Changes:
    return {**SLNL_RFA, "model.fusion": policy}


_TABLE_X = Table(
    "X",
    "Fusion of position and velocity",
    _ABLATION,
    _ours(
        _ABLATION,
        ("Position Feature", (87.7, 93.8, 92.1), _fusion("position")),
        ("Velocity Feature", (87.4, 93.6, 91.9), _fusion("velocity")),
        ("Feature Summing", (88.1, 94.0, 92.3), _fusion("sum")),
        ("Feature Concatenating", (88.5, 94.3, 92.7), _fusion("concatenation")),
        ("MTL w/o ML", (89.1, 94.9, 93.1), SLNL_RFA),
        ("MTL w/ ML", (89.7, 95.4, 93.5), SLNL_RFA_ML),
    ),
    baseline="MTL w/o ML",
)

_PARAMETERS = Column("#Params (M)", "ntu", "cross_view", "parameters")
_OPERATIONS = Column("#FLOPs (G)", "ntu", "cross_view", "operations")
_ACCURACY = Column("Accuracy", "ntu", "cross_view")
_COST = (_PARAMETERS, _OPERATIONS, _ACCURACY)

_TABLE_XI = Table(
    "XI",
    "Complexity and accuracy on NTU-CV",
    _COST,
    (
        *_peers(
            _COST,
            ("HCN", 2018, (2.648, 0.393, 91.1)),
            ("ST-GCN", 2018, (3.099, 3.492, 88.3)),
            ("Js-AGCN", 2019, (3.451, 3.994, 93.7)),
        ),
        *_ours(_COST, ("SLnL+rFA_pos", (4.723, 3.889, 93.8), _fusion("position"))),
        *_peers(_COST, ("2s-AGCN", 2019, (6.902, 7.987, 95.1))),
        *_ours(_COST, ("SLnL+rFA+ML", (9.461, 7.778, 95.4), SLNL_RFA_ML)),
    ),
)

LAMBDAS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
_FIG_9 = Table(
    "Fig. 9",
    "Weight of the mutual loss",
    (NTU_CS, NTU_CV, UCLA),
    tuple(
        Row(f"λ = {weight:g}", {}, {**SLNL_RFA, "loss.mutual_weight": weight})
        for weight in LAMBDAS
    ),
    baseline="λ = 0",
)

TABLES: dict[str, Table] = {
    table.number: table
    for table in (
        _TABLE_I,
        _TABLE_II,
        _TABLE_III,
        _TABLE_IV,
        _TABLE_V,
        _TABLE_VI,
        _TABLE_VII,
        _TABLE_VIII,
        _TABLE_IX,
        _TABLE_X,
        _TABLE_XI,
        _FIG_9,
    )
}
"""Tables I to XI by their Roman number, and the sweep of ``"Fig. 9"``."""

PAPER_DATASETS = tuple(
    dict.fromkeys(c.dataset for t in TABLES.values() for c in t.columns)
)
"""The data sets that the paper uses, in the order of its tables."""
