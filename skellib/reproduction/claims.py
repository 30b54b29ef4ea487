"""The claims of the paper's Section IV, each as differences between rows of its tables.

A claim in words ("the SMFL achieves the best") is a set of comparisons: this row is
above that one. Each comparison is judged by the runs that both rows have, paired by
seed or fold, and the claim by all of its comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

from skellib.errors import InputError
from skellib.records import RecordStore
from skellib.reproduction.paper_tables import TABLES, Column, Row
from skellib.reproduction.results import columns, paired_difference, unit_of
from skellib.statistics import CONCLUSIVE, Difference, verdict


@dataclass(frozen=True)
class Comparison:
    """Row ``better`` of a table scores above row ``worse``, as the paper has it."""

    table: str
    better: str
    worse: str

    @property
    def rows(self) -> tuple[Row, Row]:
        table = TABLES[self.table]
        return table.row(self.better), table.row(self.worse)

    def claimed(self, column: Column) -> float | None:
        """The paper's difference in percentage points; none where it prints none."""
        better, worse = (row.reported.get(column.name) for row in self.rows)
        if better is None or worse is None:
            return None
        return round(better - worse, 6)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        name: a few words of ours.
        section: where the paper makes it.
        quote: in its words.
        comparisons: what would have to hold.
    """

    name: str
    section: str
    quote: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Judged:
    """A comparison beside what was measured.

    Attributes:
        comparison: what was compared.
        claimed: the paper's difference, in percentage points.
        measured: ours, paired; none where a row has no run.
        verdict: see :func:`skellib.statistics.verdict`; empty where not measured.
    """

    comparison: Comparison
    claimed: float | None
    measured: Difference | None
    verdict: str


@dataclass(frozen=True)
class Finding:
    """A claim beside what was measured on one data set."""

    claim: Claim
    judged: tuple[Judged, ...]

    def count(self, word: str) -> int:
        """How many comparisons are ``"reproduced"``, or ``"opposite"``."""
        return sum(each.verdict == word for each in self.judged)

    @property
    def pairs(self) -> tuple[int, int]:
        """The fewest and the most seeds (or folds) behind a comparison."""
        n = [each.measured.n if each.measured else 0 for each in self.judged]
        return min(n), max(n)

    @property
    def verdict(self) -> str:
        """The claim's: of all its comparisons together.

        ``"reproduced"`` or ``"opposite"`` where every comparison is; ``"contradicted
        in part"`` where some are opposite; ``"not resolved"`` where none is opposite
        and not all are reproduced; ``"not run"`` where nothing was measured.
        """
        if all(each.measured is None for each in self.judged):
            return "not run"
        for word in CONCLUSIVE:
            if self.count(word) == len(self.judged):
                return word
        return "contradicted in part" if self.count("opposite") else "not resolved"


def _all(table: str, better: str, *worse: str) -> tuple[Comparison, ...]:
    """One row above several."""
    return tuple(Comparison(table, better, each) for each in worse)


def _above(table: str, worse: str, *better: str) -> tuple[Comparison, ...]:
    """Several rows above one."""
    return tuple(Comparison(table, each, worse) for each in better)


_RAW, _CNN = "No Trans. (Baseline0)", "CNN Variant"
_COORDINATE, _SKELETON = "Coordinate Trans.", "Skeleton Trans."
_BOTH = "Coordinate and Skeleton Trans."
_CE, _FL, _SMCE, _SMFL = "CE (Baseline1)", "FL (2,)", "SMCE (,0.6)", "SMFL (2,0.6)"
_NO_FA, _RFA = "No FA (Baseline2)", "Residual FA (rFA)"
_SHARED, _DEPENDENT = "Shared FA", "Dependent FA"
_ST = "Spatio-temporal Attention"
_LOCAL, _FIELDS = "Local (Baseline3)", "SLnL (M1={}, M2={})"
_T, _S = "tSLnL (M1=1, M2=5)", "sSLnL (M1=1, M2=5)"
_POSITION, _VELOCITY = "Position Feature", "Velocity Feature"
_SUM, _CONCATENATION = "Feature Summing", "Feature Concatenating"
_MTL, _MUTUAL = "MTL w/o ML", "MTL w/ ML"


def _slnl(blocks: int) -> str:
    return _FIELDS.format(blocks, 6 - blocks)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "transforms help",
        "IV-C.1",
        "the performances obtained with transformed data consistently outperform that "
        "with the raw data",
        _above("V", _RAW, _COORDINATE, _SKELETON, _BOTH),
    ),
    Claim(
        "the gain is not depth",
        "IV-C.1",
        "Even with the same depth, the improvement of CNN variant is insignificant, "
        "indicating that our improvement is not induced by adding depth",
        _all("V", _BOTH, _CNN),
    ),
    Claim(
        "the transforms complement each other",
        "IV-C.1",
        "the coordinate and skeleton transform preforms the best, indicating that the "
        "coordinate transform and the skeleton transform are complementary",
        _all("V", _BOTH, _COORDINATE, _SKELETON),
    ),
    Claim(
        "focal loss helps",
        "IV-C.2",
        "Due to the adaptive data selection, the FL performs better than the CE",
        _all("VI", _FL, _CE),
    ),
    Claim(
        "the soft margin helps",
        "IV-C.2",
        "both the SMCE and the SMFL perform better than their original versions CE "
        "and FL, respectively",
        (Comparison("VI", _SMCE, _CE), Comparison("VI", _SMFL, _FL)),
    ),
    Claim(
        "SMFL is the best loss",
        "IV-C.2",
        "our SMFL achieves the best for its advantages from adaptive data selection "
        "and intrinsic margin encouraging",
        _all("VI", _SMFL, _CE, _FL, _SMCE),
    ),
    Claim(
        "amplitude alone is harmful",
        "IV-C.3",
        "the aFA is harmful since the phase angle information is completely missing",
        _all("VII", _NO_FA, "Amplitude FA"),
    ),
    Claim(
        "two masks beat one",
        "IV-C.3",
        "The dFA outperforms the sFA because that it has more parameters to model the "
        "frequency patterns",
        _all("VII", _DEPENDENT, _SHARED),
    ),
    Claim(
        "spatio-temporal attention helps",
        "IV-C.3",
        "the residual spatio-temporal attention in the spatio-temporal domain can also "
        "bring some improvements over Baseline2",
        _all("VII", _ST, _NO_FA),
    ),
    Claim(
        "rFA helps",
        "IV-C.3",
        "the rFA outperforms the Baseline2 with a large margin",
        _all("VII", _RFA, _NO_FA),
    ),
    Claim(
        "rFA is the best attention",
        "IV-C.3",
        "the rFA achieves the best because that its residual trick can strengthen key "
        "frequency patterns without destroying information",
        _all(
            "VII",
            _RFA,
            "Amplitude FA",
            "Sinusoidal FA",
            "Cosine FA",
            _SHARED,
            _DEPENDENT,
            _ST,
        ),
    ),
    Claim(
        "rFA helps where there is a frequency",
        "IV-C.4",
        "the improvements from rFA are larger than these from residual spatio-temporal "
        "attention on both datasets",
        _all("VIII", "w/ rFA", "w/o Atten.", "w/ S.T. Atten."),
    ),
    Claim(
        "non-local modules help early",
        "IV-C.5",
        "both the non-local information from the temporal and spatial dimensions "
        "during early stages are helpful",
        _above("IX", _LOCAL, _T, _S),
    ),
    Claim(
        "SLnL blocks help",
        "IV-C.5",
        "the proposed SLnL blocks boosts up the recognition performance w.r.t "
        "Baseline3 by ... 0.9% (N-UCLA)",
        _all("IX", _slnl(3), _LOCAL),
    ),
    Claim(
        "more SLnL blocks help",
        "IV-C.5",
        "more SLnL blocks in lower layers generally lead to better results",
        (
            Comparison("IX", _slnl(2), _slnl(1)),
            Comparison("IX", _slnl(3), _slnl(2)),
        ),
    ),
    Claim(
        "two streams beat one",
        "IV-C.6",
        "all multi-modal fusion policies are superior to single feature methods",
        tuple(
            Comparison("X", fused, single)
            for fused in (_SUM, _CONCATENATION, _MTL)
            for single in (_POSITION, _VELOCITY)
        ),
    ),
    Claim(
        "multi-task beats plain fusion",
        "IV-C.6",
        "our pseudo multi-task learning policies perform better than conventional "
        "feature summing and feature concatenating policies",
        _all("X", _MTL, _SUM, _CONCATENATION),
    ),
    Claim(
        "mutual learning helps",
        "IV-C.6",
        "the proposed multi-task learning method with mutual learning policy achieves "
        "the best performance on both datasets",
        _all("X", _MUTUAL, _MTL),
    ),
    Claim(
        "a middle weight is best",
        "IV-C.7",
        "the optimal performances are achieved at a middle value of mutual controlling "
        "parameter (λ = 0.1)",
        _all("Fig. 9", "λ = 0.1", "λ = 0", "λ = 0.01", "λ = 0.5", "λ = 1"),
    ),
    Claim(
        "a large weight is harmful",
        "IV-C.7",
        "the performances of λ = 1 are worse than conventional separated learning "
        "policy (λ = 0)",
        _all("Fig. 9", "λ = 0", "λ = 1"),
    ),
)
"""In the paper's order. Claims about other people's methods are Tables I to IV; those
about cost are counted, see Table XI."""


def judge(
    claim: Claim,
    dataset: str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
) -> Finding:
    """What the records say of a claim.

    Args:
        claim: one of :data:`CLAIMS`.
        dataset: the data set whose column of the tables is taken; of several, the
            first.
        store: the records.
        profile: whose runs: ``"laptop"`` or ``"full"``.
        clean: count only test clips without a twin among the training clips.

    Raises:
        InputError: an unknown profile, or a record that cannot be used.
    """
    judged = []
    for comparison in claim.comparisons:
        found = columns(TABLES[comparison.table], dataset)
        claimed, measured, unit = None, None, "seed"
        if found:
            column = found[0]
            better, worse = comparison.rows
            claimed = comparison.claimed(column)
            measured = paired_difference(better, worse, column, profile, store, clean)
            unit = unit_of(better, column, profile)
        # The sign is claimed in words even where a number is not printed.
        sign = claimed if claimed else 1.0
        words = verdict(measured, sign, profile, unit)
        judged.append(Judged(comparison, claimed, measured, words))
    return Finding(claim, tuple(judged))


def named(name: str) -> Claim:
    """The claim of that name.

    Raises:
        InputError: if there is none.
    """
    for claim in CLAIMS:
        if claim.name == name:
            return claim
    raise InputError(
        f"claim {name!r}: unknown; known are "
        f"{', '.join(claim.name for claim in CLAIMS)}"
    )
