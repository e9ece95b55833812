"""Words of other systems in ours: one line, bounded, without control characters and without the credentials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.deployments.dispatchers import Outside, Run
from apps.deployments.dispatchers.remote import plain

MAX_SAID = 300


def said(outside: Outside | None, text: Any, limit: int = MAX_SAID) -> str:
    """What the other system says, so that it can stand in a sentence of the portal."""
    found = text if isinstance(text, str) else ""
    for secret in outside.credentials.values() if outside else ():
        if secret:
            found = found.replace(secret, "••••")
    return plain(found, limit)


def joined(names: Iterable[str], most: int = 5) -> str:
    """``a, b and 3 more``."""
    found = list(names)
    if len(found) <= most:
        return ", ".join(found)
    return f"{', '.join(found[:most])} and {len(found) - most} more"


def minutes(seconds: float) -> str:
    """``30 minutes``; below two minutes in seconds."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def name_of(run: Run) -> str:
    """The connection's name, as the subject of a sentence."""
    return run.outside.name if run.outside else "The other system"
