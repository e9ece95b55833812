"""Writes what a tool needs of a commit into a workspace: by our own writer, from blobs, never by a checkout.

Regular files and executables are written as they are. A symbolic link is written only where it ends at something inside
the repository; any other is refused by name (a chart could show a file of this machine with it). A gitlink is left out
and told. Nothing is written outside of the input, whatever a path says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from apps.rendering.limits import InputLimits
from apps.rendering.model import Failure, RenderError
from apps.rendering.paths import as_folder, inside, joined, parent
from apps.rendering.protocol import EXECUTABLE, FILES, GITLINK, SYMLINK, Entry, Tree
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.workspace import Workspace

_MOST_LINKS = 40
_LONGEST_NAME = 255


def export(tree: Tree, folders: Iterable[str], workspace: Workspace, limits: InputLimits) -> tuple[str, ...]:
    """Write these folders and files (and what links in them point at); gives the warnings.

    Raises ``REFUSED`` or ``TOO_LARGE`` before anything that is not allowed is written.
    """
    entries = _wanted(tree, folders)
    _check(entries, limits)
    links = {entry.path: tree.read(entry.path) for entry in entries.values() if entry.mode == SYMLINK}
    for path, target in links.items():
        for place in _leads_to(tree, path, target):
            entries |= {entry.path: entry for entry in tree.entries(place) if entry.path not in entries}
    _check(entries, limits)
    warnings = []
    for entry in entries.values():
        if entry.mode == GITLINK:
            warnings.append(f"{clean_message(entry.path)} is another repository (a submodule); it is not read.")
        elif entry.mode == SYMLINK:
            target = links[entry.path] if entry.path in links else tree.read(entry.path)
            if entry.path not in links:
                _leads_to(tree, entry.path, target)
            os.symlink(target, os.fsencode(workspace.place(entry.path)))  # noqa: PTH211 - bytes
        else:
            workspace.put(entry.path, tree.read(entry.path), executable=entry.mode == EXECUTABLE)
    return tuple(warnings)


def real_path(tree: Tree, path: str) -> str:
    """The path without symbolic links on its way. Raises ``REFUSED`` for one that ends nowhere inside."""
    for _ in range(_MOST_LINKS):
        link = _first_link(tree, path)
        if link is None:
            return path
        rest = path[len(link) :].lstrip("/")
        path = f"{link_end(tree, link)}/{rest}".rstrip("/")
    raise RenderError(Failure.REFUSED, f"The symbolic link {clean_message(path)} leads into itself.", path=path)


def read_file(tree: Tree, path: str) -> bytes:
    """The bytes of a file, by way of links to it. Raises ``MISSING_INPUT`` where no file is."""
    place = real_path(tree, path)
    if not any(entry.path == place and entry.mode in FILES for entry in tree.entries(place)):
        raise RenderError(Failure.MISSING_INPUT, f"There is no file {clean_message(path)[:200]}.", path=path)
    return tree.read(place)


def with_link_targets(tree: Tree, paths: Iterable[str]) -> set[str]:
    """Inputs, and what symbolic links among them lead to; links that lead nowhere add nothing."""
    found: set[str] = set()
    left = list(paths)
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        for entry in tree.entries(inside(path)):
            if entry.mode == SYMLINK:
                try:
                    end = link_end(tree, entry.path)
                except RenderError:
                    continue
                left.append(end if any(each.path == end for each in tree.entries(end)) else as_folder(end))
    return found


def link_end(tree: Tree, path: str) -> str:
    """The file or folder at which a link ends. Raises ``REFUSED`` for one that ends nowhere inside."""
    return _leads_to(tree, path, tree.read(path))[-1]


def _wanted(tree: Tree, folders: Iterable[str]) -> dict[str, Entry]:
    return {entry.path: entry for folder in sorted(set(folders)) for entry in tree.entries(inside(folder))}


def _check(entries: dict[str, Entry], limits: InputLimits) -> None:
    if len(entries) > limits.files:
        raise RenderError(Failure.TOO_LARGE, f"The target has more than {limits.files:,} files.")
    total = 0
    for entry in entries.values():
        shown = clean_message(entry.path)[:200]
        parts = entry.path.split("/")
        if any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts) or "\0" in entry.path:
            raise RenderError(Failure.REFUSED, f"“{shown}” is no path that can be written.", path=entry.path)
        longest = max(len(os.fsencode(part)) for part in parts)
        if longest > _LONGEST_NAME or len(os.fsencode(entry.path)) > limits.path_length or len(parts) > limits.depth:
            raise RenderError(Failure.TOO_LARGE, f"The path “{shown}” is too long.", path=entry.path)
        if entry.mode not in {*FILES, SYMLINK, GITLINK}:
            raise RenderError(Failure.REFUSED, f"“{shown}” is no file, link or folder.", path=entry.path)
        total += entry.size
        if entry.size > limits.file_size or total > limits.total:
            what = f"The file “{shown}” is" if entry.size > limits.file_size else "The files of the target are together"
            raise RenderError(Failure.TOO_LARGE, f"{what} too large.", path=entry.path)


def _leads_to(tree: Tree, path: str, target: bytes) -> list[str]:
    """Where a link ends, by way of other links. Raises ``REFUSED`` for one that ends nowhere inside."""
    shown = clean_message(path)
    passed, at, text = [path], path, os.fsdecode(target)
    for _ in range(_MOST_LINKS):
        place = joined(parent(at), text)
        if place is None or "\0" in text:
            raise RenderError(Failure.REFUSED, f"The symbolic link {shown} leads out of the repository.", path=path)
        link = _first_link(tree, place)
        if link is None:
            if not place or next(iter(tree.entries(place)), None) is None:
                raise RenderError(Failure.REFUSED, f"The symbolic link {shown} leads to nothing.", path=path)
            if place == parent(path) or path.startswith(f"{place}/"):
                raise RenderError(Failure.REFUSED, f"The symbolic link {shown} leads into itself.", path=path)
            return [*passed[1:], place]
        passed.append(link)
        rest = place[len(link) :].lstrip("/")
        at, text = link, os.fsdecode(tree.read(link)) + (f"/{rest}" if rest else "")
    raise RenderError(Failure.REFUSED, f"The symbolic link {shown} leads into itself.", path=path)


def _first_link(tree: Tree, place: str) -> str | None:
    """The first part of a path that is a link itself."""
    parts = place.split("/") if place else []
    for count in range(1, len(parts) + 1):
        prefix = "/".join(parts[:count])
        found = next(iter(tree.entries(prefix)), None)
        if found is not None and found.path == prefix and found.mode == SYMLINK:
            return prefix
    return None
