"""My queue: sections of lines, in the order of what this person mostly does (UX §2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.presentation.change_rows import ChangeRow, rows_of
from apps.presentation.words import word_of
from apps.repositories.models import RepositoryRole
from apps.repositories.roles import Role
from apps.reviews import queries as reviews


@dataclass(frozen=True, slots=True)
class Line:
    """One change in a section: ``reason`` is why it is there."""

    row: ChangeRow
    reason: str


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    lines: tuple[Line, ...]
    more_url: str
    folded: bool


@dataclass(frozen=True, slots=True)
class QueuePage:
    """``turns``: how many changes need this person; ``waiting``: how many wait for others."""

    sections: tuple[Section, ...]
    turns: int
    waiting: int


ENGINEER = ("attention", "ready", "deploying", "waiting", "drafts", "backlog", "done")
RELEASE_MANAGER = ("deploying", "attention", "ready", "waiting", "backlog", "drafts", "done")
FOLDED = frozenset({"done"})


def queue_page(user: User) -> QueuePage:
    """Empty sections are left out, except the first question: does anything need me? What does is listed only there."""
    found = {section.key: section for section in reviews.queue(user)}
    changes = [row.change for section in found.values() for row in section.rows]
    drawn = {row.change.pk: row for row in rows_of(user, changes)}
    order = [key for key in _order(user) if key in found] + [key for key in found if key not in ENGINEER]
    mine = {row.change.pk for row in found["attention"].rows} if "attention" in found else set()
    sections = []
    for key in order:
        section = found[key]
        rows = [row for row in section.rows if key == "attention" or row.change.pk not in mine]
        lines = tuple(Line(drawn[row.change.pk], _reason(drawn[row.change.pk], row.reason)) for row in rows)
        if lines or key == "attention":
            more = f"/changes/?{urlencode({'q': section.query})}" if section.more else ""
            sections.append(Section(key, section.title, lines, more, key in FOLDED))
    return QueuePage(
        sections=tuple(sections),
        turns=len(found["attention"].rows) if "attention" in found else 0,
        waiting=len(found["waiting"].rows) if "waiting" in found else 0,
    )


def _reason(row: ChangeRow, reason: str) -> str:
    """Of a merged change: what each environment does; of others what the queue says."""
    if not row.deployments:
        return reason
    return ", ".join(f"{fact.environment}: {word_of(fact.status).text.lower()}" for fact in row.deployments)


def _order(user: User) -> tuple[str, ...]:
    """Who releases sees first what is being deployed; one query."""
    deploys = RepositoryRole.objects.filter(role__in=(Role.DEPLOYER, Role.MAINTAINER))
    mine = deploys.filter(user=user) | deploys.filter(team__memberships__user=user)
    return RELEASE_MANAGER if mine.exists() else ENGINEER
