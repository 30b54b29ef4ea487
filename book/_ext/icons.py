"""Keep, of the theme's icons, those that the book uses: 2 % of 1.5 MB a page."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.util import logging

log = logging.getLogger(__name__)

# An entry of Font Awesome: name:[width,height,[other names],"code","path"].
ICON = re.compile(
    r'"?(?P<name>[a-z0-9-]+)"?:\[\d+,\d+,\[(?P<others>[^\]]*)\],"[0-9a-f]+",'
    r'(?:"[^"]*"|\[[^\]]*\])\],?'
)
USED = re.compile(r"\bfa-([a-z0-9-]+)")


def keep_used(script: str, used: set[str]) -> tuple[str, int]:
    """Leave the icons with other names out of Font Awesome's script, and count them."""
    left_out = 0

    def kept(icon: re.Match[str]) -> str:
        nonlocal left_out
        names = {icon["name"], *re.findall(r"[a-z0-9-]+", icon["others"])}
        if names & used:
            return icon[0]
        left_out += 1
        return ""

    return ICON.sub(kept, script), left_out


def leave_out_icons(app, error) -> None:
    """Shorten the script of the rendered book (Sphinx: build-finished)."""
    path = Path(app.outdir, "_static", "scripts", "fontawesome.js")
    if error is not None or app.builder.format != "html":
        return
    readers = [*Path(app.outdir).rglob("*.html"), *path.parent.glob("*theme.js")]
    texts = (page.read_text(encoding="utf-8") for page in readers)
    used = {name for text in texts for name in USED.findall(text)}
    script, left_out = keep_used(path.read_text(encoding="utf-8"), used)
    if not left_out and path.stat().st_size > 1_000_000:
        log.warning("%s: no icon of the form that we know", path.name)
    path.write_text(script, encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", leave_out_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
