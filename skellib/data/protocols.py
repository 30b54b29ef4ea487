"""Protocols: who trains and who tests, as index arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError

Sides = tuple[np.ndarray, np.ndarray]

# A. Shahroudy et al., 2016: the subjects of NTU RGB+D that train.
NTU_SUBJECTS = (
    *(1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19),
    *(25, 27, 28, 31, 34, 35, 38),
)

# K. Yun et al., 2012: the (acting, reacting) persons whose clips test in each fold.
SBU_FOLDS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((1, 2), (3, 4), (5, 2), (6, 4)),
    ((2, 3), (2, 7), (3, 5), (5, 3)),
    ((1, 3), (1, 7), (7, 1), (7, 3)),
    ((2, 1), (2, 6), (3, 2), (3, 6)),
    ((4, 2), (4, 3), (4, 6), (6, 2), (6, 3)),
)

# We know of no published list of SYSU's 30 random halves; these are drawn from a seed.
SYSU_FOLDS = 30
SYSU_SEED = 2019


def default_protocol(key: str) -> str:
    """The protocol that a data set is usually tested by.

    Raises:
        InputError: the data set has none of its own: see :func:`protocols_of`.
    """
    return _known(key)[0]


def protocols_of(dataset: PackedDataset) -> tuple[str, ...]:
    """The protocols by which these clips can be split; the first is the default.

    Those of its key in ``PROTOCOLS``, and ``given`` if it came split from elsewhere.
    Of a data set of one's own, see :func:`split`, those for which enough is known of
    its clips.

    Raises:
        InputError: there is none.
    """
    if dataset.key in PROTOCOLS:
        known = PROTOCOLS[dataset.key]
        came_split = "split" in dataset.extras and "train_val" not in known
        return (*known, "given") if came_split else known
    possible = tuple(
        name
        for name, rule in _OWN_RULES.items()
        if all(side.any() for side in rule.sides(dataset, 0))
    )
    if not possible:
        raise InputError(
            f"{dataset.key}: no class has two clips, and neither a split nor two "
            "subjects are given: it cannot be split into training and test"
        )
    return possible


def default_of(dataset: PackedDataset) -> str:
    """Return the protocol that is taken where none is asked for.

    Raises:
        InputError: there is none; or the clips came with a split of which a side has no
            clip, in place of which no other is taken unasked.
    """
    known = protocols_of(dataset)
    came_split = "split" in dataset.extras and dataset.key not in PROTOCOLS
    if came_split and "given" not in known:
        train, test = (int(side.sum()) for side in _given(dataset, 0))
        raise InputError(
            f"{dataset.key}: field 'split': {train} clips train, {test} test: the "
            "split that it came with cannot be used; prepare it with both sides, or "
            f"choose another one: --protocol {'|'.join(known)}"
        )
    return known[0]


def folds(protocol: str, key: str) -> int:
    """How many folds a protocol of a data set has; 1 for a single split.

    Raises:
        InputError: the data set has no such protocol.
    """
    return _rule(protocol, key).folds


def split(
    dataset: PackedDataset, protocol: str, fold: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in ``dataset`` of the clips that train, and of those that test.

    What a protocol means depends on the data set:

    - ``cross_view``: cameras 1 and 2 train, camera 3 tests; of NTU RGB+D 2 and 3 train
      and 1 tests.
    - ``cross_subject``: odd subjects train, even ones test; of NTU RGB+D the 20 of
      ``NTU_SUBJECTS`` train and the others test; of SYSU a random half of the subjects
      trains, another in each of the 30 folds.
    - ``same_subject``: a random half of each class's clips trains; 30 folds.
    - ``five_fold``: the pairs of ``SBU_FOLDS[fold]`` test.
    - ``train_val``: the release's own two parts.
    - ``validation``: of the training views of ``cross_view``, the subjects that
      ``holdout`` holds out test: for choosing settings without a look at view 3.
    - ``camera_1_2``, ``camera_2_1``: within the same views the first camera trains and
      the second tests: a new camera, and still no look at view 3.

    Of any data set ``given`` is the split that came with it. Of one's own
    ``cross_subject``: of the subjects in order the first, third, ... train;
    ``cross_view``: the last camera tests; ``random``: 30 % of each class, drawn by the
    clips' names, test.

    Returns:
        Two ascending int64 arrays without a common entry.

    Raises:
        InputError: an unknown protocol or fold, a side with no clip, or clips of which
            is not known what the protocol goes by (subject, camera, ...).
    """
    rule = _rule(protocol, dataset.key)
    if fold not in range(rule.folds):
        raise InputError(
            f"fold {fold}: protocol {protocol} has the folds 0..{rule.folds - 1}"
        )
    train, test = (np.flatnonzero(side) for side in rule.sides(dataset, fold))
    for side, positions in (("training", train), ("test", test)):
        if not len(positions):
            raise InputError(
                f"protocol {protocol!r}: no {side} clip among the {len(dataset)} of "
                f"{dataset.key}; known are {', '.join(protocols_of(dataset))}"
            )
    return train, test


def holdout(
    train: PackedDataset,
    subjects: Sequence[int] | None = None,
    fraction: float = 0.2,
) -> tuple[np.ndarray, np.ndarray]:
    """Split a training set by subjects, to choose settings without the test set.

    Args:
        train: the training set.
        subjects: those to hold out. By default the last ones by number, as many as
            come nearest to ``fraction`` of the clips.
        fraction: of the clips, between 0 and 1.

    Returns:
        Positions of the clips that stay, and of those held out.

    Raises:
        InputError: an unknown subject, a fraction outside (0, 1), or an empty side.
    """
    present, counts = np.unique(train.subject, return_counts=True)
    if subjects is None:
        subjects = _last_subjects(present, counts, fraction)
    chosen = sorted(int(subject) for subject in subjects)
    unknown = [subject for subject in chosen if subject not in present]
    if unknown:
        raise InputError(f"subjects {unknown}: not in the training set")
    held = np.isin(train.subject, chosen)
    if held.all() or not held.any():
        raise InputError(
            f"subjects {chosen}: leave an empty side; the training set has "
            f"{present.tolist()}"
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def _last_subjects(
    present: np.ndarray, counts: np.ndarray, fraction: float
) -> list[int]:
    """The last subjects whose clips come nearest to a fraction of all; not everyone."""
    if not 0 < fraction < 1:
        raise InputError(f"fraction {fraction}: must lie between 0 and 1")
    if len(present) < 2:
        return []
    clips = np.cumsum(counts[::-1])[:-1]
    number = int(np.abs(clips - fraction * counts.sum()).argmin()) + 1
    return present[-number:].tolist()


def without_leakage(train: PackedDataset, test: PackedDataset) -> np.ndarray:
    """Which test clips have no exact twin in the training set.

    Of N-UCLA's 464 cross-view test clips 369 are clean; the others repeat the numbers
    of a training clip.

    Returns:
        (len(test),) bool.

    Raises:
        InputError: the two are not subsets of one packed set.
    """
    if train.fingerprint != test.fingerprint:
        raise InputError(
            f"train is of {train.key}, test of {test.key}, with other contents: twins "
            "are known within one packed set only"
        )
    return ~np.isin(_group(test), _group(train))


def _known(key: str) -> tuple[str, ...]:
    if key not in PROTOCOLS:
        raise InputError(
            f"data set {key!r}: has no protocol; known are {', '.join(PROTOCOLS)}"
        )
    return PROTOCOLS[key]


def _rule(protocol: str, key: str) -> _Rule:
    rules = {**_RULES.get(key, _OWN_RULES), "given": _Rule(_given)}
    if protocol not in rules:
        raise InputError(
            f"protocol {protocol!r}: unknown for {key}; known are {', '.join(rules)}"
        )
    return rules[protocol]


@dataclass(frozen=True)
class _Rule:
    """A protocol of a data set: ``sides(dataset, fold)`` are two masks (n,)."""

    sides: Callable[[PackedDataset, int], Sides]
    folds: int = 1


def _numbers(dataset: PackedDataset, field: str) -> np.ndarray:
    """What the protocol goes by, (n,), if it is known of every clip."""
    own = {"subject": dataset.subject, "view": dataset.view}
    values = own.get(field, dataset.extras.get(field))
    lowest = 0 if field == "split" else 1  # the others are numbered from 1
    unknown = np.arange(len(dataset)) if values is None else values < lowest
    if values is None or unknown.any():
        raise InputError(
            f"{dataset.key}: field {field!r}: not known of every clip, and the "
            "protocol goes by it; prepare the data set from its original files, or "
            "take the protocol 'given' if it came split"
        )
    return values


def _by_view(train: Sequence[int], test: Sequence[int]) -> _Rule:
    def sides(dataset: PackedDataset, fold: int) -> Sides:
        view = _numbers(dataset, "view")
        return np.isin(view, train), np.isin(view, test)

    return _Rule(sides)


def _odd_subjects(dataset: PackedDataset, fold: int) -> Sides:
    subject = _numbers(dataset, "subject")
    return subject % 2 == 1, subject % 2 == 0


def _ntu_subjects(dataset: PackedDataset, fold: int) -> Sides:
    train = np.isin(_numbers(dataset, "subject"), NTU_SUBJECTS)
    return train, ~train


def _validation(dataset: PackedDataset, fold: int) -> Sides:
    training = np.flatnonzero(_numbers(dataset, "view") != 3)
    stay, held = holdout(dataset.subset(training))
    train, test = (np.zeros(len(dataset), dtype=bool) for _ in range(2))
    train[training[stay]] = True
    test[training[held]] = True
    return train, test


def _pairs(dataset: PackedDataset, fold: int) -> Sides:
    persons = zip(
        _numbers(dataset, "subject"), _numbers(dataset, "reacting"), strict=True
    )
    test = np.array([pair in SBU_FOLDS[fold] for pair in persons], dtype=bool)
    return ~test, test


def _release_parts(dataset: PackedDataset, fold: int) -> Sides:
    part = _numbers(dataset, "split")
    return part == 0, part == 1


def _half_of_subjects(dataset: PackedDataset, fold: int) -> Sides:
    subject = _numbers(dataset, "subject")
    chosen = _half((int(number) for number in np.unique(subject)), fold)
    train = np.isin(subject, chosen)
    return train, ~train


def _half_of_each_class(dataset: PackedDataset, fold: int) -> Sides:
    train = np.zeros(len(dataset), dtype=bool)
    for label in np.unique(dataset.label):
        names = dataset.name[dataset.label == label].tolist()
        train |= np.isin(dataset.name, _half(names, fold))
    return train, ~train


def _half(items: Iterable[int | str], fold: int) -> list[int | str]:
    """A random half; of an odd number the larger one.

    The order of hashes draws it, so that it is the same on every machine, in every
    version of NumPy, and in whatever order the items come.
    """

    def place(item: int | str) -> bytes:
        return hashlib.sha256(f"{SYSU_SEED} {fold} {item}".encode()).digest()

    drawn = sorted(items, key=place)
    return drawn[: (len(drawn) + 1) // 2]


def _given(dataset: PackedDataset, fold: int) -> Sides:
    part = dataset.extras.get("split", np.full(len(dataset), -1))
    return part == 0, part == 1


def _every_other_subject(dataset: PackedDataset, fold: int) -> Sides:
    _, place = np.unique(dataset.subject, return_inverse=True)
    return place % 2 == 0, place % 2 == 1


def _last_view(dataset: PackedDataset, fold: int) -> Sides:
    test = dataset.view == dataset.view.max()
    return ~test, test


def _part_of_each_class(dataset: PackedDataset, fold: int) -> Sides:
    test = np.zeros(len(dataset), dtype=bool)
    for label in np.unique(dataset.label):
        names = dataset.name[dataset.label == label].tolist()
        drawn = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
        number = max(1, round(0.3 * len(names))) if len(names) > 1 else 0
        test |= np.isin(dataset.name, drawn[:number])
    return ~test, test


_FIRST_TWO_VIEWS = _by_view((1, 2), (3,))

_RULES: dict[str, dict[str, _Rule]] = {
    "synthetic": {
        "cross_view": _FIRST_TWO_VIEWS,
        "cross_subject": _Rule(_odd_subjects),
    },
    "ntu": {
        "cross_subject": _Rule(_ntu_subjects),
        "cross_view": _by_view((2, 3), (1,)),
    },
    "kinetics": {"train_val": _Rule(_release_parts)},
    "sysu": {
        "cross_subject": _Rule(_half_of_subjects, SYSU_FOLDS),
        "same_subject": _Rule(_half_of_each_class, SYSU_FOLDS),
    },
    "nucla": {
        "cross_view": _FIRST_TWO_VIEWS,
        "validation": _Rule(_validation),
        "camera_1_2": _by_view((1,), (2,)),
        "camera_2_1": _by_view((2,), (1,)),
    },
    "utd_mhad": {"cross_subject": _Rule(_odd_subjects)},
    "sbu": {"five_fold": _Rule(_pairs, len(SBU_FOLDS))},
}

# Of a data set of one's own, in the order in which they are preferred.
_OWN_RULES: dict[str, _Rule] = {
    "given": _Rule(_given),
    "cross_subject": _Rule(_every_other_subject),
    "cross_view": _Rule(_last_view),
    "random": _Rule(_part_of_each_class),
}

PROTOCOLS: dict[str, tuple[str, ...]] = {
    key: tuple(rules) for key, rules in _RULES.items()
}
"""The protocols of each data set; the first is the default."""


def _group(dataset: PackedDataset) -> np.ndarray:
    """The index of the earliest clip with the same numbers: the clip itself if none."""
    return np.where(dataset.duplicate_of < 0, dataset.index, dataset.duplicate_of)
