"""Show each notebook page with the outputs of its executed copy.

A page is named after its source in notebooks/. Its prose and code come from there,
its outputs from book/executed/<SKELLIB_EXECUTED>/ ("recorded" by default, or the
name of a profile). A slim box under the title says when and where it ran. A copy that
is missing, whose code is not the source's, or whose records, exhibits or library have
changed since, is a warning, which the strict build turns into an error.

The directive `run-table` lists the runs of all pages. MathJax is copied from the
installed package sphinx-mathjax-offline into the book, which then needs no network, and
so are the records of the runs, which pages link to as `../data/records/...`.
"""

from __future__ import annotations

import importlib.util
import json
import os
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from types import ModuleType

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

log = logging.getLogger(__name__)

FOLDERS = ("recorded", "quick", "laptop", "full")
MATHJAX = "sphinx-mathjax-offline"
# The renderer with its fonts in one file, and the TeX packages it loads on demand.
MATHJAX_PARTS = ("tex-svg.js", "input/tex/extensions")


def merge(source: dict, executed: dict) -> dict | None:
    """The source notebook with the outputs of `executed`; None if their code differs.

    The parameters' cell is folded away; the cell that papermill injected is dropped,
    since the run stamp shows the parameters.
    """
    ran = [c for c in _code_cells(executed) if not _tagged(c, "injected-parameters")]
    cells = _code_cells(source)
    if [_text(c) for c in cells] != [_text(c) for c in ran]:
        return None
    for cell, done in zip(cells, ran, strict=True):
        cell["outputs"] = done["outputs"]
        cell["execution_count"] = done["execution_count"]
        if _tagged(cell, "parameters"):
            cell["metadata"]["tags"].append("hide-input")
            prompts = {
                f"code_prompt_{state}": "Parameters" for state in ("show", "hide")
            }
            cell["metadata"].setdefault("mystnb", {}).update(prompts)
    source["metadata"] = executed["metadata"]
    return source


def stamp_text(run: dict) -> str:
    """The box under a page's title, in MyST Markdown."""
    parameters = run.get("parameters", {})
    given = ", ".join(f"`{k} = {v!r}`" for k, v in parameters.items()) or "as written"
    profile = parameters.get("profile")
    heading = f"Run on {_day(run)} in {_duration(run)}"
    if profile:
        heading += f", profile {profile}"
    cuda = f", CUDA {run['cuda']}" if run.get("cuda") else ""
    return "\n".join(
        [
            f":::{{admonition}} {heading}",
            ":class: run-stamp dropdown",
            f"Parameters: {given}. Device: {run.get('device', 'unknown')}. "
            f"Python {run.get('python')}, PyTorch {run.get('torch')}{cuda}, "
            f"skellib {run.get('skellib')}. Commit: {_commit(run)}.",
            ":::",
        ]
    )


def show_executed(app, docname: str, source: list[str]) -> None:
    """Replace a notebook page's source by the merged notebook (Sphinx: source-read)."""
    if not docname.startswith("notebooks/"):
        return
    copy = _copy_of(app, docname)
    app.env.note_dependency(str(copy))
    if not copy.exists():
        log.warning("%s has no executed copy in %s", docname, copy.parent)
        return
    page = merge(json.loads(source[0]), json.loads(copy.read_text(encoding="utf-8")))
    if page is None:
        log.warning("%s has changed since it was executed: run it again", docname)
        return
    run = page["metadata"].get("skellib", {})
    if said := _stale(app, docname, run):
        log.warning("%s", said)
    box = {"cell_type": "markdown", "metadata": {}, "source": stamp_text(run)}
    page["cells"].insert(1, {**box, "id": "run-stamp"})
    source[0] = json.dumps(page)


class RunTable(SphinxDirective):
    """A table of every executed page: date, profile, time, device, versions, commit."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for docname in sorted(self.env.found_docs):
            copy = _copy_of(self.env.app, docname)
            if not docname.startswith("notebooks/"):
                continue
            self.env.note_dependency(str(copy))
            if copy.exists():
                notebook = json.loads(copy.read_text(encoding="utf-8"))
                rows.append(self._row(docname, notebook))
        if not rows:
            return [nodes.paragraph(text="No notebook has been executed yet.")]
        head = ["Page", "Run on", "Profile", "Time", "Device", "Versions", "Commit"]
        lines = ["```{list-table}", ":header-rows: 1", ":class: run-table", ""]
        for row in [head, *rows]:
            lines += [f"{'*' if not i else ' '} - {cell}" for i, cell in enumerate(row)]
        container = nodes.container()
        text = StringList([*lines, "```"], source=self.env.docname)
        self.state.nested_parse(text, self.content_offset, container)
        return container.children

    def _row(self, docname: str, notebook: dict) -> list[str]:
        run = notebook["metadata"].get("skellib", {})
        versions = f"Python {run.get('python')}, PyTorch {run.get('torch')}"
        return [
            f"{{doc}}`/{docname}`",
            _day(run),
            str(run.get("parameters", {}).get("profile", "")),
            _duration(run),
            str(run.get("device", "unknown")),
            versions + (f", CUDA {run['cuda']}" if run.get("cuda") else ""),
            _commit(run),
        ]


def copy_mathjax(app, error) -> None:
    """Serve MathJax from the book itself (Sphinx: build-finished)."""
    if error is not None or app.builder.format != "html":
        return
    files = metadata.files(MATHJAX) or []
    mathjax = next(f for f in files if f.name == "tex-svg.js").locate().parent
    target = Path(app.outdir, "_static", "mathjax")
    for part in MATHJAX_PARTS:
        folder = target / PurePosixPath(part).parent
        if (mathjax / part).is_dir():
            folder = target / part
        folder.mkdir(parents=True, exist_ok=True)
        copy_asset(str(mathjax / part), str(folder))


def offer_executed(app, error) -> None:
    """Let readers download notebooks with their outputs (Sphinx: build-finished)."""
    if error is not None or app.builder.format != "html":
        return
    for docname in app.env.found_docs:
        source, copy = Path(app.env.doc2path(docname)), _copy_of(app, docname)
        target = Path(app.outdir, "_sources", f"{docname}.ipynb")
        if docname.startswith("notebooks/") and copy.exists() and target.exists():
            both = (json.loads(p.read_text(encoding="utf-8")) for p in (source, copy))
            if page := merge(*both):
                target.write_text(json.dumps(page, indent=1), encoding="utf-8")


def copy_records(app, error) -> None:
    """Keep the records of the runs beside the pages (Sphinx: build-finished)."""
    records = Path(app.srcdir, "data", "records")
    if error is None and app.builder.format == "html" and records.is_dir():
        copy_asset(str(records), str(Path(app.outdir, "data", "records")))


def _stale(app, docname: str, run: dict) -> str:
    """Say what has changed since a page's notebook was executed, and how to mend it."""
    inputs, root = run.get("inputs"), Path(app.srcdir)
    if inputs is None:
        return ""
    for name in (*inputs["code"], *inputs["files"]):
        app.env.note_dependency(str(root / name))
    found = _freshness(root).changes(inputs, root)
    if not found:
        return ""
    profile = run.get("parameters", {}).get("profile", "quick")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return (
        f"{docname} is stale: since it was executed, {', '.join(found[:3])}{more}; run "
        f"`python -m skellib reproduce --profile {profile} --no-train --notebooks "
        f"{PurePosixPath(docname).name} --out {_copy_of(app, docname).parent}`"
    ).replace(f"{root}{os.sep}", "")


@cache
def _freshness(root: Path) -> ModuleType:
    """Load the library's module of that name, without its package."""
    path = root / "skellib" / "reproduction" / "freshness.py"
    spec = importlib.util.spec_from_file_location("freshness", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _copy_of(app, docname: str) -> Path:
    """Where the executed copy of a notebook page is kept."""
    name = PurePosixPath(docname).name + ".ipynb"
    return Path(app.srcdir, "book", "executed", app.config.executed_notebooks, name)


def _code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _text(cell: dict) -> str:
    return "".join(cell["source"])


def _tagged(cell: dict, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", [])


def _day(run: dict) -> str:
    if "date" not in run:
        return "an unknown day"
    day = datetime.fromisoformat(run["date"])
    return f"{day.day} {day:%B %Y}"


def _duration(run: dict) -> str:
    seconds = run.get("seconds", 0)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _commit(run: dict) -> str:
    if not run.get("commit"):
        return "none"
    return f"`{run['commit']}`" + ("" if run.get("clean") else " with local changes")


def setup(app) -> dict:
    folder = os.environ.get("SKELLIB_EXECUTED", "recorded")
    if folder not in FOLDERS:
        raise ValueError(f"SKELLIB_EXECUTED: {folder!r} is not one of {FOLDERS}")
    app.add_config_value("executed_notebooks", folder, "env", str)
    app.add_directive("run-table", RunTable)
    app.connect("source-read", show_executed)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", copy_records)
    app.connect("build-finished", offer_executed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
