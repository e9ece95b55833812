"""Processes of local runs, as this machine numbers them: in their own world steps have other numbers."""

from __future__ import annotations

import contextlib
from pathlib import Path

from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.local import SUPERVISOR, run_dir


def of_run(run: Run) -> dict[int, str]:
    """Process → command line of everything that has the home of the run, as this machine numbers it."""
    home, found = f"HOME={run_dir(run)}/home".encode(), {}
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and home in (place / "environ").read_bytes().split(b"\0"):
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def supervisor_of(run: Run) -> int:
    """Its process: the one whose command names the folder of the run."""
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0") if place.name.isdigit() else []
            if bytes(SUPERVISOR) in words and bytes(run_dir(run)) in words:
                return int(place.name)
    raise AssertionError("no supervisor")
