"""Judge the claims of the paper's Section IV by our runs.

A claim in words ("the SMFL achieves the best") is a set of comparisons: one row scores
above another. The comparisons of all claims about a table are judged together, by all
runs of the table, with intervals that hold for all of them in 95 % of experiments
(:mod:`skellib.simultaneous`). The family is a table: over several tables the chances of
a false statement add up. A claim is judged by all of its comparisons, see
:func:`combine`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from skellib.errors import InputError
from skellib.records import RecordStore
from skellib.reproduction.paper_tables import TABLES, Column, Row, reported_difference
from skellib.reproduction.results import columns_on, compare_in_table, unit_of
from skellib.simultaneous import RowComparisons
from skellib.statistics import Difference, bound, verdict


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
        measured: our difference, with its simultaneous interval; None if a row has no
            run.
        verdict: see :func:`skellib.statistics.verdict`; empty if not measured.
    """

    comparison: Comparison
    claimed: float | None
    measured: Difference | None
    verdict: str

    @property
    def at_most(self) -> float | None:
        """The largest gain, in points, that our interval leaves open."""
        return bound(self.measured, self.claimed or 1.0) if self.measured else None


@dataclass(frozen=True)
class Finding:
    """Hold a claim and what was measured on one data set."""

    claim: Claim
    judged: tuple[Judged, ...]

    def count(self, word: str) -> int:
        """Count the comparisons with a verdict, such as ``"supported"``."""
        return sum(each.verdict == word for each in self.judged)

    @property
    def pairs(self) -> tuple[int, int]:
        """The fewest and the most seeds (or folds) behind a comparison."""
        n = [each.measured.n if each.measured else 0 for each in self.judged]
        return min(n), max(n)

    @property
    def verdict(self) -> str:
        """The verdict on all comparisons of the claim together, see :func:`combine`."""
        return combine([each.verdict for each in self.judged])

    @property
    def at_most(self) -> float | None:
        """The largest gain that is left open for the least gain of the claim.

        A claim says that all of its gains are above zero; it holds by as much as the
        least of them. None unless the claim is bounded.
        """
        if self.verdict != "bounded":
            return None
        open_ = [j.at_most for j in self.judged if j.verdict == "bounded"]
        return min(each for each in open_ if each is not None)

    @property
    def detectable(self) -> float | None:
        """The gain at which every comparison measured would be shown with 80 %, each.

        None if no comparison has an interval.
        """
        measured = [each.measured for each in self.judged if each.measured]
        known = [d.detectable for d in measured if d.detectable is not None]
        return max(known, default=None)


def combine(words: Sequence[str]) -> str:
    """Judge a claim by the verdicts on its comparisons.

    Returns:
        ``"contradicted"`` if any comparison is: the claim says that all hold;
        ``"supported"`` if all are; ``"bounded"`` if at least one is and none is
        contradicted; ``"not run"`` if none was measured; otherwise ``"not judged"``.
    """
    if "contradicted" in words:
        return "contradicted"
    if all(word == "supported" for word in words):
        return "supported"
    if "bounded" in words:
        return "bounded"
    return "not judged" if any(words) else "not run"


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


def family(number: str, claims: Collection[Claim] = CLAIMS) -> list[Comparison]:
    """Return the comparisons of claims about a table, each once."""
    every = (each for claim in claims for each in claim.comparisons)
    return list(dict.fromkeys(each for each in every if each.table == number))


def measure(
    number: str,
    dataset: str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
    claims: Collection[Claim] = CLAIMS,
) -> RowComparisons | None:
    """Compare the rows of a table that claims speak of.

    Arguments are those of :func:`judge_all`.

    Returns:
        The comparisons of :func:`family`; None if the table has no column on the data
        set.
    """
    columns = columns_on(TABLES[number], dataset)
    pairs = [(each.better, each.worse) for each in family(number, claims)]
    if not columns:
        return None
    return compare_in_table(TABLES[number], pairs, columns[0], profile, store, clean)


def judge_all(
    dataset: str,
    store: RecordStore,
    profile: str,
    clean: bool = False,
    claims: Collection[Claim] = CLAIMS,
) -> list[Finding]:
    """Judge claims by the records.

    Args:
        dataset: data set; if a table has several columns on it, the first is taken.
        store: the records.
        profile: profile of the runs.
        clean: count only test clips without a duplicate among the training clips.
        claims: the claims; their comparisons are one family in each table.

    Raises:
        InputError: if the profile is unknown or a record cannot be used.
    """
    found: dict[Comparison, Difference | None] = {}
    for number in dict.fromkeys(each.table for c in claims for each in c.comparisons):
        measured = measure(number, dataset, store, profile, clean, claims)
        if measured is not None:
            pairs = zip(family(number, claims), measured.differences, strict=True)
            found |= dict(pairs)

    def judged(comparison: Comparison) -> Judged:
        columns = columns_on(TABLES[comparison.table], dataset)
        if not columns:
            return Judged(comparison, None, None, "")
        claimed = comparison.claimed(columns[0])
        difference = found[comparison]
        # The paper claims the sign in words even if it does not print the number.
        words = verdict(difference, claimed or 1.0, profile, unit_of(columns[0]))
        return Judged(comparison, claimed, difference, words)

    return [Finding(c, tuple(map(judged, c.comparisons))) for c in claims]


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
