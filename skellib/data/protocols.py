"""Protocols: which clips are for training and which for testing, as index arrays.

The protocols of every data set are here, not in its reader module, since loading a
packed data set must not import the readers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError

Sides = tuple[np.ndarray, np.ndarray]

# A. Shahroudy et al., 2016: training subjects of NTU RGB+D.
NTU_SUBJECTS = (
    *(1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19),
    *(25, 27, 28, 31, 34, 35, 38),
)

# J. Liu et al., 2019: training subjects of NTU RGB+D 120.
NTU120_SUBJECTS = (
    *NTU_SUBJECTS,
    *(45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87)),
    *(89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
)

# K. Yun et al., 2012: (acting, reacting) persons of the test clips in each fold.
SBU_FOLDS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((1, 2), (3, 4), (5, 2), (6, 4)),
    ((2, 3), (2, 7), (3, 5), (5, 3)),
    ((1, 3), (1, 7), (7, 1), (7, 3)),
    ((2, 1), (2, 6), (3, 2), (3, 6)),
    ((4, 2), (4, 3), (4, 6), (6, 2), (6, 3)),
)

# We know of no published list of SYSU's 30 random halves; these depend on a seed.
SYSU_FOLDS = 30
SYSU_SEED = 2019


def default_protocol(key: str) -> str:
    """Return the protocol by which a data set is usually evaluated.

    Raises:
        InputError: a data set without protocols of its own; see :func:`protocols_of`.
    """
    if key not in PROTOCOLS:
        raise InputError(
            f"data set {key!r}: not one that tables can have: {', '.join(PROTOCOLS)}; "
            "train, baseline, evaluate and predict take any that is prepared"
        )
    return PROTOCOLS[key][0]


def protocols_of(dataset: PackedDataset) -> tuple[str, ...]:
    """Return the protocols that can split these clips; the first is the default.

    These are ``PROTOCOLS[key]``, and ``given`` if the clips came with a split, or
    ``given.NAME`` with several. For a custom data set, those of :func:`split` whose
    metadata the clips have.

    Raises:
        InputError: there is none.
    """
    if dataset.key in PROTOCOLS:
        known = PROTOCOLS[dataset.key]
        came_split = "split" in dataset.extras and "train_val" not in known
        return (*known, "given", *_named_splits(dataset)) if came_split else known
    possible = tuple(
        name
        for name in ("given", *_named_splits(dataset), *_CUSTOM_RULES)
        if all(side.any() for side in _rule(name, dataset.key).sides(dataset, 0))
    )
    if not possible:
        raise InputError(
            f"{dataset.key}: no class has two clips, and neither a split nor two "
            "subjects are given: it cannot be split into training and test"
        )
    return possible


def default_of(dataset: PackedDataset) -> str:
    """Return the protocol to use by default.

    Raises:
        InputError: there is none; or the clips came with a split that has an empty
            side, which is not silently replaced by another protocol.
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
    """Return the number of folds of a protocol; 1 for a single split.

    Raises:
        InputError: the data set has no such protocol.
    """
    return _rule(protocol, key).folds


def split(
    dataset: PackedDataset, protocol: str, fold: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split a data set into training and test clips.

    The meaning of a protocol depends on the data set:

    - ``cross_view``: train on cameras 1 and 2, test on camera 3; NTU RGB+D: train on 2
      and 3, test on 1.
    - ``cross_subject``: train on odd subjects, test on even ones; NTU RGB+D: train on
      the 20 of ``NTU_SUBJECTS``, test on the others; NTU RGB+D 120: the 53 of
      ``NTU120_SUBJECTS``; SYSU: train on a random half of the subjects, a different one
      in each of 30 folds.
    - ``cross_setup``: train on even setups of cameras, test on odd ones.
    - ``same_subject``: train on a random half of each class's clips; 30 folds.
    - ``five_fold``: test on the pairs of persons ``SBU_FOLDS[fold]``.
    - ``train_val``: the two parts as released.
    - ``validation``: the training views of ``cross_view``, tested on the subjects that
      ``holdout`` holds out: for model selection without the test view 3.
    - ``camera_1_2``, ``camera_2_1``: train on the first camera, test on the second: a
      new camera, still without view 3.
    - ``cross_view_untwinned``, ``validation_untwinned``, ``camera_1_2_untwinned``,
      ``camera_2_1_untwinned``: the same without the clips of cameras 1 and 2 that are
      exact duplicates of a clip of camera 3, on both sides.

    For any data set, ``given`` is the split that came with it; if there were several,
    it is the first, and ``given.xset`` the one named xset. For a custom data set,
    ``cross_subject`` trains on the first, third, ... subject in order, ``cross_view``
    tests on the last camera, and ``random`` tests on a pseudo-random 30 % of each class
    that depends only on the clips' names.

    Args:
        dataset: n clips.
        protocol: name of the protocol.
        fold: number of the fold, from 0.

    Returns:
        Positions in ``dataset`` of the training and of the test clips: two ascending,
        disjoint int64 arrays.

    Raises:
        InputError: an unknown protocol or fold, an empty side, or clips that lack the
            metadata of the protocol (subject, camera, ...).
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
    """Split a training set by subjects, for model selection without the test set.

    Args:
        train: the training set.
        subjects: subjects to hold out. By default the last by number, as many as come
            closest to ``fraction`` of the clips.
        fraction: share of the clips, between 0 and 1.

    Returns:
        Positions of the clips that remain, and of those held out.

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
    """Return the last subjects, with about a fraction of all clips; never all."""
    if not 0 < fraction < 1:
        raise InputError(f"fraction {fraction}: must lie between 0 and 1")
    if len(present) < 2:
        return []
    clips = np.cumsum(counts[::-1])[:-1]
    number = int(np.abs(clips - fraction * counts.sum()).argmin()) + 1
    return present[-number:].tolist()


def without_leakage(train: PackedDataset, test: PackedDataset) -> np.ndarray:
    """Find the test clips that are not exact duplicates of a training clip.

    369 of N-UCLA's 464 cross-view test clips are clean; the other 95 have the same
    numbers as a training clip.

    Returns:
        (len(test),) bool mask of the clean test clips.

    Raises:
        InputError: the two are not subsets of the same packed data set.
    """
    if train.fingerprint != test.fingerprint:
        raise InputError(
            f"train is of {train.key}, test of {test.key}, with other contents: "
            "duplicates are only known within one packed data set"
        )
    return ~np.isin(_group(test), _group(train))


def _rule(protocol: str, key: str) -> _Rule:
    rules = _RULES.get(key, _CUSTOM_RULES)
    if is_given(protocol):
        return _Rule(partial(_given, field="split" + protocol.removeprefix("given")))
    if protocol not in rules:
        raise InputError(
            f"protocol {protocol!r}: unknown for {key}; known are "
            f"{', '.join((*rules, 'given'))}"
        )
    return rules[protocol]


def is_given(protocol: str) -> bool:
    """Return whether a protocol is a split that came with the clips."""
    return protocol.partition(".")[0] == "given"


def _named_splits(dataset: PackedDataset) -> tuple[str, ...]:
    """Return the protocols of the splits of a data set that came with several."""
    names = [field for field in dataset.extras if field.startswith("split.")]
    return tuple(f"given{field.removeprefix('split')}" for field in names)


@dataclass(frozen=True)
class _Rule:
    """Rule of a protocol: ``sides(dataset, fold)`` returns two (n,) bool masks."""

    sides: Callable[[PackedDataset, int], Sides]
    folds: int = 1


def _numbers(dataset: PackedDataset, field: str) -> np.ndarray:
    """Return a field that a protocol needs, (n,); raise if a clip lacks it."""
    own = {"subject": dataset.subject, "view": dataset.view}
    values = own.get(field, dataset.extras.get(field))
    lowest = 0 if field == "split" else 1  # subjects and so on are numbered from 1
    unknown = np.arange(len(dataset)) if values is None else values < lowest
    if values is None or unknown.any():
        raise InputError(
            f"{dataset.key}: field {field!r}: not known of every clip, but "
            "needed by the protocol; prepare the data set from its original files, or "
            "use the protocol 'given' if it came with a split"
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


def _by_subjects(training: Sequence[int]) -> _Rule:
    def sides(dataset: PackedDataset, fold: int) -> Sides:
        train = np.isin(_numbers(dataset, "subject"), training)
        return train, ~train

    return _Rule(sides)


def _even_setups(dataset: PackedDataset, fold: int) -> Sides:
    setup = _numbers(dataset, "setup")
    return setup % 2 == 0, setup % 2 == 1


def _validation(dataset: PackedDataset, fold: int) -> Sides:
    training = np.flatnonzero(_numbers(dataset, "view") != 3)
    stay, held = holdout(dataset.subset(training))
    train, test = (np.zeros(len(dataset), dtype=bool) for _ in range(2))
    train[training[stay]] = True
    test[training[held]] = True
    return train, test


def _untwinned(rule: _Rule) -> _Rule:
    """Leave the duplicates of view 3 out of a rule, except in view 3 itself."""

    def sides(dataset: PackedDataset, fold: int) -> Sides:
        group, tested = _group(dataset), _numbers(dataset, "view") == 3
        kept = tested | ~np.isin(group, group[tested])
        train, test = rule.sides(dataset, fold)
        return train & kept, test & kept

    return _Rule(sides)


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
    """Choose a pseudo-random half of the items, rounded up.

    The choice follows the order of hashes, so that it does not depend on the machine,
    the version of NumPy or the order of the items.
    """

    def place(item: int | str) -> bytes:
        return hashlib.sha256(f"{SYSU_SEED} {fold} {item}".encode()).digest()

    shuffled = sorted(items, key=place)
    return shuffled[: (len(shuffled) + 1) // 2]


def _given(dataset: PackedDataset, fold: int, field: str = "split") -> Sides:
    part = dataset.extras.get(field, np.full(len(dataset), -1))
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
        shuffled = sorted(
            names, key=lambda name: hashlib.sha256(name.encode()).digest()
        )
        number = max(1, round(0.3 * len(names))) if len(names) > 1 else 0
        test |= np.isin(dataset.name, shuffled[:number])
    return ~test, test


_FIRST_TWO_VIEWS = _by_view((1, 2), (3,))

_NUCLA = {
    "cross_view": _FIRST_TWO_VIEWS,
    "validation": _Rule(_validation),
    "camera_1_2": _by_view((1,), (2,)),
    "camera_2_1": _by_view((2,), (1,)),
}

_RULES: dict[str, dict[str, _Rule]] = {
    "synthetic": {
        "cross_view": _FIRST_TWO_VIEWS,
        "cross_subject": _Rule(_odd_subjects),
    },
    "ntu": {
        "cross_subject": _by_subjects(NTU_SUBJECTS),
        "cross_view": _by_view((2, 3), (1,)),
    },
    "ntu120": {
        "cross_subject": _by_subjects(NTU120_SUBJECTS),
        "cross_setup": _Rule(_even_setups),
    },
    "kinetics": {"train_val": _Rule(_release_parts)},
    "sysu": {
        "cross_subject": _Rule(_half_of_subjects, SYSU_FOLDS),
        "same_subject": _Rule(_half_of_each_class, SYSU_FOLDS),
    },
    "nucla": {
        **_NUCLA,
        **{f"{name}_untwinned": _untwinned(rule) for name, rule in _NUCLA.items()},
    },
    "utd_mhad": {"cross_subject": _Rule(_odd_subjects)},
    "sbu": {"five_fold": _Rule(_pairs, len(SBU_FOLDS))},
}

# Protocols of a custom data set, in order of preference, after a given split.
_CUSTOM_RULES: dict[str, _Rule] = {
    "cross_subject": _Rule(_every_other_subject),
    "cross_view": _Rule(_last_view),
    "random": _Rule(_part_of_each_class),
}

PROTOCOLS: dict[str, tuple[str, ...]] = {
    key: tuple(rules) for key, rules in _RULES.items()
}
"""Protocols of each data set; the first is the default."""


def _group(dataset: PackedDataset) -> np.ndarray:
    """Return for each clip the index of the earliest clip with the same numbers."""
    return np.where(dataset.duplicate_of < 0, dataset.index, dataset.duplicate_of)
