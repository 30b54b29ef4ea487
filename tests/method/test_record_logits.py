"""Test records of version 2: logits, the best epoch, and their data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from skellib import training
from skellib.data import load, synthetic, without_leakage
from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.records import Epoch, RecordStore, RunRecord, TestLogits, read_record
from skellib.training import Execution, train
from tests.method.test_records import make_record

TINY = final_model("synthetic", "quick", "cross_subject").replace(
    **{
        "training.epochs": 2,
        "preprocessing.frames": 8,
        "model.channels": (4, 4, 4, 4, 6, 6),
        "model.new_joints": 8,
    }
)


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic", "cross_subject")
    return train_set.subset(range(0, len(train_set), 12)), test_set.subset(range(24))


def run(data, folder, **options):
    return train(
        TINY,
        0,
        *data,
        store=RecordStore(folder / "records"),
        checkpoints=folder / "checkpoints",
        execution=Execution(accelerator="cpu", threads=1, evaluate_every=1),
        progress=False,
        **options,
    )


def test_a_records_logits_give_its_accuracy_again(data, tmp_path) -> None:
    run(data, tmp_path)
    (record,) = RecordStore(tmp_path / "records")
    assert record.test_logits is not None and record.version == 2
    assert record.test_logits.array().shape == (24, data[1].num_classes)
    assert record.test_logits.accuracy() == record.test.top1
    assert record.test_logits.label == data[1].label.tolist()
    leaked = np.flatnonzero(~without_leakage(*data)).tolist()
    assert record.test_logits.leaked == leaked
    if record.clean:
        assert record.test_logits.accuracy(clean=True) == record.clean.top1


def test_logits_under_their_former_name_are_read(data, tmp_path) -> None:
    run(data, tmp_path)
    (path,) = tmp_path.glob("records/*/*.json")
    record = read_record(path)
    path.write_text(path.read_text().replace('"test_logits"', '"answers"'))
    assert read_record(path) == record and record.test_logits is not None


@given(
    arrays(np.float32, (5, 4), elements=st.floats(-50, 50, width=32)),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
def test_half_precision_keeps_the_first_place(logits, label) -> None:
    order = np.sort(logits, axis=1)
    logits[:, 0] += np.float32(1e-3) * (order[:, -1] == order[:, -2])  # no ties
    kept_logits = TestLogits.of(logits, np.array(label), np.zeros(5, bool))
    kept = kept_logits.array()
    assert (kept.max(1) == 0).all()
    first = logits.argmax(1)
    assert (kept[np.arange(5), first] == 0).all()
    lowered = logits - logits.max(1, keepdims=True)
    np.testing.assert_allclose(kept, lowered, rtol=2**-10, atol=1e-7)


def test_logits_that_do_not_fit_the_labels_are_refused() -> None:
    kept_logits = TestLogits.of(np.eye(3), np.arange(3), np.zeros(3, bool))
    with pytest.raises(ValidationError, match="one value per class for each label"):
        TestLogits(**{**kept_logits.model_dump(), "label": [0, 1]})


def test_the_best_epoch_is_named_as_what_it_is() -> None:
    tops = (0.5, 0.75, 0.75, None, 0.25)
    history = [
        Epoch(epoch=i + 1, learning_rate=0.1, loss=1.0, top1=0.5, test_top1=top)
        for i, top in enumerate(tops)
    ]
    record = make_record().model_copy(update={"history": history})
    assert record.best == (2, 0.75, 4)  # the first of two; four evaluations
    assert make_record().best is None


def test_other_data_under_the_same_name_are_not_taken_for_the_recorded(
    data, tmp_path
) -> None:
    done = run(data, tmp_path)
    assert run(data, tmp_path) == done
    whole = synthetic.generate(seed=1)
    other = whole.subset(range(0, 300, 12)), whole.subset(range(300, 324))
    with pytest.raises(InputError, match="recorded with other data.*--anew"):
        run(other, tmp_path)
    again = run(other, tmp_path, anew=True)
    assert again.data["fingerprint"] == other[0].fingerprint
    assert list(RecordStore(tmp_path / "records")) == [again]
    (kept,) = (tmp_path / "records").glob("*/*.replaced")
    assert RunRecord.model_validate_json(kept.read_text()) == done


def test_a_part_of_the_data_is_not_taken_for_all_of_it(data, tmp_path) -> None:
    run(data, tmp_path)
    part = data[0].subset(range(len(data[0]) - 1)), data[1]
    with pytest.raises(InputError, match="recorded with other data.*train_clips"):
        run(part, tmp_path)


def test_clips_of_another_data_set_are_refused(data, tmp_path) -> None:
    with pytest.raises(InputError, match="is for data set 'nucla'.*of 'synthetic'"):
        train(
            final_model("nucla", "quick"), 0, *data, store=RecordStore(tmp_path / "x")
        )


def test_training_clips_of_one_class_are_refused_before_training(
    data, tmp_path
) -> None:
    train_set, test_set = data
    one = train_set.subset(train_set.label == train_set.label[0])
    with pytest.raises(InputError, match="synthetic: the training clips are of one cl"):
        run((one, test_set), tmp_path)
    assert not any(tmp_path.iterdir())


def test_an_interrupted_run_anew_is_resumed_without_it(
    data, tmp_path, monkeypatch
) -> None:
    run(data, tmp_path)
    seen = []

    def stop(*arguments):
        seen.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_reporter", lambda *_: stop)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path, anew=True)
    assert not list(RecordStore(tmp_path / "records"))
    monkeypatch.undo()
    record = run(data, tmp_path)
    assert len(record.history) == TINY.training.epochs and len(seen) == 1


def test_a_record_of_another_version_is_told_from_a_broken_one(tmp_path) -> None:
    path = RecordStore(tmp_path).put(make_record())
    values = json.loads(path.read_text())
    values["version"] = values.pop("version") + 5  # now the last key
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="a record of version 7, expected 2"):
        read_record(path)


def test_a_folder_that_cannot_be_written_is_refused_before_training(
    data, tmp_path
) -> None:
    (tmp_path / "records").write_text("a file, not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        run(data, tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_the_device_may_be_shared(data, tmp_path) -> None:
    record = train(
        TINY,
        1,
        *data,
        store=RecordStore(tmp_path / "records"),
        checkpoints=tmp_path / "checkpoints",
        execution=Execution(accelerator="cpu", threads=1, concurrent_runs=3),
        progress=False,
    )
    path = RecordStore(tmp_path / "records").path(TINY, 1)
    assert read_record(path).execution["concurrent_runs"] == 3
    assert record.execution["concurrent_runs"] == 3
