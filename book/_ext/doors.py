"""Link the book to its repository, to Colab and to Binder, and say how to cite it.

The repository's address is written nowhere, since a clone cannot know where it will be
published. The environment variable SKELLIB_REPOSITORY names it, and
`.github/workflows/publish.yml` sets that. Without it the book has no such links.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from docutils import nodes
from parsed import Parsed

BRANCH = "main"
COLAB_BRANCH = "colab"  # the notebooks that `make colab` writes

LINKS = """
- The repository: <{url}>
- Report an error, ask a question: <{url}/issues>
- What changed, commit by commit: <{url}/commits/{branch}>
"""


def add_repository(app, config) -> None:
    """Tell the theme the repository's address, if there is one (config-inited)."""
    config.add("skellib_repository", _repository(), "env", str)
    if url := _repository():
        config.html_theme_options.update(
            repository_url=url,
            repository_branch=BRANCH,
            use_repository_button=True,
            use_issues_button=True,
            use_edit_page_button=True,
        )


def link_colab_notebooks(app, pagename, templatename, context, doctree) -> None:
    """Let Colab open the notebooks that install the library (html-page-context)."""
    groups = context.get("header_buttons", [])
    for button in (each for group in groups for each in group.get("buttons", [])):
        if button.get("text") == "Colab":
            there = button["url"].replace(f"/blob/{BRANCH}/", f"/blob/{COLAB_BRANCH}/")
            button["url"] = there


class RepositoryLinks(Parsed):
    """A list of links to the repository; the content, where it has no address."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        url = self.config.skellib_repository
        text = LINKS.format(url=url, branch=BRANCH) if url else "\n".join(self.content)
        return self.parsed(text)


class Citation(Parsed):
    """CITATION.cff as two entries of BibTeX: the software, and the paper."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.app.srcdir, "CITATION.cff")
        self.env.note_dependency(str(path))
        cited = yaml.safe_load(path.read_text(encoding="utf-8"))
        both = [bibtex(cited), bibtex(cited["preferred-citation"])]
        return self.parsed("\n".join(["```bibtex", *both, "```"]))


def bibtex(cited: dict) -> str:
    """Return an entry of CITATION.cff in BibTeX."""
    authors = [
        each.get("name") or f"{each['family-names']}, {each['given-names']}"
        for each in cited["authors"]
    ]
    fields = {"author": " and ".join(authors)}
    for name in ("title", "journal", "year", "version", "doi"):
        if name in cited:
            fields[name] = str(cited[name])
    kind = "article" if cited["type"] == "article" else "software"
    first = cited["authors"][0].get("family-names", "skellib").lower()
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{first}{fields.get('year', '')},", *lines, "}"])


def _repository() -> str:
    return os.environ.get("SKELLIB_REPOSITORY", "").rstrip("/")


def setup(app) -> dict:
    app.connect("config-inited", add_repository)
    app.connect("html-page-context", link_colab_notebooks, priority=900)
    app.add_directive("repository-links", RepositoryLinks)
    app.add_directive("citation", Citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
