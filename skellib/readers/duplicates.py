"""Search for duplicates: clips of a data set that are the same recording.

A pair of clips has one of five kinds, the first that applies:

- ``exact``: the same numbers in every frame.
- ``moved``: the same numbers except for a translation of the whole clip and rounding.
- ``overlap``: some frames have the same numbers, as when two clips were cut from one
  recording.
- ``near``: much more similar than different clips are, for instance smoothed, rounded,
  scaled, noisy, or shortened by a few frames.
- ``mirrored``: near after exchanging left and right in one of them.

The distance of two clips is the root mean square difference of their joint coordinates,
relative to the mean position of the clip and in units of its size (the root mean square
of these coordinates). It is the smaller of two values: of the whole clips, resampled to
`FRAMES` frames and scaled to size 1, and of the original frames at the best temporal
shift. The typical distance is the median over all clips of the distance to the most
similar other clip. A pair is near if its distance is below `NEAR` times the typical
distance. This requires that fewer than half of the clips are duplicates.

Not found: clips that were rotated, reversed, or altered and cut to less than `_COMMON`
of their length. (Cutting alone leaves an overlap.)

Every clip is compared with every other, in blocks: n clips of d coordinates per frame
need 24 n² d multiplications, half of them for mirrored clips, up to 4 n times a few
milliseconds for the shifts, and memory for 12 n d numbers. N-UCLA (n = 1484, d = 60)
takes two seconds; NTU RGB+D (56,578 clips, d = 150) needs 0.4 GB and an estimated
quarter of an hour on two cores. Equal numbers are found by hashing, in one pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from skellib.data.packed import PackedDataset, find_duplicates
from skellib.errors import InputError
from skellib.layouts import Layout

Kind = Literal["exact", "moved", "overlap", "near", "mirrored"]
KINDS: tuple[Kind, ...] = ("exact", "moved", "overlap", "near", "mirrored")

FRAMES = 12
"""Number of frames to which clips are resampled for the search."""
NEAR = 0.25
"""Fraction of the typical distance below which two clips are near."""
SHARED = 3
"""Number of equal frames that make an overlap; all frames of a shorter clip."""
LEAST = 5
"""Fewest frames of a clip for which a distance is meaningful."""

_CANDIDATES = 3  # most similar clips whose original frames are compared
_COMMON = 0.8  # fraction of the shorter clip that must overlap after a shift
_CROWD = 64  # a frame in more clips than this is not evidence of one recording
_BLOCK = 512  # clips per block


class Pair(BaseModel):
    """Two clips that contain the same recording, or part of it.

    Attributes:
        kind: one of `KINDS`.
        index: positions of the clips in the packed file; of a pair across the split,
            the training clip first.
        names, classes, sides: of the two clips; a side is ``train`` or ``test``.
        frames: number of frames with the same numbers in both.
        distance: in units of the typical distance; None if it was not needed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    index: tuple[int, int]
    names: tuple[str, str]
    classes: tuple[str, str]
    sides: tuple[Literal["train", "test"], Literal["train", "test"]]
    frames: int
    distance: float | None

    @property
    def across(self) -> bool:
        """True if one is a training clip and the other a test clip."""
        return self.sides[0] != self.sides[1]


class DuplicateReport(BaseModel):
    """Result of `find`.

    Attributes:
        dataset, fingerprint: key and fingerprint of the packed data set.
        train_clips, test_clips: number of clips on either side.
        typical: median distance of a clip to the most similar one; None without the
            search for similar clips.
        nearest: distance of each compared clip to the most similar one, in units of
            ``typical``, training clips first.
        pairs: sorted by kind, those across the split first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    fingerprint: str
    train_clips: int
    test_clips: int
    typical: float | None
    nearest: list[float]
    pairs: list[Pair]

    def count(self, kind: Kind, across: bool) -> int:
        """Count the pairs of this kind across the split, or within a side."""
        return sum(p.kind == kind and p.across == across for p in self.pairs)

    def leaked(self, kinds: Sequence[Kind] = KINDS) -> list[int]:
        """Return the indices of the test clips with a duplicate in training."""
        return sorted({p.index[1] for p in self.pairs if p.across and p.kind in kinds})

    def by_class(self, kinds: Sequence[Kind] = KINDS) -> dict[str, int]:
        """Count the leaked test clips of each class that has any."""
        found = {
            p.index[1]: p.classes[1] for p in self.pairs if p.across and p.kind in kinds
        }
        return dict(Counter(found[i] for i in sorted(found)))


def find(
    train: PackedDataset,
    test: PackedDataset | None = None,
    *,
    compare: bool = True,
) -> DuplicateReport:
    """Search for clips that contain the same recording.

    Clips without any joint are ignored. The search for similar clips also ignores clips
    with fewer than `LEAST` frames, and exact duplicates of an earlier clip.

    Args:
        train: the training clips, or a whole data set.
        test: the test clips; None to search a single data set.
        compare: search for similar clips too, not only for equal numbers.

    Raises:
        InputError: the two sides differ in layout, bodies or channels.
    """
    sides = [train] if test is None else [train, test]
    if test is not None:
        _check_same_skeleton(train, test)
    clips = [side.clip(i) for side in sides for i in range(len(side))]
    filled = np.flatnonzero([bool(clip.any()) for clip in clips])
    earliest = find_duplicates([clips[i] for i in filled])
    equal = _equal_pairs(filled, earliest)
    shared = _shared_frames(clips)
    kinds: dict[tuple[int, int], Kind] = dict.fromkeys(shared, "overlap")
    kinds |= dict.fromkeys(equal, "exact")
    distances: dict[tuple[int, int], float] = {}
    typical, nearest = None, np.empty(0)
    if compare:
        own = [i for i in filled[earliest < 0] if len(clips[i]) >= LEAST]
        typical, nearest, distances, similar = _similar(clips, own, train.layout)
        kinds = {**similar, **kinds}
    pairs = [
        _pair(sides, pair, kind, shared.get(pair, 0), distances.get(pair))
        for pair, kind in kinds.items()
    ]
    return DuplicateReport(
        dataset=train.key,
        fingerprint=train.fingerprint,
        train_clips=len(train),
        test_clips=0 if test is None else len(test),
        typical=typical,
        nearest=[round(float(d), 4) for d in nearest],
        pairs=sorted(pairs, key=lambda p: (KINDS.index(p.kind), not p.across, p.index)),
    )


def _check_same_skeleton(train: PackedDataset, test: PackedDataset) -> None:
    if train.layout != test.layout or train.joints.shape[1:] != test.joints.shape[1:]:
        raise InputError(
            f"train has (bodies, joints, channels) {train.joints.shape[1:]} of "
            f"{train.layout.name}, test {test.joints.shape[1:]} of {test.layout.name}: "
            "duplicates are looked for among skeletons of one kind"
        )


def _pair(
    sides: Sequence[PackedDataset],
    pair: tuple[int, int],
    kind: Kind,
    frames: int,
    distance: float | None,
) -> Pair:
    """Describe a pair of clips, numbered over the training and then the test set."""
    border = len(sides[0])
    # Side of each clip, and its position there.
    found = [(int(i >= border), i - border * int(i >= border)) for i in pair]
    clips = [(sides[side], i) for side, i in found]
    first, second = (int(side.index[i]) for side, i in clips)
    one, two = (str(side.name[i]) for side, i in clips)
    class_one, class_two = (side.classes[side.label[i]] for side, i in clips)
    here, there = ("test" if side else "train" for side, _ in found)
    return Pair.model_validate(
        {
            "kind": kind,
            "index": (first, second),
            "names": (one, two),
            "classes": (class_one, class_two),
            "sides": (here, there),
            "frames": len(sides[found[0][0]].clip(found[0][1]))
            if kind == "exact"
            else frames,
            "distance": None if distance is None else round(distance, 4),
        }
    )


# --- equal numbers -------------------------------------------------------------------


def _equal_pairs(filled: np.ndarray, earliest: np.ndarray) -> list[tuple[int, int]]:
    """Return all pairs of clips with the same bytes.

    Args:
        filled: (m,) positions of the clips that were compared.
        earliest: (m,) position in ``filled`` of the earliest duplicate, or -1.
    """
    groups: dict[int, list[int]] = {}
    for i, first in enumerate(earliest):
        groups.setdefault(i if first < 0 else int(first), []).append(int(filled[i]))
    return [pair for group in groups.values() for pair in combinations(group, 2)]


def _shared_frames(clips: Sequence[np.ndarray]) -> dict[tuple[int, int], int]:
    """Find pairs of clips with enough equal frames; count the distinct frames.

    Frames without a joint are ignored.
    """
    numbers = clips[0][0].size
    weights = np.random.default_rng(0).integers(0, 2**63, numbers, dtype=np.uint64)
    keys, owners = [], []
    for i, clip in enumerate(clips):
        key = np.unique(_hashes(clip, 2 * weights + 1))
        keys.append(key[key != 0])  # the hash of a frame of zeros
        owners.append(np.full(len(keys[-1]), i))
    key, owner = np.concatenate(keys), np.concatenate(owners)
    order = np.lexsort((owner, key))
    key, owner = key[order], owner[order]
    shared: Counter[int] = Counter()
    for step in range(1, _CROWD):
        same = key[step:] == key[:-step]
        if not same.any():
            break
        both = owner[:-step][same] * len(clips) + owner[step:][same]
        pairs, times = np.unique(both, return_counts=True)
        shared.update(dict(zip(pairs.tolist(), times.tolist(), strict=True)))
    least = np.minimum([len(clip) for clip in clips], SHARED)
    found = {divmod(both, len(clips)): times for both, times in shared.items()}
    return {
        (a, b): times
        for (a, b), times in found.items()
        if times >= min(least[a], least[b])
    }


def _hashes(clip: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Hash the numbers of each frame to 64 bits: (T, M, N, C) to (T,).

    The hash is multilinear in the bits, modulo 2^64; -0 is treated as 0.
    """
    rows = np.ascontiguousarray(clip).reshape(len(clip), -1) + 0
    bits = rows.view(np.uint32 if rows.itemsize == 4 else np.uint16)
    return (bits.astype(np.uint64) * weights).sum(1, dtype=np.uint64)


# --- similar clips -------------------------------------------------------------------


def _similar(
    clips: Sequence[np.ndarray], own: Sequence[int], layout: Layout
) -> tuple[
    float | None,
    np.ndarray,
    dict[tuple[int, int], float],
    dict[tuple[int, int], Kind],
]:
    """Compare clips; return typical and nearest distances, and the similar pairs.

    All distances but the typical one are in units of it.
    """
    if len(own) < 2:
        return None, np.empty(0), {}, {}
    vectors = np.stack([_vector(clips[i], layout) for i in own])
    nearest = np.full(len(own), np.inf)
    distances: dict[tuple[int, int], float] = {}
    for a, b, whole in _candidates(vectors, vectors, _CANDIDATES):
        pair = (own[min(a, b)], own[max(a, b)])
        if pair not in distances:
            shifted = _shifted(clips[pair[0]], clips[pair[1]], layout)
            distances[pair] = min(whole, shifted)
        nearest[[a, b]] = np.minimum(nearest[[a, b]], distances[pair])
    typical = float(np.median(nearest)) or 1.0  # 0 where most clips are copies
    kinds: dict[tuple[int, int], Kind] = {}
    for pair, distance in distances.items():
        if distance < NEAR * typical:
            one, two = (clips[i] for i in pair)
            kinds[pair] = "moved" if _is_moved(one, two, layout) else "near"
    mirror = np.stack([_vector(_mirrored(clips[i], layout), layout) for i in own])
    for a, b, whole in _candidates(mirror, vectors, 1):
        pair = (own[min(a, b)], own[max(a, b)])
        shifted = _shifted(_mirrored(clips[own[a]], layout), clips[own[b]], layout)
        if pair not in kinds and min(whole, shifted) < NEAR * typical:
            kinds[pair] = "mirrored"
            distances[pair] = min(whole, shifted)
    return (
        typical,
        nearest / typical,
        {pair: distances[pair] / typical for pair in kinds},
        kinds,
    )


def _points(clip: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return centred coordinates (T, M N, D) and the mask of tracked joints (T, M N).

    Joints that were not tracked are at 0, the mean.
    """
    points = clip.reshape(len(clip), -1, clip.shape[-1]).astype(np.float32)
    tracked = (points != 0).any(-1)
    points = points[..., : layout.dims]
    mean = points.reshape(-1, layout.dims).sum(0, dtype=np.float64)
    mean /= max(int(np.count_nonzero(tracked)), 1)
    return (points - mean.astype(np.float32)) * tracked[..., None], tracked


def _vector(clip: np.ndarray, layout: Layout) -> np.ndarray:
    """Embed a clip as a vector: centred, scaled to size 1, at `FRAMES` frames.

    The Euclidean distance of two vectors is the root mean square difference.
    """
    points, tracked = _points(clip, layout)
    count = max(int(np.count_nonzero(tracked)), 1)
    size = float((points**2).sum(dtype=np.float64) / count) ** 0.5
    points /= np.float32(size or 1.0)
    last = len(points) - 1
    place = np.clip((np.arange(FRAMES) + 0.5) * len(points) / FRAMES - 0.5, 0, last)
    low = place.astype(int)
    part = (place - low).astype(np.float32)[:, None, None]
    row = points[low] * (1 - part) + points[np.minimum(low + 1, last)] * part
    seen = max(int(np.count_nonzero(row.any(-1))), 1)
    return row.reshape(-1) / np.float32(seen**0.5)


def _candidates(
    queries: np.ndarray, vectors: np.ndarray, number: int
) -> Iterator[tuple[int, int, float]]:
    """Yield for each query its nearest other rows of ``vectors`` and their distance."""
    number = min(number, len(vectors) - 1)
    squares = np.einsum("ij,ij->i", vectors, vectors)
    for begin in range(0, len(queries), _BLOCK):
        block = queries[begin : begin + _BLOCK]
        rows = np.arange(len(block))
        distance = squares - 2 * (block @ vectors.T)
        distance[rows, begin + rows] = np.inf  # not a clip with itself
        closest = np.argpartition(distance, number - 1, axis=1)[:, :number]
        for row, others in zip(rows, closest, strict=True):
            for other in others:
                gap = np.linalg.norm(block[row] - vectors[other])
                yield int(begin + row), int(other), float(gap)


def _shifted(one: np.ndarray, two: np.ndarray, layout: Layout) -> float:
    """Return the distance of two clips at the best temporal shift of the second.

    At each shift the mean positions are aligned, and the unit is the size of the first
    clip. Infinite if no shift leaves enough common frames.
    """
    (a, tracked), (b, _) = _points(one, layout), _points(two, layout)
    least = max(LEAST, int(np.ceil(_COMMON * min(len(a), len(b)))))
    shift = np.arange(1 - len(b), len(a))
    begin, end = np.maximum(shift, 0), np.minimum(len(a), len(b) + shift)
    shift, begin, end = (x[end - begin >= least] for x in (shift, begin, end))
    if not len(shift):
        return np.inf
    count = np.maximum(_within(tracked.sum(1), begin, end), 1)
    power_a = _within((a**2).sum((1, 2)), begin, end) / count
    power_b = _within((b**2).sum((1, 2)), begin - shift, end - shift) / count
    mean_a = _within(a.sum(1), begin, end) / count[:, None]
    mean_b = _within(b.sum(1), begin - shift, end - shift) / count[:, None]
    # Products of all pairs of frames, summed along the diagonal of each shift.
    product = a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
    diagonal = np.subtract.outer(np.arange(len(a)), np.arange(len(b))) + len(b) - 1
    product = np.bincount(diagonal.ravel(), product.ravel())[shift + len(b) - 1]
    size = power_a - (mean_a**2).sum(1)
    gap = power_a + power_b - 2 * product / count - ((mean_a - mean_b) ** 2).sum(1)
    ratio = np.full(len(gap), np.inf)
    np.divide(gap, size, where=size > 0, out=ratio)
    return max(float(ratio.min()), 0.0) ** 0.5


def _within(values: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Sum ``values`` (T, ...) over the frames from begin to end: (S, ...)."""
    total = np.cumsum(values, axis=0, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:1]), total])
    return total[end] - total[begin]


def _is_moved(one: np.ndarray, two: np.ndarray, layout: Layout) -> bool:
    """Return whether two clips differ only by a translation and rounding."""
    if one.shape != two.shape:
        return False
    tracked = (one != 0).any(-1)
    if not np.array_equal(tracked, (two != 0).any(-1)):
        return False
    a, b = (clip[tracked][:, : layout.dims].astype(np.float64) for clip in (one, two))
    gap = a - b
    rounding = 4 * np.finfo(one.dtype).eps * max(np.abs(a).max(), np.abs(b).max())
    return bool((np.abs(gap - gap[0]) <= rounding).all())


def _mirrored(clip: np.ndarray, layout: Layout) -> np.ndarray:
    """Mirror a clip: exchange left and right joints, negate the lateral axis."""
    order = np.arange(layout.size)
    for left, right in layout.pairs:
        order[[left, right]] = right, left
    image = clip[:, :, order].copy()
    image[..., 1 - layout.up[0] if layout.up[0] < 2 else 0] *= -1
    return image
