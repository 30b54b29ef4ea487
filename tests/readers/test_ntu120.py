"""NTU RGB+D 120 from its original files."""

from __future__ import annotations

from pathlib import Path

import pytest

from skellib import data, readers
from skellib.errors import InputError
from skellib.readers import ntu, ntu120
from tests.fake_raw import ntu as fake


def write(folder: Path, *names: str) -> None:
    """Write a file under each name."""
    for path, name in zip(fake.write(folder, clips=len(names), frames=(5, 9)), names):
        path.rename(folder / f"{name}.skeleton")


NAMES = (
    "S001C001P001R001A001",
    "S017C003P003R002A060",
    "S018C001P041R001A061",
    "S032C003P106R002A120",
)


def test_both_halves_are_read(tmp_path: Path) -> None:
    write(tmp_path / "raw", *NAMES)
    for listed in ("S001C002P005R002A008", "S019C001P046R001A075"):
        (tmp_path / "raw" / f"{listed}.skeleton").write_text("0\n")
        assert "one of the 535" in str(ntu120.skip_reason(listed))
    made = readers.prepare("ntu120", tmp_path / "raw", tmp_path, progress=False)
    assert (made.clips, made.bad, len(made.skipped)) == (4, 0, 2)
    packed = data.open_dataset("ntu120", tmp_path)
    assert packed.name.tolist() == list(NAMES)
    assert packed.label.tolist() == [0, 59, 60, 119]
    assert packed.subject.tolist() == [1, 3, 41, 106]
    assert packed.extras["setup"].tolist() == [1, 17, 18, 32]
    assert [packed.classes[k] for k in (59, 60, 119)] == [
        "walk apart",
        "put on headphones",
        "rock-paper-scissors",
    ]
    assert packed.joints.shape[1:] == (2, 25, 3)
    train, test = data.load("ntu120", "cross_setup", tmp_path)
    assert train.name.tolist() == list(NAMES[2:]) and len(test) == 2
    assert len(set(ntu120.CLASSES)) == 120 and ntu120.CLASSES[:60] == ntu.CLASSES


def test_under_the_name_of_the_smaller_set_only_its_clips_are_read(tmp_path) -> None:
    write(tmp_path / "raw", *NAMES)
    made = readers.prepare("ntu", tmp_path / "raw", tmp_path, progress=False)
    assert made.clips == 2
    assert {each.reason for each in made.skipped} == {
        "a clip of NTU RGB+D 120, which is prepared as ntu120"
    }


@pytest.mark.parametrize(
    "name", ["S033C001P001R001A001", "S001C001P107R001A001", "S001C001P001R001A121"]
)
def test_names_beyond_the_release(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    with pytest.raises(InputError, match=f"{name}.skeleton: field"):
        ntu120.read(tmp_path)
