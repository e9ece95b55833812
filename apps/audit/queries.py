"""Reading the log: newest first, by keyset, narrowed to what a person may see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.audit.models import AuditEntry
from apps.core.paging import Page, keyset_page

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Narrowing of the log; an empty value does not narrow.

    ``action``: a whole action or its beginning up to a dot (``deployment``). ``repositories``:
    names that may be seen; ``None`` means all and also entries of no repository (people, teams,
    tokens), which is for administrators. ``after`` and ``before``: ``after <= at < before``.
    ``text``: part of summary or target, in any case.
    """

    actor: str = ""
    action: str = ""
    repository: str = ""
    repositories: frozenset[str] | None = None
    change: int | None = None
    environment: str = ""
    deployment: int | None = None
    after: datetime | None = None
    before: datetime | None = None
    text: str = ""


def entries(
    filters: EntryFilter | None = None, *, after_seq: int | None = None, limit: int = PAGE_SIZE
) -> Page[AuditEntry]:
    """One page, newest first; ``after_seq`` is the ``next_after`` of the page before."""
    return keyset_page(_narrowed(filters or EntryFilter()), key="seq", after=after_seq, limit=limit)


def visible_entries(user: Any, repositories: Collection[str]) -> QuerySet[AuditEntry]:
    """What ``user`` may read: everything for an administrator, else entries of ``repositories``.

    The caller names the repositories (this context knows no roles).
    """
    if getattr(user, "is_superuser", False) and getattr(user, "is_active", False):
        return AuditEntry.objects.all()
    return AuditEntry.objects.filter(repository__in=set(repositories) - {""})


def _narrowed(filters: EntryFilter) -> QuerySet[AuditEntry]:
    equal = {
        "actor_name": filters.actor,
        "repository": filters.repository,
        "change_number": filters.change,
        "environment": filters.environment,
        "deployment_number": filters.deployment,
        "at__gte": filters.after,
        "at__lt": filters.before,
    }
    rows = AuditEntry.objects.filter(**{name: value for name, value in equal.items() if value not in (None, "")})
    if filters.repositories is not None:
        rows = rows.filter(repository__in=filters.repositories - {""})
    if filters.action:
        rows = rows.filter(Q(action=filters.action) | Q(action__startswith=filters.action.rstrip(".") + "."))
    if filters.text:
        rows = rows.filter(Q(summary__icontains=filters.text) | Q(target__icontains=filters.text))
    return rows
