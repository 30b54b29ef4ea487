"""Compute the numbers and tables of the result chapters and the reproduction report.

Everything here is computed from the records. The functions take a store or records and
return numbers, frames or lists of marks that :mod:`skellib.figures` draws.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from skellib.complexity import Complexity, count
from skellib.data import PackedDataset, folds
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.models import SLnLRFA
from skellib.records import Metrics, RecordStore, RunRecord
from skellib.reproduction import baselines
from skellib.reproduction.cells import (
    RESULT_PROFILES,
    column_cells,
    difference_text,
    prepare_command,
    signed,
    summary_text,
)
from skellib.reproduction.claims import CLAIMS, Finding, judge_all, measure
from skellib.reproduction.coverage import table_keys
from skellib.reproduction.own_tables import CHOSEN_ROTATION, OWN_TABLES, STEPS
from skellib.reproduction.paper_tables import (
    PAPER_DATASETS,
    TABLES,
    UCLA,
    Column,
    Row,
    Table,
    reported_difference,
)
from skellib.reproduction.plan import Run, store_for, summarise_runs
from skellib.reproduction.render import paired_text, runs_by_seed
from skellib.reproduction.results import (
    clip_differences,
    columns_on,
    compare_in_table,
    paired_difference,
    recorded_experiments,
    unit_of,
)
from skellib.resampling import bootstrap
from skellib.settings import ModelConfig
from skellib.statistics import (
    MIN_PAIRS,
    VERDICTS,
    Difference,
    Summary,
    variance_shares,
    verdict,
)
from skellib.weights import find_weights, load_model

ROTATED_STEPS = OWN_TABLES["Rotated, camera 3"]
"""The rows of ``STEPS``, trained on rotated clips."""


# Chapters that train something. Training is imported where it is needed: most chapters
# only read records, and start in half of the time without it.

SMOKE_EPOCHS = 2
"""Epochs of a smoke test, which shows that a row trains, not how well."""


def smoke_test(
    table: Table, rows: Iterable[Row], dataset: str, profile: str, seeds: Iterable[int]
) -> pd.DataFrame:
    """Show that rows train and leave records: train them if the profile is ``quick``.

    The runs of ``quick`` take :data:`SMOKE_EPOCHS` epochs.

    Args:
        table: the table whose column on the data set is taken; without such a column,
            the synthetic data set is used instead.
        rows: rows to run.
        dataset: name of the data set.
        profile: profile of the runs. Only those of ``quick`` are trained here.
        seeds: seeds of each row.

    Returns:
        The recorded runs, see :func:`skellib.reproduction.plan.summarise_runs`.
    """
    column, *_ = columns_on(table, dataset) or columns_on(table, "synthetic")
    quick = profile == "quick"
    shorter = {"training.epochs": SMOKE_EPOCHS} if quick else {}
    runs = [
        Run(row.experiment(column, profile).replace(**shorter), seed, row.label)
        for row in rows
        for seed in seeds
    ]
    store = store_for(profile)
    if quick:
        from skellib.reproduction.execute import ensure_records

        ensure_records(runs, store, progress=False)
    return summarise_runs(runs, store)


def trained_network(
    experiment: Experiment,
    seed: int,
    train_set: PackedDataset,
    test_set: PackedDataset,
) -> SLnLRFA:
    """Load the network of a run; train it first if its weights are missing."""
    from skellib.reproduction.execute import ensure_records
    from skellib.training import train

    if find_weights(experiment, seed) is None:
        store = store_for(experiment.profile)
        ensure_records([Run(experiment, seed)], store, progress=False)
    if find_weights(experiment, seed) is None:  # recorded, but the weights are gone
        with tempfile.TemporaryDirectory() as folder:
            train(experiment, seed, train_set, test_set, store=RecordStore(folder))
    path = find_weights(experiment, seed)
    assert path is not None
    network = load_model(path)[0]
    assert isinstance(network, SLnLRFA)
    return network


# Single runs


def complete_runs(
    table: Table,
    column: Column | str,
    store: RecordStore,
    profile: str = "laptop",
    rows: Sequence[Row] | None = None,
) -> pd.DataFrame:
    """Return single runs by row and seed, for the seeds that all rows have.

    Args:
        table: the table.
        column: the column, or its name.
        store: the records.
        profile: profile of the runs.
        rows: some of the table's rows; by default all.
    """
    runs = runs_by_seed(table, column, store, profile)
    if rows is not None:
        runs = runs.loc[[row.label for row in rows]]
    return runs.dropna(axis="columns")


def variance_percent(runs: pd.DataFrame) -> dict[str, float]:
    """Split the variance of runs by row and seed.

    Args:
        runs: accuracies, a line for each row, a column for each seed.

    Returns:
        ``runs`` (their number); ``rows``, ``seeds`` and ``rest`` (shares of the
        variance in per cent); ``rows_p`` and ``seeds_p``. NaN if there are fewer than
        two rows or seeds.
    """
    names = ("rows", "seeds", "rest", "rows_p", "seeds_p")
    found = dict.fromkeys(names, float("nan"))
    if min(runs.shape) > 1:
        shares = asdict(variance_shares(runs.to_numpy()))
        found = {k: v if k.endswith("_p") else 100 * v for k, v in shares.items()}
    return {"runs": runs.size, **found}


def count_above_first(runs: pd.DataFrame) -> str:
    """Count per seed the rows above the first: ``"5 with seed 0, 2 with seed 1"``."""
    above = runs.iloc[1:] > runs.iloc[0]
    return ", ".join(f"{above[seed].sum()} with seed {seed}" for seed in runs)


def pooled_sd(runs: pd.DataFrame) -> float:
    """Return the standard deviation between seeds, pooled over the rows."""
    return float(runs.std(axis=1).pow(2).mean() ** 0.5)


def fold_and_seed_sd(
    table: Table, column: Column, store: RecordStore, profile: str = "laptop"
) -> tuple[float, float]:
    """Return the standard deviations between folds and between the seeds of a fold.

    In percentage points; root mean squares over the rows of the table.
    """
    between, within = [], []
    for each in recorded_experiments(table.rows, column, profile, store):
        runs = pd.DataFrame(
            [
                {record.seed: 100 * record.test.top1 for record in store.of(fold)}
                for fold in each
            ]
        )
        between.append(runs.mean(axis=1).var())
        within.append(runs.var(axis=1).mean())
    return float(np.mean(between) ** 0.5), float(np.mean(within) ** 0.5)


# Duplicates


def leakage_gap(record: RunRecord) -> float:
    """Return a run's accuracy on all test clips minus that on the clean, in points."""
    if record.clean is None:
        return 0.0
    return 100 * (record.test.top1 - record.clean.top1)


def is_rotated(experiment: Experiment) -> bool:
    """Tell whether an experiment rotates its training clips."""
    return experiment != experiment.replace(**dict.fromkeys(CHOSEN_ROTATION, 0.0))


def mean_leakage_gaps(
    records: Iterable[RunRecord], profile: str = "laptop"
) -> dict[str, float]:
    """Average the gaps of runs, separately by how their training clips were used.

    Returns:
        ``recorded`` (training clips as recorded) and ``rotated``, in percentage points.
        Runs without duplicates across their split do not count.
    """
    gaps: dict[str, list[float]] = {"recorded": [], "rotated": []}
    for record in records:
        if record.clean is not None and record.experiment.profile == profile:
            kind = "rotated" if is_rotated(record.experiment) else "recorded"
            gaps[kind].append(leakage_gap(record))
    return {name: float(np.mean(each or np.nan)) for name, each in gaps.items()}


def duplicate_scores(test: Metrics, clean: Metrics) -> tuple[float, float, float]:
    """Return the accuracy on all test clips, the leaked and the clean, in per cent."""
    right, right_clean = (each.top1 * each.clips for each in (test, clean))
    leaked = (right - right_clean) / (test.clips - clean.clips)
    return 100 * test.top1, 100 * leaked, 100 * clean.top1


# Claims


def _signed_range(values: Iterable[float | None]) -> str:
    """Format the least and the greatest value: ``"+0.2…+1.1"``."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return ""
    ends = dict.fromkeys(f"{value:+.1f}" for value in (known[0], known[-1]))
    return "…".join(ends).replace("-", "−")


def tally(finding: Finding) -> str:
    """Count a claim's comparisons: supported · contradicted · bounded · the others."""
    counts = [finding.count(word) for word in VERDICTS]
    return " · ".join(map(str, [*counts, len(finding.judged) - sum(counts)]))


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def claims_table(
    findings: Sequence[Finding], on_clean: Sequence[Finding]
) -> pd.DataFrame:
    """Return a line for each claim: the paper's and our differences, and verdicts.

    Args:
        findings: the claims, judged on all test clips.
        on_clean: the same, judged on test clips without duplicates in training.

    Returns:
        ``claim``; ``paper`` and ``measured``, differences in points; ``seeds``;
        ``comparisons``, see :func:`tally`; ``verdict``; ``gain at most``, the gain
        above which a bounded claim is excluded; ``would have shown``, the gain that the
        runs would have shown with 80 % probability; ``clean clips``, the verdict there.
    """

    def line(finding: Finding, clean: Finding) -> dict[str, str]:
        ours = [each.measured.mean for each in finding.judged if each.measured]
        return {
            "claim": finding.claim.name,
            "paper": _signed_range(each.claimed for each in finding.judged),
            "measured": _signed_range(ours),
            "seeds": "…".join(dict.fromkeys(map(str, finding.pairs))),
            "comparisons": tally(finding),
            "verdict": finding.verdict,
            "gain at most": _points(finding.at_most),
            "would have shown": _points(finding.detectable),
            "clean clips": clean.verdict,
        }

    return pd.DataFrame(map(line, findings, on_clean))


def judged_claims(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return a line for each claim that has a run: its comparisons and verdict."""
    rows = [(f.claim.name, tally(f), f.verdict, _points(f.at_most)) for f in findings]
    rows = [row for row in rows if row[2] != "not run"]
    rows = rows or [("every claim", "no run recorded", "not run", "")]
    names = ["claim", "comparisons", "verdict", "gain at most"]
    return pd.DataFrame(rows, columns=names)


def verdict_counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Count claims by verdict.

    Returns:
        ``claims`` and their ``comparisons``, of which ``distinct`` are different and
        ``measured`` have runs; then claims by verdict: ``supported``, ``contradicted``,
        ``bounded``, ``notjudged`` (too few seeds) and ``notrun``; ``excluded`` counts
        the bounded claims whose gain is below the least that the paper prints.
    """
    judged = [each for finding in findings for each in finding.judged]
    measured = {each.comparison for each in judged if each.measured}
    count = Counter(finding.verdict for finding in findings)
    return {
        "claims": len(findings),
        "comparisons": len(judged),
        "distinct": len({each.comparison for each in judged}),
        "measured": len(measured),
        **{word: count[word] for word in VERDICTS},
        "notjudged": count["not judged"],
        "notrun": count["not run"],
        "excluded": sum(map(excludes_printed, findings)),
    }


def excludes_printed(finding: Finding) -> bool:
    """Tell whether a claim is bounded below the least gain that the paper prints."""
    printed = [each.claimed for each in finding.judged if each.claimed is not None]
    limit = finding.at_most
    return limit is not None and bool(printed) and limit < min(printed)


def comparison_families(
    dataset: str, store: RecordStore, profile: str = "laptop", clean: bool = False
) -> pd.DataFrame:
    """Return a line for each table that claims speak of, with runs of its rows.

    Returns:
        By table ``comparisons`` (measured; their intervals hold together in 95 % of
        experiments), ``df`` (degrees of freedom of the rest), ``paired sd`` (of the
        difference of two single runs, in points), ``factor`` (half width of an interval
        in standard errors) and ``would have shown`` (the largest of the gains that are
        detectable with 80 % probability).
    """
    lines = {}
    for number in dict.fromkeys(c.table for each in CLAIMS for c in each.comparisons):
        found = measure(number, dataset, store, profile, clean)
        if found is None or found.sd is None:
            continue
        known = [each for each in found.differences if each is not None]
        lines[number] = {
            "comparisons": len(known),
            "df": found.df,
            "paired sd": 2**0.5 * found.sd,
            "factor": found.factor,
            "would have shown": max(each.detectable or 0 for each in known),
        }
    return pd.DataFrame(lines).T.rename_axis("table")


def table_summary(
    number: str, store: RecordStore, profile: str = "laptop"
) -> dict[str, int | float | str]:
    """Sum up what was found on N-UCLA about the claims on a table of the paper.

    Returns:
        ``gain``, the largest that the paper prints over the table's baseline row;
        ``runs`` of the profile and ``full``, those at the paper's size; ``claims``,
        their number, and in words ``verdicts`` (``"1 contradicted, 2 bounded"``) and
        ``each`` (``"transforms help: contradicted; ..."``); ``would_show``, the gain in
        points that every comparison would have shown with 80 % probability each.
    """
    table = TABLES[number]
    claims = [c for c in CLAIMS if c.comparisons[0].table == number]
    findings = judge_all(UCLA.dataset, store, profile, claims=claims)
    count = Counter(finding.verdict for finding in findings)
    runs, full = (
        int(runs_by_seed(table, UCLA, store, name).notna().to_numpy().sum())
        for name in (profile, "full")
    )
    known = [f.detectable for f in findings if f.detectable is not None]
    cells = column_cells(table, UCLA, profile, store)
    return {
        "gain": max((c.claimed for c in cells if c.claimed is not None), default=0.0),
        "runs": runs,
        "full": full,
        "claims": len(claims),
        "verdicts": ", ".join(f"{n} {word}" for word, n in count.items()),
        "each": "; ".join(f"{f.claim.name}: {f.verdict}" for f in findings),
        "would_show": max(known, default=float("nan")),
    }


def differences_in_words(
    table: Table, store: RecordStore, profile: str = "laptop"
) -> dict[str, str]:
    """Return each row's difference to the baseline on N-UCLA: ``"+1.1 [−4.8, +6.9]"``.

    By label of the row, in points.
    """
    cells = column_cells(table, UCLA, profile, store)
    return {c.label: difference_text(c.difference) for c in cells if not c.baseline}


def quotes() -> pd.DataFrame:
    """Return the claims in the paper's words."""
    return pd.DataFrame(
        [(claim.name, claim.section, f"“{claim.quote}”") for claim in CLAIMS],
        columns=["claim", "section", "the paper"],
    )


def comparison_marks(
    findings: Iterable[Finding],
) -> dict[str, list[dict[str, float | None]]]:
    """Return all comparisons by claim, as :func:`skellib.figures.comparisons` draws."""
    return {
        finding.claim.name: [
            {
                "paper": each.claimed,
                **{k: getattr(each.measured, k, None) for k in ("mean", "low", "high")},
            }
            for each in finding.judged
        ]
        for finding in findings
    }


def difference_marks(
    table: Table, column: Column, store: RecordStore, profile: str = "laptop"
) -> dict[str, list[dict[str, float | None]]]:
    """Return each row's difference to the baseline, in the same form."""
    return {
        cell.label: [
            {k: getattr(cell.difference, k) for k in ("mean", "low", "high")},
        ]
        for cell in column_cells(table, column, profile, store)
        if cell.difference
    }


def seed_sds(store: RecordStore, profile: str = "laptop") -> list[float]:
    """Return the standard deviations between seeds of the paper's rows on N-UCLA.

    Rows that several tables share count once; those with fewer than
    :data:`skellib.statistics.MIN_PAIRS` seeds do not count.
    """
    summaries = {
        cell.summary
        for table in TABLES.values()
        if UCLA in table.columns
        for cell in column_cells(table, UCLA, profile, store)
        if cell.summary is not None
    }
    return sorted(s.sd for s in summaries if s.n >= MIN_PAIRS and s.sd is not None)


def sampling_table(
    row: Row,
    other: Row,
    column: Column,
    store: RecordStore,
    profile: str = "laptop",
    subject: np.ndarray | None = None,
    clean: bool = False,
) -> pd.DataFrame:
    """Return the difference of two rows with intervals over seeds, clips and subjects.

    Args:
        row, other: the rows.
        column: the column.
        store: the records; clips and subjects need those that hold logits.
        profile: profile of the runs.
        subject: (n,) subject of each test clip, as in the data set's test part; without
            it there is no line for subjects.
        clean: leave out test clips with a duplicate among the training clips.

    Returns:
        By what is drawn anew (``seeds``, ``clips``, ``subjects``): ``n`` of them, and
        the difference in points: ``mean``, ``low`` and ``high`` (95 %).

    Raises:
        InputError: if a record cannot be used, or there are not as many subjects as
            clips.
    """
    found: dict[str, Difference | Summary | None] = {
        "seeds": paired_difference(row, other, column, profile, store, clean)
    }
    by_clip = clip_differences(row, other, column, profile, store)
    if by_clip is not None:
        kept = ~(by_clip.leaked & clean)
        found["clips"] = bootstrap(by_clip.points[kept])
        if subject is not None:
            if len(subject) != len(kept):
                raise InputError(f"subject: {len(subject)} of {len(kept)} test clips")
            found["subjects"] = bootstrap(by_clip.points[kept], subject[kept])
    names = ("n", "mean", "low", "high")
    lines = {
        what: [getattr(each, name) for name in names]
        for what, each in found.items()
        if each is not None
    }
    return pd.DataFrame.from_dict(lines, orient="index", columns=list(names))


def sampling_text(
    row: Row,
    other: Row,
    column: Column,
    store: RecordStore,
    profile: str = "laptop",
) -> pd.DataFrame:
    """Return :func:`sampling_table` for a report, on all and on clean test clips."""
    found = pd.concat(
        {
            name: sampling_table(row, other, column, store, profile, clean=clean)
            for name, clean in (("all", False), ("clean", True))
        },
        names=["test clips", "drawn anew"],
    )
    points = found[["mean", "low", "high"]].map(
        lambda each: "–" if pd.isna(each) else signed(each)
    )
    return points.assign(n=found["n"].astype(int)).reset_index()


# Rows, steps and levels


def difference_grid(
    rows: Iterable[Row],
    baseline: Row,
    columns: Iterable[Column],
    store: RecordStore,
    profile: str = "laptop",
) -> pd.DataFrame:
    """Return the differences of rows to one of them as text, a column a split."""
    rows = list(rows)
    return pd.DataFrame(
        {
            column.name: [
                paired_text(row, baseline, column, store, profile) for row in rows
            ]
            for column in columns
        },
        index=[row.label for row in rows],
    )


def count_decided(
    rows: Iterable[Row],
    baseline: Row,
    columns: Iterable[Column],
    store: RecordStore,
    profile: str = "laptop",
) -> dict[str, int]:
    """Count the differences of a grid, and those whose interval leaves out zero."""
    found = [
        paired_difference(row, baseline, column, profile, store)
        for column in columns
        for row in rows
    ]
    intervals = [(d.low, d.high) for d in found if d is not None]
    decided = sum(
        low is not None and high is not None and low * high > 0
        for low, high in intervals
    )
    return {"all": len(found), "decided": decided}


def pair_differences(
    table: Table,
    pairs: Iterable[tuple[str, str]],
    store: RecordStore,
    profile: str = "laptop",
) -> pd.DataFrame:
    """Return the differences of pairs of rows, in each column of a table."""
    lines = []
    for column in table.columns:
        for label, other in pairs:
            rows = table.row(label), table.row(other)
            found = paired_difference(*rows, column, profile, store)
            text = paired_text(*rows, column, store, profile)
            count = f"{found.n} {unit_of(column)}s" if found else ""
            lines.append((column.name, f"{label} − {other}", text, count))
    names = ["data set", "step", "difference (points)", "pairs"]
    return pd.DataFrame(lines, columns=names)


COMPONENTS = {
    "CNN variant": ("CNN Variant", "No Trans. (Baseline0)"),
    "coordinate transform": ("Coordinate Trans.", "No Trans. (Baseline0)"),
    "skeleton transform": ("Skeleton Trans.", "No Trans. (Baseline0)"),
    "both transforms": ("Coordinate and Skeleton Trans.", "No Trans. (Baseline0)"),
    "soft-margin focal loss": ("SMFL (2,0.6)", "Coordinate and Skeleton Trans."),
    "frequency attention": ("Residual FA (rFA)", "SMFL (2,0.6)"),
    "SLnL blocks": ("SLnL-rFA", "Residual FA (rFA)"),
    "mutual learning": ("SLnL-rFA+ML", "SLnL-rFA"),
}
"""By component: the row of ``STEPS`` that has it, and the row that lacks it alone."""


def component_table(store: RecordStore, profile: str = "laptop") -> pd.DataFrame:
    """Return what each component brings on N-UCLA, without and with rotated clips.

    The intervals hold for all components together.

    Returns:
        By component ``paper``, ``recorded`` (trained on clips as recorded),
        ``rotated`` and ``verdict``, which judges the rotated ones.
    """
    pairs = [*COMPONENTS.values()]
    recorded, rotated = (
        compare_in_table(table, pairs, UCLA, profile, store).differences
        for table in (STEPS, ROTATED_STEPS)
    )
    lines = {}
    for name, pair, before, after in zip(
        COMPONENTS, pairs, recorded, rotated, strict=True
    ):
        row, other = map(STEPS.row, pair)
        claimed = reported_difference(row, other, UCLA)
        lines[name] = {
            "paper": "" if claimed is None else signed(claimed),
            "recorded": difference_text(before),
            "rotated": difference_text(after),
            "verdict": verdict(after, claimed, profile),
        }
    return pd.DataFrame(lines).T


def rotation_table(store: RecordStore, profile: str = "laptop") -> pd.DataFrame:
    """Return the accuracy of each step on N-UCLA, without and with rotated clips.

    Returns:
        By row ``paper``, ``recorded``, ``rotated``, ``difference`` (paired by seed) and
        ``difference, clean`` (on test clips without a duplicate in training).
    """
    lines = {}
    cells, rotated_cells = (
        column_cells(table, UCLA, profile, store) for table in (STEPS, ROTATED_STEPS)
    )
    for cell, rotated in zip(cells, rotated_cells):
        pair = ROTATED_STEPS.row(cell.label), STEPS.row(cell.label), UCLA
        lines[cell.label] = {
            "paper": f"{cell.reported:.1f}",
            "recorded": summary_text(cell.summary),
            "rotated": summary_text(rotated.summary),
            "difference": paired_text(*pair, store, profile),
            "difference, clean": paired_text(*pair, store, profile, clean=True),
        }
    return pd.DataFrame(lines).T


@dataclass(frozen=True)
class RotationEffect:
    """Hold what rotated training clips do to one row on N-UCLA, in per cent.

    Attributes:
        before, after: mean accuracy, trained on clips as recorded and on rotated ones.
        after_clean: the latter on test clips without a duplicate in training.
        paper: the paper's number.
        difference: after minus before, paired by seed, as text.
    """

    before: float
    after: float
    after_clean: float
    paper: float
    difference: str


def rotation_effect(
    label: str, store: RecordStore, profile: str = "laptop"
) -> RotationEffect:
    """Measure what rotated training clips do to a row of ``STEPS``."""
    row, rotated = STEPS.row(label), ROTATED_STEPS.row(label)
    before, after, after_clean = (
        float(runs_by_seed(table, UCLA, store, profile, clean).loc[label].mean())
        for table, clean in (
            (STEPS, False),
            (ROTATED_STEPS, False),
            (ROTATED_STEPS, True),
        )
    )
    difference = paired_text(rotated, row, UCLA, store, profile)
    paper = row.reported[UCLA.name]
    return RotationEffect(before, after, after_clean, paper, difference)


def level_table(store: RecordStore, profile: str = "laptop") -> pd.DataFrame:
    """Return the accuracies of the steps on N-UCLA beside the nearest neighbour's."""
    nearest = baselines.read(UCLA.dataset, UCLA.protocol)
    parts = {}
    for prefix, table in (("", STEPS), ("rotated: ", ROTATED_STEPS)):
        for clean in (False, True):
            cells = column_cells(table, UCLA, profile, store, clean)
            column = {cell.label: summary_text(cell.summary) for cell in cells}
            column["nearest neighbour"] = ""
            if nearest and nearest.clean and table is STEPS:
                score = nearest.clean if clean else nearest.test
                column["nearest neighbour"] = f"{100 * score.top1:.1f}"
            parts[f"{prefix}{'clean clips' if clean else 'all clips'}"] = column
    return pd.DataFrame(parts)


def nearest_neighbour_accuracy(column: Column) -> float | None:
    """Return the nearest neighbour's accuracy in per cent, the mean over the folds."""
    found = [
        baselines.read(column.dataset, column.protocol, fold=fold)
        for fold in range(folds(column.protocol, column.dataset))
    ]
    scores = [100 * each.test.top1 for each in found if each]
    return sum(scores) / len(scores) if scores else None


# Counts and costs


def network_cost(
    model: ModelConfig, classes: int, joints: int, bodies: int = 1, frames: int = 64
) -> Complexity:
    """Count parameters and operations of a network for one clip, on the meta device."""
    with torch.device("meta"):
        network = SLnLRFA(
            num_classes=classes,
            joints=joints,
            bodies=bodies,
            frames=frames,
            **model.model_dump(),
        )
        return count(network, torch.empty(1, 3, frames, joints, bodies))


def run_counts(records: Iterable[RunRecord]) -> dict[str, int]:
    """Count recorded runs by what they are for.

    Returns:
        ``laptop`` and the other result profiles: runs of the paper's tables on N-UCLA;
        ``other``: laptop runs on data sets that the paper does not use; ``own``: laptop
        runs on N-UCLA that belong to this book's own tables alone.
    """
    records = list(records)
    asked = {
        profile: set().union(
            *(table_keys(t, "nucla", profile) for t in TABLES.values())
        )
        for profile in RESULT_PROFILES
    }
    on_ucla = [r for r in records if r.experiment.dataset == "nucla"]
    counts = {
        profile: sum(_is_of(r, profile) and r.key in asked[profile] for r in on_ucla)
        for profile in RESULT_PROFILES
    }
    laptop = [r for r in records if _is_of(r, "laptop")]
    return {
        **counts,
        "other": _count_other(laptop),
        "own": sum(_is_of(r, "laptop") for r in on_ucla) - counts["laptop"],
    }


def _is_of(record: RunRecord, profile: str) -> bool:
    return record.experiment.profile == profile


def _count_other(records: Collection[RunRecord]) -> int:
    return sum(
        record.experiment.dataset not in (*PAPER_DATASETS, "synthetic")
        for record in records
    )


def cost_table(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Return the number of runs and their hours, by profile, data set and device."""
    spent = pd.DataFrame(
        [
            {
                "profile": record.experiment.profile,
                "data set": record.experiment.dataset,
                "device": record.execution["accelerator"],
                "hours": record.seconds / 3600,
            }
            for record in records
        ]
    )
    groups = spent.groupby(["profile", "data set", "device"]).hours
    return groups.agg(runs="count", hours="sum").round(1)


def commands_on_request(profile: str = RESULT_PROFILES[-1]) -> pd.DataFrame:
    """Return the two commands that fill the columns of each data set on request."""
    rows: list[dict[str, Any]] = [
        {
            "data set": name,
            "prepare": prepare_command(name),
            "run": f"python -m skellib reproduce --profile {profile} --datasets {name}",
        }
        for name in PAPER_DATASETS
        if name != UCLA.dataset
    ]
    return pd.DataFrame(rows)
