"""Whose turn it is, as rows: each person once per change, with the reason and since when."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.work import request_work
from apps.reviews.attention import Kind, Turn
from apps.reviews.models import Attention, VerdictSnapshot, told_as
from apps.reviews.signals import attention_changed, verdict_changed
from apps.reviews.transitions.news import tell

REFRESH = "reviews.refresh_reviewers"


def mark_stale(change: ChangeRequest) -> None:
    """Tell those who watch, and have the job look at reviewers, attention and the listed verdict again."""
    VerdictSnapshot.objects.update_or_create(change=change, defaults={"stale": True})
    request_work(REFRESH, change.pk)
    pk = change.pk
    transaction.on_commit(lambda: verdict_changed.send(sender=ChangeRequest, change_id=pk))


def end_turn(change: ChangeRequest, user: User) -> bool:
    """It is no longer ``user``'s turn; whether it was."""
    gone, _ = Attention.objects.filter(change=change, user=user).delete()
    if gone:
        _announce([user.pk])
    return bool(gone)


def give_turn(change: ChangeRequest, user: User, turn: Turn) -> None:
    """It is ``user``'s turn from now on, beside the others'; the next look at the change confirms it."""
    row = Attention.objects.filter(change=change, user=user).first()
    if row is None:
        _begin(change, user.pk, turn)
    else:
        _go_on(row, turn)
    VerdictSnapshot.objects.filter(change=change).update(nobody_since=None)
    _announce([user.pk])


def announce_turn(user: User) -> None:
    """Tell ``user``'s pages, after commit, that their queue is different."""
    _announce([user.pk])


def set_attention(change: ChangeRequest, wanted: Mapping[int, Turn]) -> None:
    """Make ``wanted`` (account id → turn) the attention set; who stays in keeps the time since when.

    Who comes in, or is in for another kind of reason, finds it in the inbox. A snooze lasts as
    long as its reason. Since when nobody is in the set is remembered.
    """
    present = {row.user_id: row for row in Attention.objects.filter(change=change)}
    changed = [user_id for user_id in present if user_id not in wanted]
    if changed:
        Attention.objects.filter(change=change, user__in=changed).delete()
    for user_id, turn in wanted.items():
        row = present.get(user_id)
        if row is None:
            _begin(change, user_id, turn)
            changed.append(user_id)
        elif _go_on(row, turn):
            changed.append(user_id)
    nobody = VerdictSnapshot.objects.filter(change=change)
    if wanted:
        nobody.update(nobody_since=None)
    else:
        nobody.filter(nobody_since=None).update(nobody_since=now())
    if changed:
        _announce(changed)


def _begin(change: ChangeRequest, user_id: int, turn: Turn) -> None:
    Attention.objects.create(change=change, user_id=user_id, kind=turn.kind, reason=turn.reason[:500], since=now())
    _tell(change, user_id, turn)


def _go_on(row: Attention, turn: Turn) -> bool:
    """Whether anything about the turn is different now."""
    if (row.kind, row.reason) == (turn.kind, turn.reason[:500]):
        return False
    is_other_kind = row.kind != turn.kind
    row.kind, row.reason = turn.kind, turn.reason[:500]
    if is_other_kind:
        row.snoozed_until = row.snoozed_revision = row.snooze_ended_at = None
        _tell(row.change, row.user_id, turn)
    row.save()
    return True


def _tell(change: ChangeRequest, user_id: int, turn: Turn) -> None:
    kind = told_as(Kind(turn.kind))
    if kind is not None:
        tell(change, [user_id], kind=kind, text=turn.reason)


def _announce(user_ids: list[int]) -> None:
    transaction.on_commit(lambda: attention_changed.send(sender=Attention, user_ids=user_ids))
