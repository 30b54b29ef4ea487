"""Draw how the library is laid out, from its source, when the book is built.

The directive `import-picture` draws each module in its wing, above those that it
imports, and counts the imports between wings; its content is the caption. The
directive `lines-by-wing` is the same as a table. Both need no installed skellib.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from package_imports import import_graph, modules
from sphinx.util.docutils import SphinxDirective

WINGS = {  # name -> its subpackages, left to right; the method is all the rest
    "the paper and its book": ("cli", "reproduction", "figures"),
    "the readers": ("readers",),
    "the method": (),
}
PAPER, READERS, METHOD = WINGS
COLORS = {
    PAPER: "var(--skellib-warm, #b4591a)",
    READERS: "var(--pst-color-text-muted, #4a5560)",
    METHOD: "var(--skellib-accent, #2f6f9f)",
}
INK = "var(--pst-color-text-base, #23272f)"
BACK = "var(--pst-color-background, #fff)"

WIDTH, EDGE, GAP, ROW, SPACE, LETTER = 720, 12, 40, 23, 5, 6.35  # pixels


@dataclass(frozen=True)
class House:
    """A package read from its source: modules, imports, lines."""

    package: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        return modules(self.package)

    @cached_property
    def graph(self) -> dict[str, set[str]]:
        return import_graph(self.package)

    def part(self, module: str) -> str:
        """Return the subpackage or module right under the package: a.b.c -> b."""
        part = module.partition(".")[2].partition(".")[0]
        return "cli" if part == "__main__" else part

    def wing(self, module: str) -> str:
        part = self.part(module)
        return next((wing for wing, parts in WINGS.items() if part in parts), METHOD)

    def of(self, wing: str, part: str = "") -> list[str]:
        """Return a wing's modules, or those of one of its subpackages."""
        return [
            name
            for name in self.files
            if self.wing(name) == wing and part in ("", self.part(name))
        ]

    def lines(self, names: Iterable[str]) -> int:
        texts = (self.files[name].read_text(encoding="utf-8") for name in names)
        return sum(text.count("\n") for text in texts)

    def imports(self, names: Iterable[str]) -> Counter[str]:
        """Count the imports of some modules by the wing that they go to."""
        return Counter(self.wing(to) for name in names for to in self.graph[name])

    def layers(self, names: Sequence[str]) -> list[list[str]]:
        """Sort modules into rows, each above all that it imports of them."""
        inside = {name: self.graph[name] & set(names) for name in names}
        depth: dict[str, int] = {}
        for name in TopologicalSorter(inside).static_order():
            depth[name] = 1 + max((depth[to] for to in inside[name]), default=-1)
        rows = range(max(depth.values(), default=-1), -1, -1)
        return [sorted(name for name in names if depth[name] == row) for row in rows]

    def summary(self, name: str) -> str:
        """Return what a module is: the first line of its docstring, and its length."""
        text = ast.get_docstring(ast.parse(self.files[name].read_text("utf-8"))) or ""
        return f"{name}, {self.lines([name])} lines. {text.partition(chr(10))[0]}"


# --- the picture ------------------------------------------------------------------


def picture(package: Path) -> str:
    """Draw a package's wings, modules and imports as an SVG that follows the theme."""
    house = House(package)
    top, height = _paper_wing(house)
    between = _arrow(360, height, height + GAP, _said(house, PAPER, READERS))
    readers_y = height + GAP
    box, readers_end = _panel(
        house, READERS, house.of(READERS), (EDGE, readers_y, WIDTH - 150)
    )
    method_y = readers_end + GAP
    down = _arrow(280, readers_end, method_y, _said(house, READERS, METHOD))
    past = _arrow(WIDTH - 70, height, method_y, _said(house, PAPER, METHOD), "middle")
    base, end = _panel(
        house, METHOD, house.of(METHOD), (EDGE, method_y, WIDTH - 2 * EDGE)
    )
    parts = [*top, *box, *base, *between, *down, *past]
    return "\n".join([_head(house, end + EDGE), *parts, "</svg>"])


def _head(house: House, height: float) -> str:
    wings = "; ".join(
        f"{wing}, {len(house.of(wing))} modules, imports {_targets(house, wing)}"
        for wing in WINGS
    )
    return (
        f'<svg class="import-picture" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        'aria-labelledby="import-picture-title import-picture-text" '
        'xmlns="http://www.w3.org/2000/svg" style="min-width: 42rem; width: 100%">\n'
        '<title id="import-picture-title">The three wings of the library</title>\n'
        f'<desc id="import-picture-text">{escape(wings)}.</desc>\n'
        '<defs><marker id="import-picture-tip" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
    )


def _paper_wing(house: House) -> tuple[list[str], float]:
    """Draw the uppermost wing: a panel for each subpackage, all of one height."""
    height = 0.0
    for _ in range(2):  # the first time to find the height
        x, drawn, ends = EDGE, [], []
        for part, width in zip(WINGS[PAPER], (176, 322, 176), strict=True):
            names, at = house.of(PAPER, part), (x, EDGE, width)
            box, end = _panel(house, PAPER, names, at, part, height)
            drawn += box
            ends.append(end)
            x += width + 11
        height = max(ends)
    return drawn, height


def _panel(
    house: House,
    wing: str,
    names: Sequence[str],
    at: tuple[float, float, float],
    part: str = "",
    least: float = 0,
) -> tuple[list[str], float]:
    """Draw some modules in a box: (its elements, the height at which it ends).

    Args:
        house: the package.
        wing: whose colour the box has.
        names: the modules inside.
        at: left, top and width of the box.
        part: the subpackage that the box stands for, if not the whole wing.
        least: the height at which the box ends at the earliest.
    """
    x, y, width = at
    title = part or wing[0].upper() + wing[1:]
    count = f"{len(names)} modules, {house.lines(names):,} lines"
    drawn = [_text(x + 10, y + 19, title, 13, "start", 'font-weight="600"')]
    drawn.append(_text(x + 10, y + 34, count, 10.5, "start"))
    bottom = y + 46.0
    for layer in house.layers(names):
        for row in _wrapped(layer, width - 16):
            left = x + (width - _length(row)) / 2
            for name in row:
                drawn.append(_module(left, bottom, name, house.summary(name), wing))
                left += _length([name]) + SPACE
            bottom += ROW
        bottom += 3
    bottom = max(bottom, least)
    frame = (
        f'<rect x="{x}" y="{y:.0f}" width="{width}" height="{bottom - y:.0f}" rx="8" '
        f'fill="{COLORS[wing]}" fill-opacity="0.08" stroke="{COLORS[wing]}"/>'
    )
    return [frame, *drawn], bottom


def _wrapped(layer: Sequence[str], width: float) -> list[list[str]]:
    """Break a layer of modules into rows no longer than `width`."""
    rows: list[list[str]] = [[]]
    for name in layer:
        if rows[-1] and _length([*rows[-1], name]) > width:
            rows.append([])
        rows[-1].append(name)
    return rows


def _length(row: Sequence[str]) -> float:
    """Return the width of the boxes of some modules in one row."""
    return sum(LETTER * len(_label(name)) + 12 + SPACE for name in row) - SPACE


def _label(name: str) -> str:
    """Shorten a module's name to what stands under the title of its box."""
    inner = name.partition(".")[2] or name
    for part in (*WINGS[PAPER], *WINGS[READERS]):
        inner = inner.removeprefix(f"{part}.")
    return inner


def _module(x: float, y: float, name: str, summary: str, wing: str) -> str:
    width = _length([name])
    box = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="19" rx="5" '
        f'fill="{BACK}" stroke="{COLORS[wing]}" stroke-opacity="0.6"/>'
    )
    text = _text(x + width / 2, y + 13.2, _label(name), 10.5, "middle", mono=True)
    return f"<g><title>{escape(summary)}</title>{box}{text}</g>"


def _arrow(
    x: float, start: float, end: float, label: str, anchor: str = "start"
) -> list[str]:
    """Draw an arrow down, its label on its right or, for a long one, across it."""
    line = (
        f'<path d="M{x} {start + 2:.0f}V{end - 2:.0f}" stroke="{INK}" fill="none" '
        'stroke-width="1.4" marker-end="url(#import-picture-tip)"/>'
    )
    middle = (start + end) / 2
    if anchor == "start":
        return [line, _text(x + 8, middle + 4, label, 10.5, anchor)]
    back = (
        f'<rect x="{x - 42}" y="{middle - 10:.0f}" width="84" height="20" '
        f'fill="{BACK}"/>'
    )
    return [line, back, _text(x, middle + 4, label, 10.5, anchor)]


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    anchor: str,
    more: str = "",
    mono: bool = False,
) -> str:
    family = "monospace" if mono else "sans-serif"
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-family="{family}" '
        f'text-anchor="{anchor}" fill="{INK}" {more}>{escape(text)}</text>'
    )


def _said(house: House, wing: str, to: str) -> str:
    return f"{house.imports(house.of(wing))[to]} imports"


def _targets(house: House, wing: str) -> str:
    """Name the other wings that a wing imports, with the number of imports."""
    counts = house.imports(house.of(wing))
    named = [f"{to} ({counts[to]})" for to in WINGS if counts[to] and to != wing]
    return " and ".join(named) or "no other"


def table(package: Path) -> list[list[str]]:
    """Return the rows of a table: wing, modules, lines, and what it imports."""
    house = House(package)
    rows = [
        [
            wing[0].upper() + wing[1:],
            str(len(house.of(wing))),
            f"{house.lines(house.of(wing)):,}",
            _targets(house, wing),
        ]
        for wing in WINGS
    ]
    total = ["Together", str(len(house.files)), f"{house.lines(house.files):,}", ""]
    return [*rows, total]


# --- the directives ---------------------------------------------------------------


class _FromSource(SphinxDirective):
    option_spec = {"name": directives.unchanged}

    def package(self) -> Path:
        """Return the library's folder; a change of its files rebuilds the page."""
        package = Path(self.env.app.srcdir, "skellib")
        for path in modules(package).values():
            self.env.note_dependency(str(path))
        return package

    def parsed(self, lines: Sequence[str]) -> list[nodes.Node]:
        container = nodes.container()
        text = StringList(list(lines), source=self.env.docname)
        self.state.nested_parse(text, self.content_offset, container)
        return container.children


class ImportPicture(_FromSource):
    """A numbered figure of the wings; the directive's content is its caption."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        drawn = picture(self.package())
        scrolls = f'<div style="overflow-x: auto" tabindex="0">{drawn}</div>'
        figure = nodes.figure("", nodes.raw("", scrolls, format="html"))
        (paragraph,) = self.parsed(self.content)
        figure += nodes.caption("", "", *paragraph.children)
        self.add_name(figure)
        return [figure]


class LinesByWing(_FromSource):
    """A table of the wings: modules, lines, imports."""

    required_arguments = 1  # the title
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lines = [f"```{{list-table}} {self.arguments[0]}", ":header-rows: 1"]
        if "name" in self.options:
            lines.append(f":name: {self.options['name']}")
        head = ["Wing", "Modules", "Lines", "Imports of other wings"]
        for row in [head, *table(self.package())]:
            lines += [f"{'*' if not i else ' '} - {cell}" for i, cell in enumerate(row)]
        return self.parsed([*lines, "```"])


def setup(app) -> dict:
    app.add_directive("import-picture", ImportPicture)
    app.add_directive("lines-by-wing", LinesByWing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
