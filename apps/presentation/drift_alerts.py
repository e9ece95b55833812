"""Alerts of drift in the queue of who deploys there (UX §2.2): they stand until it is gone, accepted, or being adopted."""

from __future__ import annotations

from apps.accounts.models import User
from apps.deployments.models import Environment
from apps.deployments.queries.drift import DRIFTED, STALE, Drift, alerts_among
from apps.presentation.audit_home import AuditLine
from apps.presentation.board import environment_url
from apps.presentation.drift_words import counted, drift_word
from apps.repositories.queries import deployable


def drift_lines(user: User, limit: int) -> tuple[AuditLine, ...]:
    """The newest first; six queries at most, one where there is none."""
    places = Environment.objects.filter(repository__in=deployable(user))
    return tuple(_line(row, found) for row, found in alerts_among(places, limit))


def _line(row: Environment, found: Drift) -> AuditLine:
    name = f"{row.name} of {row.repository.name}"
    url = f"{environment_url(row)}drift/"
    return AuditLine(
        f"e{row.pk}", drift_word(found).key, f"{name}: {_words(found)}", url, found.since or found.checked_at
    )


def _words(found: Drift) -> str:
    if found.state == DRIFTED:
        return counted(found)
    if found.state == STALE and found.fields:
        return f"{counted(found)} when it was last looked at"
    return "it had drifted, and since then no look told whether it still does"
