"""Removing folders in which commands of a repository wrote: however deep, long or closed what they left is. Standard library only."""

from __future__ import annotations

import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove(folder: Path) -> None:
    """Remove ``folder`` and all in it. What cannot be removed now is left, and nothing is raised: the janitor comes again.

    Without recursion and without long paths: each folder is emptied into ``folder`` itself before it is removed, so that two are open at
    a time. No link is followed. Nothing may be at work in it any more.
    """
    with suppress(OSError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            folder.chmod(0o700)
        top = os.open(folder, _FOLDER)
        try:
            while _round(top):
                pass
        finally:
            os.close(top)
        folder.rmdir()


def _round(top: int) -> bool:
    """Remove what stands in ``top`` now; whether anything was taken out of it that may have made room for more."""
    was_removed = False
    for name, is_folder in _entries(top):
        with suppress(OSError):
            if is_folder:
                _empty(top, name)
                os.rmdir(name, dir_fd=top)
            else:
                os.unlink(name, dir_fd=top)
            was_removed = True
    return was_removed


def _empty(top: int, name: str) -> None:
    """Folders in the folder ``name`` come to stand beside it, all else in it is removed."""
    os.chmod(name, 0o700, dir_fd=top)  # a step may leave it closed or read-only; it is ours
    inside = os.open(name, _FOLDER, dir_fd=top)
    try:
        for entry, is_folder in _entries(inside):
            if is_folder:
                os.chmod(entry, 0o700, dir_fd=inside)  # a folder that changes its place is written to
                os.rename(entry, uuid.uuid4().hex, src_dir_fd=inside, dst_dir_fd=top)
            else:
                os.unlink(entry, dir_fd=inside)
    finally:
        os.close(inside)


def _entries(folder: int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as found:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
