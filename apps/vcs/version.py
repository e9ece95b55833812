"""The Git that is installed."""

from __future__ import annotations

import re
from functools import cache

from apps.core.errors import Unavailable
from apps.vcs import gateway
from apps.vcs.errors import GitFailed

REQUIRED = (2, 38)  # merge-tree --write-tree, cat-file -z


@cache
def git_version() -> tuple[int, ...]:
    """The version of the ``git`` on PATH; :class:`Unavailable` ``git_missing`` when there is none."""
    try:
        raw = gateway.run(None, "version", timeout=10).decode()
    except (OSError, GitFailed) as error:
        message = "Git was not found. Install Git 2.38 or newer and start the portal again."
        raise Unavailable("git_missing", message) from error
    return parse_version(raw)


def parse_version(text: str) -> tuple[int, ...]:
    """``"git version 2.39.5 (…)"`` → ``(2, 39, 5)``; empty when it names none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def require_git() -> tuple[int, ...]:
    """The version; :class:`Unavailable` ``git_too_old`` below 2.38."""
    version = git_version()
    if version < REQUIRED:
        have = ".".join(map(str, version)) or "unknown"
        message = f"Git {have} is too old: the portal needs 2.38 or newer. Install it and start again."
        raise Unavailable("git_too_old", message, found=have)
    return version
