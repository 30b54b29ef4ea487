"""A screening experiment: many settings at two levels each, in few runs.

The first half is a Hadamard matrix of 16 runs (Plackett and Burman 1946), in which each
main effect compares 8 runs with the other 8 and shares its column with interactions of
two factors. The second half is the fold-over of the first: every level is reversed, and
training and test camera are exchanged. In all 32 runs together (Box and Hunter 1961) a
main effect is orthogonal to the other main effects, to the halves and to all
interactions of two factors, but shares its column with interactions of three.
Interactions of two factors share their columns with each other: see :func:`aliases`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.linalg import hadamard

from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.reproduction.paper_tables import BASELINE_1, UCLA, Changes, Row
from skellib.simultaneous import simultaneous_quantile
from skellib.statistics import CONFIDENCE

RUNS = 32
_CONTRASTS = hadamard(RUNS)
# Of the 32 columns the first is the mean, the next 15 are the same in both halves and
# hold the interactions of two factors, and the last 16 are reversed in the second half.
# The first of those is the half itself, which no factor takes.
HALF = RUNS // 2
_FIRST = HALF + 1


@dataclass(frozen=True)
class Factor:
    """Hold a choice between two levels.

    Attributes:
        name: a short name.
        high: settings at the high level; at the low level they are those of the paper,
            or of the profile.
    """

    name: str
    high: Changes


_TRAINING = final_model(UCLA.dataset, "laptop").training

FACTORS = (
    Factor("align", {"preprocessing.align": "yaw"}),
    Factor("yaw", {"preprocessing.max_yaw": 60}),
    Factor("pitch", {"preprocessing.max_pitch": 10}),
    Factor("no short crops", {"preprocessing.min_crop_frames": 32}),
    Factor("long crops", {"preprocessing.crop_ratio": (0.8, 1.0)}),
    Factor(
        "epochs",  # twice as many, down to the same learning rate
        {
            "training.epochs": 2 * _TRAINING.epochs,
            "training.lr_decay": round(_TRAINING.lr_decay**0.5, 6),
        },
    ),
    Factor("xavier", {"model.initialisation": "xavier"}),
    Factor("origin", {"preprocessing.origin": "every"}),
    Factor("normalisation", {"model.normalisation": "joints"}),
    Factor("noise", {"preprocessing.joint_noise": 0.02}),
    Factor(
        "dropout",
        {
            "model.dropout": 0.2,
            "model.dropout_kind": "channel",
            "model.dropout_at": "pooled",
        },
    ),
)
"""The factors: preparation, augmentation and training of the network."""

NAMES = tuple(factor.name for factor in FACTORS)


def levels(factors: int = len(FACTORS)) -> np.ndarray:
    """Return the design, (32, factors) of -1 (low) and +1 (high).

    Raises:
        InputError: if there are more factors than columns, or none.
    """
    if not 0 < factors <= RUNS - _FIRST:
        raise InputError(f"design: {factors} factors; 1 to {RUNS - _FIRST} fit")
    return _CONTRASTS[:, _FIRST : _FIRST + factors]


def screening_rows() -> tuple[Row, ...]:
    """Return a row of a table for each run: Baseline1 without dropout, and its levels.

    Row ``Run 1`` has every factor at the high level, ``Run 17`` at the low one.
    """
    base: Changes = {**BASELINE_1, "model.dropout": 0.0}
    rows = []
    for number, run in enumerate(levels(), 1):
        high = [f.high for f, level in zip(FACTORS, run, strict=True) if level > 0]
        changes = {name: value for each in high for name, value in each.items()}
        rows.append(Row(f"Run {number}", {}, {**base, **changes}))
    return tuple(rows)


def aliases(names: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """Group the interactions of two factors that share a column.

    Args:
        names: names of the factors, in the order of the design's columns.

    Returns:
        By the column of the contrasts the interactions, as ``"align × yaw"``.
    """
    design, groups = levels(len(names)), defaultdict(list)
    for i, j in combinations(range(len(names)), 2):
        column = _CONTRASTS.T @ (design[:, i] * design[:, j])
        groups[int(column.argmax())].append(f"{names[i]} × {names[j]}")
    return {column: tuple(groups[column]) for column in sorted(groups)}


@dataclass(frozen=True)
class Effect:
    """Hold a main effect: the mean at the high level minus the mean at the low one.

    Attributes:
        factor: name of the factor.
        mean: the effect, in percentage points.
        low, high: 95 % interval of this effect alone.
        family_low, family_high: intervals that cover all effects together in 95 % of
            experiments.
    """

    factor: str
    mean: float
    low: float
    high: float
    family_low: float
    family_high: float


@dataclass(frozen=True)
class Screening:
    """Hold the analysis of a screening experiment.

    Attributes:
        effects: the main effects, in the order of the factors.
        se: standard error of each of them, from the residual of the main effects.
        df: degrees of freedom of that residual.
        lenth_se: Lenth's pseudo standard error of the contrasts: it needs no residual,
            only that most contrasts are noise.
        margin: Lenth's margin of error: the half width of a 95 % interval by it.
        interactions: contrast of each group of aliased interactions, in points; empty
            after the first half, where they share the columns of the main effects.
    """

    effects: tuple[Effect, ...]
    se: float
    df: int
    lenth_se: float
    margin: float
    interactions: dict[tuple[str, ...], float]


def analyse(responses: ArrayLike, names: Sequence[str] = NAMES) -> Screening:
    """Estimate the main effects from the responses of the runs, in their order.

    The residual of the main effects holds the interactions as well, so that large ones
    make the intervals wider. After all runs they leave the effects unchanged.

    Args:
        responses: (16,) or (32,) one number per run, in per cent: of the first half, or
            of both.
        names: names of the factors, in the order of the design's columns.

    Raises:
        InputError: if a response is missing.
    """
    y = np.asarray(responses, dtype=np.float64)
    if y.shape not in ((HALF,), (RUNS,)) or not np.isfinite(y).all():
        known = np.isfinite(y).sum()
        raise InputError(f"screening: needs {HALF} or {RUNS} responses, got {known}")
    # In the first half, columns HALF to RUNS are those of a matrix of 16 runs.
    columns = np.arange(HALF if len(y) == HALF else 0, RUNS)
    contrasts = np.zeros(RUNS)
    contrasts[columns] = _CONTRASTS[: len(y), columns].T @ y / (len(y) // 2)
    chosen = np.arange(_FIRST, _FIRST + len(names))
    noise = np.setdiff1d(columns, [0, HALF])  # neither the mean nor the halves
    left = contrasts[np.setdiff1d(noise, chosen)]
    df, se = len(left), float(np.sqrt((left**2).mean()))
    alone = stats.t.ppf((1 + CONFIDENCE) / 2, df) * se
    family = simultaneous_quantile(np.eye(len(names)), df) * se
    effects = tuple(
        Effect(name, *map(float, (m, m - alone, m + alone, m - family, m + family)))
        for name, m in zip(names, contrasts[chosen], strict=True)
    )
    pseudo = lenth_se(contrasts[noise])
    clear = aliases(names) if len(y) == RUNS else {}
    return Screening(
        effects,
        se,
        df,
        pseudo,
        float(stats.t.ppf((1 + CONFIDENCE) / 2, len(noise) / 3) * pseudo),
        {group: float(contrasts[c]) for c, group in clear.items()},
    )


def lenth_se(contrasts: np.ndarray) -> float:
    """Compute Lenth's pseudo standard error of contrasts, most of which are noise.

    R. V. Lenth, "Quick and easy analysis of unreplicated factorials", 1989.

    Args:
        contrasts: (n,) estimates with the same standard error.
    """
    sizes = np.abs(contrasts)
    return float(1.5 * np.median(sizes[sizes <= 3.75 * np.median(sizes)]))


def choose(screening: Screening) -> Changes:
    """Return the settings that the screening chooses.

    A factor takes its high level if its effect is positive by more than Lenth's margin
    of error; otherwise it keeps the low one, which is the paper's. The rule was fixed
    while the first runs were being trained.
    """
    better = {e.factor for e in screening.effects if e.mean > screening.margin}
    chosen = [factor.high for factor in FACTORS if factor.name in better]
    return {name: value for high in chosen for name, value in high.items()}
