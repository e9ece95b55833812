"""Threads as pages and sockets show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.presentation.markdown import to_html
from apps.presentation.plain import visible
from apps.repositories.access import capabilities
from apps.repositories.roles import ASK, MAINTAIN, WRITE
from apps.reviews.models import Comment, Thread


@dataclass(frozen=True, slots=True)
class Remark:
    """One comment. ``html`` is safe."""

    author: User
    at: datetime
    html: SafeString


@dataclass(frozen=True, slots=True)
class Talk:
    """One thread. ``state`` is a word of presentation.words; ``place`` names file and line, or nothing;
    ``outdated`` names the older revision on which it was opened."""

    number: int
    kind: str
    state: str
    place: str
    place_url: str
    outdated: str
    remarks: tuple[Remark, ...]
    may_move: bool
    resolved_by: User | None
    resolved_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state != "resolved"


@dataclass(frozen=True, slots=True)
class Discussion:
    """All threads of a change, open and blocking ones first."""

    threads: tuple[Talk, ...]
    may_comment: bool

    @property
    def open_count(self) -> int:
        return sum(talk.is_open for talk in self.threads)

    @property
    def blocking_count(self) -> int:
        return sum(talk.state == "blocking" for talk in self.threads)


def discussion(user: User, change: ChangeRequest) -> Discussion:
    """Two queries for threads and comments, whatever their number, and one for the roles."""
    can = capabilities(user, change.repository)
    rows = list(change.threads.select_related("revision", "created_by", "resolved_by"))
    remarks: dict[int, list[Remark]] = {row.pk: [] for row in rows}
    for comment in Comment.objects.filter(thread__in=rows).select_related("author"):
        remarks[comment.thread_id].append(Remark(comment.author, comment.created_at, to_html(comment.body)))
    talks = [_talk(user, change, row, tuple(remarks[row.pk]), can) for row in rows]
    order = {"blocking": 0, "open": 1, "resolved": 2}
    return Discussion(tuple(sorted(talks, key=lambda talk: (order[talk.state], talk.number))), ASK in can)


def _talk(user: User, change: ChangeRequest, row: Thread, remarks: tuple[Remark, ...], can: frozenset[str]) -> Talk:
    opener = row.created_by_id == user.pk or MAINTAIN in can
    old = row.revision is not None and row.revision_id != change.revision_id
    place = visible(row.path) + (f":{row.line}" if row.line else "") if row.path else ""
    return Talk(
        number=row.number,
        kind=row.kind,
        state=_state(row),
        place=place,
        place_url=f"/changes/{change.number}/diff/?to=r{row.revision.number}" if row.path and row.revision else "",
        outdated=row.revision.label if old and row.revision else "",
        remarks=remarks,
        may_move=opener or (WRITE in can and row.kind != Thread.Kind.BLOCKING),
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
    )


def _state(row: Thread) -> str:
    if row.state == Thread.State.RESOLVED:
        return "resolved"
    return "blocking" if row.kind == Thread.Kind.BLOCKING else "open"
