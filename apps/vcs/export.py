"""Writes the tree of a commit to a directory: our own writer, no checkout, no archive.

Git's checkout runs filters and ``git archive`` obeys ``export-ignore`` and ``export-subst`` of the
content (RELIABILITY finding 5), so neither delivers what was reviewed. Here every byte comes from the
blob. Symlinks are made only when they lead to a place inside the tree (§2.5 case 12).
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from apps.core.errors import Conflict, InvalidInput
from apps.core.waiting import beat
from apps.vcs.limits import DEFAULT_LIMITS, Limits
from apps.vcs.objects import TreeEntry, list_tree, read_blob
from apps.vcs.paths import display, encode, is_safe

LINK_BYTES = 4_096
LINK_DEPTH = 40  # as in Linux
FILE_MODES = {"100644": 0o644, "100664": 0o644, "100755": 0o755}


def export_tree(git_dir: Path, commit: str, dest: Path, *, limits: Limits = DEFAULT_LIMITS) -> int:
    """Write all of the commit's tree into the new directory ``dest``; the number of entries.

    Modes are kept (644 or 755), gitlinks become empty directories, there is no ``.git``.
    :func:`beat` is called meanwhile. InvalidInput ``tree_refused`` names the path that cannot be written safely (unsafe name, symlink
    out of the tree, too large); Conflict ``export_exists`` if ``dest`` is not empty. On any error
    nothing is left at ``dest``.
    """
    if dest.is_symlink() or (dest.exists() and (not dest.is_dir() or any(dest.iterdir()))):
        raise Conflict("export_exists", "The directory to export to is not empty.")
    entries = list_tree(git_dir, commit)
    links = _check(git_dir, entries, limits)
    try:
        dest.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            beat()
            if not entry.is_symlink:
                _write(git_dir, entry, dest, limits)
        for entry in entries:  # last, so that no file is ever written through a link
            if entry.is_symlink:
                target = _place(dest, entry)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.fsdecode(encode(links[entry.path])))
    except FileExistsError as error:
        shutil.rmtree(dest, ignore_errors=True)
        _refuse(display(str(error.filename)), "exists twice in this tree")
    except BaseException:
        shutil.rmtree(dest, ignore_errors=True)
        raise
    return len(entries)


def _check(git_dir: Path, entries: list[TreeEntry], limits: Limits) -> dict[str, str]:
    """All that can be refused without writing; returns link path → target text."""
    if len(entries) > limits.export_entries:
        _refuse("the tree", f"has more than {limits.export_entries:,} entries")
    if sum(entry.size or 0 for entry in entries) > limits.export_bytes:
        _refuse("the tree", f"is larger than {limits.export_bytes:,} bytes")
    for entry in entries:
        if not is_safe(entry.path):
            _refuse(display(entry.path), "is not a name that may be written to disk")
    links = {
        entry.path: read_blob(git_dir, entry.oid, max_bytes=LINK_BYTES).decode("utf-8", "surrogateescape")
        for entry in entries
        if entry.is_symlink
    }
    for path, target in links.items():
        if not target or "\0" in target or not stays_inside(path, links):
            _refuse(display(path), "is a symbolic link that leads out of the tree")
    return links


def stays_inside(path: str, links: dict[str, str]) -> bool:
    """True when following ``path`` never leaves the tree, through whatever other links it goes.

    ``links``: link path → target. Walks component by component as the kernel does, because
    ``a/link/../x`` means another place than its text suggests. Loops count as leaving.
    """
    pending = path.split("/")[::-1]
    walked: list[str] = []
    followed = 0
    while pending:
        part = pending.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not walked:
                return False
            walked.pop()
            continue
        walked.append(part)
        target = links.get("/".join(walked))
        if target is None:
            continue
        followed += 1
        if target.startswith("/") or followed > LINK_DEPTH:
            return False
        walked.pop()
        pending.extend(target.split("/")[::-1])
    return True


def _place(dest: Path, entry: TreeEntry) -> Path:
    return dest / os.fsdecode(encode(entry.path))


def _write(git_dir: Path, entry: TreeEntry, dest: Path, limits: Limits) -> None:
    place = _place(dest, entry)
    if entry.is_gitlink:
        place.mkdir(parents=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    data = read_blob(git_dir, entry.oid, max_bytes=limits.export_bytes)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    mode = FILE_MODES.get(entry.mode, 0o644)
    descriptor = os.open(place, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    with suppress(PermissionError):
        place.chmod(mode)  # whatever the umask


def _refuse(path: str, why: str) -> NoReturn:
    message = f"The tree cannot be written to disk: {path} {why}. The author must change it in Git."
    raise InvalidInput("tree_refused", message, path=path)
