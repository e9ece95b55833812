"""What a killed Git left in a mirror (RELIABILITY §3.6, K12): with its locks nothing would move there any more, and its half packs and
crash reports would fill a disk that is nearly full with every further try.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)
WRITERS = frozenset({b"fetch", b"update-ref", b"symbolic-ref", b"repack", b"commit-graph", b"fast-import", b"init"})
OLD_SECONDS = 60.0
"""Git holds a lock of a ref for milliseconds; on a disk that several machines share, only age tells."""


def remove_stale_locks(git_dir: Path, *, older_than: float = OLD_SECONDS) -> int:
    """Remove locks and halves that are ``older_than`` seconds old and that no Git of this machine can hold; how many those were.

    The caller holds the mirror's own lock, so no other fetch of the portal runs in it.
    """
    old = [path for path in _left(git_dir) if _age(path) > older_than]
    if not old or _is_in_use(git_dir):
        return 0
    for path in old:
        path.unlink(missing_ok=True)
        logger.warning("stale_lock_removed", extra={"mirror": git_dir.name, "lock": path.name})
    return len(old)


def _left(git_dir: Path) -> Iterator[Path]:
    yield from git_dir.glob("fast_import_crash_*")
    yield from (git_dir / "objects" / "pack").glob("tmp_*")
    yield from git_dir.glob("*.lock")
    yield from (git_dir / "refs").rglob("*.lock")
    yield from (git_dir / "objects" / "info").rglob("*.lock")


def _age(path: Path) -> float:
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime if path.name != "portal-fetch.lock" else 0.0
    return 0.0


def _is_in_use(git_dir: Path) -> bool:
    """Whether a process of this machine that writes names the mirror in its command line (Linux; elsewhere nobody can tell)."""
    wanted = f"--git-dir={git_dir.absolute()}".encode()
    proc = Path("/proc")
    if not proc.is_dir():
        return False
    for entry in os.scandir(proc):
        if entry.name.isdigit():
            with suppress(OSError):
                words = (proc / entry.name / "cmdline").read_bytes().split(b"\0")
                if wanted in words and WRITERS.intersection(words):
                    return True
    return False
