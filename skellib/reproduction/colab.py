"""Write the notebooks for Colab: the same, with a first cell that installs the library.

``make colab`` calls it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from skellib.errors import InputError
from skellib.paths import project_root, write_text
from skellib.reproduction.notebooks import select

FOLDER = "/content/book"
INSTALL = """\
# Colab starts without the project: fetch it and install it.
!git clone -q --depth 1 {repository} {folder}
%cd -q {folder}
%pip install -q -e ."""


def with_installation(notebook: dict[str, Any], repository: str) -> dict[str, Any]:
    """Return a notebook with a cell after its title that installs the library.

    Args:
        notebook: content of a notebook's file.
        repository: address that git can clone.
    """
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "colab",
        "metadata": {},
        "outputs": [],
        "source": INSTALL.format(repository=repository, folder=FOLDER),
    }
    title, *rest = notebook["cells"]
    return {**notebook, "cells": [title, cell, *rest]}


def write(out: Path, repository: str) -> list[Path]:
    """Write every notebook of the book to ``out/notebooks``; return the paths.

    Raises:
        InputError: if the address of the repository is empty.
    """
    if not repository:
        raise InputError(
            "SKELLIB_REPOSITORY: not set; give the address that Colab is to clone"
        )
    written = []
    for path in select(None):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        target = out / "notebooks" / path.name
        ready = with_installation(notebook, repository)
        write_text(target, json.dumps(ready, indent=1, ensure_ascii=False) + "\n")
        written.append(target)
    return written


if __name__ == "__main__":
    try:
        made = write(
            project_root() / "_build" / "colab",
            os.environ.get("SKELLIB_REPOSITORY", ""),
        )
    except InputError as fault:
        sys.exit(f"skellib: {fault}")
    print(f"{len(made)} notebooks in {made[0].parent}")
