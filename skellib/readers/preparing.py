"""Preparation of a data set: parse its files in parallel and write the packed file.

Each worker writes shards of at most `CLIPS` clips to a folder beside the target,
``.<name>.npz.work``, and holds one shard in memory. The folder is kept until the packed
file is complete, so that an interrupted preparation resumes.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np
from tqdm import tqdm

from skellib.data.schema import Contents
from skellib.data.writing import (
    ClipStream,
    Presence,
    build_contents,
    clip_names,
    duplicate_of,
    packed_dtype,
    write,
    write_file,
)
from skellib.errors import InputError
from skellib.paths import atomic_write, write_errors
from skellib.processes import end_with_parent
from skellib.readers import shards
from skellib.readers.shards import Files, Recipe, Shard
from skellib.readers.source_format import (
    ClipIndex,
    SourceFormat,
    dataset_arguments,
    nothing_usable,
    scan,
    source_line,
)
from skellib.readers.sources import SkippedFile, check_somebody
from skellib.readers.summary import summarise

CLIPS = 64
"""Most clips in a shard."""
BYTES = 2**26
"""Size of a shard's source files, in uncompressed bytes, that closes the shard."""


@dataclass(frozen=True)
class Prepared:
    """Result of a preparation.

    Attributes:
        path: the packed file.
        clips: number of clips in it.
        skipped: files that are not in it, with the reason: first those that cannot be
            used, then those that the authors' own lists exclude.
        bad: number of skipped files that cannot be used.
    """

    path: Path
    clips: int
    skipped: tuple[SkippedFile, ...] = ()
    bad: int = 0


def from_stream(
    path: Path,
    stream: ClipStream,
    dtype: str | np.dtype,
    progress: bool,
    *,
    where: str | Path,
    strict: bool = False,
    skipped: Sequence[SkippedFile] = (),
    unlisted: Sequence[SkippedFile] = (),
) -> Prepared:
    """Write the clips of a stream to the packed file; leave out those without use.

    Args:
        path: the packed file.
        stream: the clips.
        dtype: of the joints.
        progress: show the progress.
        where: file or folder that the clips are from, for messages.
        strict: raise at the first clip that cannot be used.
        skipped: clips that are not in the stream since they cannot be used.
        unlisted: files that are no clips of the data set.

    Raises:
        InputError: as ``writing.write``.
    """
    bad: dict[int, InputError] = {}

    def left_out() -> list[SkippedFile]:
        return [*skipped, *(_left_out(stream, where, i, bad[i]) for i in bad)]

    def describe(contents: Contents, presence: Presence) -> tuple[str, ...]:
        reasons = [each.reason for each in left_out()]
        return summarise(contents, presence, stream.notes, reasons)

    clips = partial(_somebodies, stream, where, progress)
    noted = None if strict else bad
    write(path, replace(stream, clips=clips), dtype, noted, describe)
    listed = (*left_out(), *unlisted)
    write_skipped_list(path, listed)
    return Prepared(path, len(stream.name) - len(bad), listed, len(left_out()))


def _left_out(
    stream: ClipStream, where: str | Path, i: int, error: InputError
) -> SkippedFile:
    """Note a clip that cannot be used; the error begins with the file or the key."""
    clip = f"clip {stream.name[i]}"
    reason = str(error).removeprefix(f"{stream.key}: {clip}: ")
    return SkippedFile.of(f"{where}: {clip}", InputError(reason))


def _somebodies(
    stream: ClipStream, where: str | Path, progress: bool
) -> Iterator[np.ndarray | InputError]:
    """Yield the clips of a stream; an error for a clip in which nobody ever is."""
    with _progress(len(stream.name), progress) as advance:
        for name, clip in zip(stream.name, stream.clips(), strict=True):
            try:
                if not isinstance(clip, InputError):
                    check_somebody(f"{where}: clip {name}", clip, stream.layout.dims)
            except InputError as error:
                clip = error
            yield clip
            advance(1)


def from_files(
    formats: Sequence[SourceFormat],
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
        formats: formats of the data set.
        sources: folders and zip archives.
        path: the packed file.
        strict: raise on a damaged file instead of skipping it.
        dtype: of the joints.
        workers: number of processes; 1 starts none, None one per core.
        max_bytes: size limit of a single file.
        progress: show the progress.

    Raises:
        InputError: a missing source or one without a file of the data set, no usable
            file, a duplicate name, another preparation of the same target at this
            moment, or, if ``strict``, a damaged file.
        RuntimeError: a bug in a parser; the message names the file.
    """
    index = scan(formats, sources, max_bytes)
    found = index.source_format
    if strict and index.faults:
        raise InputError(str(index.faults[0]))
    if not index.files:
        raise nothing_usable(found.key, [*index.faults, *index.excluded])
    recipe = Recipe(
        found.key,
        found.reader,
        found.shape,
        found.layout.dims,
        packed_dtype(dtype),
        strict,
    )
    with _working_folder(path) as folder:
        made = _make_shards(recipe, index.files, folder, workers, progress)
        bad = index.faults + [each for shard, _ in made for each in shard.skipped]
        if strict and bad:
            raise InputError(str(bad[0]))
        if not any(len(shard.kept) for shard, _ in made):
            for shard, _ in made:
                shard.path.unlink(missing_ok=True)
            raise nothing_usable(found.key, bad)
        skipped = (*bad, *index.excluded)
        clips = _join(path, recipe, index, made, sources, folder, skipped)
    write_skipped_list(path, skipped)
    return Prepared(path, clips, skipped, len(bad))


def _join(
    path: Path,
    recipe: Recipe,
    index: ClipIndex,
    made: Sequence[tuple[Shard, int]],
    sources: Sequence[str | Path],
    folder: Path,
    skipped: Sequence[SkippedFile],
) -> int:
    """Write the packed file from its shards and return the number of clips."""
    kept = np.concatenate([first + shard.kept for shard, first in made])
    lengths = np.concatenate([shard.lengths for shard, _ in made])
    fields = {field: values[kept] for field, values in index.fields.items()}
    stream = ClipStream(
        lambda: iter(()),
        name=[index.names[i] for i in kept],
        layout=index.source_format.layout,
        classes=index.classes,
        key=recipe.key,
        source=source_line(len(kept), sources),
        **dataset_arguments(fields),  # type: ignore[arg-type]
    )
    earlier = duplicate_of([each for shard, _ in made for each in shard.digests])
    contents = build_contents(stream, clip_names(stream.name), lengths, earlier)
    shape = (int(lengths.sum()), *recipe.shape)
    frames = (shard.joints() for shard, _ in made)
    reasons = [each.reason for each in skipped]
    describe = partial(summarise, left_out=reasons)
    with write_errors(path):
        write_file(path, contents, recipe.dtype, shape, frames, folder, describe)
    return len(kept)


def _make_shards(
    recipe: Recipe,
    clips: Sequence[Files],
    folder: Path,
    workers: int | None,
    progress: bool,
) -> list[tuple[Shard, int]]:
    """Make the missing shards; return all, each with the number of its first clip."""
    batches = list(_cut(clips))
    todo = [batch for _, batch in batches if shards.find(recipe, batch, folder) is None]
    workers = min(workers or os.cpu_count() or 1, len(todo))
    done = len(clips) - sum(map(len, todo))
    with _progress(len(clips), progress, done) as advance:
        if workers > 1:
            for number in _in_processes(recipe, todo, folder, workers):
                advance(number)
        else:
            for batch in todo:
                shards.make(recipe, batch, folder)
                advance(len(batch))
    made = []
    for first, batch in batches:
        shard = shards.find(recipe, batch, folder)
        if shard is None:
            raise InputError(
                f"{folder}: changed by another program; run the same command again"
            )
        made.append((shard, first))
    return made


def _cut(clips: Sequence[Files]) -> Iterator[tuple[int, Sequence[Files]]]:
    """Yield the clips of each shard, with the number of the first."""
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
    """Make shards in several processes; yield the number of clips of each when done."""
    # Fork is unsafe in a process with threads, and not available everywhere.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker)
    try:
        futures = [pool.submit(shards.make, recipe, batch, folder) for batch in todo]
        for future, batch in zip(futures, todo, strict=True):
            future.result()
            yield len(batch)
    except BrokenProcessPool:
        raise InputError(
            f"{recipe.key}: a worker process ended (killed, or out of memory); run the "
            "same command again to go on, with --workers 1 if it happens again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Make a worker ignore Ctrl-C, and exit whenever its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


@contextmanager
def _working_folder(path: Path) -> Iterator[Path]:
    """Provide the folder of a target's shards, locked, and remove it on success.

    After an error, shards that were made stay. An empty folder is removed, together
    with the parent folders that were created for it.

    Raises:
        InputError: another process uses the folder, or it cannot be created.
    """
    folder = path.parent / f".{path.name}.work"
    new = [each for each in (path.parent, *path.parent.parents) if not each.exists()]
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, path):
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


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    """Hold the operating system's lock on a folder; it ends with the process.

    Raises:
        InputError: another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{target}: is being prepared by another process; wait until it ends"
            ) from None
        except OSError:  # some network file systems have no locks
            pass
        yield
    finally:
        os.close(handle)


def write_skipped_list(path: Path, skipped: Iterable[SkippedFile]) -> None:
    """Write the list of skipped files beside a packed file; none if it is empty."""
    target = path.with_suffix(".skipped.txt")
    text = "".join(f"{each}\n" for each in skipped)
    with write_errors(target):
        if not text:
            target.unlink(missing_ok=True)
            return
        with atomic_write(target) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


class _LineProgress:
    """Progress report for output that is not a terminal: a line every 10 %.

    At most one line a second is printed, apart from the last.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.before = total, done, done
        self.printed = 10 * done // total
        self.begin = self.last = monotonic()

    def __call__(self, clips: int) -> None:
        self.done += clips
        tenth = 10 * self.done // self.total
        now = monotonic()
        if tenth > self.printed and (now > self.last + 1 or self.done == self.total):
            self.printed, self.last = tenth, now
            seconds = max(now - self.begin, 1e-9)
            rate = (self.done - self.before) / seconds
            print(f"{self.done} of {self.total} clips, {rate:.0f} a second", flush=True)


@contextmanager
def _progress(
    total: int, shown: bool, done: int = 0
) -> Iterator[Callable[[int], object]]:
    """Provide a function that reports a number of further clips as done."""
    if not shown:
        yield lambda clips: None
    elif sys.stderr.isatty():
        with tqdm(total=total, initial=done, unit="clip", smoothing=0.1) as bar:
            yield bar.update
    else:
        yield _LineProgress(total, done)
