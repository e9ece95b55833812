"""Audit entries as lines of a history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.audit.models import AuditEntry
from apps.presentation.plain import one_line

ICONS = {
    "change": "edit",
    "revision": "commit",
    "review": "eye",
    "thread": "comment",
    "merge": "merge",
    "deployment": "rocket",
    "repository": "repository",
}


@dataclass(frozen=True, slots=True)
class HistoryRow:
    at: datetime
    actor: str
    summary: str
    icon: str
    url: str


def history_rows(entries: Iterable[AuditEntry]) -> list[HistoryRow]:
    """One line per entry; the words are those that were recorded."""
    return [
        HistoryRow(
            at=entry.at,
            actor=entry.actor_name,
            summary=one_line(entry.summary),
            icon=ICONS.get(entry.action.split(".")[0], "info"),
            url=f"/deployments/{entry.deployment_number}/" if entry.deployment_number else "",
        )
        for entry in entries
    ]
