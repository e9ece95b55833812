"""Paths of a repository, as text: they are never given to this machine before they were looked at here."""

from __future__ import annotations

from apps.rendering.model import Failure, RenderError


def joined(folder: str, path: str) -> str | None:
    """``path`` as seen from ``folder``, without dots; ``None`` when it leaves the repository. Empty: the repository itself."""
    parts = [] if path.startswith("/") else [part for part in folder.split("/") if part]
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return None if path.startswith("/") else "/".join(parts)


def rooted(path: str, what: str) -> str:
    """A path that a target names, from the root of the repository. Raises ``REFUSED`` when it leaves that."""
    inside = joined("", path.removeprefix("/"))
    if inside is None or "\0" in path:
        raise RenderError(Failure.REFUSED, f"The {what} “{path[:200]}” leads out of the repository.")
    return inside


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def below(path: str, folder: str) -> bool:
    """Whether it is this folder or in it."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def as_folder(path: str) -> str:
    """As it stands in a list of inputs; the repository itself is ``./``."""
    return f"{path}/" if path else "./"


def inside(input_: str) -> str:
    """The file or folder that stands in a list of inputs, as trees are asked for it: of ``./`` everything, which is empty."""
    return "" if input_ == "./" else input_.rstrip("/")


def listed(paths: set[str]) -> tuple[str, ...]:
    """Sorted, without what a folder in the list already covers."""
    if "./" in paths:
        return ("./",)
    folders = {path for path in paths if path.endswith("/")}

    def is_covered(path: str) -> bool:
        parts = path.rstrip("/").split("/")
        return any("/".join(parts[:count]) + "/" in folders for count in range(1, len(parts)))

    return tuple(sorted(path for path in paths if not is_covered(path)))
