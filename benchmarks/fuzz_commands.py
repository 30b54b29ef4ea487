"""Give every command odd options, values and files, and look for a traceback.

    python -m benchmarks.fuzz_commands --calls 2000

Commands and options are those that ``python -m skellib --help`` lists. Each call runs
in this process; it must end with a known exit status, and say why it failed in one
line, or in one line for each clip of ``predict``. Notebooks, batches of runs and
further processes are replaced by nothing. Calls are drawn from ``--seed``, so that a
failure can be had again.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints
from unittest import mock

import numpy as np
import torch
import typer

from skellib.__main__ import app, main
from skellib.cli import failures
from skellib.data import synthetic
from skellib.experiment import Experiment
from skellib.provenance import stamp
from skellib.readers import interchange

RESULTS = Path(__file__).parent / "results" / "fuzz_commands.json"
STATUSES = (0, failures.TASK_FAILED, failures.BAD_INPUT)
SECONDS = 60  # a call that takes longer counts as a hang, on a busy machine too
LINES = 60  # of one failing `predict` of a folder

TINY = ["--set=training.epochs=1", "--set=preprocessing.frames=8"]
TINY += ["--set=model.channels=(4,4)", "--set=model.new_joints=6"]
TINY += ["--set=model.slnl_blocks=1", "--set=model.coordinate_systems=2"]
ALWAYS = {
    "train": [*TINY, "--accelerator=cpu"],
    "evaluate": TINY,
    "prepare": ["--workers=1"],
    "card": ["--no-compare"],
    "duplicates": ["--no-compare"],
    "queue": ["--tables=V", "--seeds=1"],
}
"""Options that every call of a command has, so that it ends soon."""
NEVER = {"devices", "nodes", "workers", "compile", "compare", "help"}
"""Options that are not tried: they start processes, or take long."""
NUMBERS = ["-1", "0", "1", "2", "3", "1e3", "10000000000000000000000", "x", "", "1.5"]
VALUES = [
    *"0 1 -1 2 0.5 1.5 None True nan inf 1e309 x".split(),
    "",
    *"(1,2) () [] {} 'a' none all 10**9 (4,4) (4,4,4) 3 4 't' ('t',)".split(),
    *"('x','y') spatio_temporal cross_entropy \ud800".split(),
]
WORDS = [
    "",
    *"x synthetic mine nucla ntu custom ../up".split(),
    "a b",
    *"é V XI fig9 quick laptop full cross_subject cross_view given given.x".split(),
    *"random float16 int8 text csv json pyskl stgcn ctrgcn body25 ntu25".split(),
    *"16-mixed bf16-mixed cpu cuda tpu 01 frequency embedding rotation - --".split(),
    "a" * 300,
    *"IV SLnL-rFA+ML".split(),
]
SENSIBLE: dict[str, list[str]] = {
    "dataset": ["mine", "synthetic"],
    "datasets": ["mine", "synthetic"],
    "name": ["mine", "synthetic"],
    "protocol": ["random", "cross_subject", "given"],
    "profile": ["quick", "laptop", "full"],
    "form": ["text", "csv", "json", "ctrgcn", "pyskl", "stgcn"],
    "layout": ["kinect20", "body25"],
    "kind": ["frequency", "embedding", "rotation"],
    "table": ["IV", "V"],
    "tables": ["IV", "V"],
    "number": ["IV", "V", "fig9"],
    "precision": ["32-true", "bf16-mixed", "16-mixed"],
    "fold": ["0"],
    "seed": ["0", "1"],
}
"""Values that take a command further, by the name of the option."""


def places(top: Path) -> list[str]:
    """Return paths of files of all kinds, and of none, below a folder."""
    root = top / "root"
    small = _small()
    small.save(root / "data" / "packed" / "mine.npz")
    status, err = call(["train", "--dataset=mine", *ALWAYS["train"]])
    assert status == 0, err
    files = top / "files"
    files.mkdir()
    for form, name in (("ctrgcn", "c.npz"), ("pyskl", "p.pkl"), ("stgcn", "st")):
        interchange.write(small, files / name, form, "random")
    (files / "empty.csv").touch()
    (files / "text.txt").write_text("hello\n")
    (files / "picture.npy").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    np.save(files / "clip.npy", small.clip(0))
    np.save(files / "names.npy", np.array(["a", "b"]))
    (files / "half.npz").write_bytes((files / "c.npz").read_bytes()[:300])
    (files / "list.json").write_text("[1, 2]")
    (files / "layout.json").write_text('{"joints": ["a"], "bones": []}')
    (files / "no-zip.zip").write_text("hello")
    (files / "clips.csv").write_text("file,label\nempty.csv,a\nnone.csv,b\n")
    (files / "link").symlink_to(files / "nowhere")
    os.mkfifo(files / "pipe")
    found = sorted(str(path) for path in [*files.rglob("*"), files])
    trained = [
        each for each in sorted(root.rglob("*")) if each.suffix or "mine" in str(each)
    ]
    return [
        *found,
        *map(str, trained),
        *("", ".", "/dev/null", "nowhere", str(top / "new" / "folder")),
        *(str(files / "text.txt" / "below"), str(top / ("n" * 300)), "é\udcff"),
    ]


def _small() -> Any:
    """Make two clips of each of two classes under another name."""
    from dataclasses import replace

    whole = synthetic.generate()
    chosen = [i for k in (0, 1) for i in np.flatnonzero(whole.label == k)[:4]]
    few = replace(whole.subset(chosen), key="mine", classes=("a", "b"))
    return type(few).from_clips(
        [few.clip(i) for i in range(len(few))],
        **{name: getattr(few, name) for name in ("label", "subject", "view", "name")},
        layout=few.layout,
        classes=few.classes,
        key="mine",
        source="made for this",
    )


def settings() -> list[str]:
    """Return the names of all settings, and some that are none."""
    found = ["", "x", "model", "model.x", "fold", "dataset", "protocol", "profile"]
    for section, values in Experiment.defaults().items():
        if isinstance(values, dict):
            found += [f"{section}.{name}" for name in values]
    return found


def command_line(
    rng: random.Random, commands: dict[str, Any], paths: list[str]
) -> list[str]:
    """Draw a command with some of its options, some of them odd."""
    name = rng.choice([*commands, *("train", "predict", "prepare") * 2])
    words = [name, *ALWAYS.get(name, [])]
    kinds = get_type_hints(commands[name].callback)
    for parameter in commands[name].params:
        if parameter.name in NEVER:
            continue
        chance = 0.9 if parameter.required else 0.25
        while rng.random() < chance:
            words += _words(rng, parameter, str(kinds[parameter.name]), paths)
            chance = 0.3 if parameter.multiple or parameter.nargs != 1 else 0
    if rng.random() < 0.03:
        words.insert(rng.randrange(len(words) + 1), rng.choice(WORDS))
    return words


def _words(
    rng: random.Random, parameter: Any, kind: str, paths: list[str]
) -> list[str]:
    """Draw an option with a value, or an argument."""
    endings = {"checkpoint": ".safetensors", "clips": "clip.npy"}
    sensible = SENSIBLE | {
        name: [path for path in paths if path.endswith(ending)]
        for name, ending in endings.items()
    }
    option = next((o for o in parameter.opts if o.startswith("--")), None)
    if option and getattr(parameter, "is_flag", False):
        return [rng.choice([*parameter.opts, *parameter.secondary_opts])]
    if parameter.name == "settings":
        value = f"{rng.choice(settings())}={rng.choice(VALUES)}"
    elif rng.random() < 0.75 and parameter.name in sensible:
        value = rng.choice(sensible[parameter.name])
    elif rng.random() < 0.1:
        value = rng.choice([*WORDS, *NUMBERS, *paths])
    elif "Path" in kind:
        value = rng.choice(paths)
    elif "int" in kind or "float" in kind:
        value = rng.choice(NUMBERS)
    else:
        value = rng.choice([*WORDS, *WORDS, *paths])
    if option is None:
        return [value]
    return [f"{option}={value}"] if rng.random() < 0.8 else [option, value]


@contextlib.contextmanager
def confined(top: Path) -> Iterator[None]:
    """Work in a folder of its own, without further processes or notebooks."""
    before = Path.cwd()
    (top / "work").mkdir()
    nothing: Callable[..., Any] = lambda *_, **__: []  # noqa: E731
    where = {"SKELLIB_ROOT": str(top / "root"), "SKELLIB_COMMIT": "0" * 12}
    with (
        mock.patch.dict(os.environ, where),
        mock.patch("skellib.reproduction.reproduce.execute_all", nothing),
        mock.patch("skellib.reproduction.reproduce.ensure_records", nothing),
        mock.patch("skellib.reproduction.execute.run_within_budget", nothing),
        mock.patch("tempfile.tempdir", str(top)),
        mock.patch("webbrowser.open", return_value=True),
    ):
        os.chdir(top / "work")
        try:
            yield
        finally:
            os.chdir(before)


_TERMINAL = sys.stderr


class _Hang(BaseException):
    """A call that took too long."""


def _alarm(*_: object) -> None:
    raise _Hang


def call(words: list[str]) -> tuple[int | str, str]:
    """Run a command; return its status or the name of an exception, and its errors."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    status: int | str = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            signal.alarm(SECONDS)
            faulthandler.dump_traceback_later(2 * SECONDS, exit=True, file=_TERMINAL)
            main(words)
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 1
        except BaseException as error:
            status = type(error).__name__
            traceback.print_exc()
        finally:
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()
        err.flush()
    return status, err.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]


def fault_in(words: list[str], status: int | str, err: str) -> str | None:
    """Return what is wrong with the end of a command, or None."""
    if status not in STATUSES:
        return f"status {status}"
    lines = [line for line in err.splitlines() if "Warning" not in line]
    if status == 0:
        return None
    most = LINES if words[0] == "predict" else 1
    own = [line for line in lines if line.startswith("skellib: ")]
    if not 1 <= len(own) <= most and "status" not in words:
        return f"{len(own)} lines"
    return "a traceback" if "Traceback" in err else None


def run(calls: int, seed: int) -> dict[str, Any]:
    """Make calls, and return how they ended."""
    rng = random.Random(seed)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    ends: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    slowest = (0.0, "")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    handler = signal.signal(signal.SIGALRM, _alarm)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, confined(Path(folder)):
        paths = places(Path(folder))
        for _ in range(calls):
            words = command_line(rng, commands, paths)
            start = time.perf_counter()
            status, err = call(words)
            slowest = max(slowest, (time.perf_counter() - start, words[0]))
            ends[f"{words[0]} {status}"] += 1
            fault = fault_in(words, status, err)
            if fault:
                report = "".join(
                    path.read_text() for path in Path(folder).glob("skellib-error-*")
                )
                faults.append({"fault": fault, "words": words, "err": err + report})
            for path in Path(folder).glob("skellib-error-*"):
                path.unlink()
    torch.set_num_threads(threads)
    signal.signal(signal.SIGALRM, handler)
    return {
        "calls": calls,
        "seed": seed,
        "seconds": round(time.perf_counter() - began),
        "faults": len(faults),
        "slowest": [round(slowest[0], 2), slowest[1]],
        "ends": dict(sorted(ends.items())),
        "found": faults,
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the result")
    options = parser.parse_args()
    result = run(options.calls, options.seed)
    found = result.pop("found")
    for each in found:
        print(each["fault"], each["words"])
        print(each["err"][-1500:], end="\n\n")
    print(json.dumps(result, indent=1))
    if options.keep and not found:
        RESULTS.write_text(json.dumps({**result, "stamp": stamp()}, indent=1) + "\n")


if __name__ == "__main__":
    _main()
