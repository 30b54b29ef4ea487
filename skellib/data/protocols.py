"""Protocols: who trains and who tests, as index arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "synthetic": ("cross_view", "cross_subject"),
    "nucla": ("cross_view", "validation"),
    "utd_mhad": ("cross_subject",),
    "sbu": ("five_fold",),
}
"""The protocols of each data set; the first is the default."""

# K. Yun et al., 2012: the (acting, reacting) persons whose clips test in each fold.
SBU_FOLDS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((1, 2), (3, 4), (5, 2), (6, 4)),
    ((2, 3), (2, 7), (3, 5), (5, 3)),
    ((1, 3), (1, 7), (7, 1), (7, 3)),
    ((2, 1), (2, 6), (3, 2), (3, 6)),
    ((4, 2), (4, 3), (4, 6), (6, 2), (6, 3)),
)


def default_protocol(key: str) -> str:
    """The protocol that a data set is usually tested by.

    Raises:
        InputError: the data set has none; the message lists those that have.
    """
    return _known(key)[0]


def folds(protocol: str) -> int:
    """How many folds the protocol has; 1 for a single split."""
    return len(SBU_FOLDS) if protocol == "five_fold" else 1


def split(
    dataset: PackedDataset, protocol: str, fold: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in ``dataset`` of the clips that train, and of those that test.

    ``cross_view``: views 1 and 2 train, view 3 tests. ``cross_subject``: odd subjects
    train, even ones test. ``five_fold``: the pairs of ``SBU_FOLDS[fold]`` test.
    ``validation``: of the training views of ``cross_view``, the subjects that
    ``holdout`` holds out test: for choosing settings without a look at view 3.

    Returns:
        Two ascending int64 arrays without a common entry.

    Raises:
        InputError: an unknown protocol or fold, or a side with no clip.
    """
    known = _known(dataset.key)
    if protocol not in known:
        raise InputError(
            f"protocol {protocol!r}: unknown for {dataset.key}; known are "
            f"{', '.join(known)}"
        )
    if fold not in range(folds(protocol)):
        raise InputError(
            f"fold {fold}: protocol {protocol} has the folds 0..{folds(protocol) - 1}"
        )
    train, test = (np.flatnonzero(side) for side in _sides(dataset, protocol, fold))
    for side, positions in (("training", train), ("test", test)):
        if not len(positions):
            raise InputError(
                f"protocol {protocol!r}: no {side} clip among the {len(dataset)} of "
                f"{dataset.key}; known are {', '.join(known)}"
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


def clean(train: PackedDataset, test: PackedDataset) -> np.ndarray:
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


def _sides(
    dataset: PackedDataset, protocol: str, fold: int
) -> tuple[np.ndarray, np.ndarray]:
    if protocol == "cross_view":
        return np.isin(dataset.view, (1, 2)), dataset.view == 3
    if protocol == "cross_subject":
        return dataset.subject % 2 == 1, dataset.subject % 2 == 0
    if protocol == "validation":
        training = np.flatnonzero(dataset.view != 3)
        stay, held = holdout(dataset.subset(training))
        train, test = (np.zeros(len(dataset), dtype=bool) for _ in range(2))
        train[training[stay]] = True
        test[training[held]] = True
        return train, test
    pairs = zip(dataset.subject, dataset.extras["reacting"], strict=True)
    test = np.array([pair in SBU_FOLDS[fold] for pair in pairs], dtype=bool)
    return ~test, test


def _group(dataset: PackedDataset) -> np.ndarray:
    """The index of the earliest clip with the same numbers: the clip itself if none."""
    return np.where(dataset.duplicate_of < 0, dataset.index, dataset.duplicate_of)
