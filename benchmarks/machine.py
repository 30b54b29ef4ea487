"""What the benchmarks share: the machine described, and timing in turns."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from skellib.provenance import stamp

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
"""Instructions of x86 processors that decide how fast matrix products are."""


def machine() -> dict[str, Any]:
    """Describe the machine and the software: the stamp of a record, and more."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text("utf-8") if cpuinfo.is_file() else ""
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)
    found = flags[1].split() if flags else []
    return stamp() | {
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in found],
        "load_average": round(os.getloadavg()[0], 1),
    }


def describe(found: Mapping[str, Any]) -> str:
    """Describe the machine of a result in a line of prose."""
    instructions = ", ".join(found["flags"]) or "none of those asked about"
    return (
        f"{found['device']}; instructions: {instructions}; "
        f"Python {found['python']}, PyTorch {found['torch']}; "
        f"load {found['load_average']} before"
    )


def in_turns(
    works: Mapping[str, Callable[[], Any]], rounds: int
) -> dict[str, list[float]]:
    """Time functions in turns, so that whatever else runs weighs on all alike.

    Args:
        works: functions by name; each is called once before, to warm up.
        rounds: number of calls of each.

    Returns:
        Seconds by name, one value a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-1, rounds):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def matmul_rate(dtype: torch.dtype, device: str = "cpu", size: int = 1024) -> float:
    """Measure floating-point operations per second of a large matrix product."""
    a = torch.randn(size, size, device=device).to(dtype)
    repeat = 1 if device == "cpu" else 100

    def work() -> None:
        for _ in range(repeat):
            a @ a
        if device != "cpu":
            torch.cuda.synchronize()

    (seconds,) = in_turns({"": work}, 7).values()
    return repeat * 2 * size**3 / statistics.median(seconds)
