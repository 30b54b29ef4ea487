"""Data of one's own on the command line: prepare, train, evaluate, predict."""

from __future__ import annotations

import csv
import json
import shlex

import numpy as np
import pytest

from skellib.__main__ import main
from skellib.data import PackedDataset
from skellib.paths import packed_path
from skellib.readers import FORMATS
from tests.fake_raw import kinetics, nucla

LAYOUT = {
    "joints": ["hips", "head", "left hand", "right hand"],
    "bones": [["hips", "head"], ["head", "left hand"], ["head", "right hand"]],
    "up": "-y",
    "dims": 2,
}
TINY = [
    "--set=training.epochs=1",
    "--set=preprocessing.frames=8",
    "--set=model.channels=(4,4,4,4,4,4)",
    "--set=model.new_joints=6",
]


def call(capfd, *arguments):
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


def write_source(folder, classes=6, subjects=2):
    """A clip of each class by each subject; returns the last one's file."""
    folder.mkdir()
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    header = [f"{joint}.{axis}" for joint in LAYOUT["joints"] for axis in "xy"]
    rng = np.random.default_rng(0)
    rows = ["file,label,subject"]
    for label in range(classes):
        for subject in range(subjects):
            path = folder / f"k{label}_{subject}.csv"
            clip = rng.normal(size=(9, 8)).round(3)
            lines = [",".join(header), *(",".join(map(str, row)) for row in clip)]
            path.write_text("\n".join(lines))
            rows.append(f"{path.name},class {label},{subject}")
    (folder / "clips.csv").write_text("\n".join(rows))
    return path


@pytest.fixture
def places(tmp_path):
    """Options that keep everything in a folder of the test's own."""
    return f"--root={tmp_path / 'packed'}", f"--checkpoints={tmp_path / 'weights'}"


@pytest.fixture
def trained(tmp_path, capfd, places):
    """A prepared data set, a network trained on it, and one of its clips."""
    clip = write_source(tmp_path / "mine")
    prepare = ["prepare", "custom", f"--source={tmp_path / 'mine'}", "--name=mine"]
    assert call(capfd, *prepare, places[0])[0] == 0
    train = ["train", "--dataset=mine", *TINY, *places, "--accelerator=cpu"]
    status, out, err = call(capfd, *train, f"--records={tmp_path / 'records'}")
    assert status == 0, err
    assert "mine cross_subject, profile quick" in out
    assert "6 clips train, 6 test" in out
    (weights,) = tmp_path.glob("weights/mine/*.safetensors")
    return weights, clip


def test_prepare_says_what_it_made(tmp_path, capfd, places):
    write_source(tmp_path / "mine")
    (tmp_path / "mine" / "k0_0.csv").write_text("nothing")
    prepare = ["prepare", "custom", f"--source={tmp_path / 'mine'}", "--name=mine"]
    status, out, _ = call(capfd, *prepare, places[0])
    assert status == 0
    assert "skipped: " in out and "k0_0.csv" in out
    assert "11 clips, 99 frames, 6 classes, 1 body of 4 joints" in out
    assert (tmp_path / "packed" / "mine.skipped.txt").is_file()
    packed = PackedDataset.open(packed_path("mine", tmp_path / "packed"))
    assert packed.layout.pairs == ((2, 3),)
    status, _, err = call(capfd, *prepare, places[0], "--strict")
    assert status == 2 and "k0_0.csv: line 1: column" in err
    assert err.count("\n") == 1


def test_prepare_says_what_its_owner_should_know(tmp_path, capfd, places):
    write_source(tmp_path / "mine")
    path = tmp_path / "mine" / "k0_0.csv"
    header, *rows = path.read_text().splitlines()
    numbered = [f"{252 + 4 * i},17,{row}" for i, row in enumerate(rows)]
    path.write_text("\n".join([f"frame,body,{header}", *numbered]))
    prepare = ["prepare", "custom", f"--source={tmp_path / 'mine'}", "--name=mine"]
    status, out, _ = call(capfd, *prepare, places[0])
    assert status == 0
    assert "\n  frames with nobody: 24 of 132 (18 %)\n" in out
    assert "\n  frame numbers skip in 1 clips" in out and "--successive" in out
    assert "\n  bodies were renumbered" in out and "1 body of 4 joints" in out
    status, out, _ = call(capfd, *prepare, places[0], "--successive")
    assert status == 0 and "skip" not in out and "12 clips, 108 frames" in out


def test_evaluate(tmp_path, capfd, places, trained):
    weights, _ = trained
    out_file = tmp_path / "report.json"
    status, out, err = call(
        capfd, "evaluate", "--dataset=mine", *TINY, *places, f"--out={out_file}"
    )
    assert (status, err) == (0, "")
    assert "% of 6 test clips" in out and " % top-5" in out
    assert out.count("% of 1\n") == 6
    report = json.loads(out_file.read_text())
    assert report["weights"] == str(weights)
    assert report["classes"] == [f"class {k}" for k in range(6)]
    assert report["test"]["clips"] == 6 and report["clean"] is None
    again = call(
        capfd, "evaluate", "--dataset=mine", f"--checkpoint={weights}", places[0]
    )
    assert again == (0, out, "")


def test_the_command_that_a_message_names_trains_what_was_asked_for(
    tmp_path, capfd, places, trained
):
    asked = ["--dataset=mine", "--protocol=random", "--seed=3", *TINY, *places]
    status, _, err = call(capfd, "evaluate", *asked)
    assert status == 2 and "no such file; train it with `python -m skellib" in err
    words = shlex.split(err.split("`")[1])[3:]
    elsewhere = [*places, f"--records={tmp_path / 'records'}", "--accelerator=cpu"]
    assert call(capfd, *words, *elsewhere)[0] == 0
    status, out, err = call(capfd, "evaluate", *asked)
    assert (status, err) == (0, "") and out.startswith("mine random, ")


def test_what_was_found_is_printed_although_a_file_cannot_be_written(
    tmp_path, capfd, places, trained
):
    (tmp_path / "file").touch()
    out = f"--out={tmp_path / 'file' / 'x.json'}"
    for command, found in {
        ("card", "mine", "--no-compare"): "12, 108 frames",
        ("duplicates", "mine", "--no-compare"): "6 training clips, 6 test clips",
        ("evaluate", "--dataset=mine", *TINY, places[1]): " % of 6 test clips",
    }.items():
        status, said, err = call(capfd, *command, places[0], out)
        assert status == 2 and found in said
        assert err.startswith("skellib: ") and "cannot be written" in err


def test_evaluate_by_another_protocol_is_remarked(capfd, places, trained):
    weights, _ = trained
    status, out, err = call(
        capfd, "evaluate", "--dataset=mine", f"--checkpoint={weights}", places[0],
        "--protocol=random",
    )  # fmt: skip
    assert status == 0 and "% of 6 test clips" in out
    assert "trained on mine, protocol cross_subject" in err


def test_weights_of_other_data_under_the_name_are_told(
    tmp_path, capfd, places, trained
):
    weights, clip = trained
    clip.write_text(clip.read_text().replace("0.", "1.", 1))
    prepare = ["prepare", "custom", f"--source={tmp_path / 'mine'}", "--name=mine"]
    assert call(capfd, *prepare, places[0])[0] == 0
    status, out, err = call(capfd, "evaluate", "--dataset=mine", *TINY, *places)
    assert (status, out) == (2, "")
    assert f"{weights}: trained on other data under the name 'mine'; train" in err
    given = f"--checkpoint={weights}"
    status, out, err = call(capfd, "evaluate", "--dataset=mine", given, places[0])
    assert status == 0 and "trained on mine with other data, protocol" in err


def test_predict(tmp_path, capfd, trained):
    weights, clip = trained
    status, out, err = call(capfd, "predict", f"--checkpoint={weights}", clip)
    assert (status, err) == (0, "")
    assert out.startswith(f"{clip}\n") and out.count(" %  class ") == 5
    values = np.loadtxt(clip, delimiter=",", skiprows=1).reshape(9, 4, 2)
    np.save(tmp_path / "clip.npy", values)
    status, out, _ = call(
        capfd, "predict", f"--checkpoint={weights}", "--format=json", clip,
        tmp_path / "clip.npy",
    )  # fmt: skip
    assert status == 0
    table, array = json.loads(out)
    assert table["clip"] == str(clip)
    assert table["probabilities"] == array["probabilities"]
    shares = list(table["probabilities"].values())
    assert len(shares) == 6 and shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)


def test_predict_reads_endings_in_any_case(tmp_path, capfd, trained):
    weights, clip = trained
    np.save(tmp_path / "clip.npy", np.ones((3, 4, 2)))
    for path in (clip, tmp_path / "clip.npy"):
        other = path.rename(path.with_suffix(path.suffix.upper()))
        status, _, err = call(capfd, "predict", f"--checkpoint={weights}", other)
        assert (status, err) == (0, "")


def test_predict_takes_rows_as_successive_frames(tmp_path, capfd, trained):
    weights, clip = trained
    header, *rows = clip.read_text().splitlines()
    numbered = [f"{4 * i},{row}" for i, row in enumerate(rows)]
    skipping = tmp_path / "skipping.csv"
    skipping.write_text("\n".join([f"frame,{header}", *numbered]))
    ask = ["predict", f"--checkpoint={weights}", "--format=json"]
    plain, taken, gaps = (
        json.loads(call(capfd, *ask, *more)[1])[0]["probabilities"]
        for more in ([clip], [skipping, "--successive"], [skipping])
    )
    assert taken == plain != gaps


def test_predict_names_bad_clips_and_answers_for_the_rest(tmp_path, capfd, trained):
    weights, clip = trained
    np.save(tmp_path / "nobody.npy", np.zeros((3, 4, 2)))
    np.save(tmp_path / "huge.npy", np.geomspace(1, 3e38, 24).reshape(3, 4, 2))
    ask = ["predict", f"--checkpoint={weights}"]
    paths = [tmp_path / name for name in ("nobody.npy", "none.npy", "huge.npy")]
    reasons = ["nobody in any frame", "no such file", "logits are not finite"]
    for form in ("text", "csv", "json"):
        status, out, err = call(capfd, *ask, f"--format={form}", *paths, clip)
        assert status == 1
        lines = err.splitlines()
        for path, reason, line in zip(paths, reasons, lines, strict=True):
            assert line.startswith(f"skellib: {path}: ") and reason in line
        assert "nan" not in out
        if form == "text":
            assert out.startswith(f"{clip}\n") and out.count(" %  class ") == 5
        elif form == "csv":
            rows = list(csv.DictReader(out.splitlines()))
            assert [row["clip"] for row in rows[:3]] == list(map(str, paths))
            assert all(f"skellib: {r['error']}" == e for r, e in zip(rows, lines))
            good = [row for row in rows if not row["error"]]
            assert [row["rank"] for row in good] == list("12345")
            assert {row["clip"] for row in good} == {str(clip)}
        else:
            *bad, good = json.loads(out)
            assert [f"skellib: {each['error']}" for each in bad] == lines
            assert [each["clip"] for each in bad] == list(map(str, paths))
            assert sum(good["probabilities"].values()) == pytest.approx(1)
    status, out, err = call(capfd, *ask, *paths)
    assert (status, out) == (2, "") and len(err.splitlines()) == 3


def test_predict_takes_a_folder(tmp_path, capfd, trained):
    weights, clip = trained
    status, out, err = call(capfd, "predict", f"--checkpoint={weights}", clip.parent)
    assert (status, err) == (0, "") and out.count(".csv\n") == 12


def test_a_clip_to_be_named_needs_no_label(tmp_path, capfd, root):
    (weights,) = (root / "data" / "weights" / "nucla").glob("*.safetensors")
    path = nucla.write(tmp_path, clips=1)[0]
    ask = ["predict", f"--checkpoint={weights}", "--format=json"]
    named = json.loads(call(capfd, *ask, path)[1])
    content = json.loads(path.read_text())
    del content["label"]
    take = tmp_path / "my take.json"
    take.write_text(json.dumps(content))
    status, out, err = call(capfd, *ask, take)
    assert (status, err) == (0, "")
    assert json.loads(out)[0]["probabilities"] == named[0]["probabilities"]
    clip = kinetics.write(tmp_path / "k", clips=1)[0]
    content = json.loads(clip.read_text())
    del content["label"], content["label_index"]
    take.write_text(json.dumps(content))
    (form,) = FORMATS["kinetics"]
    np.testing.assert_array_equal(form.read_clip(take), form.read_clip(clip))
    status, _, err = call(capfd, *ask, "--dataset=kinetics", take)
    assert status == 2 and "skeleton 'openpose18' has no 'hip centre'" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "custom", "--source={tmp}"], "a --name"),
        (["prepare", "custom", "--source={tmp}", "--name=nucla"], "another data set's"),
        (["prepare", "custom", "--source={tmp}", "--name=mine"], "--layout ntu25|"),
        (
            ["prepare", "custom", "--source={tmp}", "--name=mine", "--layout=x"],
            "layout 'x': neither a file nor one of",
        ),
        (["train", "--dataset=mine"], "prepare custom --name mine"),
        (["evaluate", "--dataset=mine"], "prepare custom --name mine"),
        (["evaluate", "--dataset=synthetic"], "safetensors: no such file; train it"),
        (["evaluate"], "--dataset"),
        (["keep", "--dataset=mine"], "train, baseline, evaluate and predict take any"),
        (["predict", "x.npy"], "--checkpoint"),
        (["predict", "--checkpoint=w.safetensors"], "Missing argument"),
        (["predict", "--checkpoint=w.safetensors", "x.npy"], "w.safetensors: no such"),
        (["predict", "--checkpoint=w", "--format=xml", "x.npy"], "--format xml: is no"),
        (
            ["predict", "--checkpoint=w", "--dataset=mine", "x.npy"],
            "--dataset mine: has no file format of its own",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path, capfd, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    monkeypatch.setenv("SKELLIB_DATA", str(tmp_path / "packed"))
    status, _, err = call(capfd, *(part.format(tmp=tmp_path) for part in arguments))
    assert status == 2
    assert message in err
    assert err.startswith("skellib: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_clip_that_does_not_fit_is_refused(tmp_path, capfd, trained):
    weights, _ = trained
    np.save(tmp_path / "clip.npy", np.zeros((3, 5, 2)))
    for name, message in (
        ("clip.npy", "not numbers (frames, bodies, 4 joints, 2 channels)"),
        ("none.npy", "no such file"),
        ("layout.json", "not a file that ends in .npy or .csv"),
    ):
        (tmp_path / "layout.json").write_text("{}")
        status, out, err = call(
            capfd, "predict", f"--checkpoint={weights}", tmp_path / name
        )
        assert (status, out) == (2, "")
        assert err.startswith(f"skellib: {tmp_path / name}: ") and message in err
        assert err.count("\n") == 1
