"""The rows that say whose turn it is and that a list's verdict is out of date."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.work import request_work
from apps.reviews.models import Attention, VerdictSnapshot
from apps.reviews.signals import attention_changed, verdict_changed

REFRESH = "reviews.refresh_reviewers"


def mark_stale(change: ChangeRequest) -> None:
    """Tell those who watch, and have the job look at reviewers, attention and the listed verdict again."""
    VerdictSnapshot.objects.update_or_create(change=change, defaults={"stale": True})
    request_work(REFRESH, change.pk)
    pk = change.pk
    transaction.on_commit(lambda: verdict_changed.send(sender=ChangeRequest, change_id=pk))


def end_turn(change: ChangeRequest, user: User) -> None:
    """It is no longer ``user``'s turn."""
    gone, _ = Attention.objects.filter(change=change, user=user).delete()
    if gone:
        _announce([user.pk])


def set_attention(change: ChangeRequest, wanted: dict[int, str]) -> None:
    """Make ``wanted`` (user id → reason) the attention set; who stays in keeps the time since when."""
    present = {row.user_id: row for row in Attention.objects.filter(change=change)}
    gone = [row.pk for user_id, row in present.items() if user_id not in wanted]
    Attention.objects.filter(pk__in=gone).delete()
    changed = [user_id for user_id in present if user_id not in wanted]
    for user_id, reason in wanted.items():
        row = present.get(user_id)
        if row is None:
            Attention.objects.create(change=change, user_id=user_id, reason=reason[:500], since=now())
            changed.append(user_id)
        elif row.reason != reason[:500]:
            Attention.objects.filter(pk=row.pk).update(reason=reason[:500])
            changed.append(user_id)
    if changed:
        _announce(changed)


def _announce(user_ids: list[int]) -> None:
    transaction.on_commit(lambda: attention_changed.send(sender=Attention, user_ids=user_ids))
