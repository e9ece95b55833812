"""The data directory before Django is there: what in it is the portal's, and whether a demo story was cut off."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
MADE = (
    "demo",
    "mirrors",
    "runs",
    "audit.git",
    "portal.sqlite3",
    "portal.sqlite3-journal",
    "portal.sqlite3-wal",
    "portal.sqlite3-shm",
)
"""What a portal makes anew; the secret key, and whatever else somebody keeps there, stays."""

TELLING = "demo.telling"
"""Is there while the story is told to an empty portal (apps.demo); a story that was cut off leaves it."""


def data_dir() -> Path:
    return Path(os.environ.get("PORTAL_DATA_DIR") or ROOT / "var").resolve()


def holds_demo(place: Path) -> bool:
    """Whether the data there is a demo organisation's; ask before the settings make their files there."""
    return (place / "demo").is_dir() and (place / "secret.key").is_file()


def is_cut_off(place: Path) -> bool:
    """Whether a first start was stopped before it could serve anybody."""
    return (place / TELLING).exists() and (place / "secret.key").is_file()


def hold(place: Path, name: str, mode: int) -> IO[str] | None:
    """A lock in the data directory, held until the file is closed or the process ends; ``None``: somebody has it.

    ``start.lock`` (exclusive): preparing the data. ``serve.lock`` (shared): serving it.
    """
    place.mkdir(parents=True, exist_ok=True)
    file = (place / name).open("w")
    try:
        fcntl.flock(file, mode)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_served(place: Path) -> bool:
    """Whether a portal runs on this data, at whatever port."""
    lock = hold(place, "serve.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    if lock is not None:
        lock.close()
    return lock is None


def remove_demo(place: Path) -> None:
    """Remove what a portal makes; nothing else is touched."""
    for name in MADE:
        entry = place / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    (place / TELLING).unlink(missing_ok=True)
