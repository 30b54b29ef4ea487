"""Answer "does the paper hold up?": the block on the first page and in the README."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.paths import atomic_write, project_root
from skellib.records import RecordStore
from skellib.reproduction.cells import SIZES, difference_text
from skellib.reproduction.claims import judge_all
from skellib.reproduction.own_tables import CHOSEN_ROTATION, STEPS
from skellib.reproduction.paper_tables import BASELINE_0, UCLA, Changes
from skellib.reproduction.report import COMPONENTS, ROTATED_STEPS, verdict_counts
from skellib.reproduction.results import accuracy, compare_in_table
from skellib.statistics import Summary

FINAL, RAW = "SLnL-rFA+ML", "No Trans. (Baseline0)"


@dataclass(frozen=True)
class Level:
    """Hold an accuracy on N-UCLA, camera 3, all 464 test clips, last epoch.

    Attributes:
        label: what was trained, and how.
        paper: the paper's number in per cent, if it prints one for this.
        measured: ours; None without a run.
    """

    label: str
    paper: float | None
    measured: Summary | None


def levels(store: RecordStore) -> list[Level]:
    """Return the four accuracies of the first page.

    The final model by the text, at the paper's size; the same at laptop size; then, on
    clips rotated at random, the final model and the simplest network, on raw joints.
    """
    paper = STEPS.row(FINAL).reported[UCLA.name]
    turned: Changes = CHOSEN_ROTATION
    asked: tuple[tuple[str, str, Changes, float | None], ...] = (
        ("the full network, by the paper's text", "full", {}, paper),
        ("the full network, by the paper's text", "laptop", {}, None),
        ("the full network, on rotated clips", "laptop", turned, None),
        ("raw joints, on rotated clips", "laptop", {**BASELINE_0, **turned}, None),
    )
    return [
        Level(
            f"{label}, {SIZES[profile]}",
            printed,
            accuracy(final_model(UCLA.dataset, profile).replace(**changes), store),
        )
        for label, profile, changes, printed in asked
    ]


def component_marks(
    store: RecordStore, profile: str = "laptop"
) -> dict[str, list[dict[str, float | None]]]:
    """Return what each component brings, as :func:`skellib.figures.comparisons` draws.

    Ours is trained on rotated clips; the intervals hold for all components together.
    """
    pairs = [*COMPONENTS.values()]
    ours = compare_in_table(ROTATED_STEPS, pairs, UCLA, profile, store).differences
    marks = {}
    for (name, (better, worse)), found in zip(COMPONENTS.items(), ours, strict=True):
        printed = [STEPS.row(label).reported[UCLA.name] for label in (better, worse)]
        marks[name] = [
            {
                "paper": printed[0] - printed[1],
                **{k: getattr(found, k, None) for k in ("mean", "low", "high")},
            }
        ]
    return marks


def sentences(store: RecordStore, profile: str = "laptop") -> tuple[str, str, str]:
    """Say what the paper claims, what we did, and what we found."""
    full, small, rotated, raw = (_percent(level.measured) for level in levels(store))
    steps = [STEPS.row(label).reported[UCLA.name] for label in (RAW, FINAL)]
    count = verdict_counts(judge_all(UCLA.dataset, store, profile))
    runs = sum(1 for _ in store)
    ends = compare_in_table(ROTATED_STEPS, [(FINAL, RAW)], UCLA, profile, store)
    return (
        f"**The paper** reports {steps[1]:.1f} % on N-UCLA for its full network and "
        f"{steps[0]:.1f} % for the simplest one, on raw joints, and says that each of "
        "its components helps.",
        "**We** rebuilt the network from the text, checked each equation against a "
        f"brute-force version, and keep the records of {runs} runs. Each of the "
        f"{count['claims']} claims about components is judged by comparisons of rows, "
        f"{count['distinct']} in all, with intervals that hold for all comparisons of "
        "a table together.",
        f"**We found** {full} by the text at full size and {small} at laptop size. "
        "Rotating the training clips at random, which the text does not mention, "
        f"brings the laptop network to {rotated}, and raw joints alone to {raw}: the "
        f"full network is {difference_text(ends.differences[0])} points from them. Of "
        f"the claims, {count['supported']} are supported, {count['contradicted']} "
        f"contradicted and {count['bounded']} bounded: no gain was shown, and gains "
        "above a stated size are excluded.",
    )


def _percent(summary: Summary | None) -> str:
    """Format an accuracy in per cent: ``"83.3 ± 2.1 % (3 seeds)"``."""
    if summary is None:
        return "(not run)"
    spread = "" if summary.sd is None else f" ± {summary.sd:.1f}"
    plural = "" if summary.n == 1 else "s"
    return f"{summary.mean:.1f}{spread} % ({summary.n} seed{plural})"


def block(store: RecordStore, profile: str = "laptop") -> str:
    """Return the answer in Markdown, as in the README and on the first page."""
    rows = [
        f"| {level.label} | {_printed(level.paper)} | {_percent(level.measured)} |"
        for level in levels(store)
    ]
    header = [
        "| N-UCLA, all 464 test clips, last epoch | Paper | Here |",
        "|---|---|---|",
    ]
    return "\n\n".join([*sentences(store, profile), "\n".join([*header, *rows])])


def write(readme: Path) -> None:
    """Replace the block between its marks in the README by that of the records.

    Raises:
        InputError: if the marks are missing.
    """
    text = readme.read_text(encoding="utf-8")
    before, start, rest = text.partition("<!-- answer -->\n")
    _, end, after = rest.partition("\n<!-- end of answer -->")
    if not (start and end):
        raise InputError(f"{readme}: has no block between the marks 'answer'")
    with atomic_write(readme) as file:
        file.write((before + start + block(RecordStore()) + end + after).encode())


def _printed(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} %"


if __name__ == "__main__":
    write(project_root() / "README.md")
