"""Protocols: published counts, disjoint sides, twins across a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skellib import data
from skellib.data import (
    PROTOCOLS,
    PackedDataset,
    clean,
    folds,
    holdout,
    nucla,
    sbu,
    split,
    synthetic,
    utd_mhad,
)
from skellib.data.protocols import SBU_FOLDS
from skellib.errors import InputError
from skellib.layouts import LAYOUTS


def pack(values: list[float], key: str = "nucla", **fields) -> PackedDataset:
    """One-frame clips: all joints of clip i hold values[i]."""
    n = len(values)
    layout = LAYOUTS["sbu15"]
    return PackedDataset.from_clips(
        [np.full((1, 1, layout.size, 3), value) for value in values],
        name=[f"c{i}" for i in range(n)],
        layout=layout,
        classes=("only",),
        key=key,
        source="made here",
        **{"label": np.zeros(n, int), "subject": np.ones(n, int), **fields},
    )


def assert_partition(parts: tuple[np.ndarray, ...], n: int) -> None:
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    assert all(np.array_equal(part, np.sort(part)) for part in parts)


def test_cross_view_and_cross_subject() -> None:
    packed = pack([1, 2, 3, 4], view=[3, 1, 2, 3])
    train, test = split(packed, "cross_view")
    assert train.tolist() == [1, 2]
    assert test.tolist() == [0, 3]
    packed = pack([1, 2, 3, 4], key="utd_mhad", subject=[8, 7, 1, 2])
    train, test = split(packed, "cross_subject")
    assert train.tolist() == [1, 2]
    assert test.tolist() == [0, 3]


def test_validation_holds_out_subjects_of_the_training_views() -> None:
    view = [1, 2, 3, 1, 2, 3, 1, 2, 3]
    subject = [1, 1, 1, 2, 2, 2, 3, 3, 3]
    packed = pack(list(range(1, 10)), view=view, subject=subject)
    train, test = split(packed, "validation")
    assert train.tolist() == [0, 1, 3, 4]
    assert test.tolist() == [6, 7]  # the last subject, and never view 3


def test_five_folds_by_ordered_pairs() -> None:
    pairs = np.array([pair for fold in SBU_FOLDS for pair in fold])
    assert len(np.unique(pairs, axis=0)) == 21
    packed = pack(
        list(range(1, 22)),
        key="sbu",
        subject=pairs[:, 0],
        extras={"reacting": pairs[:, 1]},
    )
    tests = []
    for fold in range(folds("five_fold")):
        train, test = split(packed, "five_fold", fold)
        assert_partition((train, test), 21)
        tests.append(test)
    assert [len(test) for test in tests] == [4, 4, 4, 4, 5]
    assert_partition(tuple(tests), 21)


def test_a_split_of_a_subset_counts_its_positions() -> None:
    packed = pack([1, 2, 3, 4], view=[3, 1, 2, 3]).subset([3, 2])
    train, test = split(packed, "cross_view")
    assert (train.tolist(), test.tolist()) == ([1], [0])


def test_bad_requests_list_what_is_known() -> None:
    packed = pack([1, 2], view=[1, 2])
    with pytest.raises(InputError, match=r"'best_view'.*cross_view"):
        split(packed, "best_view")
    with pytest.raises(InputError, match=r"no test clip.*cross_view"):
        split(packed, "cross_view")
    with pytest.raises(InputError, match=r"no training clip"):
        split(pack([1], view=[3]), "cross_view")
    with pytest.raises(InputError, match=r"fold 1.*0\.\.0"):
        split(packed, "cross_view", fold=1)
    with pytest.raises(InputError, match=r"'mine'.*nucla"):
        split(pack([1, 2], key="mine"), "cross_view")


def test_clean_knows_twins_in_both_directions() -> None:
    packed = pack([1, 2, 1, 3, 2, 1])  # twins: 0, 2, 5 and 1, 4
    for train, test, expected in (
        ([0, 1], [2, 3, 4, 5], [False, True, False, False]),
        ([2, 4], [0, 1, 3, 5], [False, False, True, False]),  # the earlier one tests
        ([5], [2, 0, 3, 1], [False, False, True, True]),
        ([3], [0, 2, 5], [True, True, True]),  # twins within one side do no harm
    ):
        mask = clean(packed.subset(train), packed.subset(test))
        assert mask.dtype == bool
        assert mask.tolist() == expected
    with pytest.raises(InputError, match="contents"):
        clean(packed, pack([1, 2]))


def test_holdout_splits_by_subjects() -> None:
    packed = pack(list(range(1, 11)), subject=[1, 1, 1, 2, 2, 2, 3, 3, 5, 5])
    stay, held = holdout(packed)
    assert_partition((stay, held), 10)
    assert set(packed.subject[held]) == {5}
    assert set(packed.subject[holdout(packed, fraction=0.4)[1]]) == {3, 5}
    assert set(packed.subject[holdout(packed, fraction=0.99)[0]]) == {1}
    stay, held = holdout(packed, subjects=[2])
    assert held.tolist() == [3, 4, 5]
    assert_partition((stay, held), 10)
    for subjects, fraction in (([4], 0.2), ([], 0.2), ([1, 2, 3, 5], 0.2), (None, 1)):
        with pytest.raises(InputError):
            holdout(packed, subjects, fraction)
    with pytest.raises(InputError):
        holdout(pack([1, 2]))


def test_load_synthetic() -> None:
    train, test = data.load("synthetic")
    assert (len(train), len(test)) == (384, 192)
    assert set(train.view) == {1, 2}
    assert set(test.view) == {3}
    assert np.shares_memory(train.joints, test.joints)
    train, test = data.load("synthetic", "cross_subject")
    assert (len(train), len(test)) == (288, 288)
    assert set(train.subject) == {1, 3, 5, 7}
    assert clean(train, test).all()
    stay, held = holdout(train)
    assert not set(train.subject[stay]) & set(train.subject[held])


def test_load_from_a_folder(tmp_path: Path, monkeypatch) -> None:
    packed = pack([1, 2, 3], view=[1, 2, 3])
    packed.save(data.packed_path("nucla", tmp_path))
    train, test = data.load("nucla", root=tmp_path)
    assert (train.index.tolist(), test.index.tolist()) == ([0, 1], [2])
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path))
    assert len(data.load("nucla", "cross_view")[0]) == 2


def test_load_says_what_is_missing(tmp_path: Path, root: Path, monkeypatch) -> None:
    command = r"python -m skellib prepare sbu --source PATH"
    with pytest.raises(InputError, match=rf"sbu\.npz: no such file.*{command}"):
        data.load("sbu", root=tmp_path)
    with pytest.raises(InputError, match=r"'nuclear'.*synthetic, nucla"):
        data.load("nuclear", root=tmp_path)
    with pytest.raises(InputError, match=r"'cross_see'"):
        data.load("synthetic", "cross_see")
    pack([1, 2], key="utd_mhad").save(tmp_path / "nucla.npz")
    with pytest.raises(InputError, match=r"nucla\.npz: field 'key'.*'utd_mhad'"):
        data.load("nucla", root=tmp_path)
    monkeypatch.delenv("SKELLIB_DATA", raising=False)
    expected = root / "data" / "packed" / "nucla.npz"
    assert data.packed_path("nucla") == expected


def test_every_data_set_has_a_protocol() -> None:
    keys = {synthetic.KEY, nucla.KEY, utd_mhad.KEY, sbu.KEY}
    assert set(PROTOCOLS) == keys == {synthetic.KEY, *data.READERS}


def test_published_counts_of_nucla(shared: Path) -> None:
    packed = nucla.read(shared / "nucla.npz")
    train, test = split(packed, "cross_view")
    assert (len(packed), len(train), len(test)) == (1484, 1020, 464)
    mask = clean(packed.subset(train), packed.subset(test))
    assert mask.sum() == 369
    twins = packed.subset(test[~mask])
    assert {packed.classes[label] for label in twins.label} == {
        "pick up with two hands",
        "drop trash",
    }
    assert np.array_equal(packed.duplicate_of[test] == -1, mask)


def test_published_counts_of_utd_mhad(shared: Path) -> None:
    packed = utd_mhad.read(shared / "utd_mhad.npz")
    train, test = split(packed, "cross_subject")
    assert (len(train), len(test)) == (431, 430)
    assert clean(packed.subset(train), packed.subset(test)).all()


def test_published_folds_of_sbu(shared: Path) -> None:
    packed = sbu.read(shared / "sbu_kinect.npz")
    parts = [split(packed, "five_fold", fold) for fold in range(5)]
    for train, test in parts:
        assert_partition((train, test), 282)
    assert_partition(tuple(test for _, test in parts), 282)
