"""The form of a packed set: what stands beside its joints, and what must agree.

A packed set is the joints of all clips, one array a fact about clips, and a description
of the whole. Reading (`packed`) and writing (`writing`) share these.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skellib.errors import InputError
from skellib.layouts import Layout

FORMAT = 1
PER_CLIP = ("lengths", "label", "subject", "view", "duplicate_of")
EXTRA = "extra."  # extras' members in the file, so that none can hide a field


@dataclass(frozen=True)
class Meta:
    """What a packed set says of itself beside its arrays."""

    layout: Layout
    classes: tuple[str, ...]
    key: str
    source: str

    def to_json(self, fingerprint: str = "") -> str:
        return json.dumps(
            {
                "format": FORMAT,
                "key": self.key,
                "source": self.source,
                "layout": self.layout.to_dict(),
                "classes": self.classes,
                "fingerprint": fingerprint,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, path: Path, member: np.ndarray | None) -> tuple[Meta, str]:
        """The meta and the fingerprint of a file's ``meta`` member."""
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
            meta = cls(layout, classes, str(data["key"]), str(data["source"]))
            return meta, str(data["fingerprint"])
        except InputError as fault:
            raise InputError(
                str(fault) if str(path) in str(fault) else f"{path}: {fault}"
            ) from None
        except (KeyError, TypeError, ValueError) as fault:
            raise error(path, "meta", f"not readable ({fault!r})") from None


@dataclass(frozen=True)
class Contents:
    """All of a packed set but its joints.

    Attributes:
        fields: the arrays of ``PER_CLIP``, and ``name``.
        extras: further arrays with one entry a clip.
        meta: what the set says of itself.
    """

    fields: dict[str, np.ndarray]
    extras: dict[str, np.ndarray]
    meta: Meta

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array under its name in the file, in the file's order."""
        extras = {EXTRA + field: array for field, array in self.extras.items()}
        return {**self.fields, **extras}


def check(
    where: str | Path, dtype: np.dtype, shape: tuple[int, ...], contents: Contents
) -> None:
    """Compare joints of this kind with what stands beside them.

    Raises:
        InputError: they do not agree.
    """
    fields, meta = contents.fields, contents.meta
    size = meta.layout.size
    if dtype not in (np.float32, np.float16):
        raise error(where, "joints", f"{dtype}, not float32 or float16")
    if len(shape) != 4 or shape[2] != size or 0 in shape:
        raise error(
            where,
            "joints",
            f"shape {shape}, not (frames, bodies, {size}, channels)",
        )
    if shape[3] < meta.layout.dims:
        raise error(
            where,
            "joints",
            f"{shape[3]} channels, layout {meta.layout.name} needs {meta.layout.dims}",
        )
    n = len(fields["lengths"])
    for field, array in (*fields.items(), *contents.extras.items()):
        if array.dtype.kind not in "iufbU" or array.shape[:1] != (n,):
            raise error(
                where,
                field,
                f"{array.dtype} {array.shape}, not numbers or text with one entry for "
                f"each of the {n} clips",
            )
    if fields["name"].ndim != 1 or fields["name"].dtype.kind != "U":
        raise error(where, "name", "not one text a clip")
    lengths, label = fields["lengths"], fields["label"]
    if n == 0 or lengths.min() < 1 or lengths.sum() != shape[0]:
        raise error(
            where,
            "lengths",
            f"must be at least 1 each and {shape[0]} in sum, the frames of joints",
        )
    if label.min() < 0 or label.max() >= len(meta.classes):
        raise error(
            where,
            "label",
            f"{label.min()} to {label.max()}, not in 0..{len(meta.classes) - 1}",
        )
    twin = fields["duplicate_of"]
    copies = np.flatnonzero(twin != -1)
    if (
        np.any(twin[copies] < 0)
        or np.any(twin[copies] >= copies)
        or np.any(twin[twin[copies]] != -1)
    ):
        raise error(where, "duplicate_of", "must be -1 or the earliest twin's index")


class Fingerprint:
    """The SHA-256 of a packed set, whose joints are taken in piece by piece.

    Args:
        contents: all but the joints.
        dtype, shape: of the joints.
    """

    def __init__(
        self, contents: Contents, dtype: np.dtype, shape: tuple[int, ...]
    ) -> None:
        self._arrays = sorted(contents.arrays().items())
        self._digest = hashlib.sha256(contents.meta.to_json().encode())
        for field, array in self._arrays:
            if field < "joints":
                self._add(field, array)
        self._digest.update(f"joints {dtype.str} {shape}".encode())

    def update(self, frames: np.ndarray) -> None:
        """Take in the next frames of the joints."""
        self._digest.update(as_bytes(frames))

    def finish(self) -> str:
        """The fingerprint, after all joints."""
        for field, array in self._arrays:
            if field > "joints":
                self._add(field, array)
        return self._digest.hexdigest()

    def _add(self, field: str, array: np.ndarray) -> None:
        self._digest.update(f"{field} {array.dtype.str} {array.shape}".encode())
        self._digest.update(as_bytes(array))


def as_bytes(array: np.ndarray) -> memoryview:
    """The bytes of an array in C order."""
    # A view as bytes, as text has no buffer of its own.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def integers(where: str | Path, field: str, values: Any) -> np.ndarray:
    """The values as an (n,) int64 array.

    Raises:
        InputError: they are not one integer a clip.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise error(
            where, field, f"{array.dtype} {array.shape}, not one integer a clip"
        )
    return array.astype(np.int64)


def error(where: str | Path, field: str, problem: str) -> InputError:
    """The error for a field of a file, or of a data set."""
    return InputError(f"{where}: field {field!r}: {problem}")
