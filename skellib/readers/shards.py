"""Shards: files with the parsed clips of a part of a data set, during preparation.

The name of a shard is a hash of everything it is made from. An interrupted preparation
therefore reuses its shards, and clips whose files have changed are parsed again. Shards
are written atomically.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from skellib.data.schema import FORMAT
from skellib.data.writing import digest, rounded
from skellib.errors import InputError
from skellib.paths import atomic_write, write_errors
from skellib.readers.sources import SkippedFile, SourceFile, check_somebody

Files = tuple[SourceFile, ...]
"""Files of one clip: a single one, or one per frame."""


@dataclass(frozen=True)
class Recipe:
    """Everything that determines how files become clips.

    Attributes:
        key: key of the data set.
        parse: reads a clip (T, M, N, C) from its files; must be importable by other
            processes.
        shape: required (M, N, C).
        dims: number of coordinates among the C channels.
        dtype: dtype of the stored clips.
        strict: raise on a damaged file instead of skipping it.
    """

    key: str
    parse: Callable[[Sequence[SourceFile]], np.ndarray]
    shape: tuple[int, ...]
    dims: int
    dtype: np.dtype
    strict: bool = False

    def name(self, clips: Sequence[Files]) -> str:
        """Return the file name of the shard with these clips."""
        parse = self.parse.args[0] if isinstance(self.parse, partial) else self.parse
        what = [
            FORMAT,
            self.key,
            [parse.__qualname__, _code(inspect.getfile(parse))],
            self.shape,
            self.dims,
            self.dtype.str,
            [[_state(file) for file in files] for files in clips],
        ]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32] + ".npz"


@cache
def _code(path: str) -> int:
    """Return a checksum of a parser's source file."""
    return zlib.crc32(Path(path).read_bytes())


def _state(file: SourceFile) -> tuple[str | int, ...]:
    """Return values that change whenever the file or its size limit does."""
    position = -1 if file.member is None else file.member
    return file.path, position, file.size, file.stamp, file.max_bytes


@dataclass(frozen=True)
class Shard:
    """Contents of a shard file except the joints.

    Attributes:
        path: the file.
        kept: (k,) int64, positions of the clips that could be read.
        lengths: (k,) int64, number of frames of each.
        digests: SHA-256 of each.
        skipped: clips that could not be read, with the reason.
    """

    path: Path
    kept: np.ndarray
    lengths: np.ndarray
    digests: list[bytes]
    skipped: list[SkippedFile]

    def joints(self) -> np.ndarray:
        """Read the frames of all clips, (F, M, N, C).

        Raises:
            InputError: the file has been damaged or removed.
        """
        try:
            with np.load(self.path, allow_pickle=False) as data:
                return data["joints"]
        except Exception:  # NumPy documents no errors; damage raises many kinds
            self.path.unlink(missing_ok=True)
            raise InputError(
                f"{self.path}: damaged or removed by another program; run the same "
                "command again"
            ) from None


def make(recipe: Recipe, clips: Sequence[Files], folder: Path) -> None:
    """Parse clips and write their shard to a folder.

    Raises:
        InputError: a damaged file, if the recipe is strict; or the shard cannot be
            written.
        RuntimeError: a bug in the parser; the message names the file.
    """
    kept, joints, digests, skipped = [], [], [], []
    for i, files in enumerate(clips):
        try:
            clip = _read(recipe, files)
        except InputError as error:
            if recipe.strict:
                raise
            skipped.append(SkippedFile.of(files[0].where, error))
            continue
        kept.append(i)
        joints.append(clip)
        digests.append(digest(clip))
    path = folder / recipe.name(clips)
    with write_errors(path), atomic_write(path, sync=False) as file:
        np.savez(
            file,
            joints=np.concatenate(
                joints or [np.empty((0, *recipe.shape), recipe.dtype)]
            ),
            kept=np.array(kept, dtype=np.int64),
            lengths=np.array([len(clip) for clip in joints], dtype=np.int64),
            digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
            skipped=np.array(json.dumps(skipped)),
        )


def _read(recipe: Recipe, files: Files) -> np.ndarray:
    """Parse one clip, check its shape and convert it to the recipe's dtype."""
    where = files[0].where
    try:
        clip = recipe.parse(files)
    except InputError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"{where}: the parser of {recipe.key} failed "
            f"({type(error).__name__}: {error})"
        ) from error
    if clip.ndim != 4 or clip.shape[1:] != recipe.shape or len(clip) == 0:
        raise RuntimeError(
            f"{where}: the parser of {recipe.key} gave {clip.shape}, not (frames, "
            f"{', '.join(map(str, recipe.shape))})"
        )
    check_somebody(where, clip, recipe.dims)
    return rounded(clip, recipe.dtype, where)


def find(recipe: Recipe, clips: Sequence[Files], folder: Path) -> Shard | None:
    """Open the shard of these clips; return None if it is missing or damaged."""
    path = folder / recipe.name(clips)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as data:
            return Shard(
                path,
                data["kept"],
                data["lengths"],
                [row.tobytes() for row in data["digests"]],
                [SkippedFile(*each) for each in json.loads(str(data["skipped"]))],
            )
    except Exception:  # damage raises many kinds of errors; the shard is made again
        return None
