"""Processes that this project starts, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

POLL_SECONDS = 0.5
"""Seconds between two looks at the parent process."""


def end_with_parent() -> None:
    """End this process as soon as its parent does, however that ends.

    A process that is killed cannot end those that it has started. Each of those calls
    this function first.
    """
    spawned = multiprocessing.parent_process()
    parent = os.getppid() if spawned is None or spawned.pid is None else spawned.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
