"""Preparing a data set: its files are parsed on all cores, part by part.

Memory is that of a part for each worker. What is done is kept in a folder beside the
target, ``.<name>.npz.work``, until the whole set is written; so a preparation that was
stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import connection
from pathlib import Path
from time import monotonic

import numpy as np
from tqdm import tqdm

from skellib.data.writing import (
    ClipStream,
    clip_names,
    contents_of,
    duplicate_of,
    packed_dtype,
    write,
    write_file,
)
from skellib.errors import InputError
from skellib.paths import atomic_write, write_errors
from skellib.readers import shards
from skellib.readers.release import (
    ClipIndex,
    SourceFormat,
    fields,
    nothing_usable,
    scan,
    source_line,
)
from skellib.readers.shards import Files, Part, Recipe
from skellib.readers.sources import SkippedFile

CLIPS = 64
"""The most clips in a part."""
BYTES = 2**26
"""A part ends with the clip whose files bring it to this size, unpacked."""


@dataclass(frozen=True)
class Prepared:
    """What a preparation made.

    Attributes:
        path: of the packed file.
        clips: how many it holds.
        left_out: the files that it does not hold, and why: first those that cannot be
            used, then those that the release's own lists leave out.
        bad: how many of these cannot be used.
        notes: what the data's owner should know, a line each.
    """

    path: Path
    clips: int
    left_out: tuple[SkippedFile, ...] = ()
    bad: int = 0
    notes: tuple[str, ...] = ()


def from_stream(
    path: Path, stream: ClipStream, dtype: str | np.dtype, progress: bool
) -> Prepared:
    """Write a stream's clips as the packed file.

    Raises:
        InputError: as ``writing.write``.
    """
    total = len(stream.name)

    def clips() -> Iterator[np.ndarray]:
        with _progress(total, progress) as advance:
            for clip in stream.clips():
                yield clip
                advance(1)

    write(path, replace(stream, clips=clips), dtype)
    list_left_out(path, ())
    return Prepared(path, total, notes=tuple(_one_sided(stream)))


def _one_sided(stream: ClipStream) -> Iterator[str]:
    """Say it if a side of the split that came with the clips has none."""
    if "split" in stream.extras:
        split = np.asarray(stream.extras["split"])
        train, test = (int((split == side).sum()) for side in (0, 1))
        if not train or not test:
            yield (
                f"split: {train} clips train, {test} test, of {len(split)}: the split "
                "that came with them cannot be used; give --protocol to train"
            )


def from_files(
    releases: Sequence[SourceFormat],
    sources: Sequence[str | Path],
    path: Path,
    *,
    strict: bool = False,
    dtype: str | np.dtype = "float32",
    workers: int | None = None,
    max_bytes: int | None = None,
    progress: bool = True,
) -> Prepared:
    """Read the files of a data set and write the packed file.

    Args:
        releases: the formats that the data set comes in.
        sources: folders and zip archives.
        path: of the packed file.
        strict: whether a bad file is an error, not left out.
        dtype: of the joints.
        workers: processes that parse; 1 parses in this one, None takes every core.
        max_bytes: the most that is read of one file.
        progress: whether to show how far it is.

    Raises:
        InputError: a source that is not there or has no file of the data set, no file
            that can be used, one name twice, or, where ``strict``, a bad file.
        RuntimeError: a parser failed; the message names the file.
    """
    listing = scan(releases, sources, max_bytes)
    if strict and listing.faults:
        raise InputError(str(listing.faults[0]))
    if not listing.files:
        raise nothing_usable(listing.release.key, [*listing.faults, *listing.omitted])
    release = listing.release
    recipe = Recipe(
        release.key, release.reader, release.shape, packed_dtype(dtype), strict
    )
    with _working_folder(path) as folder:
        made = _make_parts(recipe, listing.files, folder, workers, progress)
        bad = listing.faults + [each for part, _ in made for each in part.left_out]
        if strict and bad:
            raise InputError(str(bad[0]))
        if not any(len(part.kept) for part, _ in made):
            for part, _ in made:
                part.path.unlink(missing_ok=True)
            raise nothing_usable(release.key, bad)
        clips = _join(path, recipe, listing, made, sources, folder)
    left_out = (*bad, *listing.omitted)
    list_left_out(path, left_out)
    return Prepared(path, clips, left_out, len(bad))


def _join(
    path: Path,
    recipe: Recipe,
    listing: ClipIndex,
    made: Sequence[tuple[Part, int]],
    sources: Sequence[str | Path],
    folder: Path,
) -> int:
    """Write the packed file from its parts; returns the number of clips."""
    kept = np.concatenate([first + part.kept for part, first in made])
    lengths = np.concatenate([part.lengths for part, _ in made])
    facts = {field: values[kept] for field, values in listing.facts.items()}
    stream = ClipStream(
        lambda: iter(()),
        name=[listing.names[i] for i in kept],
        layout=listing.release.layout,
        classes=listing.classes,
        key=recipe.key,
        source=source_line(len(kept), sources),
        **fields(facts),  # type: ignore[arg-type]
    )
    earlier = duplicate_of([each for part, _ in made for each in part.digests])
    contents = contents_of(stream, clip_names(stream.name), lengths, earlier)
    shape = (int(lengths.sum()), *recipe.shape)
    frames = (part.joints() for part, _ in made)
    with write_errors(path):
        write_file(path, contents, recipe.dtype, shape, frames, folder)
    return len(kept)


def _make_parts(
    recipe: Recipe,
    clips: Sequence[Files],
    folder: Path,
    workers: int | None,
    progress: bool,
) -> list[tuple[Part, int]]:
    """Every part, and the number of its first clip."""
    cut = list(_cut(clips))
    todo = [some for _, some in cut if shards.find(recipe, some, folder) is None]
    workers = min(workers or os.cpu_count() or 1, len(todo))
    done = len(clips) - sum(map(len, todo))
    with _progress(len(clips), progress, done) as advance:
        if workers > 1:
            for number in _in_processes(recipe, todo, folder, workers):
                advance(number)
        else:
            for some in todo:
                shards.make(recipe, some, folder)
                advance(len(some))
    made = []
    for first, some in cut:
        part = shards.find(recipe, some, folder)
        if part is None:
            raise InputError(
                f"{folder}: changed by another program; run the same command again"
            )
        made.append((part, first))
    return made


def _cut(clips: Sequence[Files]) -> Iterator[tuple[int, Sequence[Files]]]:
    """Clips that follow each other, a part's at a time, and the number of the first."""
    first, size = 0, 0
    for i, files in enumerate(clips):
        size += sum(file.size for file in files)
        if i + 1 - first == CLIPS or size >= BYTES:
            yield first, clips[first : i + 1]
            first, size = i + 1, 0
    if first < len(clips):
        yield first, clips[first:]


def _in_processes(
    recipe: Recipe, todo: Sequence[Sequence[Files]], folder: Path, workers: int
) -> Iterator[int]:
    """Make parts in several processes; yields the clips of each as it is done."""
    # Not fork: it is unsafe where threads run, and other systems do not have it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker)
    try:
        futures = [pool.submit(shards.make, recipe, some, folder) for some in todo]
        for future, some in zip(futures, todo, strict=True):
            future.result()
            yield len(some)
    except BrokenProcessPool:
        raise InputError(
            f"{recipe.key}: a worker process ended (killed, or out of memory); run the "
            "same command again to go on, with --workers 1 if it happens again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _working_folder(path: Path) -> Iterator[Path]:
    """The folder of a target's parts; removed when the target is done.

    What was made stays where the preparation is stopped; nothing stays where there is
    nothing to go on with.
    """
    folder = path.parent / f".{path.name}.work"
    new = [each for each in (path.parent, *path.parent.parents) if not each.exists()]
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        if not any(folder.glob("*.npz")):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another program may have used them
                for each in new:
                    each.rmdir()
        raise
    shutil.rmtree(folder, ignore_errors=True)


def list_left_out(path: Path, left_out: Iterable[SkippedFile]) -> None:
    """Write the list of what a packed file does not hold; none where it holds all."""
    target = path.with_suffix(".left_out.txt")
    text = "".join(f"{each}\n" for each in left_out)
    with write_errors(target):
        if not text:
            target.unlink(missing_ok=True)
            return
        with atomic_write(target) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


class _Lines:
    """A line for every tenth of the way, where there is no terminal to draw on.

    Not more often than every second, but for the last.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.before = total, done, done
        self.told = 10 * done // total
        self.begin = self.last = monotonic()

    def __call__(self, clips: int) -> None:
        self.done += clips
        tenth = 10 * self.done // self.total
        now = monotonic()
        if tenth > self.told and (now > self.last + 1 or self.done == self.total):
            self.told, self.last = tenth, now
            seconds = max(now - self.begin, 1e-9)
            rate = (self.done - self.before) / seconds
            print(f"{self.done} of {self.total} clips, {rate:.0f} a second", flush=True)


@contextmanager
def _progress(
    total: int, shown: bool, done: int = 0
) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of further clips that are done."""
    if not shown:
        yield lambda clips: None
    elif sys.stderr.isatty():
        with tqdm(total=total, initial=done, unit="clip", smoothing=0.1) as bar:
            yield bar.update
    else:
        yield _Lines(total, done)
