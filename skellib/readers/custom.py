"""Skeletons of one's own, in one of two documented forms, under a name of one's own.

**One npz**: ``joints`` (frames of all clips, joints, channels), or with an axis of
bodies second; ``lengths``, the frames of each clip; ``label``, numbers or text. If
known also ``subject``, ``view`` and ``split`` (``"train"``, ``"test"`` or nothing; or
0, 1, -1) for each clip; ``name``; and ``classes``, the classes' names, which numbers in
``label`` then count from 0. Further arrays with one entry a clip are kept.

**A folder**: ``clips.csv`` with the columns ``file`` and ``label``, and if known
``subject``, ``view``, ``split`` and ``name``, a line a clip; and each clip as a CSV
file, see :mod:`skellib.readers.clip_tables`.

Both need a layout: the name of a known one, or a ``layout.json``, see
:mod:`skellib.readers.layout_files`; one that lies in the folder is found.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from skellib.data.protocols import PROTOCOLS
from skellib.data.writing import ClipStream, packed_dtype, rounded
from skellib.errors import InputError
from skellib.layouts import LAYOUTS, Layout
from skellib.readers import sources
from skellib.readers.clip_tables import read_clip_table, read_rows
from skellib.readers.layout_files import read_layout
from skellib.readers.preparing import Prepared, from_stream, list_left_out

KEY = "custom"

_EXAMPLE = (
    '{"joints": ["hips", "head"], "bones": [["hips", "head"]], "up": "y", "dims": 3}'
)
_FACTS = ("label", "subject", "view", "split", "name")


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


def read(
    source: str | Path,
    name: str,
    layout: str | Path | None = None,
    *,
    strict: bool = False,
    dtype: str = "float32",
    max_bytes: int | None = None,
) -> tuple[ClipStream, tuple[sources.SkippedFile, ...]]:
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

    Returns:
        The clips, and what was left out and why.

    Raises:
        InputError: a name, layout or source that cannot be used, or no usable clip.
    """
    check_name(name)
    source = Path(source)
    if source.is_dir():
        listed: Callable[[Path, Layout, int | None], _Listing] = _folder
    elif source.is_file() and source.suffix.lower() == ".npz":
        listed = _npz
    elif source.exists():
        raise InputError(f"{source}: neither a folder with clips.csv nor an .npz file")
    else:
        raise InputError(f"{source}: no such file or folder")
    chosen = _layout(source, layout)
    listing = listed(source, chosen, max_bytes)
    kept, left_out, shape = _usable(source, listing, strict, dtype)
    facts = {field: values[kept] for field, values in listing.facts.items()}
    bodies, channels = shape

    def clips() -> Iterator[np.ndarray]:
        for i in kept:
            clip = listing.clip(i)
            yield np.pad(clip, ((0, 0), (0, bodies - clip.shape[1]), (0, 0), (0, 0)))

    if channels < chosen.dims:
        raise InputError(
            f"{source}: {channels} channels, layout {chosen.name!r} has {chosen.dims} "
            'coordinates; write "dims": 2 in its file if they are x and y'
        )
    stream = ClipStream(
        clips=clips,
        label=facts.pop("label"),
        subject=facts.pop("subject"),
        name=facts.pop("name"),
        view=facts.pop("view"),
        extras=facts,
        layout=chosen,
        classes=listing.classes,
        key=name,
        source=f"{len(kept)} clips of {source.name}",
    )
    return stream, left_out


def prepare(
    source: str | Path,
    name: str,
    path: Path,
    layout: str | Path | None = None,
    *,
    strict: bool = False,
    dtype: str = "float32",
    max_bytes: int | None = None,
) -> Prepared:
    """Write the packed file of a data set of one's own.

    Args:
        source, name, layout, strict, dtype, max_bytes: as of :func:`read`.
        path: of the packed file.

    Raises:
        InputError: as :func:`read`, or the file cannot be written.
    """
    stream, left_out = read(
        source, name, layout, strict=strict, dtype=dtype, max_bytes=max_bytes
    )
    made = from_stream(path, stream, dtype, progress=sys.stderr.isatty())
    list_left_out(path, left_out)
    return replace(made, left_out=left_out, bad=len(left_out))


def _layout(source: Path, choice: str | Path | None) -> Layout:
    if choice is not None:
        return read_layout(choice)
    beside = source / "layout.json"
    if source.is_dir() and beside.is_file():
        return read_layout(beside)
    raise InputError(
        f"{source}: needs a layout: give --layout {'|'.join(LAYOUTS)}, or --layout "
        f"layout.json with a file such as {_EXAMPLE}"
    )


@dataclass(frozen=True)
class _Listing:
    """What there is before its clips are looked at.

    Attributes:
        facts: label, subject, view, name and further arrays, (n,) each.
        classes: their names.
        where: what to call each clip in messages.
        clip: reads clip i, (T, M, N, C); raises InputError for a bad one.
    """

    facts: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    where: Sequence[str]
    clip: Callable[[int], np.ndarray]


def _usable(
    source: Path, listing: _Listing, strict: bool, dtype: str
) -> tuple[np.ndarray, tuple[sources.SkippedFile, ...], tuple[int, int]]:
    """Which clips can be used, which not and why, and (bodies, channels) of the set."""
    kept: list[int] = []
    left_out: list[sources.SkippedFile] = []
    bodies, channels = 0, 0
    for i, where in enumerate(listing.where):
        try:
            clip = listing.clip(i)
            rounded(clip, packed_dtype(dtype), f"{where}: field 'joints'")
            if kept and clip.shape[3] != channels:
                raise InputError(
                    f"{where}: {clip.shape[3]} channels, the clips before it "
                    f"{channels}; give all of them the same columns"
                )
        except InputError as error:
            if strict:
                raise
            left_out.append(sources.SkippedFile.of(where, error))
            continue
        kept.append(i)
        bodies, channels = max(bodies, clip.shape[1]), clip.shape[3]
    if not kept:
        first = f"; the first: {left_out[0]}" if left_out else ""
        raise InputError(f"{source}: no usable clip of {len(left_out)}{first}")
    return np.array(kept), tuple(left_out), (bodies, channels)


def _folder(folder: Path, layout: Layout, max_bytes: int | None) -> _Listing:
    """The clips that a folder's ``clips.csv`` lists."""
    table = folder / "clips.csv"
    header, rows = read_rows(table, max_bytes)
    for column in header:
        if column not in ("file", *_FACTS):
            raise InputError(
                f"{table}: line 1: column {column[:40]!r} is none of file, "
                f"{', '.join(_FACTS)}"
            )
    for column in ("file", "label"):
        if column not in header:
            raise InputError(f"{table}: line 1: column {column!r} is missing")
    where = [f"{table}: line {line}" for line, _ in rows]
    columns = {
        column: [cells[place] for _, cells in rows]
        for place, column in enumerate(header)
    }
    paths = columns.pop("file")
    for place, path in zip(where, paths, strict=True):
        parts = PurePosixPath(path)
        if (
            parts.is_absolute()
            or ".." in parts.parts
            or "\\" in path
            or "\0" in path
            or PureWindowsPath(path).drive
        ):
            raise InputError(f"{place}: field 'file': {path!r} leaves the folder")
    names = [str(PurePosixPath(path).with_suffix("")) if path else "" for path in paths]
    facts, classes = _facts(where, {"name": names, **columns})
    files = [folder / path for path in paths]
    return _Listing(
        facts, classes, [str(f) for f in files],
        lambda i: read_clip_table(files[i], layout, max_bytes),
    )  # fmt: skip


def _npz(path: Path, layout: Layout, max_bytes: int | None) -> _Listing:
    """The clips of one npz, which is as large as its joints, whatever the bound."""
    arrays = sources.read_npz(path, ("joints", "lengths", "label"))
    joints, lengths = arrays.pop("joints"), arrays.pop("lengths")
    if joints.ndim == 3:
        joints = joints[:, None]
    if joints.dtype.kind not in "fiu" or joints.ndim != 4 or 0 in joints.shape:
        raise InputError(
            f"{path}: field 'joints': {joints.dtype} {joints.shape}, not numbers "
            "(frames, joints, channels) or (frames, bodies, joints, channels)"
        )
    if joints.shape[2] != layout.size:
        raise InputError(
            f"{path}: field 'joints': {joints.shape[2]} joints, layout "
            f"{layout.name!r} has {layout.size}"
        )
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or np.any(lengths < 1):
        raise InputError(f"{path}: field 'lengths': not one count a clip, from 1")
    lengths = lengths.astype(np.int64)
    n, ends = len(lengths), np.cumsum(lengths)
    if n == 0 or np.any(ends < lengths) or ends[-1] != len(joints):
        raise InputError(
            f"{path}: field 'lengths': must sum to the {len(joints)} frames of joints"
        )
    classes = arrays.pop("classes", None)
    if classes is not None and (classes.dtype.kind != "U" or classes.ndim != 1):
        raise InputError(f"{path}: field 'classes': not one text a class")
    for field, array in arrays.items():
        if array.shape != (n,) or array.dtype.kind not in (
            "iuU" if field in _FACTS else "iufbU"
        ):
            raise InputError(
                f"{path}: field {field!r}: {array.dtype} {array.shape}, not whole "
                f"numbers or text with one entry for each of the {n} clips"
            )
    labels_count = arrays["label"].dtype.kind in "iu"  # into classes, where given
    columns = {
        field: [str(value) for value in arrays.pop(field).tolist()]
        for field in _FACTS
        if field in arrays
    }
    names = columns.setdefault("name", [f"clip {i}" for i in range(n)])
    where = [f"{path}: {name}" for name in names]
    given = None if classes is None else classes.tolist()
    if given is not None and labels_count:
        columns["label"] = [
            given[int(text)] if 0 <= int(text) < len(given) else text
            for text in columns["label"]
        ]
    facts, found = _facts(where, columns, given)
    starts = ends - lengths

    def clip(i: int) -> np.ndarray:
        return joints[starts[i] : ends[i]]

    return _Listing({**arrays, **facts}, found, where, clip)


def _facts(
    where: Sequence[str],
    columns: Mapping[str, list[str]],
    classes: Sequence[str] | None = None,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What is known of each clip, as arrays (n,), and the classes' names."""
    names = columns["name"]
    seen: dict[str, str] = {}
    for place, name in zip(where, names, strict=True):
        if not name:
            raise InputError(f"{place}: field 'name': empty")
        if name in seen:
            raise InputError(f"{place}: field 'name': {name!r} is also {seen[name]}")
        seen[name] = place
    label, classes = _labels(where, columns["label"], classes)
    facts = {
        "label": label,
        "subject": _numbered(where, "subject", columns.get("subject")),
        "view": _numbered(where, "view", columns.get("view")),
        "name": np.array(names, dtype=np.str_),
    }
    if "split" in columns:
        facts["split"] = _split(where, columns["split"])
    return facts, classes


def _labels(
    where: Sequence[str], texts: Sequence[str], classes: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels from 0, and the classes' names: as given, else in natural order."""
    if "" in texts:
        raise InputError(f"{where[texts.index('')]}: field 'label': empty")
    if classes is None:
        classes = sorted(set(texts), key=sources.natural)
    known = {name: number for number, name in enumerate(classes)}
    if len(known) < len(classes):
        raise InputError(f"{where[0]}: field 'classes': a name is there twice")
    for place, text in zip(where, texts, strict=True):
        if text not in known:
            raise InputError(
                f"{place}: field 'label': {text[:40]!r} is none of the {len(classes)} "
                "classes"
            )
    return np.array([known[text] for text in texts]), tuple(classes)


def _numbered(
    where: Sequence[str], field: str, texts: Sequence[str] | None
) -> np.ndarray:
    """Whole numbers as they are; other texts numbered from 1 in natural order."""
    if texts is None:
        return np.zeros(len(where), dtype=np.int64)
    if "" in texts:
        raise InputError(
            f"{where[texts.index('')]}: field {field!r}: empty; fill it for every "
            "clip, or leave the column out"
        )
    if all(re.fullmatch(r"-?[0-9]{1,18}", text) for text in texts):
        return np.array([int(text) for text in texts])
    ordered = sorted(set(texts), key=sources.natural)
    number = {text: i for i, text in enumerate(ordered, start=1)}
    return np.array([number[text] for text in texts])


def _split(where: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """0 for clips that train, 1 for those that test, -1 for the others."""
    meaning = {"train": 0, "test": 1, "": -1, "0": 0, "1": 1, "-1": -1}
    for place, text in zip(where, texts, strict=True):
        if text not in meaning:
            raise InputError(
                f"{place}: field 'split': {text[:40]!r} is neither train nor test"
            )
    return np.array([meaning[text] for text in texts])
