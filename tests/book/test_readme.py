"""The README's results are those of the records."""

from __future__ import annotations

import json

import pytest

from skellib.experiment import final_model
from skellib.records import RecordStore
from skellib.reproduction import answer, baselines
from skellib.reproduction.own_tables import CHOSEN_ROTATION
from skellib.reproduction.paper_tables import TABLES
from skellib.reproduction.results import shown_records


@pytest.fixture
def rows(root):
    """Cells of the headline table: data set, model, paper, here."""
    text = (root / "README.md").read_text(encoding="utf-8")
    table = text.split("<!-- headline table -->")[1].split("<!-- end of")[0]
    lines = [line for line in table.splitlines() if line.startswith("| N-UCLA")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def expected(model, clean):
    """What the records say of a row's model."""
    if "nearest neighbour" in model:
        record = baselines.read("nucla", "cross_view")
        return f"{100 * (record.clean if clean else record.test).top1:.1f} %"
    profile = "laptop" if "`laptop`" in model else "full"
    rotation = CHOSEN_ROTATION if "rotated at random" in model else {}
    dropout = {"model.dropout": 0.0} if "without dropout" in model else {}
    experiment = final_model("nucla", profile).replace(**rotation, **dropout)
    records = shown_records(experiment, RecordStore())
    if not records:
        return "not run yet"
    scores = [(r.clean if clean else r.test).top1 for r in records]
    seeds = f"{len(records)} seed{'s' if len(records) > 1 else ''}"
    return f"{100 * sum(scores) / len(scores):.1f} % ({seeds})"


def test_headline_table(rows):
    models = dict.fromkeys(model for _, model, *_ in rows)
    asked = [(model, clean) for model in models for clean in (False, True)]
    assert [(model, "369" in place) for place, model, *_ in rows] == asked
    assert len([model for model in models if "the paper's settings" in model]) == 1
    final = TABLES["IV"].row("SLnL-rFA+ML").reported["N-UCLA"]
    for place, model, paper, here in rows:
        clean = "369" in place
        assert here == expected(model, clean), (place, model)
        is_papers = "the paper's settings" in model and not clean
        assert paper == (f"{final} %" if is_papers else "")


def test_the_figures_of_the_damaged_files_are_those_of_the_run(root):
    folder = root / "benchmarks"
    run = json.loads((folder / "results" / "fuzz_readers.json").read_text("utf-8"))
    seconds, reader = run["slowest"]
    text = " ".join((folder / "README.md").read_text("utf-8").split())
    assert (
        f"{run['inputs']:,} inputs in {run['seconds']} s; {run['faults']} faults; "
        f"slowest input {seconds:.2f} s ({reader}); most memory of a worker "
        f"{run['peak memory (MiB)']} MiB."
    ) in text


def test_the_answer_is_that_of_the_records(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    shown = text.split("<!-- answer -->\n")[1].split("\n<!-- end of answer -->")[0]
    assert shown == answer.block(RecordStore())
