"""Reading one's inbox: only what the person may see now, newest first, by keyset."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet, Subquery

from apps.accounts.models import User
from apps.core.paging import Page, keyset_page
from apps.core.reading import once_per_read
from apps.repositories.models import Repository
from apps.reviews.models import News
from apps.reviews.queue import awake_turns

PAGE = 30


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


@once_per_read
def counts_of(user: User) -> tuple[int, int]:
    """How many changes wait for ``user``, and how many rows of the inbox are unread; one query, made on every page."""
    counted = User.objects.filter(pk=user.pk).values_list(_count(awake_turns(user)), _count(unread_of(user)))
    turns, unread = counted.first() or (None, None)
    return turns or 0, unread or 0


def _count(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by().values("user").annotate(found=Count("pk")).values("found"))
