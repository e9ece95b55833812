"""Whether it is the database that is away: then nothing that failed is to blame, and all of it is tried as soon as it is back."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError, connection


def is_away(problem: Exception) -> bool:
    """Whether the database answers nothing at all, and not only not what was asked of it. It is asked once more, by this thread."""
    return isinstance(problem, OperationalError | InterfaceError) and not connection.is_usable()
