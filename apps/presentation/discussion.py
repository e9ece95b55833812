"""Threads as pages show them: one whole with its comments, or all of a change as a table of bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Substr
from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.presentation.log_html import line_url
from apps.presentation.markdown import to_html
from apps.presentation.plain import visible
from apps.presentation.suggestion_views import Suggestion, suggestion_of
from apps.presentation.thread_bars import Bar, bar_of
from apps.repositories.access import capabilities
from apps.repositories.roles import ASK, MAINTAIN, WRITE
from apps.reviews import anchors
from apps.reviews.access import is_for_its_opener
from apps.reviews.facts import policy_of
from apps.reviews.models import Comment, Thread
from apps.reviews.suggestions import suggested_lines, without_suggestion
from apps.reviews.thread_states import UNSETTLED, Event, possible

INLINE = 20
"""Threads whose comments come with the page; those of the others are fetched when they are opened."""

FILTERS = ("open", "blocking", "answered", "mine", "all")
_UNSETTLED = [str(state) for state in UNSETTLED]


@dataclass(frozen=True, slots=True)
class Remark:
    """One comment: ``html`` and ``after`` (what follows its ``suggestion``) are safe."""

    pk: int
    author: User
    at: datetime
    html: SafeString
    suggestion: Suggestion | None = None
    after: SafeString | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """One thread. ``state`` is a word of presentation.words; ``place`` names where it stands, or nothing;
    ``outdated`` names the older revision on which it was opened; ``snippet`` are its lines at that time. A log never
    changes: what is ``printed`` is quoted, and never outdated."""

    number: int
    kind: str
    state: str
    place: str
    place_url: str
    outdated: str
    snippet: str
    remarks: tuple[Remark, ...]
    may_reply: bool
    may_settle: bool
    may_reopen: bool
    resolved_by: User | None
    resolved_at: datetime | None
    reason: str
    printed: bool = False

    @property
    def is_open(self) -> bool:
        return self.resolved_by is None


@dataclass(frozen=True, slots=True)
class Discussion:
    """The threads of a change that ``chosen`` (one of :data:`FILTERS`) lets through; unsettled ones first.

    ``counts`` are those of the whole change, by filter.
    """

    bars: tuple[Bar, ...]
    counts: dict[str, int]
    chosen: str
    may_comment: bool
    drafts: int

    @property
    def open_count(self) -> int:
        return self.counts["open"] + self.counts["answered"]

    @property
    def blocking_count(self) -> int:
        return self.counts["blocking"]

    @property
    def filters(self) -> tuple[tuple[str, int], ...]:
        return tuple((name, self.counts[name]) for name in FILTERS)


def discussion(user: User, change: ChangeRequest, chosen: str = "") -> Discussion:
    """A constant number of queries, whatever the number of threads."""
    can = capabilities(user, change.repository)
    name = chosen if chosen in FILTERS else "all"
    spoke = Exists(Comment.objects.filter(thread=OuterRef("pk"), author=user))
    rows = list(threads_with_first_words(change).annotate(mine=spoke))
    counts = {each: sum(_fits(row, each) for row in rows) for each in FILTERS}
    shown = [row for row in rows if _fits(row, name)]
    shown.sort(key=lambda row: (row.state not in _UNSETTLED, row.kind != Thread.Kind.BLOCKING, row.number))
    bodies = _talks(user, change, [row for row in shown if row.state in _UNSETTLED][:INLINE], can)
    bars = tuple(replace(bar_of(row), talk=bodies.get(row.number)) for row in shown)
    return Discussion(bars, counts, name, ASK in can, change.drafts.filter(author=user).count())


def _fits(row: Thread, name: str) -> bool:
    facts: Any = row
    return {
        "open": row.state == Thread.State.OPEN,
        "answered": row.state == Thread.State.ANSWERED,
        "blocking": row.kind == Thread.Kind.BLOCKING and row.state in _UNSETTLED,
        "mine": bool(facts.mine),
        "all": True,
    }[name]


def threads_with_first_words(change: ChangeRequest) -> QuerySet[Thread]:
    """All threads with ``comment_count``, ``first_words`` and who spoke last (``last_author``): one query."""
    first = Comment.objects.filter(thread=OuterRef("pk")).order_by("pk")
    rows = change.threads.select_related("revision", "created_by")
    return rows.annotate(
        comment_count=Count("comments"),
        first_words=Subquery(first.values(start=Substr(F("body"), 1, 300))[:1]),
        last_author=Subquery(first.reverse().values("author__username")[:1]),
    )


def talk_of(user: User, thread: Thread) -> Talk:
    """One thread with all its comments."""
    change = thread.change
    return _talks(user, change, [thread], capabilities(user, change.repository))[thread.number]


def talks_of(user: User, change: ChangeRequest, rows: list[Thread]) -> dict[int, Talk]:
    """The first unsettled ones of ``rows`` (with ``revision`` loaded) with their comments, by number."""
    wanted = [row for row in rows if row.state in _UNSETTLED][:INLINE]
    return _talks(user, change, wanted, capabilities(user, change.repository))


def _talks(user: User, change: ChangeRequest, rows: Sequence[Thread], can: frozenset[str]) -> dict[int, Talk]:
    """The threads with their comments, by number: one query for the comments."""
    if not rows:
        return {}
    resolve = policy_of(change).config.threads.resolve
    said: dict[int, list[Comment]] = {row.pk: [] for row in rows}
    for comment in Comment.objects.filter(thread__in=rows).select_related("author", "application"):
        said[comment.thread_id].append(comment)
    return {row.number: _talk(user, change, row, said[row.pk], can, resolve) for row in rows}


def _talk(
    user: User, change: ChangeRequest, row: Thread, said: list[Comment], can: frozenset[str], resolve: str
) -> Talk:
    printed = row.scope == Thread.Scope.LOG
    old = row.revision is not None and row.revision_id != change.revision_id and not printed
    settles = row.created_by_id == user.pk or MAINTAIN in can
    settles = ASK in can if settles else WRITE in can and not is_for_its_opener(row.kind, resolve)
    events = possible(row.state)
    return Talk(
        number=row.number,
        kind=row.kind,
        state=_state(row),
        place=visible(row.anchor.place),
        place_url=place_url(change, row),
        outdated=row.revision.label if old and row.revision else "",
        snippet=visible(row.snippet),
        remarks=tuple(_remark(user, change, row, comment, can) for comment in said),
        may_reply=ASK in can,
        may_settle=settles and Event.RESOLVE in events,
        may_reopen=settles and Event.REOPEN in events,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
        reason=row.reason,
        printed=printed,
    )


def _state(row: Thread) -> str:
    return "blocking" if row.state == Thread.State.OPEN and row.kind == Thread.Kind.BLOCKING else row.state


def _remark(user: User, change: ChangeRequest, row: Thread, comment: Comment, can: frozenset[str]) -> Remark:
    if suggested_lines(comment.body) is None:
        return Remark(comment.pk, comment.author, comment.created_at, to_html(comment.body))
    before, after = without_suggestion(comment.body)
    suggestion = suggestion_of(user, change, row, comment, may_apply=WRITE in can)
    return Remark(comment.pk, comment.author, comment.created_at, to_html(before), suggestion, to_html(after))


def place_url(change: ChangeRequest, row: Thread) -> str:
    """Where the place of a thread can be seen; empty where there is no page for it yet."""
    if row.path:
        return f"/changes/{change.number}/diff/#thread-{row.number}"
    found = anchors.log_place(row.locator) if row.scope == Thread.Scope.LOG else None
    return line_url(found.deployment, found.step, found.attempt, found.line) if found else ""
