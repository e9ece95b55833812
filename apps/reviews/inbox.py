"""Reading one's inbox: only what the person may see now, newest first, by keyset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet, Subquery

from apps.accounts.models import User
from apps.core.paging import Page, keyset_page
from apps.core.reading import once_per_read
from apps.repositories.models import Repository
from apps.reviews.attention import Kind
from apps.reviews.models import Attention, News, told_as
from apps.reviews.queue import awake_turns, turns_of
from apps.reviews.transitions.news import TOGETHER

PAGE = 30
OF_A_TURN = frozenset({News.Kind.TURN, News.Kind.LOST, News.Kind.HANDED, News.Kind.NUDGE})
"""Kinds of lines that say that something is for the reader to do."""


def news_of(user: User) -> QuerySet[News]:
    """All rows of ``user``'s inbox whose change they may see: who lost their role loses the rows with it."""
    return News.objects.filter(user=user, change__repository__in=Repository.objects.visible_to(user))


def inbox(
    user: User, *, unread: bool = False, kind: str = "", after: int | None = None, limit: int = PAGE
) -> Page[News]:
    """One page; ``unread`` and ``kind`` (of :class:`News.Kind`) narrow it."""
    rows = news_of(user).select_related("change", "change__repository")
    if unread:
        rows = rows.filter(read_at=None)
    if kind:
        rows = rows.filter(kinds__contains=f",{kind},")
    return keyset_page(rows, key="pk", after=after, limit=limit)


def unread_of(user: User) -> QuerySet[News]:
    return news_of(user).filter(read_at=None)


def turns_in(user: User, rows: Iterable[News]) -> dict[int, Attention]:
    """Key of a change → the turn that ``user`` has there now, for the changes of ``rows``; one query."""
    return {turn.change_id: turn for turn in turns_of(user).filter(change__in={row.change_id for row in rows})}


def is_over(line: Mapping[str, Any], turn: Attention | None) -> bool:
    """Whether a line told a turn that has ended since; ``turn``: the one that its reader has on the change now.

    A turn that came back within :data:`TOGETHER` has no line but the one of before.
    """
    if line["kind"] not in OF_A_TURN:
        return False
    if turn is None or datetime.fromisoformat(line["at"]) < turn.since - TOGETHER:
        return True
    now_told = told_as(Kind(turn.kind))
    return line["kind"] != News.Kind.NUDGE and now_told is not None and now_told != line["kind"]


@once_per_read
def counts_of(user: User) -> tuple[int, int]:
    """How many changes wait for ``user``, and how many rows of the inbox are unread; one query, made on every page."""
    counted = User.objects.filter(pk=user.pk).values_list(_count(awake_turns(user)), _count(unread_of(user)))
    turns, unread = counted.first() or (None, None)
    return turns or 0, unread or 0


def _count(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by().values("user").annotate(found=Count("pk")).values("found"))
