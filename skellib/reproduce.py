"""The whole reproduction as a batch: execute the notebooks of the book."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skellib.config import PROFILES
from skellib.errors import InputError
from skellib.notebooks import execute_all
from skellib.provenance import project_root


def reproduce(
    profile: str = "quick",
    *,
    notebooks: Sequence[str] | None = None,
    workers: int = 2,
    out: Path | str | None = None,
    **parameters: Any,
) -> Path:
    """Execute the notebooks and leave the copies where the book shows them.

    Args:
        profile: ``"quick"``, ``"laptop"`` or ``"paper"``.
        notebooks: some of them, by name or number; all unless given.
        workers: notebooks at the same time.
        out: folder of the executed copies; ``book/executed/<profile>`` unless given.
        parameters: further parameters of the notebooks.

    Returns:
        The folder of the executed copies.

    Raises:
        InputError: for an unknown profile, notebook or parameter.
        NotebookError: if a notebook fails.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    folder = Path(out or project_root() / "book" / "executed" / profile)
    execute_all(profile, folder, notebooks, workers, **parameters)
    return folder
