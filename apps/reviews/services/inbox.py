"""One's own inbox: marking rows as read. Personal, without effect on anybody else, so it has no audit entry."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import NotVisible
from apps.reviews.models import News
from apps.reviews.signals import attention_changed


@transaction.atomic
def mark_news(actor: User, *, rows: Collection[int], read: bool) -> int:
    """Mark rows of the actor's own inbox as read or unread; how many changed. A row of somebody else does not exist."""
    own = News.objects.filter(user=actor, pk__in=rows)
    if own.count() != len(set(rows)):
        raise NotVisible("not_found", "There is no such row in your inbox.")
    changed = own.filter(read_at__isnull=read).update(read_at=now() if read else None)
    _announce(actor)
    return changed


@transaction.atomic
def mark_all_read(actor: User) -> int:
    """Mark everything in the actor's inbox as read; how many rows were not."""
    changed = News.objects.filter(user=actor, read_at=None).update(read_at=now())
    _announce(actor)
    return changed


def _announce(actor: User) -> None:
    pk = actor.pk
    transaction.on_commit(lambda: attention_changed.send(sender=News, user_ids=[pk]))
