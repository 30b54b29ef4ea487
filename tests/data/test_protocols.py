"""Protocols: published counts, disjoint sides, duplicates across a split."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from skellib import data, paths, readers
from skellib.data import (
    PROTOCOLS,
    PackedDataset,
    folds,
    holdout,
    protocols_of,
    split,
    synthetic,
    without_leakage,
)
from skellib.data.protocols import (
    NTU120_SUBJECTS,
    NTU_SUBJECTS,
    SBU_FOLDS,
    SYSU_FOLDS,
)
from skellib.errors import InputError
from skellib.experiment import Experiment
from skellib.layouts import LAYOUTS
from skellib.readers import ntu, ntu120, nucla, sbu, utd_mhad
from skellib.readers.ntu_missing import MISSING, MISSING_120
from tests.fake_raw.ntu import all_names


def pack(values: list[float], key: str = "nucla", **fields) -> PackedDataset:
    """Pack one-frame clips; all joints of clip i are values[i]."""
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


def test_one_camera_of_the_training_views_trains_and_the_other_tests() -> None:
    packed = pack([1, 2, 3, 4, 5, 6], view=[1, 2, 3, 2, 1, 3])
    train, test = split(packed, "camera_1_2")
    assert (train.tolist(), test.tolist()) == ([0, 4], [1, 3])  # never view 3
    train, test = split(packed, "camera_2_1")
    assert (train.tolist(), test.tolist()) == ([1, 3], [0, 4])


def test_untwinned_protocols_leave_out_the_twins_of_view_3() -> None:
    # Clips 1, 2 have their twin in view 3, clips 3, 4 are twins of each other.
    packed = pack(
        [1, 2, 3, 3, 1, 2, 4, 5],
        view=[1, 2, 1, 2, 3, 3, 3, 1],
        subject=[1, 2, 1, 2, 1, 2, 1, 2],
    )
    for protocol, expected in {
        "cross_view_untwinned": ([2, 3, 7], [4, 5, 6]),
        "camera_1_2_untwinned": ([2, 7], [3]),
        "camera_2_1_untwinned": ([3], [2, 7]),
        "validation_untwinned": ([2], [3, 7]),
    }.items():
        found = tuple(side.tolist() for side in split(packed, protocol))
        assert found == expected, protocol
    # The twin may also be the earlier clip, or be outside the subset.
    assert split(packed.subset([4, 0, 2, 3]), "camera_1_2_untwinned")[0].tolist() == [2]


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
    for fold in range(folds("five_fold", "sbu")):
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
    with pytest.raises(InputError, match=r"'five_fold'.*mine.*given"):
        split(pack([1, 2], key="mine"), "five_fold")
    with pytest.raises(InputError, match=r"'mine'.*nucla"):
        data.default_protocol("mine")


def test_clean_knows_twins_in_both_directions() -> None:
    packed = pack([1, 2, 1, 3, 2, 1])  # duplicates: 0, 2, 5 and 1, 4
    for train, test, expected in (
        ([0, 1], [2, 3, 4, 5], [False, True, False, False]),
        ([2, 4], [0, 1, 3, 5], [False, False, True, False]),  # the earlier one tests
        ([5], [2, 0, 3, 1], [False, False, True, True]),
        ([3], [0, 2, 5], [True, True, True]),  # duplicates on one side do no harm
    ):
        mask = without_leakage(packed.subset(train), packed.subset(test))
        assert mask.dtype == bool
        assert mask.tolist() == expected
    with pytest.raises(InputError, match="contents"):
        without_leakage(packed, pack([1, 2]))


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
    assert without_leakage(train, test).all()
    stay, held = holdout(train)
    assert not set(train.subject[stay]) & set(train.subject[held])


def test_load_from_a_folder(tmp_path: Path, monkeypatch) -> None:
    packed = pack([1, 2, 3], view=[1, 2, 3])
    packed.save(paths.packed_path("nucla", tmp_path))
    train, test = data.load("nucla", root=tmp_path)
    assert (train.index.tolist(), test.index.tolist()) == ([0, 1], [2])
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path))
    assert len(data.load("nucla", "cross_view")[0]) == 2


def test_load_says_what_is_missing(tmp_path: Path, root: Path, monkeypatch) -> None:
    command = r"python -m skellib prepare sbu --source PATH"
    with pytest.raises(InputError, match=rf"sbu\.npz: no such file.*{command}"):
        data.load("sbu", root=tmp_path)
    with pytest.raises(InputError, match=r"'nuclear'.*synthetic, ntu"):
        data.load("nuclear", root=tmp_path)
    with pytest.raises(InputError, match=r"'cross_see'"):
        data.load("synthetic", "cross_see")
    pack([1, 2], key="utd_mhad").save(tmp_path / "nucla.npz")
    with pytest.raises(InputError, match=r"nucla\.npz: field 'key'.*'utd_mhad'"):
        data.load("nucla", root=tmp_path)
    monkeypatch.delenv("SKELLIB_DATA", raising=False)
    expected = root / "data" / "packed" / "nucla.npz"
    assert paths.packed_path("nucla") == expected


def test_every_data_set_has_a_protocol() -> None:
    assert set(PROTOCOLS) == {synthetic.KEY, *readers.READERS}


def listed(key: str, names: list[str], **facts: list[int]) -> PackedDataset:
    """Build a data set of metadata only, without joints."""
    n = len(names)
    fields = {
        field: np.array(facts.pop(field, [0] * n), dtype=np.int64)
        for field in ("label", "subject", "view")
    }
    return PackedDataset(
        joints=np.zeros((n, 1, 1, 3), dtype=np.float32),
        starts=np.arange(n),
        lengths=np.ones(n, dtype=np.int64),
        name=np.array(names),
        index=np.arange(n),
        duplicate_of=np.full(n, -1),
        extras={field: np.array(values) for field, values in facts.items()},
        layout=LAYOUTS["ntu25"],
        classes=tuple(f"class {k}" for k in range(60)),
        key=key,
        source="names alone",
        fingerprint="",
        **fields,
    )


def ntu_listed(names: list[str]) -> PackedDataset:
    """Build the metadata of NTU RGB+D clips from their names."""
    pattern = re.compile(ntu.FORMATS[0].name)
    groups = [pattern.fullmatch(name).groupdict() for name in names]
    return listed(
        "ntu",
        names,
        label=[int(each["code"]) - 1 for each in groups],
        subject=[int(each["subject"]) for each in groups],
        view=[int(each["view"]) for each in groups],
    )


def test_published_counts_of_ntu_from_its_names() -> None:
    names = all_names()
    assert len(NTU_SUBJECTS) == len(set(NTU_SUBJECTS)) == 20
    skip_reason = ntu.FORMATS[0].skip_reason
    kept = [name for name in names if skip_reason(name) is None]
    for clips, total, by_subject, by_view in (
        (names, 56_880, (40_320, 16_560), (37_920, 18_960)),
        (kept, 56_578, (40_091, 16_487), (37_646, 18_932)),
    ):
        packed = ntu_listed(clips)
        assert len(packed) == total
        train, test = split(packed, "cross_subject")
        assert (len(train), len(test)) == by_subject
        assert len(set(packed.subject[train])) == len(set(packed.subject[test])) == 20
        train, test = split(packed, "cross_view")
        assert (len(train), len(test)) == by_view
        assert set(packed.view[train]) == {2, 3} and set(packed.view[test]) == {1}
        assert_partition((train, test), total)


def test_published_counts_of_ntu_120_from_its_names() -> None:
    names = all_names() + all_names(further=True)
    assert len(NTU120_SUBJECTS) == len(set(NTU120_SUBJECTS)) == 53
    assert len(MISSING) + len(MISSING_120) == 535
    kept = [name for name in names if ntu120.skip_reason(name) is None]
    for clips, total, by_subject, by_setup in (
        (names, 114_480, (63_360, 51_120), (54_720, 59_760)),
        (kept, 113_945, (63_026, 50_919), (54_468, 59_477)),
    ):
        numbers = np.array([ntu.numbers(name) for name in clips])
        assert len(set(numbers[:, 4])) == 120 and len(set(numbers[:, 2])) == 106
        packed = listed(
            "ntu120",
            clips,
            subject=numbers[:, 2],
            view=numbers[:, 1],
            setup=numbers[:, 0],
        )
        for protocol, counts in (
            ("cross_subject", by_subject),
            ("cross_setup", by_setup),
        ):
            train, test = split(packed, protocol)
            assert (len(train), len(test)) == counts
            assert_partition((train, test), total)
    # Those of the first 60 classes are NTU RGB+D's.
    first = [name for name in kept if int(name[17:]) <= 60]
    assert first == [name for name in all_names() if ntu.skip_reason(name) is None]


# The subjects that train in the first fold: fixed for good by the seed.
HALF_OF_FOLD_0 = [
    *(3, 5, 6, 8, 12, 15, 18, 19, 20, 21),
    *(22, 23, 24, 26, 28, 32, 35, 38, 39, 40),
]


def sysu_listed(subjects: int = 40) -> PackedDataset:
    people, labels = zip(*product(range(1, subjects + 1), range(12)), strict=True)
    names = [f"actor{a}/video{b + 1}" for a, b in zip(people, labels, strict=True)]
    return listed("sysu", names, subject=list(people), label=list(labels))


def test_sysu_has_thirty_folds_of_halves() -> None:
    packed = sysu_listed()
    seen = {"cross_subject": set(), "same_subject": set()}
    trained = np.zeros(40, dtype=int)
    for protocol, fold in product(seen, range(SYSU_FOLDS)):
        train, test = split(packed, protocol, fold)
        assert_partition((train, test), 480)
        seen[protocol].add(tuple(train))
        if protocol == "cross_subject":
            sides = set(packed.subject[train]), set(packed.subject[test])
            assert list(map(len, sides)) == [20, 20] and not sides[0] & sides[1]
            trained[sorted(number - 1 for number in sides[0])] += 1
        else:
            assert np.bincount(packed.label[train]).tolist() == [20] * 12
    assert [len(each) for each in seen.values()] == [30, 30]  # no fold is another
    assert trained.min() >= 5 and trained.max() <= 25  # nobody always on one side


def test_the_halves_of_sysu_never_change() -> None:
    packed = sysu_listed()
    train, _ = split(packed, "cross_subject", fold=0)
    assert sorted(set(packed.subject[train])) == HALF_OF_FOLD_0
    shuffled = packed.subset(np.random.default_rng(0).permutation(480))
    for protocol in ("cross_subject", "same_subject"):
        whole, _ = split(packed, protocol, fold=7)
        mixed, _ = split(shuffled, protocol, fold=7)
        assert sorted(packed.name[whole]) == sorted(shuffled.name[mixed])


def test_an_odd_number_of_subjects_or_clips() -> None:
    packed = sysu_listed(subjects=5)
    train, test = split(packed, "cross_subject", fold=3)
    assert (len(train), len(test)) == (3 * 12, 2 * 12)
    train, test = split(packed, "same_subject", fold=3)
    assert np.bincount(packed.label[train]).tolist() == [3] * 12
    assert_partition((train, test), 60)


def test_kinetics_comes_in_two_parts() -> None:
    packed = listed("kinetics", ["a", "b", "c", "d"], split=[0, 1, 1, -1])
    with pytest.raises(InputError, match=r"'split': not known of every clip"):
        split(packed, "train_val")
    train, test = split(packed.subset([2, 0, 1]), "train_val")
    assert (train.tolist(), test.tolist()) == ([1], [0, 2])


def test_a_protocol_needs_to_know_what_it_goes_by() -> None:
    for key, protocol, field in (
        ("ntu", "cross_subject", "subject"),
        ("ntu", "cross_view", "view"),
        ("sysu", "cross_subject", "subject"),
        ("sbu", "five_fold", "subject"),
        ("kinetics", "train_val", "split"),
    ):
        with pytest.raises(InputError, match=rf"{key}: field '{field}': not known"):
            split(listed(key, ["a", "b"]), protocol)


def test_a_data_set_of_the_paper_that_came_split_from_elsewhere() -> None:
    packed = listed("ntu", ["a", "b", "c"], split=[1, 0, -1])
    assert protocols_of(packed) == ("cross_subject", "cross_view", "given")
    assert [side.tolist() for side in split(packed, "given")] == [[1], [0]]
    with pytest.raises(InputError, match=r"'subject': not known.*protocol 'given'"):
        split(packed, "cross_subject")
    assert protocols_of(ntu_listed(all_names()[:2])) == PROTOCOLS["ntu"]
    assert Experiment(dataset="ntu", protocol="given").protocol == "given"


def test_folds_belong_to_a_data_set() -> None:
    assert folds("cross_subject", "ntu") == 1
    assert folds("cross_subject", "sysu") == folds("same_subject", "sysu") == 30
    assert folds("five_fold", "sbu") == 5
    with pytest.raises(InputError, match=r"'same_subject': unknown for ntu"):
        folds("same_subject", "ntu")
    with pytest.raises(InputError, match=r"fold 30.*0\.\.29"):
        split(sysu_listed(), "same_subject", fold=30)


def test_published_counts_of_nucla(shared: Path) -> None:
    packed = nucla.read(shared / "nucla.npz")
    train, test = split(packed, "cross_view")
    assert (len(packed), len(train), len(test)) == (1484, 1020, 464)
    mask = without_leakage(packed.subset(train), packed.subset(test))
    assert mask.sum() == 369
    copies = packed.subset(test[~mask])
    assert {packed.classes[label] for label in copies.label} == {
        "pick up with two hands",
        "drop trash",
    }
    assert np.array_equal(packed.duplicate_of[test] == -1, mask)
    sides = {
        protocol: tuple(len(side) for side in split(packed, protocol))
        for protocol in PROTOCOLS["nucla"]
    }
    assert sides == {
        "cross_view": (1020, 464),
        "validation": (829, 191),
        "camera_1_2": (516, 504),
        "camera_2_1": (504, 516),
        "cross_view_untwinned": (1020 - 95, 464),
        "validation_untwinned": (829 - 79, 191 - 16),
        "camera_1_2_untwinned": (516, 504 - 95),
        "camera_2_1_untwinned": (504 - 95, 516),
    }
    for protocol in ("cross_view", "camera_1_2", "camera_2_1"):
        train, test = split(packed, f"{protocol}_untwinned")
        assert without_leakage(packed.subset(train), packed.subset(test)).all()


def test_published_counts_of_utd_mhad(shared: Path) -> None:
    packed = utd_mhad.read(shared / "utd_mhad.npz")
    train, test = split(packed, "cross_subject")
    assert (len(train), len(test)) == (431, 430)
    assert without_leakage(packed.subset(train), packed.subset(test)).all()


def test_published_folds_of_sbu(shared: Path) -> None:
    packed = sbu.read(shared / "sbu_kinect.npz")
    parts = [split(packed, "five_fold", fold) for fold in range(5)]
    for train, test in parts:
        assert_partition((train, test), 282)
    assert_partition(tuple(test for _, test in parts), 282)


def test_each_of_several_given_splits() -> None:
    xsub, xset = [0, 1, 0, 1], [1, 1, 0, -1]
    splits = {"split": xsub, "split.xsub": xsub, "split.xset": xset}
    mine = listed("mine", list("abcd"), label=[0, 1, 0, 1], subject=[1] * 4, **splits)
    assert protocols_of(mine) == ("given", "given.xsub", "given.xset", "random")
    assert [side.tolist() for side in split(mine, "given.xset")] == [[2], [0, 1]]
    assert [side.tolist() for side in split(mine, "given")] == [[0, 2], [1, 3]]
    with pytest.raises(InputError, match=r"'given.xview': no training.*given.xset"):
        split(mine, "given.xview")
    ntu_file = listed("ntu", list("abcd"), subject=[1] * 4, **splits)
    known = ("cross_subject", "cross_view", "given", "given.xsub", "given.xset")
    assert protocols_of(ntu_file) == known
    experiment = Experiment(dataset="ntu", protocol="given.xset")
    assert experiment.protocol == "given.xset"
    with pytest.raises(ValueError, match="protocol 'givenx' of ntu is none of"):
        Experiment(dataset="ntu", protocol="givenx")
