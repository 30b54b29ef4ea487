"""Reading a data set as it was released: files whose paths say what they show.

The same clips may also come in one npz (``joints`` of all clips concatenated,
``lengths``, ``name`` and what the names say); both ways give the same PackedDataset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import Layout
from skellib.readers import sources
from skellib.readers.sources import SkippedFile, SourceFile

Facts = dict[str, np.ndarray]
_OWN = ("label", "subject", "view")  # fields of a PackedDataset; the others are extras


@dataclass(frozen=True)
class Annotations:
    """What accompanying files say of clips.

    Attributes:
        facts: for each clip its ``label``, ``subject`` and so on, beside what its name
            says; or why it is left out.
        classes: the names of the classes, where only those files know them.
    """

    facts: list[dict[str, int] | str]
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SourceFormat:
    """What there is to know of a release in order to read it.

    Attributes:
        key, classes, layout: as of the PackedDataset.
        bodies: M.
        name: a regular expression of a clip's name, with groups of digits: ``code``,
            of the class; ``subject``; ``view`` where there are several; others become
            extras, but for ``frame`` and those that begin with ``_``.
        ending: what follows the name in the file's path.
        example: a clip's name.
        allowed: the numbers that a group may hold. ``allowed["code"]`` is in the order
            of ``classes``.
        parse: reads a file's clip, (T, M, N, C); a function of a module, as other
            processes call it. It raises InputError "file: line N: what, mend".
        as_packed: what of the names' facts the npz holds, and how; all by default.
        channels: C.
        pattern: a regular expression of the end of the path, where that is not
            ``name`` followed by ``ending``; with the groups of ``name``.
        naming: what a clip is called, from the groups; the group ``name`` by default.
        parse_frames: instead of ``parse`` where each frame is a file: reads a clip
            from its files, in the order of the group ``frame``.
        leave_out: why the clip of a name is left out by the release's own lists; None
            keeps it.
        companion: a regular expression of the end of accompanying files' paths.
        annotate: from the accompanying files and one file of each clip, what the
            names do not say.
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
    as_packed: Callable[[Facts], Facts] = dict
    channels: int = 3
    pattern: str = ""
    naming: Callable[[Mapping[str, str]], str] | None = None
    parse_frames: Callable[[Sequence[SourceFile]], np.ndarray] | None = None
    leave_out: Callable[[str], str | None] | None = None
    companion: str = ""
    annotate: (
        Callable[[Sequence[SourceFile], Sequence[SourceFile]], Annotations] | None
    ) = None

    @property
    def path(self) -> str:
        """The regular expression of the end of a clip's path."""
        return self.pattern or rf"(?P<name>{self.name}){re.escape(self.ending)}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, N, C)."""
        return self.bodies, self.layout.size, self.channels

    @property
    def reader(self) -> Callable[[Sequence[SourceFile]], np.ndarray]:
        """Reads the clip of its files; can be sent to another process."""
        if self.parse_frames is not None:
            return self.parse_frames
        assert self.parse is not None
        return partial(_parse_one, self.parse)

    def read_clip(self, path: str | Path) -> np.ndarray:
        """One clip, (T, M, N, C), from its file or from the folder of its files.

        Raises:
            InputError: the path is not as the release has it, not of one clip, or a
                file is bad.
        """
        found = sources.find([path], [self.path])
        if found.faults:
            raise InputError(str(found.faults[0]))
        clips = list(_by_name(self, found.files[0]).values())
        if len(clips) != 1:
            raise InputError(
                f"{path}: holds {len(clips)} clips, not one such as "
                f"{self.example}{self.ending}"
            )
        return self.reader(clips[0])


def _parse_one(
    parse: Callable[[SourceFile], np.ndarray], files: Sequence[SourceFile]
) -> np.ndarray:
    return parse(files[0])


@dataclass(frozen=True)
class ClipIndex:
    """The clips of a release that were found, before any is parsed.

    Attributes:
        release: the format that was found.
        names: of the clips, in natural order.
        files: of each clip.
        facts: each (n,) int64: ``label``, ``subject`` and so on.
        classes: the names of the classes.
        omitted: clips that the release's own lists leave out.
        faults: files that cannot be used.
    """

    release: SourceFormat
    names: list[str]
    files: list[tuple[SourceFile, ...]]
    facts: Facts
    classes: tuple[str, ...]
    omitted: list[SkippedFile]
    faults: list[SkippedFile]


def scan(
    releases: Sequence[SourceFormat],
    where: Sequence[str | Path],
    max_bytes: int | None = None,
) -> ClipIndex:
    """Find the clips of a data set, and what their names say.

    Args:
        releases: the formats that it comes in; the first of which there are files is
            taken.
        where: folders and zip archives.
        max_bytes: as in ``sources.find``.

    Raises:
        InputError: a source that is not there, no file of the data set, one name
            twice, or a bad accompanying file.
    """
    companions = [release.companion for release in releases if release.companion]
    patterns = [*companions, *(release.path for release in releases)]
    found = sources.find(where, patterns, max_bytes)
    clips = dict(zip(patterns, found.files, strict=True))
    for release in releases:
        if clips[release.path]:
            beside = clips[release.companion] if release.companion else []
            return _listing(release, clips[release.path], beside, found.faults)
    if found.faults:
        raise nothing_usable(releases[0].key, found.faults)
    examples = " or ".join(release.example + release.ending for release in releases)
    raise InputError(f"{', '.join(map(str, where))}: holds no file such as {examples}")


def nothing_usable(key: str, left_out: Sequence[SkippedFile]) -> InputError:
    """The error for a data set of which nothing is left; it names the first reasons."""
    first = "; ".join(str(each) for each in left_out[:3])
    more = f"; and {len(left_out) - 3} more" if len(left_out) > 3 else ""
    return InputError(f"{key}: no clip can be used: {first}{more}")


def _listing(
    release: SourceFormat,
    found: list[SourceFile],
    companions: list[SourceFile],
    faults: list[SkippedFile],
) -> ClipIndex:
    faults, omitted = list(faults), []
    clips = {}
    rows = {}
    for name, files in _by_name(release, found).items():
        reason = release.leave_out(name) if release.leave_out else None
        if reason is not None:
            omitted.append(SkippedFile(files[0].where, reason))
            continue
        try:
            rows[name] = _row(release, files[0].where, files[0].groups)
            clips[name] = files
        except InputError as error:
            faults.append(SkippedFile.of(files[0].where, error))
    classes = release.classes
    if release.annotate is not None:
        notes = release.annotate(companions, [files[0] for files in clips.values()])
        classes = notes.classes or classes
        for name, note in zip(list(clips), notes.facts, strict=True):
            if isinstance(note, str):
                omitted.append(SkippedFile(clips.pop(name)[0].where, note))
                del rows[name]
            else:
                rows[name] |= note
    return ClipIndex(
        release,
        list(clips),
        list(clips.values()),
        _columns(list(rows.values())),
        classes,
        omitted,
        faults,
    )


def _by_name(
    release: SourceFormat, found: list[SourceFile]
) -> dict[str, tuple[SourceFile, ...]]:
    """The files of each clip, in the natural order of the clips' names."""
    named: dict[str, dict[str, SourceFile]] = {}
    for file in found:
        groups = file.groups
        name = release.naming(groups) if release.naming else groups["name"]
        frame = groups["frame"].lstrip("0") if release.parse_frames else ""
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


def _row(
    release: SourceFormat, where: str, groups: Mapping[str, str]
) -> dict[str, int]:
    """What a clip's path says."""
    row = {}
    for group, digits in groups.items():
        if group in ("name", "frame") or group.startswith("_"):
            continue
        if len(digits) > 9:
            raise InputError(f"{where}: field {group!r} of the name: too large")
        row[group] = int(digits or 0)
    for group, numbers in release.allowed.items():
        if row[group] not in numbers:
            raise InputError(
                f"{where}: field {group!r} of the name: {row[group]} is none of "
                f"{_enumerated(numbers)}"
            )
    if "code" in row:
        row["label"] = release.allowed["code"].index(row.pop("code"))
    return row


def _enumerated(numbers: Sequence[int]) -> str:
    """A long run by its ends, other numbers one by one."""
    if len(numbers) > 12 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}..{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _columns(rows: Sequence[Mapping[str, int]]) -> Facts:
    fields = rows[0] if rows else ()
    columns = {f: np.array([row[f] for row in rows], dtype=np.int64) for f in fields}
    nothing = np.zeros(len(rows), dtype=np.int64)
    return {"label": nothing, "subject": nothing, **columns}


def fields(facts: Facts) -> dict[str, object]:
    """Facts as arguments of a PackedDataset: ``label`` and ``subject``, ``extras``."""
    return {
        "label": facts["label"],
        "subject": facts["subject"],
        "view": facts.get("view"),
        "extras": {name: facts[name] for name in facts if name not in _OWN},
    }


def source_line(clips: int, where: Sequence[str | Path]) -> str:
    """One line on what a data set was made from."""
    names = (Path(each).absolute().name for each in where)
    return f"{clips} files of {', '.join(names)}"


def read(releases: Sequence[SourceFormat], source: str | Path) -> PackedDataset:
    """Read what is there, in the order of the names, numbers compared as numbers.

    For small sets: all clips are held in memory, and the first bad file is an error.

    Args:
        releases: the formats that the data set comes in.
        source: a folder, a ``.zip``, or an ``.npz`` of the first format's clips.

    Raises:
        InputError: a file that is missing, damaged, or not as released.
    """
    source = Path(source)
    if source.suffix == ".npz":
        return read_npz(releases[0], source)
    listing = scan(releases, [source])
    if listing.faults:
        raise InputError(str(listing.faults[0]))
    release = listing.release
    return PackedDataset.from_clips(
        [release.reader(files) for files in listing.files],
        name=listing.names,
        **fields(listing.facts),  # type: ignore[arg-type]
        layout=release.layout,
        classes=listing.classes,
        key=release.key,
        source=source_line(len(listing.names), [source]),
    )


def read_npz(
    release: SourceFormat, path: Path, dtype: str | type | np.dtype = np.float32
) -> PackedDataset:
    """Read the clips of a release from one npz, and check it against their names.

    Raises:
        InputError: a field that is missing, damaged, or not as the names say.
    """
    if release.annotate is not None:  # the names alone do not say enough
        raise InputError(f"{path}: {release.key} is not read from an npz of this kind")
    arrays = sources.read_npz(path, ("joints", "lengths", "name"))
    clips = _cut(release, path, arrays)
    names = arrays["name"].tolist()
    rows = []
    for name in names:
        match = re.fullmatch(release.name, name)
        if match is None:
            raise InputError(f"{path}: {name}: not a name such as {release.example}")
        rows.append(_row(release, f"{path}: {name}", match.groupdict()))
    facts = _columns(rows)
    dataset = PackedDataset.from_clips(
        clips,
        name=names,
        **fields(facts),  # type: ignore[arg-type]
        layout=release.layout,
        classes=release.classes,
        key=release.key,
        source=path.name,
        dtype=dtype,
    )
    expected = release.as_packed(facts)
    if "duplicate_of" in arrays and np.dtype(dtype) == np.float32:
        expected["duplicate_of"] = dataset.duplicate_of
    for field, values in expected.items():
        _check_agrees(path, field, arrays, values)
    return dataset


def _cut(release: SourceFormat, path: Path, arrays: Facts) -> list[np.ndarray]:
    """The clips of an npz, each (T, M, N, C)."""
    joints, lengths, name = (arrays[f] for f in ("joints", "lengths", "name"))
    shape = release.shape
    released = shape if release.bodies > 1 else shape[1:]
    if joints.dtype.kind != "f" or joints.shape[1:] != released:
        raise InputError(
            f"{path}: field 'joints': {joints.dtype} {joints.shape}, not floats "
            f"(frames, {', '.join(map(str, released))})"
        )
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or np.any(lengths < 1):
        raise InputError(f"{path}: field 'lengths': not one count a clip, from 1")
    if lengths.sum() != len(joints):
        raise InputError(
            f"{path}: field 'lengths': sums to {lengths.sum()}, but joints has "
            f"{len(joints)} frames"
        )
    if name.dtype.kind != "U" or name.shape != lengths.shape:
        raise InputError(f"{path}: field 'name': not one text a clip")
    order = [sources.natural(each) for each in name.tolist()]
    if any(a >= b for a, b in zip(order, order[1:], strict=False)):
        raise InputError(f"{path}: field 'name': out of order, or one name twice")
    return np.split(joints.reshape(-1, *shape), np.cumsum(lengths)[:-1])


def _check_agrees(path: Path, field: str, arrays: Facts, expected: np.ndarray) -> None:
    """Compare a field of an npz with what it must be."""
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
