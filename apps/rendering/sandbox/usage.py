"""What the processes of a run hold at this moment, read from ``/proc`` (elsewhere than on Linux: nothing is known)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MOST_WALKED = 100_000


@dataclass(frozen=True, slots=True)
class Usage:
    """``memory`` in bytes, with files that live in memory; ``files`` and ``written`` are of the scratch folder."""

    processes: int
    memory: int
    files: int
    written: int


def of_run(keeper: int, scratch: Path | None, most: int) -> Usage:
    """Of all descendants of the keeper; looks at ``most`` + 1 processes and no further.

    ``scratch``: the folder on disk, where the run has no file system of its own.
    """
    found = _descendants(keeper, most)
    resident = sum(map(_resident, found))
    if scratch is not None:
        files, written = _on_disk(scratch)
        return Usage(len(found), resident, files, written)
    files, written = next(filter(None, map(_in_memory, reversed(found))), (0, 0))
    return Usage(len(found), resident + written, files, written)


def _descendants(process: int, most: int) -> list[int]:
    found: list[int] = []
    left = [process]
    while left and len(found) <= most:
        parent = left.pop()
        children: list[int] = []
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                text = (task / "children").read_text(encoding="ascii")
                children += map(int, text.split())
        found += children
        left += children
    return found


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _in_memory(process: int) -> tuple[int, int] | None:
    """Files and bytes in the ``/tmp`` that this process sees, if that is a file system of its own."""
    try:
        place = os.open(f"/proc/{process}/root/tmp", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:  # one descriptor for both: the process may change its root between two look-ups
        seen, device = os.fstatvfs(place), os.fstat(place).st_dev
    finally:
        os.close(place)
    if device == Path("/tmp").stat().st_dev:  # noqa: S108 - compared
        return None
    return seen.f_files - seen.f_ffree, (seen.f_blocks - seen.f_bfree) * seen.f_frsize


def _on_disk(folder: Path) -> tuple[int, int]:
    files = written = 0
    left = [str(folder)]
    while left and files < _MOST_WALKED:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                files += 1
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                else:
                    with suppress(OSError):
                        written += entry.stat(follow_symlinks=False).st_blocks * 512
    return files, written
