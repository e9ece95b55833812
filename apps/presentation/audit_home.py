"""What an auditor sees first: whether the record is whole, what went beside the rules, what reached protected places."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from apps.accounts.models import User
from apps.audit.actions import ACTIONS
from apps.audit.models import AuditEntry
from apps.audit.queries import visible_entries
from apps.core.clock import now
from apps.deployments.models import Deployment
from apps.presentation.audit_chain import chain
from apps.repositories.queries import auditable

LATELY = timedelta(days=30)
ROWS = 10
UNUSUAL = (
    "emergency.declared",
    "emergency.used",
    "window.overridden",
    "repository.outside_change",
    "policy.broken",
    "deployment.resolved",
    "deployment.unknown",
    "change.closed",
)
"""Entries that say that something went another way than the rules describe."""


STARTED = ("deployment.requested", "deployment.scheduled")
"""Entries of the person by whose doing a deployment began: who pressed Start, or chose the time. A merge alone is not that."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One fact with its place: ``state`` is a word of :mod:`apps.presentation.words`."""

    key: str
    state: str
    text: str
    url: str
    at: datetime | None


def audit_lines(user: User, section: str) -> tuple[AuditLine, ...]:
    """The lines of one of the auditor's sections; at most two queries each."""
    names = list(auditable(user).values_list("name", flat=True))
    if not names and not user.is_superuser:
        return ()
    if section == "verification":
        return (_verification(),)
    if section == "exceptions":
        return tuple(sorted([*_unusual(user, names), *_own_deploys(names)], key=_newest)[:ROWS])
    return tuple(_protected(names))


def _newest(line: AuditLine) -> float:
    return -(line.at.timestamp() if line.at else 0.0)


def _verification() -> AuditLine:
    found = chain()
    if found.checked is None:
        return AuditLine("chain", found.state, f"{found.seq:,} entries, never checked", "/audit/", None)
    text = f"{found.checked.entries:,} entries checked by {found.checked.by}"
    if found.newer:
        text += f"; {found.newer:,} written since"
    return AuditLine("chain", found.state, found.checked.problem or text, "/audit/", found.checked.at)


def _unusual(user: User, names: list[str]) -> list[AuditLine]:
    rows = visible_entries(user, names).filter(action__in=UNUSUAL, at__gte=now() - LATELY).order_by("-seq")[:ROWS]
    return [
        AuditLine(f"e{row.seq}", "outside_change", _said(row.action, row.summary), f"/audit/{row.seq}/", row.at)
        for row in rows
    ]


def _said(action: str, summary: str) -> str:
    return f"{ACTIONS.get(action, action)}: {summary}"


def _own_deploys(names: list[str]) -> list[AuditLine]:
    """Deployments to protected environments that the author of the change started, or asked for where nobody presses Start."""
    own = Q(starter=F("change__owner")) | Q(starter=None, requested_by=F("change__owner"))
    rows = _to_protected(names).filter(own, queued_at__gte=now() - LATELY)
    return [
        AuditLine(
            f"own{row.number}",
            row.status,
            f"{row.started_by or row.requested_by.username} {'deployed' if row.started_by else 'asked for'} their own "
            f"{row.change.label} {'to' if row.started_by else 'in'} {row.environment.name}",
            f"/deployments/{row.number}/",
            row.queued_at,
        )
        for row in rows[:ROWS]
    ]


def _protected(names: list[str]) -> list[AuditLine]:
    return [
        AuditLine(
            f"d{row.number}",
            row.status,
            f"{row.label} {row.change.label} to {row.environment.name}, {_by(row)}",
            f"/deployments/{row.number}/",
            row.ended_at or row.queued_at,
        )
        for row in _to_protected(names)[:ROWS]
    ]


def _by(row: Any) -> str:
    return f"started by {row.started_by}" if row.started_by else f"asked for by {row.requested_by.username}"


def _to_protected(names: list[str]) -> QuerySet[Any]:
    """What ran there, each with ``starter``, the account, and ``started_by``, the name of who pressed Start or scheduled it."""
    rows = Deployment.objects.filter(
        environment__protected=True, environment__repository__name__in=names, attempts__gt=0
    )
    presses = AuditEntry.objects.filter(action__in=STARTED, deployment_number=OuterRef("number")).order_by("-seq")
    account = Cast(KeyTextTransform("id", "actor"), BigIntegerField())
    return (
        rows.annotate(
            starter=Subquery(presses.annotate(account=account).values("account")[:1]),
            started_by=Subquery(presses.values("actor_name")[:1]),
        )
        .select_related("change", "environment", "requested_by")
        .order_by("-number")
    )
