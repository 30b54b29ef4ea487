"""Test the conversion of the first edition's files: nothing is lost."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.migration import FINGERPRINTS, migrate, upgrade_experiment, upgrade_record
from skellib.records import RecordStore, read_record

GOLDEN = Path(__file__).parent / "golden"
OLD = GOLDEN / "048f370e2e4dc893-seed0.json"
ROOT = Path(__file__).parents[2]


def leaves(value: object) -> list[object]:
    """Return all numbers and strings of a JSON document, in order."""
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


@pytest.fixture
def old() -> dict:
    return json.loads(OLD.read_text())


def test_a_record_keeps_every_value(old) -> None:
    new = json.loads(upgrade_record(old, concurrent_runs=2).model_dump_json())
    for name in ("seed", "test", "clean", "history", "seconds", "peak_memory"):
        assert new[name] == old[name]
    now = FINGERPRINTS[old["data"]["fingerprint"]]
    assert new["data"] == {**old["data"], "fingerprint": now}
    assert (new["former_key"], new["version"]) == (old["key"], 2)
    assert new["execution"] == {**old["execution"], "concurrent_runs": 2}
    for section in ("preprocessing", "model", "loss", "training"):
        values = leaves(old["experiment"][section])
        assert all(value in leaves(new["experiment"][section]) for value in values)
    assert new["experiment"]["training"]["draws"] == "sequential"
    assert new["test_logits"] is None


def test_former_names_and_the_former_profile(old) -> None:
    old["experiment"]["profile"] = "paper"
    experiment = upgrade_experiment(old["experiment"])
    assert experiment.profile == "full"
    assert experiment.preprocessing.crop_ratio == (0.5, 1.0)
    assert experiment.model.channels == (16, 16, 32, 32, 64, 64)


def test_a_folder_is_converted_once(tmp_path) -> None:
    folder = tmp_path / "nucla"
    folder.mkdir()
    shutil.copy(OLD, folder)
    ((before, after),) = migrate([tmp_path])
    assert before == folder / OLD.name and not before.exists()
    record = read_record(after)
    assert record.former_key == "048f370e2e4dc893"
    assert list(RecordStore(tmp_path)) == [record]
    assert migrate([tmp_path]) == []


def test_a_name_that_is_taken_loses_nothing(tmp_path) -> None:
    shutil.copy(OLD, tmp_path)
    ((_, after),) = migrate([tmp_path])
    shutil.copy(OLD, tmp_path)
    with pytest.raises(InputError, match="already exists"):
        migrate([tmp_path])
    assert after.exists() and (tmp_path / OLD.name).exists()


def test_reading_an_old_record_names_the_command(tmp_path) -> None:
    shutil.copy(OLD, tmp_path)
    with pytest.raises(InputError, match=r"version 1.*python -m skellib migrate"):
        read_record(tmp_path / OLD.name)


@pytest.mark.parametrize("text", ['{"version": 1}', '{"version": 1, "key": 3}'])
def test_what_is_no_record_is_named(tmp_path, text) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.json: cannot be converted"):
        migrate([path])
    assert path.read_text() == text


def test_every_record_of_the_first_edition_is_here() -> None:
    """Compare the 297 records of commit 3ec800f and the 24 made on an H200."""
    found = {}
    for record in RecordStore(ROOT / "data" / "records"):
        if record.former_key:
            found[record.former_key, record.seed] = record
    with (GOLDEN / "first_edition.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found) == 321
    for row in rows:
        record = found[row["key"], int(row["seed"])]
        assert record.test.top1 == float(row["top1"])
        clean = record.clean and record.clean.top1
        assert clean == (float(row["clean_top1"]) if row["clean_top1"] else None)
        assert record.seconds == float(row["seconds"])
        assert record.stamp["commit"] == row["commit"]
        assert record.experiment.training.draws == "sequential"
        shared = 2 if row["device"] == "NVIDIA H200" else 1
        assert record.execution["concurrent_runs"] == shared


def test_the_final_model_of_the_first_edition_has_its_key() -> None:
    rows = {
        json.loads(path.read_text())["former_key"]: path.name
        for path in (ROOT / "data" / "records" / "nucla").glob("*-seed0.json")
    }
    first = final_model("nucla", "laptop").first_edition
    assert rows["746f5ad0048581ac"] == f"{first.key}-seed0.json"
