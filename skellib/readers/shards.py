"""Parts of a packed set in the making: some clips each, parsed and kept on disk.

A part is named by a digest of what it is made from. So a preparation that is stopped,
however, goes on with the parts that it has, and a file that has changed since is parsed
anew. A part is written beside and renamed: there is no half one.
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
from skellib.readers.sources import SkippedFile, SourceFile

Files = tuple[SourceFile, ...]
"""The files of one clip: one, or one for each frame."""


@dataclass(frozen=True)
class Recipe:
    """How the clips of a data set are made from files.

    Attributes:
        key: the data set's short name.
        parse: reads the clip of its files, (T, M, N, C); a function that another
            process can import.
        shape: (M, N, C), which every clip must have.
        dtype: that the clips are rounded to.
        strict: whether a bad file is an error, not left out.
    """

    key: str
    parse: Callable[[Sequence[SourceFile]], np.ndarray]
    shape: tuple[int, ...]
    dtype: np.dtype
    strict: bool = False

    def name(self, clips: Sequence[Files]) -> str:
        """What the part of these clips is called."""
        parse = self.parse.args[0] if isinstance(self.parse, partial) else self.parse
        what = [
            FORMAT,
            self.key,
            [parse.__qualname__, _code(inspect.getfile(parse))],
            self.shape,
            self.dtype.str,
            [[_state(file) for file in files] for files in clips],
        ]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32] + ".npz"


@cache
def _code(path: str) -> int:
    """What changes with a parser's module."""
    return zlib.crc32(Path(path).read_bytes())


def _state(file: SourceFile) -> tuple[str | int, ...]:
    """What changes with a file, or with what may be read of it."""
    position = -1 if file.member is None else file.member
    return file.path, position, file.size, file.stamp, file.max_bytes


@dataclass(frozen=True)
class Part:
    """What is known of a part without its joints.

    Attributes:
        path: of the file.
        kept: (k,) int64, which of its clips could be read.
        lengths: (k,) int64, their frames.
        digests: k, one for each.
        left_out: the others, and why.
    """

    path: Path
    kept: np.ndarray
    lengths: np.ndarray
    digests: list[bytes]
    left_out: list[SkippedFile]

    def joints(self) -> np.ndarray:
        """The frames of its clips, (F, M, N, C).

        Raises:
            InputError: the file has been damaged or removed meanwhile.
        """
        try:
            with np.load(self.path, allow_pickle=False) as data:
                return data["joints"]
        except Exception:  # NumPy lists no errors: damage raises all kinds of them
            self.path.unlink(missing_ok=True)
            raise InputError(
                f"{self.path}: damaged or removed by another program; run the same "
                "command again"
            ) from None


def make(recipe: Recipe, clips: Sequence[Files], folder: Path) -> None:
    """Read clips and write their part into a folder.

    Raises:
        InputError: a bad file, where the recipe is strict; a part that cannot be
            written.
        RuntimeError: the parser failed; the message names the file.
    """
    kept, joints, digests, left_out = [], [], [], []
    for i, files in enumerate(clips):
        try:
            clip = _read(recipe, files)
        except InputError as error:
            if recipe.strict:
                raise
            left_out.append(SkippedFile.of(files[0].where, error))
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
            left_out=np.array(json.dumps(left_out)),
        )


def _read(recipe: Recipe, files: Files) -> np.ndarray:
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
    return rounded(clip, recipe.dtype, where)


def find(recipe: Recipe, clips: Sequence[Files], folder: Path) -> Part | None:
    """The part of these clips, if it is there and whole."""
    path = folder / recipe.name(clips)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as data:
            return Part(
                path,
                data["kept"],
                data["lengths"],
                [row.tobytes() for row in data["digests"]],
                [SkippedFile(*each) for each in json.loads(str(data["left_out"]))],
            )
    except Exception:  # damage raises all kinds of errors: it is made anew
        return None
