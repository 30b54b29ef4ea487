"""The directive `run-times`: how long the recorded runs of a profile took."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from docutils import nodes
from docutils.parsers.rst import directives
from parsed import Parsed

HEAD = [
    "Data",
    "Network",
    "Runs",
    "Epochs",
    "Device",
    "Precision",
    "At once",
    "Seconds a run",
]


def rows(records: Iterable[dict], profile: str) -> list[list[str]]:
    """Return a row for each kind of run of a profile, the smaller networks first.

    The time is the median, and the range, of the wall time of a run. Runs at once share
    the device, so that this many of them end in that time.
    """
    kinds = defaultdict(list)
    for record in records:
        if record["experiment"]["profile"] == profile:
            execution = record["execution"]
            graphs = ", CUDA graphs" if execution.get("graphs") else ""
            kind = (
                record["experiment"]["dataset"],
                round(record["parameters"] / 1e6, 1),
                record["experiment"]["training"]["epochs"],
                record["stamp"]["device"],
                execution["precision"] + graphs,
                execution.get("concurrent_runs", 1),
            )
            kinds[kind].append(record["seconds"])
    return [
        [
            f"`{data}`",
            f"{size} M parameters",
            str(len(times)),
            str(epochs),
            device,
            precision,
            str(at_once),
            f"{median(times):.0f} ({min(times):.0f} to {max(times):.0f})",
        ]
        for (data, size, epochs, device, precision, at_once), times in sorted(
            kinds.items()
        )
    ]


class RunTimes(Parsed):
    """A table of :func:`rows`; the argument is the profile."""

    required_arguments = 1
    option_spec = {"name": directives.unchanged, "caption": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        paths = sorted(Path(self.env.app.srcdir, "data", "records").glob("*/*.json"))
        for path in paths:
            self.env.note_dependency(str(path))
        records = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
        table = [HEAD, *rows(records, self.arguments[0])]
        lines = [f"```{{list-table}} {self.options['caption']}", ":header-rows: 1"]
        lines.append(f":name: {self.options['name']}")
        for row in table:
            lines += [f"{'*' if not i else ' '} - {cell}" for i, cell in enumerate(row)]
        return self.parsed("\n".join([*lines, "```"]))


def setup(app) -> dict:
    app.add_directive("run-times", RunTimes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
