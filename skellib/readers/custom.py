"""Skeletons of one's own, in one of two documented forms, under a name of one's own.

**One npz**: ``joints`` (frames of all clips, joints, channels), or with an axis of
bodies second, 0 where a joint was not tracked; ``lengths``, the frames of each clip;
``label``, numbers or text. If known also ``subject``, ``view`` and ``split``
(``"train"``, ``"test"`` or nothing; or 0, 1, -1) for each clip; ``name``; and
``classes``, the classes' names, which numbers in ``label`` then count from 0. Further
arrays with one entry a clip are kept.

**A folder**: ``clips.csv`` with the columns ``file`` and ``label``, and if known
``subject``, ``view``, ``split`` and ``name``, a line a clip; and each clip as a CSV
file, see :mod:`skellib.readers.clip_tables`.

Both need a layout: the name of a known one, or a ``layout.json``, see
:mod:`skellib.readers.layout_files`; one that lies in the folder is found.

Memory: a folder is read a clip at a time; one takes up to fifteen times the size of its
table, which ``max_bytes`` bounds (64 MiB by default). An npz is held as a whole,
whatever ``max_bytes``: up to ``sources.MAX_NPZ``, 4 GiB.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
)

from skellib.data.protocols import PROTOCOLS
from skellib.data.writing import ClipStream, packed_dtype, rounded
from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout
from skellib.readers import sources
from skellib.readers.clip_tables import ClipTable, read_clip_table, read_table
from skellib.readers.layout_files import first_fault, read_layout
from skellib.readers.preparing import Prepared, from_stream
from skellib.readers.sources import SkippedFile

KEY = "custom"

_EXAMPLE = (
    '{"joints": ["hips", "head"], "bones": [["hips", "head"]], "up": "y", "dims": 3}'
)
_SPLIT = {"train": 0, "test": 1, "": -1, "0": 0, "1": 1, "-1": -1}


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a data set of one's own.

    Raises:
        InputError: it is not made of letters, digits, - and _, or another data set's.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise InputError(
            f"name {name!r}: use letters, digits, - and _, a letter or digit first, 64 "
            "at most"
        )
    if name.lower() in (KEY, *PROTOCOLS):
        raise InputError(f"name {name!r}: another data set's; choose another name")


@dataclass(frozen=True)
class OwnData:
    """A data set of one's own that was checked.

    Attributes:
        stream: its clips.
        skipped: clips that cannot be used, and why.
        unlisted: files in the folder that ``clips.csv`` does not list.
    """

    stream: ClipStream
    skipped: list[SkippedFile]
    unlisted: list[SkippedFile]


def read(
    source: str | Path,
    name: str,
    layout: str | Path | None = None,
    *,
    strict: bool = False,
    dtype: str = "float32",
    max_bytes: int | None = None,
    successive: bool = False,
) -> OwnData:
    """Check a data set of one's own, and prepare to stream it.

    Clips that cannot be used are left out. Those of a folder are read here to check
    them, and again as they are streamed, one at a time.

    Args:
        source: an ``.npz``, or a folder with ``clips.csv``.
        name: the data set's name from now on; see :func:`check_name`.
        layout: a layout's name or file; unless given, ``layout.json`` in the folder.
        strict: raise at the first clip that cannot be used.
        dtype: ``"float32"`` or ``"float16"``, in which the clips must fit.
        max_bytes: the most that is read of one table; ``sources.MAX_BYTES`` by
            default.
        successive: take the rows of a table as successive frames, whatever their
            frame numbers.

    Raises:
        InputError: a name, layout or source that cannot be used, no usable clip, one
            class only, or a split without training or test clips.
    """
    check_name(name)
    source = Path(source)
    chosen = _layout(source, layout)
    if source.is_dir():
        listing = _folder(source, chosen, max_bytes, successive)
    else:
        listing = _npz(source, chosen)
    kept, skipped, counts = _scan(source, listing, chosen, strict, dtype)
    facts = {field: values[kept] for field, values in listing.facts.items()}
    _check_sides(source, facts, listing.classes)
    stream = ClipStream(
        clips=lambda: _clips(listing, kept, counts),
        label=facts.pop("label"),
        subject=facts.pop("subject"),
        name=facts.pop("name"),
        view=facts.pop("view"),
        extras=facts,
        layout=chosen,
        classes=listing.classes,
        key=name,
        source=f"{len(kept)} clips of {source.name}",
        notes=tuple(_notes(counts)),
    )
    return OwnData(stream, skipped, listing.unlisted)


def prepare(
    source: str | Path,
    name: str,
    path: Path,
    layout: str | Path | None = None,
    *,
    dtype: str = "float32",
    **options: Any,
) -> Prepared:
    """Write the packed file of a data set of one's own.

    Args:
        source, name, layout, dtype, options: as of :func:`read`.
        path: of the packed file.

    Raises:
        InputError: as :func:`read`, or the file cannot be written.
    """
    own = read(source, name, layout, dtype=dtype, **options)
    return from_stream(
        path,
        own.stream,
        dtype,
        progress=sys.stderr.isatty(),
        where=source,
        skipped=own.skipped,
        unlisted=own.unlisted,
    )


def _layout(source: Path, choice: str | Path | None) -> Layout:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if not source.is_dir() and source.suffix.lower() != ".npz":
        raise InputError(f"{source}: neither a folder with clips.csv nor an .npz file")
    beside = source / "layout.json"
    if choice is not None or beside.is_file():
        return read_layout(choice or beside)
    raise InputError(
        f"{source}: needs a layout: give --layout {'|'.join(LAYOUTS)}, or --layout "
        f"layout.json with a file such as {_EXAMPLE}"
    )


@dataclass(frozen=True)
class _Listing:
    """The clips before they are looked at.

    Attributes:
        facts: label, subject, view, name and further arrays, (n,) each.
        classes: their names.
        where: what to call each clip in messages.
        clip: reads clip i; raises InputError for a bad one.
        unlisted: files that are no clips of the set.
    """

    facts: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    where: Sequence[str]
    clip: Callable[[int], ClipTable]
    unlisted: list[SkippedFile]


def _scan(
    source: Path, listing: _Listing, layout: Layout, strict: bool, dtype: str
) -> tuple[list[int], list[SkippedFile], Counter[str]]:
    """Read every clip once: which can be used, which not and why, and what they hold.

    Of the counts ``bodies`` is M of the largest clip, ``body m`` the clips with that
    body.
    """
    kept, skipped, counts = [], [], Counter[str]()
    for i, where in enumerate(listing.where):
        try:
            clip, missing, renumbered = listing.clip(i)
            clip = rounded(clip, packed_dtype(dtype), f"{where}: field 'joints'")
            seen = (clip[..., : layout.dims] != 0).any(axis=(2, 3))  # (T, M)
            channels = counts["channels"] or max(clip.shape[3], layout.dims)
            if clip.shape[3] != channels:
                raise InputError(
                    f"{where}: {clip.shape[3]} channels, not {channels} as layout "
                    f'{layout.name!r} and the clips before it; its field "dims" is 2 '
                    "for x and y"
                )
            sources.check_somebody(where, clip, layout.dims)
        except InputError as error:
            if strict:
                raise
            skipped.append(SkippedFile.of(where, error))
            continue
        kept.append(i)
        counts["channels"] = channels
        counts["bodies"] = max(counts["bodies"], clip.shape[1])
        counts.update(f"body {m}" for m in np.flatnonzero(seen.any(axis=0)))
        counts["missing"] += missing
        counts["skipping"] += missing > 0
        counts["renumbered"] += renumbered
    if not kept:
        first = f"; the first: {skipped[0]}" if skipped else ""
        raise InputError(f"{source}: no usable clip of {len(skipped)}{first}")
    return kept, skipped, counts


def _clips(
    listing: _Listing, kept: Sequence[int], counts: Counter[str]
) -> Iterator[np.ndarray]:
    """Read clips, (T, M, N, C) each, all with the bodies that some clip has."""
    present = [m for m in range(counts["bodies"]) if counts[f"body {m}"]]
    for i in kept:
        clip = listing.clip(i).joints
        absent = counts["bodies"] - clip.shape[1]
        yield np.pad(clip, ((0, 0), (0, absent), (0, 0), (0, 0)))[:, present]


def _notes(n: Counter[str]) -> Iterator[str]:
    """Say what was found in the clips that their owner may not expect."""
    if n["missing"]:
        yield (
            f"frame numbers skip in {n['skipping']} clips, and {n['missing']} frames "
            "were filled in with nobody; --successive takes rows as successive frames"
        )
    if n["renumbered"]:
        yield (
            f"bodies were renumbered from 0, in order of first appearance, in "
            f"{n['renumbered']} clips"
        )
    if absent := [m for m in range(n["bodies"]) if not n[f"body {m}"]]:
        yield f"dropped {len(absent)} of {n['bodies']} bodies, which are in no clip"


def _check_sides(
    source: Path, facts: Mapping[str, np.ndarray], classes: Sequence[str]
) -> None:
    """Refuse what cannot be trained on and measured.

    Raises:
        InputError: one class only, or a split without training or without test clips.
    """
    present = np.unique(facts["label"])
    if len(present) < 2:
        raise InputError(
            f"{source}: field 'label': all usable clips are of class "
            f"{classes[present[0]]!r}; a network needs two classes at least"
        )
    if "split" not in facts:
        return
    train, test, other = (int((facts["split"] == side).sum()) for side in (0, 1, -1))
    if not train or not test:
        raise InputError(
            f"{source}: field 'split': {train} clips train, {test} test, {other} "
            "neither; give both sides, or leave the field out to split by subject, "
            "view or at random"
        )


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _in_folder(path: str) -> str:
    parts = PurePosixPath(path).parts
    if path[0] == "/" or ".." in parts or "\0" in path or PureWindowsPath(path).drive:
        raise ValueError("leaves the folder; give a path below it")
    return path


def _side(split: str) -> str:
    if split.strip().lower() not in _SPLIT:
        raise ValueError("neither train nor test nor empty")
    return split.strip().lower()


class ClipFacts(BaseModel):
    """What is known of a clip: a line of ``clips.csv``, or its entries in an npz."""

    model_config = ConfigDict(extra="forbid")

    file: Annotated[Text, AfterValidator(_in_folder)] | None = None
    name: Text
    label: Text
    subject: Text | None = None
    view: Text | None = None
    split: Annotated[str, AfterValidator(_side)] | None = None


def _folder(
    folder: Path, layout: Layout, max_bytes: int | None, successive: bool
) -> _Listing:
    """List the clips of a folder's ``clips.csv``."""
    path = folder / "clips.csv"
    table = read_table(path, object, max_bytes).dropna(how="all").fillna("")
    for column in ("file", "label"):
        if column not in table:
            raise InputError(f"{path}: line 1: column {column!r} is missing; add it")
    # Other systems write paths with backslashes, and the names of files in any case.
    table["file"] = table["file"].str.strip().str.replace("\\", "/")
    if "name" not in table:
        table["name"] = table["file"].str.replace(r"\.[^./]*$", "", regex=True)
    facts, classes = _facts([f"{path}: line {i}" for i in table.index], table)
    found = sources.find([folder], [r"(?i:[^/]+\.csv)"])
    there = [Path(file.where) for file in found.files[0] if file.member is None]
    by_name = {str(each).lower(): each for each in there} | {str(f): f for f in there}
    wanted = [folder / file for file in table["file"]]
    files = [by_name.get(str(w)) or by_name.get(str(w).lower(), w) for w in wanted]
    others = [SkippedFile(file.where, "not in clips.csv") for file in found.files[0]]
    others += [each for each in found.faults if not Path(each.where).is_dir()]
    known = {str(each) for each in (path, *files)}
    return _Listing(
        facts,
        classes,
        [str(file) for file in files],
        lambda i: read_clip_table(files[i], layout, max_bytes, successive),
        [each for each in others if each.where not in known],
    )


def _npz(path: Path, layout: Layout) -> _Listing:
    """List the clips of one npz."""
    arrays = sources.read_npz(path, ("joints", "lengths", "label"))
    joints = _joints(path, arrays.pop("joints"), layout)
    ends = _ends(path, arrays.pop("lengths"), len(joints))
    classes = [str(each).strip() for each in arrays.pop("classes", np.array([])).flat]
    own = set(ClipFacts.model_fields) - {"file"}
    for field, array in arrays.items():
        kinds = "iuU" if field in own else "iufbU"
        if array.shape != ends.shape or array.dtype.kind not in kinds:
            raise InputError(
                f"{path}: field {field!r}: {array.dtype} {array.shape}, not whole "
                f"numbers or text with one entry for each of the {len(ends)} clips"
            )
    table = pd.DataFrame({field: arrays.pop(field) for field in own & set(arrays)})
    if classes and table["label"].dtype.kind in "iu":  # numbers count into classes
        numbered = dict(enumerate(classes))
        table["label"] = [numbered.get(k, str(k)) for k in table["label"].tolist()]
    if "name" not in table:
        table["name"] = [f"clip {i}" for i in range(len(ends))]
    where = [f"{path}: {name}" for name in table["name"]]
    facts, found = _facts(where, table.astype(str), classes)

    def clip(i: int) -> ClipTable:
        frames = joints[ends[i - 1] if i else 0 : ends[i]]
        if not len(frames):
            raise InputError(f"{where[i]}: field 'lengths': 0 frames")
        bad = ~np.isfinite(frames).all(axis=(1, 2, 3))
        if bad.any():
            raise InputError(
                f"{where[i]}: field 'joints': frame {bad.argmax()}: not finite; write "
                "0 for a joint that was not tracked"
            )
        return ClipTable(frames)

    return _Listing({**arrays, **facts}, found, where, clip, [])


def _joints(path: Path, joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Return the joints of an npz as (frames, M, N, C)."""
    shaped = joints[:, None] if joints.ndim == 3 else joints
    if joints.dtype.kind not in "fiu" or shaped.ndim != 4 or 0 in shaped.shape:
        raise InputError(
            f"{path}: field 'joints': {joints.dtype} {joints.shape}, not numbers "
            "(frames, joints, channels) or (frames, bodies, joints, channels)"
        )
    if shaped.shape[2] != layout.size:
        raise InputError(
            f"{path}: field 'joints': {shaped.shape[2]} joints, layout "
            f"{layout.name!r} has {layout.size}"
        )
    return shaped


def _ends(path: Path, lengths: np.ndarray, frames: int) -> np.ndarray:
    """Return where each clip of an npz ends, (n,) int64."""
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or np.any(lengths < 0):
        raise InputError(f"{path}: field 'lengths': not one count of frames a clip")
    ends = np.cumsum(lengths.astype(np.int64))
    if not len(ends) or np.any(np.diff(ends) < 0) or ends[-1] != frames:
        raise InputError(
            f"{path}: field 'lengths': must sum to the {frames} frames of joints"
        )
    return ends


def _facts(
    where: Sequence[str], table: pd.DataFrame, classes: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return what is known of each clip as arrays (n,), and the classes' names."""
    rows = []
    for place, row in zip(where, table.to_dict("records"), strict=True):
        try:
            rows.append(ClipFacts.model_validate(row))
        except ValidationError as error:
            raise first_fault(place, error) from None
    names = pd.Series([row.name for row in rows], dtype=object)
    if names.duplicated().any():
        second = int(names.duplicated().argmax())
        raise InputError(
            f"{where[second]}: field 'name': {names[second]!r} is there twice; give "
            "each clip a name of its own"
        )
    labels = [row.label for row in rows]
    classes = classes or sorted(set(labels), key=sources.natural)
    if len(set(classes)) < len(classes):
        raise InputError(f"{where[0]}: field 'classes': a name is there twice")
    label = pd.Index(classes, dtype=object).get_indexer(labels).astype(np.int64)
    if (label < 0).any():
        i = int(label.argmin())
        raise InputError(
            f"{where[i]}: field 'label': {labels[i][:40]!r} is none of the "
            f"{len(classes)} classes"
        )
    facts = {
        "label": label,
        "subject": _numbered([row.subject for row in rows]),
        "view": _numbered([row.view for row in rows]),
        "name": names.to_numpy(dtype=np.str_),
    }
    if "split" in table:
        facts["split"] = np.array([_SPLIT[row.split or ""] for row in rows])
    return facts, tuple(classes)


def _numbered(texts: Sequence[str | None]) -> np.ndarray:
    """Return whole numbers as they are; other texts numbered from 1, unknown as 0."""
    known = {text for text in texts if text is not None}
    ordered = sorted(known, key=sources.natural)
    number: dict[str | None, int] = {text: i for i, text in enumerate(ordered, start=1)}
    if all(re.fullmatch(r"-?[0-9]{1,18}", text) for text in known):
        number = {text: int(text) for text in known}
    return np.array([number.get(text, 0) for text in texts], dtype=np.int64)
