"""kill -9 of something that another process started."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil


def kill_a_git(parent: int, seconds: float) -> bool:
    """Of the first Git that works below the process ``parent`` within so many seconds; whether there was one."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(psutil.Error):
            for process in psutil.Process(parent).children(recursive=True):
                if process.name().startswith("git"):
                    process.kill()
                    return True
        time.sleep(0.001)
    return False
