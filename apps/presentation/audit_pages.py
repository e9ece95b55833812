"""The audit log as page and API read it: narrowed to what the person may audit, filtered by the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.accounts.models import User
from apps.audit import queries as audit
from apps.audit.models import AuditEntry
from apps.core.errors import InvalidInput, NotAllowed
from apps.core.paging import Page
from apps.core.text import first_few
from apps.presentation.moments import moment_of
from apps.repositories.queries import auditable

MOST_LISTED = 20
FILTERS = ("actor", "action", "change", "repository", "environment", "from", "to", "q")
"""The names of the query parameters, the same on page and API."""


def find_entries(user: User, parameters: Mapping[str, str], *, after: int | None, limit: int) -> Page[AuditEntry]:
    """One page of entries that ``user`` may audit; :class:`NotAllowed` for who may audit nothing."""
    return audit.entries(entry_filter(user, parameters), after_seq=after, limit=limit)


def left_out(user: User, found: Page[AuditEntry], *, after: int | None, last: int) -> int:
    """How many entries of a page without filters ``user`` may not read. ``last``: the number of the newest of all.

    Numbers have no gap and everybody who audits sees them, so this tells nothing new, and no hidden entry is looked at. With
    filters no number may be told: it would say what hidden entries hold.
    """
    if user.is_superuser:
        return 0
    newest = max([last, *(row.seq for row in found.items[:1])])
    top = min(after - 1, newest) if after else newest
    bottom = found.next_after or 1
    return max(0, top - bottom + 1 - len(found.items))


def entry_filter(user: User, parameters: Mapping[str, str]) -> audit.EntryFilter:
    """The filter that the parameters of :data:`FILTERS` describe; mistakes are named by parameter."""
    names = None if user.is_superuser else frozenset(auditable(user).values_list("name", flat=True))
    if names is not None and not names:
        raise NotAllowed(
            "not_auditor",
            "Reading the audit log needs the role auditor or maintainer in a repository. A maintainer can give it to you.",
        )
    return audit.EntryFilter(
        actor=parameters.get("actor", "").strip(),
        action=parameters.get("action", "").strip(),
        repository=parameters.get("repository", "").strip(),
        repositories=names,
        change=_change(parameters.get("change", "")),
        environment=parameters.get("environment", "").strip(),
        after=moment_of(parameters, "from"),
        before=moment_of(parameters, "to"),
        text=parameters.get("q", "").strip(),
    )


def facts_of(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What an entry holds beside its sentence, as names and words; what has parts of its own stands in the whole document alone."""
    found = ((name, _said(value)) for name, value in data.items())
    return tuple((name.replace("_", " ").capitalize(), said) for name, said in found if said)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return first_few([str(one) for one in value], MOST_LISTED)
    return ""


def _change(raw: str) -> int | None:
    text = raw.strip().upper().removeprefix("CHG-")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise InvalidInput("bad_change", "Write a change as CHG-42 or 42.", field="change")
    return int(text)
