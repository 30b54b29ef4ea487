"""Where a result comes from: the commit, the versions and the machine.

Every executed notebook and every run record carries the stamp made here.
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

# What runs write into the tree: a run must not make the tree dirty for the next one.
OUTPUTS = ("book/executed", "data/records")


def stamp() -> dict[str, str | bool | None]:
    """Commit, date, versions and device of this process, ready for JSON.

    Keys: commit (12 hexadecimal digits or None), clean (no uncommitted change
    outside `OUTPUTS`; None where unknown), date (UTC, ISO 8601), python, torch,
    cuda (None without a GPU), device (the GPU's name, or the processor's model and
    the number of cores this process may use) and skellib (the package's version).
    """
    import torch  # here, so that project_root() stays cheap

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
    """Commit and cleanliness from SKELLIB_COMMIT, else from git, else unknown."""
    given = os.environ.get("SKELLIB_COMMIT")
    if given:
        match = re.fullmatch(r"([0-9a-f]{7,40})(\+dirty)?", given)
        if not match:
            raise InputError(
                f"SKELLIB_COMMIT: {given!r} is neither '<hex>' nor '<hex>+dirty'"
            )
        return match[1][:12], match[2] is None
    root = project_root()
    # A checkout inside some other repository must not borrow that one's commit.
    if _git(root, "rev-parse", "--show-prefix") != "":
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    aside = [f":(exclude){folder}" for folder in OUTPUTS]
    status = _git(root, "status", "--porcelain", "--", ".", *aside)
    return commit[:12], None if status is None else status == ""


def _git(root: Path, *arguments: str) -> str | None:
    """Standard output of a git command, or None where it fails or git is absent."""
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
    """The processor's model and the number of cores this process may use."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M)
        model = found[1].strip() if found else model
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return f"{model}, {cores} core{'s' if cores > 1 else ''}"
