"""Test records: writing and reading them; refusal of invalid files."""

from __future__ import annotations

import json

import pytest

from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.records import Epoch, Metrics, RecordStore, RunRecord, read_record


def make_record(seed=0, **changes):
    experiment = final_model("synthetic", "quick").replace(**changes)
    metrics = Metrics(
        clips=4,
        loss=0.5,
        top1=0.75,
        top5=1.0,
        per_class=[1.0, 0.5, None],
        confusion=[[2, 0, 0], [1, 1, 0], [0, 0, 0]],
    )
    return RunRecord(
        key=experiment.key,
        experiment=experiment,
        seed=seed,
        test=metrics,
        clean=None,
        history=[Epoch(epoch=1, learning_rate=0.001, loss=1.0, top1=0.5)],
        seconds=1.5,
        peak_memory=1000,
        parameters=10,
        execution={"precision": "32-true"},
        data={"key": "synthetic"},
        stamp={"commit": None, "clean": None},
    )


def test_round_trip(tmp_path):
    store, record = RecordStore(tmp_path), make_record()
    path = store.put(record)
    assert path.name == f"{record.key}-seed0.json"
    assert store.get(record.experiment, 0) == record
    assert list(store) == [record]
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary files


def test_rows_of_numbers_stay_on_one_line(tmp_path):
    text = RecordStore(tmp_path).put(make_record()).read_text()
    assert '"per_class": [1.0, 0.5, null]' in text
    assert "[1, 1, 0]" in text


def test_records_of_an_experiment_by_seed(tmp_path):
    store = RecordStore(tmp_path)
    for seed in (10, 2, 0):
        store.put(make_record(seed))
    store.put(make_record(0, **{"loss.gamma": 1}))
    found = store.of(make_record().experiment)
    assert [record.seed for record in found] == [0, 2, 10]
    assert store.get(make_record().experiment, 1) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"top1": 0.75', '"top1": 7.5'),
        lambda text: text.replace('"seed": 0', '"seed": 0, "lucky": true'),
        lambda text: text.replace('"loss": 0.5', '"loss": "low"'),
    ],
)
def test_a_spoilt_record_is_refused_by_name(tmp_path, spoil):
    store = RecordStore(tmp_path)
    path = store.put(make_record())
    spoilt = spoil(path.read_text())
    assert spoilt != path.read_text()
    path.write_text(spoilt)
    with pytest.raises(InputError, match="not a run record") as caught:
        store.get(make_record().experiment, 0)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="not a run record"):
        read_record(path)


def test_a_key_that_is_not_its_experiments(tmp_path):
    path = RecordStore(tmp_path).put(make_record())
    content = json.loads(path.read_text())
    content["experiment"]["loss"]["gamma"] = 1.0
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="is not that of its experiment"):
        read_record(path)


def test_a_record_under_another_runs_name(tmp_path):
    store = RecordStore(tmp_path)
    path = store.put(make_record(seed=0))
    path.rename(store.path(make_record().experiment, 1))
    for look in (lambda: store.get(make_record().experiment, 1), lambda: list(store)):
        with pytest.raises(InputError, match="holds another run"):
            look()


def test_another_version(tmp_path):
    path = RecordStore(tmp_path).put(make_record())
    path.write_text(path.read_text().replace('"version": 2', '"version": 99'))
    with pytest.raises(InputError, match="version 99, expected 2"):
        read_record(path)
