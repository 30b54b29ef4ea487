"""Schema of a packed data set: its fields, its metadata, and their consistency.

A packed data set consists of the joints of all clips, one array per field of the clips,
and metadata of the whole. Reading (`packed`) and writing (`writing`) share this schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skellib.errors import InputError
from skellib.layouts import Layout

FORMAT = 2
PER_CLIP = ("lengths", "label", "subject", "view", "duplicate_of")
EXTRA = "extra."  # prefix of extras in the file, so that none can shadow a field


@dataclass(frozen=True)
class Metadata:
    """Metadata of a packed data set; the attributes are those of PackedDataset."""

    layout: Layout
    classes: tuple[str, ...]
    key: str
    source: str
    summary: tuple[str, ...] = ()

    def to_json(self, fingerprint: str = "") -> str:
        """Serialise the metadata for the ``meta`` member of the file."""
        content = {
            "format": FORMAT,
            "key": self.key,
            "source": self.source,
            "layout": self.layout.to_dict(),
            "classes": self.classes,
            "fingerprint": fingerprint,
        }
        if self.summary:
            content["summary"] = self.summary
        return json.dumps(content, sort_keys=True)

    @classmethod
    def from_json(cls, path: Path, member: np.ndarray | None) -> tuple[Metadata, str]:
        """Parse the ``meta`` member of a file, and return its fingerprint too.

        Raises:
            InputError: missing or malformed metadata, or another format version.
        """
        if member is None or member.ndim != 0 or member.dtype.kind != "U":
            raise error(
                path,
                "meta",
                "missing: not a packed data set; make one with "
                "`python -m skellib prepare`",
            )
        try:
            data = json.loads(str(member))
            if data["format"] != FORMAT:
                raise error(
                    path,
                    "meta",
                    f"format version {data['format']}, this skellib reads {FORMAT}; "
                    "make the file again",
                )
            layout = Layout.from_dict(data["layout"])
            classes = tuple(str(name) for name in data["classes"])
            summary = tuple(str(line) for line in data.get("summary", ()))
            key, source = str(data["key"]), str(data["source"])
            meta = cls(layout, classes, key, source, summary)
            return meta, str(data["fingerprint"])
        except InputError as fault:
            raise InputError(
                str(fault) if str(path) in str(fault) else f"{path}: {fault}"
            ) from None
        except (KeyError, TypeError, ValueError) as fault:
            raise error(path, "meta", f"not readable ({fault!r})") from None


@dataclass(frozen=True)
class Contents:
    """Contents of a packed data set except the joints.

    Attributes:
        fields: the arrays of ``PER_CLIP``, and ``name``.
        extras: further arrays with one entry per clip.
        meta: metadata of the data set.
    """

    fields: dict[str, np.ndarray]
    extras: dict[str, np.ndarray]
    meta: Metadata

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array by its name in the file, in the order of the file."""
        extras = {EXTRA + field: array for field, array in self.extras.items()}
        return {**self.fields, **extras}


def validate(
    where: str | Path, dtype: np.dtype, shape: tuple[int, ...], contents: Contents
) -> None:
    """Check that joints of this dtype and shape and the other contents are consistent.

    Raises:
        InputError: they are not; the message names the field.
    """
    for field, valid, problem in _checks(dtype, shape, contents):
        if not valid:
            raise error(where, field, problem)


def _checks(
    dtype: np.dtype, shape: tuple[int, ...], contents: Contents
) -> Iterator[tuple[str, bool, str]]:
    """Yield (field, whether it is valid, the problem); each relies on those before."""
    fields, meta = contents.fields, contents.meta
    layout, size = meta.layout, meta.layout.size
    valid = dtype in (np.float32, np.float16)
    yield "joints", valid, f"{dtype}, not float32 or float16"
    valid = len(shape) == 4 and shape[2] == size and 0 not in shape
    yield "joints", valid, f"shape {shape}, not (frames, bodies, {size}, channels)"
    needed = f"{shape[3]} channels, layout {layout.name} needs {layout.dims}"
    yield "joints", shape[3] >= layout.dims, needed
    lengths, label, name = (fields[field] for field in ("lengths", "label", "name"))
    n = len(lengths)
    wanted = f"not numbers or text with one entry for each of the {n} clips"
    for field, array in (*fields.items(), *contents.extras.items()):
        valid = array.dtype.kind in "iufbU" and array.shape[:1] == (n,)
        yield field, valid, f"{array.dtype} {array.shape}, {wanted}"
    yield "name", name.ndim == 1 and name.dtype.kind == "U", "not one string per clip"
    valid = n > 0 and lengths.min() >= 1 and lengths.sum() == shape[0]
    wanted = f"must be at least 1 each and {shape[0]} in sum, the frames of joints"
    yield "lengths", valid, wanted
    valid = label.min() >= 0 and label.max() < len(meta.classes)
    found = f"{label.min()} to {label.max()}, not in 0..{len(meta.classes) - 1}"
    yield "label", valid, found
    first = fields["duplicate_of"]
    copies = np.flatnonzero(first != -1)
    earlier = bool(np.all((first[copies] >= 0) & (first[copies] < copies)))
    valid = earlier and bool(np.all(first[first[copies]] == -1))
    wanted = "must be -1 or the index of the earliest clip with the same numbers"
    yield "duplicate_of", valid, wanted


class Fingerprint:
    """SHA-256 of a packed data set, updated with its joints block by block.

    It is of the data alone: where they were read from (``source``) and the ``summary``
    are left out, so that the same files in another folder are the same data.

    Args:
        contents: everything except the joints.
        dtype, shape: of the joints.
    """

    def __init__(
        self, contents: Contents, dtype: np.dtype, shape: tuple[int, ...]
    ) -> None:
        self._arrays = sorted(contents.arrays().items())
        meta = replace(contents.meta, source="", summary=())
        self._digest = hashlib.sha256(meta.to_json().encode())
        for field, array in self._arrays:
            if field < "joints":
                self._add(field, array)
        self._digest.update(f"joints {dtype.str} {shape}".encode())

    def update(self, frames: np.ndarray) -> None:
        """Add the next frames of the joints."""
        self._digest.update(as_bytes(frames))

    def finish(self) -> str:
        """Return the fingerprint, once all joints have been added."""
        for field, array in self._arrays:
            if field > "joints":
                self._add(field, array)
        return self._digest.hexdigest()

    def _add(self, field: str, array: np.ndarray) -> None:
        self._digest.update(f"{field} {array.dtype.str} {array.shape}".encode())
        self._digest.update(as_bytes(array))


def as_bytes(array: np.ndarray) -> memoryview:
    """Return the bytes of an array in C order."""
    # A view as bytes, since unicode arrays do not support the buffer protocol.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def integers(where: str | Path, field: str, values: Any) -> np.ndarray:
    """Convert values to an (n,) int64 array.

    Raises:
        InputError: they are not one integer per clip.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise error(
            where, field, f"{array.dtype} {array.shape}, not one integer per clip"
        )
    return array.astype(np.int64)


def error(where: str | Path, field: str, problem: str) -> InputError:
    """Return the error for a field of a file or of a data set."""
    return InputError(f"{where}: field {field!r}: {problem}")
