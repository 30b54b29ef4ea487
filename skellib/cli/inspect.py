"""Commands that analyse a packed data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skellib.cli.options import (
    FoldOption,
    ProtocolOption,
    RootOption,
    print_summary,
)

NameArgument = Annotated[
    str, typer.Argument(help="synthetic, or the name of a prepared data set.")
]
OutOption = Annotated[
    Path | None, typer.Option(help="Also write the result to this JSON file.")
]
CompareOption = Annotated[
    bool,
    typer.Option(
        "--compare/--no-compare",
        help="Compare all pairs of clips, to find similar ones, and not only clips "
        "with the same numbers.",
    ),
]


def card(
    name: NameArgument,
    root: RootOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file to write. Default: data/cards/NAME.json for the data sets "
            "in the book, none for others."
        ),
    ] = None,
    compare: CompareOption = True,
) -> None:
    """Summarise a data set: clips, classes, lengths, missing joints, duplicates."""
    from skellib.data import open_dataset
    from skellib.paths import write_text
    from skellib.readers import cards
    from skellib.records import to_json

    dataset = open_dataset(name, root)
    measured = cards.card(dataset, compare)
    lengths = measured.lengths
    if name in cards.INFO:
        print(f"{cards.INFO[name].title}: {cards.INFO[name].what}")
    for label, value in (
        ("clips", f"{measured.clips}, {measured.frames} frames"),
        (
            "lengths",
            f"{lengths.min} to {lengths.max} frames, median {lengths.median:g}",
        ),
        ("classes", len(measured.classes)),
        ("subjects", len(measured.subjects)),
        ("views", len(measured.views)),
        ("joints", f"{len(measured.missing)} of {measured.layout}"),
        (
            "missing",
            f"a joint or more in {measured.missing_frames} frames of "
            f"{measured.missing_clips} clips",
        ),
        (
            "bodies",
            "; ".join(f"{n} in {f} frames" for n, f in enumerate(measured.bodies) if f),
        ),
        (
            "duplicates",
            ", ".join(f"{n} {kind}" for kind, n in measured.duplicates.items()),
        ),
    ):
        print(f"{label:>10}  {value}")
    if dataset.summary:
        print("as it was prepared:")
        print_summary(dataset)
    if out is None and name in cards.INFO:
        out = cards.card_path(name)
    if out is not None:
        write_text(out, to_json(measured))
        print(out)


def duplicates(
    name: NameArgument,
    protocol: ProtocolOption = None,
    fold: FoldOption = 0,
    root: RootOption = None,
    out: OutOption = None,
    compare: CompareOption = True,
    limit: Annotated[
        int, typer.Option(help="Number of pairs of each kind to show.", min=0)
    ] = 5,
) -> None:
    """Find clips of the same recording, across the split and within each side.

    Kinds: exact (same numbers), moved (same but for a translation), overlap (some
    frames with the same numbers), near (much closer than different clips), mirrored.
    """
    from skellib.data import load
    from skellib.paths import write_text
    from skellib.readers.duplicates import KINDS, find
    from skellib.records import to_json

    train, test = load(name, protocol, root, fold=fold)
    report = find(train, test, compare=compare)
    print(
        f"{name}: {report.train_clips} training clips, {report.test_clips} test clips"
    )
    print("kind      across  within  leaked test clips")
    for kind in KINDS:
        across, within = (report.count(kind, side) for side in (True, False))
        print(f"{kind:9} {across:6d}  {within:6d}  {len(report.leaked([kind])):6d}")
    for kind in KINDS:
        found = [pair for pair in report.pairs if pair.kind == kind]
        for pair in found[:limit]:
            sides = "/".join(pair.sides)
            print(f"{kind:9} {sides:11} {pair.names[0]}  {pair.names[1]}")
        if len(found) > limit:
            print(f"{kind:9} and {len(found) - limit} more")
    for each, number in report.by_class().items():
        print(f"leaked:  {number:5d} of class {each}")
    if out is not None:
        write_text(out, to_json(report))
        print(out)
