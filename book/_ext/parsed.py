"""A directive that writes MyST and has it parsed in place."""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class Parsed(SphinxDirective):
    """Base of directives that show text as if the page contained it."""

    def parsed(self, text: str) -> list[nodes.Node]:
        """Parse MyST to nodes."""
        container = nodes.container()
        lines = StringList(text.splitlines(), source=self.env.docname)
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children
