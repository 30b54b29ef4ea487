"""The inputs that failed in use of the first edition, where they are at hand.

Each is tested with inputs of our own, too: in this folder and in tests/readers.
"""

from __future__ import annotations

import pytest

from skellib.__main__ import main
from tests.conftest import ROOT

FIELD = ROOT.parent / "shared" / "field"
TINY = [
    "--set=training.epochs=1",
    "--set=preprocessing.frames=8",
    "--set=model.channels=(4,4)",
    "--set=model.slnl_blocks=1",
    "--set=model.new_joints=6",
    "--accelerator=cpu",
]
OWN = ["prepare", "custom", "--name=mine", "--source={field}"]
TRAIN = ["train", "--dataset=mine", *TINY]
FILE = ["prepare", "mine", "--source={field}"]
PREDICT = ["predict", "--checkpoint={weights}"]

# What to run in turn, with the status and a part of what is said.
CASES = {
    "01-stale-record/first": [
        (OWN, 0, "8 clips"),
        (TRAIN, 0, "recorded: "),
        ([*OWN[:3], "--source={field}/../second"], 0, "16 clips"),
        (TRAIN, 2, "recorded with other data"),
        ([*TRAIN, "--anew"], 0, "of 8 test clips"),
    ],
    "02-status-after-own-data": [
        (OWN, 0, ""),
        (TRAIN, 0, ""),
        (["status", "--profile=quick"], 0, "in no table: "),
    ],
    "03-predict-other-joint-order/a1_s1_t1_skeleton.mat": [
        ([*PREDICT, "--dataset=utd_mhad", "{field}"], 0, "37.3 %  drop trash"),
    ],
    "04-frame-numbers-that-skip": [
        (OWN, 0, "frames with nobody: 84 of 116 (72 %)"),
        ([*OWN, "--successive"], 0, "32 frames"),
    ],
    "05-track-ids-as-bodies": [(OWN, 0, "1 body of 4 joints")],
    "06-one-bad-clip-in-a-pickle": [
        ([*FILE[:2], f"--source={{field}}/{name}"], 0, f"left out: 1 of {clips}: ")
        for name, clips in (
            ("nan.pkl", 4),
            ("nobody.pkl", 4),
            ("total_frames_off_by_one.pkl", 4),
            ("NTU60_CS.npz", 6),
        )
    ]
    + [
        (
            [*OWN[:3], "--layout=coco17", "--source={field}/own_zero_length.npz"],
            0,
            "left out: 1 of 4: field 'lengths': 0 frames",
        )
    ],
    "07-split-names-do-not-match/x.pkl": [
        (FILE, 0, "split: 4 names have no clip: 'v0', 'v1', 'v2', 'v3'"),
        (TRAIN, 2, "choose another one: --protocol random"),
    ],
    "07-split-names-do-not-match/stgcn_val_only": [
        (FILE, 0, "split: field 'split': 0 clips train, 4 test"),
        (TRAIN, 2, "choose another one: --protocol random"),
    ],
    "08-predict-clip-without-label/my_take.json": [
        ([*PREDICT, "{field}"], 0, " %  walk around"),
    ],
    "09-one-class": [(OWN, 2, "a network needs two classes")],
    "10-loss-not-finite": [
        (OWN, 0, ""),
        (TRAIN, 2, "the loss of epoch 1 is nan"),
        ([*PREDICT, "{field}/huge.npy"], 2, "joints"),
    ],
    "11-skeleton-guessed-by-joint-count/body25.pkl": [
        (FILE, 0, "skeleton: body25, guessed from its 25 joints"),
        ([*FILE, "--layout=ntu25"], 0, "skeleton: custom ntu25 in the image, as given"),
    ],
    "11-skeleton-guessed-by-joint-count/mediapipe33.pkl": [
        (FILE, 0, "mediapipe33"),
    ],
    "12-file-not-recognised": [
        ([*FILE[:2], f"--source={{field}}/{name}"], 2, f"{name}: not recognised; ")
        for name in ("other_keys.npz", "x.pkl", "stgcn_without_labels")
    ],
    "16-names-in-another-case": [
        (["prepare", "ntu", "--source={field}", "--workers=1"], 0, "in all: 3 of 4"),
    ],
}


@pytest.mark.skipif(not FIELD.is_dir(), reason="needs the inputs beside the checkout")
@pytest.mark.parametrize("case", CASES)
def test_inputs_that_failed_in_use(case, tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    (weights,) = (ROOT / "data" / "weights" / "nucla").glob("*.safetensors")
    for words, status, said in CASES[case]:
        words = [word.format(field=FIELD / case, weights=weights) for word in words]
        with pytest.raises(SystemExit) as stopped:
            main(words)
        out, err = capfd.readouterr()
        assert stopped.value.code == status, (words, err)
        assert said in (err if status else out), words
        assert not status or err.count("\n") == 1
