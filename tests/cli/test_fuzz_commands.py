"""Odd options, values and files end in one line; many more in benchmarks."""

from __future__ import annotations

import json

from benchmarks import fuzz_commands


def test_no_command_ends_in_a_traceback() -> None:
    result = fuzz_commands.run(calls=60, seed=3)
    assert result["found"] == []
    assert sum(result["ends"].values()) == 60 and len(result["ends"]) > 10


def test_a_fault_would_be_found(monkeypatch) -> None:
    def broken(dataset, protocol, root):
        raise KeyError("x")

    monkeypatch.setattr("skellib.cli.runs.protocol_of", broken)
    status, err = fuzz_commands.call(["train"])
    assert status == 70
    assert fuzz_commands.fault_in(["train"], status, err) == "status 70"
    assert fuzz_commands.fault_in(["train"], 2, "skellib: a\nskellib: b") == "2 lines"
    assert fuzz_commands.fault_in(["predict"], 2, "skellib: a\nskellib: b") is None


def test_the_figures_are_those_of_the_run(root) -> None:
    result = json.loads(fuzz_commands.RESULTS.read_text("utf-8"))
    text = " ".join((root / "benchmarks" / "README.md").read_text("utf-8").split())
    assert f"{result['calls']:,} calls, {result['faults']} faults" in text
