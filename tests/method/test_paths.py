"""Test paths: one root folder, and files that are written atomically."""

from __future__ import annotations

from pathlib import Path

import pytest

from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.paths import (
    atomic_write,
    data_folder,
    packed_path,
    project_root,
    write_errors,
    write_text,
)
from skellib.records import RecordStore
from skellib.weights import released_weights_path, weights_path


@pytest.fixture
def root(monkeypatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    monkeypatch.delenv("SKELLIB_DATA", raising=False)
    return tmp_path


def test_one_variable_moves_every_folder(root: Path) -> None:
    e = final_model("nucla")
    found = [
        packed_path("nucla"),
        RecordStore().path(e, 0),
        weights_path(e, 0),
        released_weights_path(e, 0),
        data_folder("exhibits"),
        data_folder("cards"),
    ]
    assert project_root() == root
    assert all(path.is_relative_to(root / "data") for path in found)
    assert packed_path("nucla") == root / "data" / "packed" / "nucla.npz"


def test_packed_data_may_be_elsewhere(root: Path, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path / "far"))
    assert packed_path("nucla") == tmp_path / "far" / "nucla.npz"
    assert packed_path("nucla", tmp_path / "near").parent == tmp_path / "near"


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a b", "ä"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(InputError, match="a name may contain letters, digits"):
        packed_path(name)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def break_off() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failing = write_errors(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"a\.txt: cannot be written"), failing:
        (tmp_path / "file" / "a.txt").write_text("")
