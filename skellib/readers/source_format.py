"""Original file formats of data sets: which files hold clips, and how they are read.

Most formats encode class, subject and camera in the path of each clip's file. The same
clips may also come in one npz (``joints`` of all clips concatenated, ``lengths``,
``name`` and the fields that the names encode); both give the same PackedDataset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.data.writing import ClipStream, digest, duplicate_of
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers import sources
from skellib.readers.sources import SkippedFile, SourceFile

ClipFields = dict[str, np.ndarray]
"""Per-clip metadata: ``label``, ``subject`` and so on, each (n,) int64."""
_DATASET_FIELDS = ("label", "subject", "view")  # all other fields become extras


@dataclass(frozen=True)
class Annotations:
    """Metadata of clips that comes from accompanying files.

    Attributes:
        clips: for each clip a mapping of ``label``, ``subject`` and so on, in addition
            to the fields in its name; or a string, the reason to skip the clip.
        classes: class names, if only those files contain them.
    """

    clips: list[dict[str, int] | str]
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SourceFormat:
    """Description of one file format of a data set, sufficient to read it.

    Attributes:
        key, classes, layout: as in PackedDataset.
        bodies: M, the most bodies in a frame.
        name: regular expression of a clip's name. Its groups match digits: ``code``
            (class), ``subject``, ``view``; further groups become extras, except
            ``frame`` and groups that begin with ``_``.
        ending: text that follows the name in the path of the file.
        example: an example of a clip's name.
        allowed: permitted numbers for a group. ``allowed["code"]`` is in the order of
            ``classes``.
        parse: reads the clip of a file as (T, M, N, C). Must be importable by other
            processes. Raises InputError "file: line N: problem; remedy".
        as_packed: converts the fields from the names to those in the npz; identity by
            default.
        channels: C.
        pattern: regular expression of the end of the path, with the groups of ``name``;
            by default ``name`` followed by ``ending``.
        naming: builds a clip's name from the groups; by default the group ``name``.
        parse_unlabelled: reads the joints of a clip that has no label yet, whatever its
            name; ``parse`` by default.
        parse_frames: replaces ``parse`` if each frame is a file of its own: reads a
            clip from its files, ordered by the group ``frame``.
        frame: regular expression of the name of such a file, with the group ``frame``.
        skip_reason: returns why a clip of this name is not part of the data set, by the
            authors' own lists; None if it is.
        companion: regular expression of the end of accompanying files' paths.
        annotate: derives metadata that the names lack from the accompanying files and
            the first file of each clip.
    """

    key: str
    classes: tuple[str, ...]
    layout: Layout
    bodies: int
    name: str
    ending: str
    example: str
    allowed: Mapping[str, tuple[int, ...]]
    parse: Callable[[SourceFile], np.ndarray] | None = None
    as_packed: Callable[[ClipFields], ClipFields] = dict
    channels: int = 3
    pattern: str = ""
    naming: Callable[[Mapping[str, str]], str] | None = None
    parse_unlabelled: Callable[[SourceFile], np.ndarray] | None = None
    parse_frames: Callable[[Sequence[SourceFile]], np.ndarray] | None = None
    frame: str = ""
    skip_reason: Callable[[str], str | None] | None = None
    companion: str = ""
    annotate: (
        Callable[[Sequence[SourceFile], Sequence[SourceFile]], Annotations] | None
    ) = None

    @property
    def path(self) -> str:
        """Regular expression of the end of a clip's path."""
        return self.pattern or rf"(?P<name>{self.name}){re.escape(self.ending)}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, N, C)."""
        return self.bodies, self.layout.size, self.channels

    @property
    def reader(self) -> Callable[[Sequence[SourceFile]], np.ndarray]:
        """Function that reads a clip from its files; picklable."""
        if self.parse_frames is not None:
            return self.parse_frames
        assert self.parse is not None
        return partial(_parse_one, self.parse)

    def read_clip(self, path: str | Path) -> np.ndarray:
        """Read a clip to be classified, (T, M, N, C): a file, or a folder of frames.

        Raises:
            InputError: it cannot be read, or is damaged.
        """
        parse, where = self.parse_unlabelled or self.parse, str(path)
        if self.parse_frames is None:
            assert parse is not None
            return parse(SourceFile(where, {}, where, 0, 0))
        (files,) = sources.find([path], [self.frame]).files
        if not files:
            raise InputError(f"{path}: holds no frame such as {self.example}")
        return self.parse_frames(
            sorted(files, key=lambda file: sources.natural(file.groups["frame"]))
        )


def _parse_one(
    parse: Callable[[SourceFile], np.ndarray], files: Sequence[SourceFile]
) -> np.ndarray:
    return parse(files[0])


@dataclass(frozen=True)
class ClipIndex:
    """Index of the clips that were found, before any of them is parsed.

    Attributes:
        source_format: the format that was found.
        names: names of the n clips, in natural order.
        files: files of each clip.
        fields: metadata of the clips.
        classes: class names.
        excluded: clips that the authors' own lists exclude.
        faults: files that cannot be used.
    """

    source_format: SourceFormat
    names: list[str]
    files: list[tuple[SourceFile, ...]]
    fields: ClipFields
    classes: tuple[str, ...]
    excluded: list[SkippedFile]
    faults: list[SkippedFile]


def scan(
    formats: Sequence[SourceFormat],
    where: Sequence[str | Path],
    max_bytes: int | None = None,
) -> ClipIndex:
    """Find the clips of a data set and read the metadata in their paths.

    Args:
        formats: formats of the data set; the first one with any file is used.
        where: folders and zip archives.
        max_bytes: as in ``sources.find``.

    Raises:
        InputError: a missing source, no file of the data set, a duplicate name, or a
            damaged accompanying file.
    """
    companions = [each.companion for each in formats if each.companion]
    patterns = [*companions, *(each.path for each in formats)]
    found = sources.find(where, patterns, max_bytes)
    clips = dict(zip(patterns, found.files, strict=True))
    for each in formats:
        if clips[each.path]:
            beside = clips[each.companion] if each.companion else []
            return _index(each, clips[each.path], beside, found.faults)
    if found.faults:
        raise nothing_usable(formats[0].key, found.faults)
    examples = " or ".join(each.example + each.ending for each in formats)
    raise InputError(f"{', '.join(map(str, where))}: holds no file such as {examples}")


def nothing_usable(key: str, skipped: Sequence[SkippedFile]) -> InputError:
    """Return the error for a data set without a usable clip, with the first reasons."""
    first = "; ".join(str(each) for each in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return InputError(f"{key}: no clip can be used: {first}{more}")


def _index(
    source_format: SourceFormat,
    found: list[SourceFile],
    companions: list[SourceFile],
    faults: list[SkippedFile],
) -> ClipIndex:
    """Index the clips of one format."""
    faults, excluded = list(faults), []
    clips: dict[str, tuple[SourceFile, ...]] = {}
    rows: dict[str, dict[str, int]] = {}
    for name, files in _group_by_name(source_format, found).items():
        where = files[0].where
        reason = source_format.skip_reason and source_format.skip_reason(name)
        if reason:
            excluded.append(SkippedFile(where, reason))
            continue
        try:
            rows[name] = _fields_in_path(source_format, where, files[0].groups)
            clips[name] = files
        except InputError as error:
            faults.append(SkippedFile.of(where, error))
    classes = source_format.classes
    if source_format.annotate is not None:
        first = [files[0] for files in clips.values()]
        notes = source_format.annotate(companions, first)
        classes = notes.classes or classes
        for name, note in zip(list(clips), notes.clips, strict=True):
            if isinstance(note, str):
                excluded.append(SkippedFile(clips.pop(name)[0].where, note))
                del rows[name]
            else:
                rows[name] |= note
    return ClipIndex(
        source_format,
        list(clips),
        list(clips.values()),
        _columns(list(rows.values())),
        classes,
        excluded,
        faults,
    )


def _group_by_name(
    source_format: SourceFormat, found: list[SourceFile]
) -> dict[str, tuple[SourceFile, ...]]:
    """Group files by clip, clips and the frames of a clip in natural order."""
    named: dict[str, dict[str, SourceFile]] = {}
    for file in found:
        groups = file.groups
        naming = source_format.naming
        name = naming(groups) if naming else groups["name"]
        frame = groups["frame"].lstrip("0") if source_format.parse_frames else ""
        frames = named.setdefault(name, {})
        if frame in frames:
            what = f"{name}, frame {groups['frame']}," if frame else name
            raise InputError(
                f"{file.where}: {what} is also there as {frames[frame].where}; keep one"
            )
        frames[frame] = file
    return {
        name: tuple(
            named[name][frame] for frame in sorted(named[name], key=sources.natural)
        )
        for name in sorted(named, key=sources.natural)
    }


def _fields_in_path(
    source_format: SourceFormat, where: str, groups: Mapping[str, str]
) -> dict[str, int]:
    """Convert the matched groups of a clip's path to its metadata."""
    row = {}
    for group, digits in groups.items():
        if group in ("name", "frame") or group.startswith("_"):
            continue
        if len(digits) > 9:
            raise InputError(f"{where}: field {group!r} of the name: too large")
        row[group] = int(digits or 0)
    for group, numbers in source_format.allowed.items():
        if row[group] not in numbers:
            raise InputError(
                f"{where}: field {group!r} of the name: {row[group]} is none of "
                f"{_enumerated(numbers)}"
            )
    if "code" in row:
        row["label"] = source_format.allowed["code"].index(row.pop("code"))
    return row


def _enumerated(numbers: Sequence[int]) -> str:
    """Format numbers for a message: a long range as ``first..last``."""
    if len(numbers) > 12 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}..{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _columns(rows: Sequence[Mapping[str, int]]) -> ClipFields:
    """Transpose rows to columns; ``label`` and ``subject`` are 0 if absent."""
    names = rows[0] if rows else ()
    columns = {f: np.array([row[f] for row in rows], dtype=np.int64) for f in names}
    zeros = np.zeros(len(rows), dtype=np.int64)
    return {"label": zeros, "subject": zeros, **columns}


def dataset_arguments(fields: ClipFields) -> dict[str, object]:
    """Return metadata as keyword arguments of ``PackedDataset.from_clips``."""
    return {
        "label": fields["label"],
        "subject": fields["subject"],
        "view": fields.get("view"),
        "extras": {f: fields[f] for f in fields if f not in _DATASET_FIELDS},
    }


def source_line(clips: int, where: Sequence[str | Path]) -> str:
    """Describe in one line what a data set was made from."""
    names = (Path(each).absolute().name for each in where)
    return f"{clips} files of {', '.join(names)}"


def read(formats: Sequence[SourceFormat], source: str | Path) -> PackedDataset:
    """Read all clips of a source into memory, in natural order of their names.

    For small data sets; the first damaged file is an error.

    Args:
        formats: formats of the data set.
        source: a folder, a ``.zip``, or an ``.npz`` of the first format's clips.

    Raises:
        InputError: a file that is missing, damaged, or not in the format.
    """
    source = Path(source)
    if source.suffix == ".npz":
        return read_npz(formats[0], source)
    index = scan(formats, [source])
    if index.faults:
        raise InputError(str(index.faults[0]))
    found = index.source_format
    return PackedDataset.from_clips(
        [found.reader(files) for files in index.files],
        name=index.names,
        **dataset_arguments(index.fields),  # type: ignore[arg-type]
        layout=found.layout,
        classes=index.classes,
        key=found.key,
        source=source_line(len(index.names), [source]),
    )


def read_npz(
    source_format: SourceFormat, path: Path, dtype: str | type | np.dtype = np.float32
) -> PackedDataset:
    """Read a data set from one npz, see :func:`npz_stream`."""
    stream = npz_stream(source_format, path)
    return PackedDataset.from_clips(
        stream.clips(),  # type: ignore[arg-type]
        label=stream.label,
        subject=stream.subject,
        view=stream.view,
        extras=stream.extras,
        name=stream.name,
        layout=stream.layout,
        classes=stream.classes,
        key=stream.key,
        source=stream.source,
        dtype=dtype,
    )


def npz_stream(source_format: SourceFormat, path: Path) -> ClipStream:
    """Open a data set in one npz, and check its fields against the clips' names.

    Raises:
        InputError: a field that is missing, damaged, or contradicts the names.
    """
    key = source_format.key
    if source_format.annotate is not None:  # the names alone do not say enough
        raise InputError(f"{path}: {key} is not read from an npz of this kind")
    arrays = sources.read_npz(path, ("joints", "lengths", "name"))
    clips = _split_clips(source_format, path, arrays)
    names = arrays["name"].tolist()
    rows = []
    for name in names:
        match = re.fullmatch(source_format.name, name)
        if match is None:
            raise InputError(
                f"{path}: {name}: not a name such as {source_format.example}"
            )
        where = f"{path}: {name}"
        rows.append(_fields_in_path(source_format, where, match.groupdict()))
    fields = _columns(rows)
    expected = source_format.as_packed(fields)
    if "duplicate_of" in arrays:
        single = (clip.astype(np.float32, copy=False) for clip in clips)
        expected["duplicate_of"] = duplicate_of([digest(clip) for clip in single])
    for field, values in expected.items():
        _check_agrees(path, field, arrays, values)
    return ClipStream(
        lambda: iter(clips),
        name=names,
        layout=source_format.layout,
        classes=source_format.classes,
        key=key,
        source=path.name,
        **dataset_arguments(fields),  # type: ignore[arg-type]
    )


def _split_clips(
    source_format: SourceFormat, path: Path, arrays: ClipFields
) -> list[np.ndarray]:
    """Split the joints of an npz into clips, each (T, M, N, C)."""
    joints, lengths, name = (arrays[f] for f in ("joints", "lengths", "name"))
    shape = source_format.shape
    stored = shape if source_format.bodies > 1 else shape[1:]
    if joints.dtype.kind != "f" or joints.shape[1:] != stored:
        raise InputError(
            f"{path}: field 'joints': {joints.dtype} {joints.shape}, not floats "
            f"(frames, {', '.join(map(str, stored))})"
        )
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or np.any(lengths < 0):
        raise InputError(f"{path}: field 'lengths': not one count of frames per clip")
    if lengths.sum() != len(joints):
        raise InputError(
            f"{path}: field 'lengths': sums to {lengths.sum()}, but joints has "
            f"{len(joints)} frames"
        )
    if name.dtype.kind != "U" or name.shape != lengths.shape:
        raise InputError(f"{path}: field 'name': not one string per clip")
    order = [sources.natural(each) for each in name.tolist()]
    if any(a >= b for a, b in zip(order, order[1:], strict=False)):
        raise InputError(f"{path}: field 'name': not sorted, or a duplicate name")
    return np.split(joints.reshape(-1, *shape), np.cumsum(lengths)[:-1])


def _check_agrees(
    path: Path, field: str, arrays: ClipFields, expected: np.ndarray
) -> None:
    """Raise InputError unless a field of an npz has the expected integers."""
    if field not in arrays:
        raise InputError(
            f"{path}: field {field!r}: missing; the file has {', '.join(arrays)}"
        )
    found = arrays[field]
    if found.dtype.kind not in "iu" or found.shape != expected.shape:
        raise InputError(
            f"{path}: field {field!r}: {found.dtype} {found.shape}, not integers "
            f"{expected.shape}"
        )
    wrong = np.flatnonzero((found != expected).reshape(len(expected), -1).any(axis=1))
    if len(wrong):
        i = wrong[0]
        raise InputError(
            f"{path}: field {field!r}: {found[i]} at clip {arrays['name'][i]}, not "
            f"{expected[i]}"
        )
