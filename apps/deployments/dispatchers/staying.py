"""Staying until the steps that run beside this process have ended.

On a host, steps outlive the worker that began them. In a container they do not: when its first process ends, the kernel
kills the others, and nobody can say how far they came. So a worker that was told to stop takes nothing new and stays.
"""

from __future__ import annotations

import time
from pathlib import Path

import structlog
from django.conf import settings

from apps.deployments.dispatchers.local import SUPERVISOR

LOOK_EVERY = 0.2
PROCESSES = Path("/proc")
log = structlog.get_logger(__name__)


def steps_here() -> int:
    """How many runs of this portal have a supervisor among the processes that this one can see; 0 without ``/proc``."""
    runs = f"{Path(settings.PORTAL_DATA_DIR) / 'runs'}/".encode()
    return sum(_is_supervisor(entry, runs) for entry in PROCESSES.glob("[0-9]*"))


def _is_supervisor(process: Path, runs: bytes) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False
    return str(SUPERVISOR).encode() in words and any(word.startswith(runs) for word in words)


def stay_for_steps() -> None:
    """Return when no step runs here any more, after ``PORTAL_STEPS_WAIT_SECONDS`` at the latest (0: at once).

    Another worker, or the next one, takes over their output and result.
    """
    until = time.monotonic() + settings.PORTAL_STEPS_WAIT_SECONDS
    said = False
    while time.monotonic() < until and (count := steps_here()):
        if not said:
            log.info("stays_for_steps", runs=count, seconds=settings.PORTAL_STEPS_WAIT_SECONDS)
            said = True
        time.sleep(LOOK_EVERY)
