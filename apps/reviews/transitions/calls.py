"""Calls: what brings a person into the attention set beside the rules over the change itself."""

from __future__ import annotations

from collections.abc import Mapping

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.reviews.attention import BY_DEPLOYMENTS, Kind, Origin, Turn
from apps.reviews.models import Call
from apps.reviews.transitions.turns import give_turn, mark_stale

KINDS = {
    Origin.HAND_OVER: Kind.HANDED,
    Origin.ANSWER: Kind.ANSWERED,
    Origin.FAILED: Kind.FAILED,
    Origin.START: Kind.START,
    Origin.QUIET: Kind.QUIET,
}


def call_for(
    change: ChangeRequest,
    user: User,
    *,
    origin: Origin,
    reason: str,
    by: User | None = None,
    thread: int | None = None,
) -> None:
    """Call ``user`` to ``change``; a newer call of the same origin replaces the older one. It is their turn at once."""
    Call.objects.filter(change=change, user=user, origin=origin, ended_at=None).update(ended_at=now())
    Call.objects.create(
        change=change, user=user, origin=origin, reason=reason[:500], made_by=by, thread=thread, created_at=now()
    )
    give_turn(change, user, Turn(KINDS[origin], reason[:500]))
    mark_stale(change)


def end_calls(change: ChangeRequest, user: User, *, but: frozenset[Origin] = BY_DEPLOYMENTS) -> None:
    """``user`` acted on ``change``: what they were called for is settled, except what a deployment waits for."""
    Call.objects.filter(change=change, user=user, ended_at=None).exclude(origin__in=but).update(ended_at=now())


def end_thread_calls(change: ChangeRequest, thread: int) -> None:
    """Thread number ``thread`` is settled: nobody is called to it any more."""
    if Call.objects.filter(change=change, thread=thread, ended_at=None).update(ended_at=now()):
        mark_stale(change)


def set_calls(change: ChangeRequest, origin: Origin, wanted: Mapping[int, str]) -> bool:
    """Make ``wanted`` (account id → reason) the open calls of one ``origin``; whether anything changed."""
    present = {row.user_id: row for row in Call.objects.filter(change=change, origin=origin, ended_at=None)}
    over = [row.pk for user, row in present.items() if wanted.get(user) != row.reason]
    Call.objects.filter(pk__in=over).update(ended_at=now())
    new = {user: reason for user, reason in wanted.items() if user not in present or present[user].pk in over}
    Call.objects.bulk_create(
        [
            Call(change=change, user_id=user, origin=origin, reason=reason, created_at=now())
            for user, reason in new.items()
        ]
    )
    if over or new:
        mark_stale(change)
    return bool(over or new)
