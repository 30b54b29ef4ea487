"""Record where a result comes from: the commit, the versions and the machine.

Each executed notebook and each run record contains this stamp.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from skellib import __version__
from skellib.errors import InputError
from skellib.paths import project_root

# Written by runs: the output of one run must not make the tree dirty for the next.
OUTPUTS = ("book/executed", "data/records")


def stamp() -> dict[str, str | bool | None]:
    """Collect the commit, the date, the versions and the device of this process.

    Returns:
        Values for JSON: ``commit`` (12 hexadecimal digits, or None), ``clean`` (whether
        nothing outside ``OUTPUTS`` is uncommitted; None if unknown), ``date`` (UTC, ISO
        8601), ``python``, ``torch``, ``cuda`` (None without a GPU), ``device`` (name of
        the GPU, or model of the CPU and number of available cores) and ``skellib``
        (version of the package).
    """
    import torch  # slow to import, and needed here only

    gpu = torch.cuda.is_available()
    commit, clean = _commit()
    return {
        "commit": commit,
        "clean": clean,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if gpu else None,
        "device": torch.cuda.get_device_name() if gpu else _processor(),
        "skellib": __version__,
    }


def _commit() -> tuple[str | None, bool | None]:
    """Return commit and cleanliness from SKELLIB_COMMIT or git; None if unknown."""
    given = os.environ.get("SKELLIB_COMMIT")
    if given:
        match = re.fullmatch(r"([0-9a-f]{7,40})(\+dirty)?", given)
        if not match:
            raise InputError(
                f"SKELLIB_COMMIT: {given!r} is neither '<hex>' nor '<hex>+dirty'"
            )
        return match[1][:12], match[2] is None
    root = project_root()
    # A copy inside another repository must not report that repository's commit.
    if _git(root, "rev-parse", "--show-prefix") != "":
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    excluded = [f":(exclude){folder}" for folder in OUTPUTS]
    status = _git(root, "status", "--porcelain", "--", ".", *excluded)
    return commit[:12], None if status is None else status == ""


def _git(root: Path, *arguments: str) -> str | None:
    """Return the output of a git command; None if it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    """Return the model of the CPU and the number of cores this process may use."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M)
        model = found[1].strip() if found else model
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return f"{model}, {cores} core{'s' if cores > 1 else ''}"
