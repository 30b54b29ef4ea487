"""The book builds strictly, shows what was executed, and needs no network."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import yaml
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

import skellib

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "book" / "executed" / "recorded"

REPOSITORY = "https://github.com/owner/name"
RECORD = "data/records/nucla/0123-seed0.json"

STAMP = {
    "commit": "0123456789ab",
    "clean": True,
    "date": "2026-03-04T05:06:07+00:00",
    "python": "3.11.7",
    "torch": "2.13.0",
    "cuda": None,
    "device": "A processor, 2 cores",
    "skellib": "0.1.0",
    "parameters": {"profile": "quick", "seeds": 3},
    "seconds": 12.4,
    "inputs": {"code": {}, "files": {RECORD: "ca3d163bab05"}},
}


# What a browser fetches by itself from another host; links to follow are fine.
REMOTE_LOAD = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"'](?:https?:)?//"
    r"|<link\b[^>]*\bhref=[\"'](?:https?:)?//"
    r"|@import\s+(?:url\()?[\"']?(?:https?:)?//"
    r"|url\([\"']?(?:https?:)?//",
    re.I,
)


def load_extension() -> ModuleType:
    path = ROOT / "book" / "_ext" / "executed_notebooks.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


extension = load_extension()


def source_notebook() -> dict:
    """A notebook as it is kept in notebooks/."""
    return new_notebook(
        cells=[
            new_markdown_cell("# Losses\n\nOne sentence. Another.", id="title"),
            new_code_cell(
                "profile = 'laptop'", id="p", metadata={"tags": ["parameters"]}
            ),
            new_markdown_cell("The loss is $\\log p$, {eq}`eq-one`.", id="prose"),
            new_markdown_cell("$$a = b$$ (eq-one)", id="equation"),
            new_code_cell("print(profile)", id="code"),
        ]
    )


def executed_notebook() -> dict:
    """The same after papermill and `skellib.reproduction.notebooks.execute`."""
    notebook = source_notebook()
    cells = notebook.cells
    cells[2].source = "An older sentence."
    cells[1].update(execution_count=1, outputs=[])
    cells[4].execution_count = 3
    table = {"text/markdown": "| computed | table |\n| --- | --- |\n| 1 | 2 |"}
    cells[4].outputs = [
        new_output("stream", name="stdout", text="ran with quick\n"),
        new_output("display_data", data=table),
    ]
    injected = new_code_cell(
        "profile = 'quick'",
        id="injected",
        metadata={"tags": ["injected-parameters"]},
        execution_count=2,
    )
    cells.insert(2, injected)
    notebook.metadata.update(
        skellib=STAMP,
        kernelspec={"name": "python3", "display_name": "Python 3"},
        language_info={"name": "python", "pygments_lexer": "ipython3"},
    )
    return notebook


def test_no_directive_is_undone_by_a_backtick_in_its_first_line() -> None:
    pages = [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    for path in pages:
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"])
        assert not re.findall(r"^```\{.*`", text, re.M), path.name


# --- one page ------------------------------------------------------------------------


def test_merge_takes_prose_from_the_source_and_outputs_from_the_run() -> None:
    page = extension.merge(source_notebook(), executed_notebook())
    assert [cell["id"] for cell in page["cells"]] == [
        "title",
        "p",
        "prose",
        "equation",
        "code",
    ]
    assert "eq-one" in page["cells"][2]["source"]
    assert "hide-input" in page["cells"][1]["metadata"]["tags"]
    assert page["cells"][4]["outputs"][0]["text"] == "ran with quick\n"
    assert page["metadata"]["skellib"] == STAMP


@pytest.mark.parametrize("change", ["edit", "remove", "add"])
def test_merge_refuses_other_code(change: str) -> None:
    source = source_notebook()
    if change == "edit":
        source["cells"][4]["source"] += "  # changed"
    elif change == "remove":
        del source["cells"][4]
    else:
        source["cells"].append(new_code_cell("print(2)"))
    assert extension.merge(source, executed_notebook()) is None


def test_stamp_text_says_when_where_and_what() -> None:
    text = extension.stamp_text(STAMP)
    assert "Run on 4 March 2026 in 12 s, profile quick" in text
    assert "A processor, 2 cores" in text
    assert "PyTorch 2.13.0, skellib" in text
    assert "`seeds = 3`" in text
    assert "Commit: `0123456789ab`." in text
    assert "local changes" in extension.stamp_text({**STAMP, "clean": False})
    assert "CUDA 12.8" in extension.stamp_text({**STAMP, "cuda": "12.8"})


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (99, "99 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert f" in {text}, " in extension.stamp_text({**STAMP, "seconds": seconds})


@pytest.mark.parametrize(
    "copy", sorted(RECORDED.glob("*.ipynb")), ids=lambda path: path.stem
)
def test_recorded_copy_belongs_to_its_source(copy: Path) -> None:
    source = json.loads((ROOT / "notebooks" / copy.name).read_text("utf-8"))
    executed = json.loads(copy.read_text("utf-8"))
    assert extension.merge(source, executed), f"{copy.name}: run the notebook again"
    run = executed["metadata"]["skellib"]
    assert run["commit"]
    assert run.get("inputs", {}).get("code"), f"{copy.name}: no hashes of its inputs"
    assert str(ROOT) not in copy.read_text("utf-8")


# --- a small book, built with the real configuration --------------------------------


def small_book(folder: Path, reference: bool = False) -> Path:
    """The project's configuration, extension and style around one notebook.

    With the reference of the public names, for which the library's source is read.
    """
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    for name in ("references.bib", "provenance.md", "bibliography.md"):
        shutil.copy(ROOT / "book" / name, folder / "book" / name)
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "book" / "intro.md").write_text(
        "# Front\n\nSee {cite:t}`hu2019joint`; the sum is $1 + 1$.\n"
    )
    chapters = ["notebooks/01_losses", "book/provenance", "book/bibliography"]
    if reference:
        shutil.copytree(ROOT / "skellib", folder / "skellib")
        shutil.copytree(ROOT / "book" / "api", folder / "book" / "api")
        shutil.copy(ROOT / "book" / "api.md", folder / "book")
        pages = [folder / "book" / "api.md", *(folder / "book" / "api").iterdir()]
        for page in pages:  # the small book has none of the chapters
            text = page.read_text("utf-8")
            page.write_text(re.sub(r"\{doc\}`/notebooks/\w+`", "a chapter", text))
        chapters += ["book/api", *(f"book/api/{page.stem}" for page in pages[1:])]
    else:
        (folder / "skellib").mkdir()
        (folder / "skellib" / "__init__.py").touch()
    toc = {
        "format": "jb-book",
        "root": "book/intro",
        "parts": [
            {
                "caption": "All",
                "numbered": True,
                "chapters": [{"file": chapter} for chapter in chapters],
            }
        ],
    }
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    (folder / "notebooks").mkdir()
    nbformat.write(source_notebook(), folder / "notebooks" / "01_losses.ipynb")
    copies = folder / "book" / "executed" / "recorded"
    copies.mkdir(parents=True)
    nbformat.write(executed_notebook(), copies / "01_losses.ipynb")
    record = folder / RECORD
    record.parent.mkdir(parents=True)
    record.write_text("{}\n")
    reading = folder / "skellib" / "reproduction"
    reading.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "skellib" / "reproduction" / "freshness.py", reading)
    return folder


def build(folder: Path, executed: str = "recorded") -> subprocess.CompletedProcess:
    tool = Path(sys.executable).parent / "jupyter-book"
    return subprocess.run(
        [tool, "build", ".", "-W", "-n", "--keep-going", "-q"],
        cwd=folder,
        env={
            **os.environ,
            "SKELLIB_EXECUTED": executed,
            "SKELLIB_REPOSITORY": f"{REPOSITORY}/",
        },
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_book(tmp_path_factory.mktemp("book"), reference=True)
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


def test_page_shows_the_run(html: Path) -> None:
    page = (html / "notebooks" / "01_losses.html").read_text("utf-8")
    assert "ran with quick" in page
    assert "Run on 4 March 2026 in 12 s, profile quick" in page
    assert "An older sentence" not in page
    assert "Parameters" in page
    shown = re.sub(r"<[^>]+>", "", page)
    assert "profile = 'laptop'" in shown.replace("&#39;", "'")
    assert page.count("cell_input") < 5, "the injected cell is not shown"
    assert re.search(r"<th[^>]*><p>computed</p></th>", page), "a table of Markdown"


def test_page_links_to_the_repository_colab_and_binder(html: Path) -> None:
    page = (html / "notebooks" / "01_losses.html").read_text("utf-8")
    source = "notebooks/01_losses.ipynb"
    for link in (
        REPOSITORY,
        f"{REPOSITORY}/edit/main/{source}",
        f"{REPOSITORY}/issues/new",
        f"https://colab.research.google.com/github/owner/name/blob/colab/{source}",
        f"https://mybinder.org/v2/gh/owner/name/main?urlpath=lab/tree/{source}",
    ):
        assert f'href="{link}' in page, link


def test_the_notebook_to_download_has_its_outputs(html: Path) -> None:
    page = (html / "notebooks" / "01_losses.html").read_text("utf-8")
    assert 'href="../_sources/notebooks/01_losses.ipynb"' in page
    cells = nbformat.read(html / "_sources" / "notebooks" / "01_losses.ipynb", 4).cells
    assert cells[-1].outputs[0].text == "ran with quick\n"


def test_provenance_lists_the_run(html: Path) -> None:
    page = (html / "book" / "provenance.html").read_text("utf-8")
    row = next(r for r in page.split("<tr") if "01_losses" in r and "<td" in r)
    for text in ("4 March 2026", "quick", "12 s", "A processor", "0123456789ab"):
        assert text in row


def test_book_opens_at_index(html: Path) -> None:
    assert "book/intro.html" in (html / "index.html").read_text("utf-8")


def reference_pages() -> list[Path]:
    return sorted((ROOT / "book" / "api").glob("*.md"))


def test_every_public_name_is_on_one_page_of_the_reference() -> None:
    directive = re.compile(
        r"^\.\. autoapi(class|data|exception|function):: (.+)$", re.M
    )
    listed: dict[str, list[str]] = {}
    for page in reference_pages():
        for kind, full in directive.findall(page.read_text("utf-8")):
            module, _, name = full.rpartition(".")
            listed.setdefault(name, []).append(module)
            value = getattr(importlib.import_module(module), name)
            is_class, is_error = isinstance(value, type), kind == "exception"
            assert is_class == (kind in ("class", "exception")), full
            assert (is_class and issubclass(value, Exception)) == is_error, full
    for name in skellib.__all__:
        assert listed.pop(name) == [skellib._MODULE[name]], name
    assert set(map(tuple, listed.values())) == {("skellib.settings",)}


def test_the_first_page_of_the_reference_lists_every_public_name() -> None:
    text = (ROOT / "book" / "api.md").read_text("utf-8")
    listed = re.findall(r"^   (skellib\.[\w.]+)$", text, re.M)
    assert sorted(listed) == sorted(f"{m}.{n}" for n, m in skellib._MODULE.items())
    assert {f"/book/api/{p.stem}" for p in reference_pages()} == set(
        re.findall(r"\{doc\}`(/book/api/\w+)`", text)
    )


def test_the_reference_shows_signatures_docstrings_and_sources(html: Path) -> None:
    page = (html / "book" / "api" / "losses.html").read_text("utf-8")
    shown = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "soft_margin_focal(" in shown
    assert "gamma: float = 2.0" in shown
    assert "[source]" in shown
    settings = (html / "book" / "api" / "training.html").read_text("utf-8")
    shown = " ".join(re.sub(r"<[^>]+>", "", settings).split())
    assert re.search(r"dropout \(float\) – .*? Default: 0\.2\.", shown)
    assert 'href="data.html#skellib.errors.InputError"' in settings


def test_pages_link_to_records_as_in_the_repository(html: Path) -> None:
    page = html / "notebooks"
    record = page / "../data/records/nucla/0123-seed0.json"
    assert record.read_text("utf-8") == "{}\n"


def test_mathjax_is_served_from_the_book(html: Path) -> None:
    page = (html / "book" / "intro.html").read_text("utf-8")
    script = re.search(r'<script[^>]*src="([^"]*mathjax[^"]*)"', page)[1]
    target = html / "book" / script.split("?")[0]
    assert target.resolve().is_file()
    assert target.stat().st_size > 1_000_000, "fonts are inside"


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ('<script async src="https://cdn.example/x.js"></script>', True),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', True),
        ("@import url(https://fonts.example/a.css);", True),
        ("src: url('http://fonts.example/a.woff')", True),
        ('<script src="../_static/x.js"></script>', False),
        ('<a href="https://doi.org/10.1109/TMM.2019.2953325">doi</a>', False),
    ],
)
def test_remote_loads_are_told_from_links(text: str, remote: bool) -> None:
    assert bool(REMOTE_LOAD.search(text)) is remote


def test_no_page_loads_anything_from_a_network(html: Path) -> None:
    files = [*html.rglob("*.html"), *html.rglob("*.css")]
    assert len(files) > 5
    found = {
        str(path.relative_to(html)): match[0]
        for path in files
        if (match := REMOTE_LOAD.search(path.read_text("utf-8")))
    }
    assert not found


STALE = (
    f"notebooks/01_losses is stale: since it was executed, {RECORD} has changed; run "
    "`python -m skellib reproduce --profile quick --no-train --notebooks 01_losses "
    "--out book/executed/recorded`"
)


@pytest.mark.parametrize("fault", ["missing", "changed", "stale"])
def test_strict_build_stops(tmp_path: Path, fault: str) -> None:
    folder = small_book(tmp_path)
    if fault == "missing":
        done = build(folder, executed="quick")
        message = "has no executed copy"
    elif fault == "stale":
        (folder / RECORD).write_text("{} \n")
        done = build(folder)
        message = STALE
    else:
        source = folder / "notebooks" / "01_losses.ipynb"
        source.write_text(source.read_text().replace("print(", "print(0, "))
        done = build(folder)
        message = "has changed since it was executed"
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_no_file_of_mathjax_is_kept_here() -> None:
    assert not [p for p in (ROOT / "book").rglob("*mathjax*") if p.is_file()]
