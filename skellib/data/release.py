"""Reading a data set as it was released: a file a clip, whose name says what it shows.

The same clips may also come in one npz (``joints`` of all clips concatenated,
``lengths``, ``name`` and what the names say); both ways give the same PackedDataset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skellib.data import sources
from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import Layout

Facts = dict[str, np.ndarray]


@dataclass(frozen=True)
class Release:
    """What there is to know of a release in order to read it.

    Attributes:
        key, classes, layout: as of the PackedDataset.
        bodies: M.
        name: a regular expression of a clip's name, with groups of digits: ``code``,
            of the class; ``subject``; ``view`` where there are several; others become
            extras.
        ending: what follows the name in the file's path.
        example: a clip's name.
        allowed: the numbers that a group may hold. ``allowed["code"]`` is in the order
            of ``classes``.
        parse: reads a file's clip, (T, M, N, 3).
        as_packed: what of the names' facts the npz holds, and how; all by default.
    """

    key: str
    classes: tuple[str, ...]
    layout: Layout
    bodies: int
    name: str
    ending: str
    example: str
    allowed: Mapping[str, tuple[int, ...]]
    parse: Callable[[sources.SourceFile], np.ndarray]
    as_packed: Callable[[Facts], Facts] = dict

    def read(self, source: str | Path) -> PackedDataset:
        """Read what is there, in the order of the names, numbers compared as numbers.

        Args:
            source: a folder, a ``.zip`` or an ``.npz``.

        Raises:
            InputError: a file that is missing, damaged, or not as released.
        """
        source = Path(source)
        if source.suffix == ".npz":
            return self._read_npz(source)
        pattern = rf"(?P<name>{self.name}){re.escape(self.ending)}"
        with sources.find(source, pattern, self.example + self.ending) as found:
            files = _by_name(found)
            facts = self._facts([(file.where, file.match) for file in files])
            clips = [self.parse(file) for file in files]
        names = [file.match["name"] for file in files]
        return self._pack(clips, names, facts, f"{len(clips)} files of {source.name}")

    def _read_npz(self, path: Path) -> PackedDataset:
        arrays = sources.read_npz(path, ("joints", "lengths", "name"))
        clips = self._cut(path, arrays)
        names = arrays["name"].tolist()
        facts = self._facts(
            [(f"{path}: {name}", re.fullmatch(self.name, name)) for name in names]
        )
        dataset = self._pack(clips, names, facts, path.name)
        expected = self.as_packed(facts)
        if "duplicate_of" in arrays:
            expected["duplicate_of"] = dataset.duplicate_of
        for field, values in expected.items():
            _check_agrees(path, field, arrays, values)
        return dataset

    def _cut(self, path: Path, arrays: Facts) -> list[np.ndarray]:
        """The clips of an npz, each (T, M, N, 3)."""
        joints, lengths, name = (arrays[f] for f in ("joints", "lengths", "name"))
        shape = (self.bodies, self.layout.size, 3)
        released = shape if self.bodies > 1 else shape[1:]
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

    def _facts(self, matches: list[tuple[str, re.Match[str] | None]]) -> Facts:
        """What the names say, each (n,) int64: label, subject, ..."""
        rows = []
        for where, match in matches:
            if match is None:
                raise InputError(f"{where}: not a name such as {self.example}")
            row = {g: int(v) for g, v in match.groupdict().items() if g != "name"}
            for group, numbers in self.allowed.items():
                if row[group] not in numbers:
                    raise InputError(
                        f"{where}: field {group!r} of the name: {row[group]} is none "
                        f"of {', '.join(map(str, numbers))}"
                    )
            row["label"] = self.allowed["code"].index(row.pop("code"))
            rows.append(row)
        fields = rows[0] if rows else {"label": 0, "subject": 0}
        return {f: np.array([row[f] for row in rows], dtype=np.int64) for f in fields}

    def _pack(
        self, clips: list[np.ndarray], names: list[str], facts: Facts, source: str
    ) -> PackedDataset:
        own = ("label", "subject", "view")
        return PackedDataset.from_clips(
            clips,
            label=facts["label"],
            subject=facts["subject"],
            view=facts.get("view"),
            name=names,
            extras={field: facts[field] for field in facts if field not in own},
            layout=self.layout,
            classes=self.classes,
            key=self.key,
            source=source,
        )


def _by_name(files: list[sources.SourceFile]) -> list[sources.SourceFile]:
    named: dict[str, sources.SourceFile] = {}
    for file in files:
        name = file.match["name"]
        if name in named:
            raise InputError(
                f"{file.where}: {name} is also there as {named[name].where}; keep one"
            )
        named[name] = file
    return [named[name] for name in sorted(named, key=sources.natural)]


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
