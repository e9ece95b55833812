"""Whether it is the database that is away: then nothing that failed is to blame, and all of it is tried as soon as it is back."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError, connection

UNANSWERED = ("08", "57P")
"""Classes of SQLSTATE for a connection that failed, and for a server that goes or is not there yet (PostgreSQL, appendix A)."""


def is_away(problem: Exception) -> bool:
    """Whether the database answered nothing at all, and not only not what was asked of it.

    psycopg gives such an error no SQLSTATE, for the server gave none. Where that tells nothing the database is asked once more.
    """
    if not isinstance(problem, OperationalError | InterfaceError):
        return False
    state = getattr(problem.__cause__, "sqlstate", "")
    is_unanswered = isinstance(problem, OperationalError) and (state is None or state.startswith(UNANSWERED))
    return is_unanswered or not connection.is_usable()
