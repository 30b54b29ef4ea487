"""The paper's other data sets, from files in their own formats to a table's cell.

The commands are those that the tables and the book print. The files are imitations, and
the network of the profile quick is made smaller still.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skellib import experiment
from skellib.__main__ import main
from skellib.data import PackedDataset, load
from skellib.paths import packed_path
from skellib.records import RecordStore
from skellib.reproduction import cells, render, results, rhythm
from skellib.reproduction.plan import store_for
from tests.fake_raw import kinetics, ntu, nucla, sysu

Run = Callable[..., str]
FINAL = {"II": "SLnL-rFA+ML", "III": "SLnL-rFA+ML", "VIII": "w/ rFA"}
HERE = ["--accelerator=cpu", "--threads=1"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without data and records, where quick takes two epochs of a moment."""
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path / "packed"))
    for name, value in {
        "preprocessing.frames": 8,
        "model.channels": (4, 4, 4, 4, 4, 4),
        "model.new_joints": 6,
        "model.coordinate_systems": 2,
        "training.epochs": 2,
    }.items():
        monkeypatch.setitem(experiment._QUICK, name, value)
    return tmp_path


@pytest.fixture
def skellib(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must not fail, and give what it printed."""

    def run(*arguments: str) -> str:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        captured = capfd.readouterr()
        assert stopped.value.code == 0, captured.err
        return captured.out

    return run


def printed(skellib: Run, number: str, dataset: str) -> str:
    """A table's columns on a data set."""
    return skellib("table", number, "--profile=quick", f"--datasets={dataset}")


def prepare(skellib: Run, root: Path, dataset: str, source: Path) -> PackedDataset:
    """Prepare a data set by the command that the book prints for it."""
    book = (root / "book" / "your_gpu.md").read_text(encoding="utf-8")
    command = f".venv/bin/python -m skellib prepare {dataset} --source "
    (line, *_) = (line for line in book.splitlines() if line.startswith(command))
    words = shlex.split(line)[3:]
    words[words.index("--source") + 1] = str(source)
    out = skellib(*words, "--workers=1")
    packed = PackedDataset.open(packed_path(dataset))
    assert f"{len(packed)} clips" in out
    return packed


def fill(
    skellib: Run, root: Path, number: str, dataset: str, source: Path
) -> PackedDataset:
    """Prepare what a table says that it needs, and see that it says so no longer."""
    text = printed(skellib, number, dataset)
    needed = cells.Missing(
        f"needs {cells.DATA_ON_REQUEST[dataset]} data", cells.prepare_command(dataset)
    )
    assert str(needed) in text
    packed = prepare(skellib, root, dataset, source)
    text = printed(skellib, number, dataset)
    assert "needs" not in text
    command = f"python -m skellib reproduce --profile quick --datasets {dataset}"
    assert f"no record yet; run {command}" in text
    return packed


def train_rows(skellib: Run, number: str, dataset: str) -> list[Path]:
    """Train every row of a table on a data set; the new records."""
    asked = ["--profile=quick", f"--tables={number}", f"--datasets={dataset}"]
    out = skellib("queue", *asked, "--run", *HERE)
    paths = list(records().folder.glob("*/*.json"))
    assert f"{len(paths)} new records" in out
    return paths


def records() -> RecordStore:
    return store_for("quick")


def cells_of(number: str, column: str) -> dict[str, str]:
    """What a table's column says of the rows that are ours."""
    table = results.get_table(number)
    found = cells.column_cells(table, table.column(column), "quick", records())
    return {
        cell.label: cell.measured_text for cell in found if table.row(cell.label).ours
    }


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def test_ntu(place: Path, skellib: Run, root: Path) -> None:
    paths = ntu.write(place / "raw" / "nturgb+d_skeletons", 24, frames=(8, 20))
    (place / "raw" / "README.txt").write_text("not a clip")
    packed = fill(skellib, root, "I", "ntu", place / "raw")
    assert sorted(packed.name) == sorted(path.stem for path in paths)
    assert len(train_rows(skellib, "I", "ntu")) == 4
    protocols = set()
    for record in records():
        protocols.add(record.experiment.protocol)
        assert record.data["train_clips"] + record.data["test_clips"] == len(packed)
    assert protocols == {"cross_subject", "cross_view"}
    for column in ("NTU-CS", "NTU-CV"):
        for text in cells_of("I", column).values():
            assert text.startswith("measured, quick network (1 seed): ")
    text = printed(skellib, "I", "ntu")
    assert text.count("measured, quick network") == 4 and "paper: 95.4 %" in text


@pytest.mark.parametrize("form", ["pyskl", "stgcn", "ctrgcn"])
def test_ntu_by_way_of_another_project(
    place: Path, skellib: Run, root: Path, form: str
) -> None:
    ntu.write(place / "raw", 24, frames=(8, 20))
    prepare(skellib, root, "ntu", place / "raw")
    before = [set(side.name.tolist()) for side in load("ntu", "cross_view")]
    ending = {"pyskl": ".pkl", "ctrgcn": ".npz"}.get(form, "")
    out = place / f"exported{ending}"
    skellib(
        "export", "ntu", f"--format={form}", f"--out={out}", "--protocol=cross_view"
    )
    prepare(skellib, root, "ntu", out)
    given = load("ntu", "given")
    assert list(map(len, given)) == list(map(len, before))
    if form != "ctrgcn":  # it has no names, hence neither cameras nor subjects
        for side, names in zip(load("ntu", "cross_view"), before, strict=True):
            assert set(side.name.tolist()) == names
    train = ["train", "--dataset=ntu", "--protocol=given", "--profile=quick"]
    assert "recorded: " in skellib(*train, *HERE)


def test_kinetics(place: Path, skellib: Run, root: Path) -> None:
    kinetics.write(place / "raw")
    packed = fill(skellib, root, "VIII", "kinetics", zipped(place / "raw"))
    assert packed.joints.dtype == np.float16
    train_rows(skellib, "VIII", "kinetics")
    for number, column in (("II", "top-1"), ("II", "top-5"), ("VIII", "Kinetics")):
        assert cells_of(number, column)[FINAL[number]].startswith("measured"), column
    # The classes of Table VIII's other column are chosen before it is measured.
    text = cells_of("VIII", "Kinetics-Frequency")["w/ rFA"]
    assert text == "not run: its classes are not chosen yet"
    assert printed(skellib, "VIII", "kinetics").count("measured, quick network") == 3
    chosen = frequency_classes(packed)
    assert chosen and set(chosen) <= set(packed.label.tolist())
    assert len(chosen) >= 2 and {0, 33} & set(chosen)
    table = results.get_table("VIII")
    shown = render.as_text(
        table, "Kinetics-Frequency", records(), ("quick",), classes=chosen
    )
    assert shown["quick: measured"].str.startswith("measured").all()


def frequency_classes(packed: PackedDataset) -> list[int]:
    """The classes with a peak, the highest first."""
    ranked = rhythm.rank(packed)
    return [packed.classes.index(name) for name in ranked.index[ranked["score"] > 0]]


@pytest.mark.parametrize("protocol", ["cross_subject", "same_subject"])
def test_sysu(place: Path, skellib: Run, root: Path, protocol: str) -> None:
    sysu.write(place / "raw")
    archived = protocol == "same_subject"
    source = zipped(place / "raw") if archived else place / "raw"
    packed = fill(skellib, root, "III", "sysu", source)
    train = ["train", "--dataset=sysu", "--profile=quick", f"--protocol={protocol}"]
    for fold in (7, 29):
        out = skellib(*train, f"--fold={fold}", *HERE)
        assert "12 clips train, 12 test" in out
    assert len(packed) == 24
    column = {"cross_subject": "SYSU-CS", "same_subject": "SYSU-SS"}[protocol]
    text = cells_of("III", column)[FINAL["III"]]
    assert text.startswith("measured, quick network (2 folds): ")
    (other,) = {"SYSU-CS", "SYSU-SS"} - {column}
    assert cells_of("III", other)[FINAL["III"]].startswith("not run: no record yet")


def test_nucla_from_the_original_text(place: Path, skellib: Run, root: Path) -> None:
    nucla.write_frames(place / "text", clips=30)
    nucla.write(place / "json", clips=30)
    packed = []
    for source in (zipped(place / "text"), place / "json"):
        packed.append(prepare(skellib, root, "nucla", source))
    text, again = packed
    assert text.name.tolist() == again.name.tolist()
    for field in ("label", "subject", "view"):
        np.testing.assert_array_equal(getattr(text, field), getattr(again, field))
    assert len(train_rows(skellib, "IV", "nucla")) == 2
    for cell in cells_of("IV", "N-UCLA").values():
        assert cell.startswith("measured")
    (done, *_) = records()
    assert (done.data["train_clips"], done.data["test_clips"]) == (20, 10)
