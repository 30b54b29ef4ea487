"""Judge the claims of the paper's Section IV by our runs.

A claim in words ("the SMFL achieves the best") is a set of comparisons: one row scores
above another. Each comparison is judged by the runs that both rows have, paired by seed
or fold, and the claim by all of its comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

from skellib.errors import InputError
from skellib.records import RecordStore
from skellib.reproduction.paper_tables import TABLES, Column, Row, reported_difference
from skellib.reproduction.results import columns_on, paired_difference, unit_of
from skellib.statistics import CONCLUSIVE, Difference, verdict


@dataclass(frozen=True)
class Comparison:
    """State that row ``better`` of a table scores above row ``worse``."""

    table: str
    better: str
    worse: str

    @property
    def rows(self) -> tuple[Row, Row]:
        table = TABLES[self.table]
        return table.row(self.better), table.row(self.worse)

    def claimed(self, column: Column) -> float | None:
        """Return the paper's difference in points, or None if it prints none."""
        return reported_difference(*self.rows, column)


@dataclass(frozen=True)
class Claim:
    """Hold a claim of the paper.

    Attributes:
        name: a short name of our own.
        section: section of the paper that makes it.
        quote: the paper's words.
        comparisons: the comparisons that it implies.
    """

    name: str
    section: str
    quote: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Judged:
    """Hold a comparison and what was measured.

    Attributes:
        comparison: the comparison.
        claimed: the paper's difference, in percentage points, if it prints one.
        measured: our paired difference; None if a row has no run.
        verdict: see :func:`skellib.statistics.verdict`; empty if not measured.
    """

    comparison: Comparison
    claimed: float | None
    measured: Difference | None
    verdict: str


@dataclass(frozen=True)
class Finding:
    """Hold a claim and what was measured on one data set."""

    claim: Claim
    judged: tuple[Judged, ...]

    def count(self, word: str) -> int:
        """Count the comparisons with a verdict, ``"reproduced"`` or ``"opposite"``."""
        return sum(each.verdict == word for each in self.judged)

    @property
    def pairs(self) -> tuple[int, int]:
        """The fewest and the most seeds (or folds) behind a comparison."""
        n = [each.measured.n if each.measured else 0 for each in self.judged]
        return min(n), max(n)

    @property
    def verdict(self) -> str:
        """The verdict on all comparisons of the claim together.

        ``"reproduced"`` or ``"opposite"`` if every comparison is; ``"contradicted in
        part"`` if only some are opposite; ``"not resolved"`` if none is opposite and
        not all are reproduced; ``"not run"`` if nothing was measured.
        """
        if all(each.measured is None for each in self.judged):
            return "not run"
        for word in CONCLUSIVE:
            if self.count(word) == len(self.judged):
                return word
        return "contradicted in part" if self.count("opposite") else "not resolved"


def _beats(table: str, better: str, *worse: str) -> tuple[Comparison, ...]:
    """State that one row scores above each of several."""
    return tuple(Comparison(table, better, each) for each in worse)


def _beaten_by(table: str, worse: str, *better: str) -> tuple[Comparison, ...]:
    """State that each of several rows scores above one."""
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
        _beaten_by("V", _RAW, _COORDINATE, _SKELETON, _BOTH),
    ),
    Claim(
        "the gain is not depth",
        "IV-C.1",
        "Even with the same depth, the improvement of CNN variant is insignificant, "
        "indicating that our improvement is not induced by adding depth",
        _beats("V", _BOTH, _CNN),
    ),
    Claim(
        "the transforms complement each other",
        "IV-C.1",
        "the coordinate and skeleton transform preforms the best, indicating that the "
        "coordinate transform and the skeleton transform are complementary",
        _beats("V", _BOTH, _COORDINATE, _SKELETON),
    ),
    Claim(
        "focal loss helps",
        "IV-C.2",
        "Due to the adaptive data selection, the FL performs better than the CE",
        _beats("VI", _FL, _CE),
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
        _beats("VI", _SMFL, _CE, _FL, _SMCE),
    ),
    Claim(
        "amplitude alone is harmful",
        "IV-C.3",
        "the aFA is harmful since the phase angle information is completely missing",
        _beats("VII", _NO_FA, "Amplitude FA"),
    ),
    Claim(
        "two masks beat one",
        "IV-C.3",
        "The dFA outperforms the sFA because that it has more parameters to model the "
        "frequency patterns",
        _beats("VII", _DEPENDENT, _SHARED),
    ),
    Claim(
        "spatio-temporal attention helps",
        "IV-C.3",
        "the residual spatio-temporal attention in the spatio-temporal domain can also "
        "bring some improvements over Baseline2",
        _beats("VII", _ST, _NO_FA),
    ),
    Claim(
        "rFA helps",
        "IV-C.3",
        "the rFA outperforms the Baseline2 with a large margin",
        _beats("VII", _RFA, _NO_FA),
    ),
    Claim(
        "rFA is the best attention",
        "IV-C.3",
        "the rFA achieves the best because that its residual trick can strengthen key "
        "frequency patterns without destroying information",
        _beats(
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
        _beats("VIII", "w/ rFA", "w/o Atten.", "w/ S.T. Atten."),
    ),
    Claim(
        "non-local modules help early",
        "IV-C.5",
        "both the non-local information from the temporal and spatial dimensions "
        "during early stages are helpful",
        _beaten_by("IX", _LOCAL, _T, _S),
    ),
    Claim(
        "SLnL blocks help",
        "IV-C.5",
        "the proposed SLnL blocks boosts up the recognition performance w.r.t "
        "Baseline3 by ... 0.9% (N-UCLA)",
        _beats("IX", _slnl(3), _LOCAL),
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
        _beats("X", _MTL, _SUM, _CONCATENATION),
    ),
    Claim(
        "mutual learning helps",
        "IV-C.6",
        "the proposed multi-task learning method with mutual learning policy achieves "
        "the best performance on both datasets",
        _beats("X", _MUTUAL, _MTL),
    ),
    Claim(
        "a middle weight is best",
        "IV-C.7",
        "the optimal performances are achieved at a middle value of mutual controlling "
        "parameter (λ = 0.1)",
        _beats("Fig. 9", "λ = 0.1", "λ = 0", "λ = 0.01", "λ = 0.5", "λ = 1"),
    ),
    Claim(
        "a large weight is harmful",
        "IV-C.7",
        "the performances of λ = 1 are worse than conventional separated learning "
        "policy (λ = 0)",
        _beats("Fig. 9", "λ = 0", "λ = 1"),
    ),
)
"""The claims in the paper's order, without those about other authors' methods (Tables I
to IV) and about cost (Table XI)."""


def judge(
    claim: Claim,
    dataset: str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
) -> Finding:
    """Judge a claim by the records.

    Args:
        claim: one of :data:`CLAIMS`.
        dataset: data set; if a table has several columns on it, the first is taken.
        store: the records.
        profile: profile of the runs.
        clean: count only test clips without a duplicate among the training clips.

    Raises:
        InputError: if the profile is unknown or a record cannot be used.
    """
    judged = []
    for comparison in claim.comparisons:
        found = columns_on(TABLES[comparison.table], dataset)
        claimed, measured, unit = None, None, "seed"
        if found:
            column = found[0]
            better, worse = comparison.rows
            claimed = comparison.claimed(column)
            measured = paired_difference(better, worse, column, profile, store, clean)
            unit = unit_of(column)
        # The paper claims the sign in words even if it does not print the number.
        sign = claimed if claimed else 1.0
        words = verdict(measured, sign, profile, unit)
        judged.append(Judged(comparison, claimed, measured, words))
    return Finding(claim, tuple(judged))


def judge_all(
    dataset: str, store: RecordStore, profile: str, clean: bool = False
) -> list[Finding]:
    """Judge every claim of :data:`CLAIMS`; arguments are those of :func:`judge`."""
    return [judge(claim, dataset, store, profile, clean) for claim in CLAIMS]


def get_claim(name: str) -> Claim:
    """Return a claim by its name.

    Raises:
        InputError: if no claim has that name.
    """
    for claim in CLAIMS:
        if claim.name == name:
            return claim
    raise InputError(
        f"claim {name!r}: unknown; known are "
        f"{', '.join(claim.name for claim in CLAIMS)}"
    )
