"""Settling a thread: resolved, dropped with a reason, or open again."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.reviews import access
from apps.reviews.models import Thread
from apps.reviews.services.telling import thread_settled
from apps.reviews.services.threads import lock_thread, record
from apps.reviews.thread_states import Event, next_state
from apps.reviews.transitions import mark_stale

MAX_REASON = 500


@transaction.atomic
def resolve_thread(actor: User, *, thread: Thread) -> Thread:
    """What was asked for is done. Somebody else having settled it first is a :class:`Conflict`."""
    return _settle(actor, thread, Event.RESOLVE, "resolved")


@transaction.atomic
def drop_thread(actor: User, *, thread: Thread, reason: str) -> Thread:
    """It will not be done, and ``reason`` says why."""
    text = reason.strip()
    if not text:
        raise InvalidInput("reason_required", "Say why this thread is dropped.", field="reason")
    if len(text) > MAX_REASON:
        raise InvalidInput("reason_too_long", f"A reason has at most {MAX_REASON} characters.", field="reason")
    return _settle(actor, thread, Event.DROP, "dropped", text)


@transaction.atomic
def reopen_thread(actor: User, *, thread: Thread) -> Thread:
    """It is not settled after all."""
    return _settle(actor, thread, Event.REOPEN, "reopened")


def _settle(actor: User, thread: Thread, event: Event, word: str, reason: str = "") -> Thread:
    locked = lock_thread(thread)
    access.can_resolve(actor, locked).require()
    opens = event == Event.REOPEN
    locked.state = str(next_state(locked.state, event, number=locked.number))
    locked.resolved_by = None if opens else actor
    locked.resolved_at = None if opens else now()
    locked.reason = reason
    locked.save(update_fields=["state", "resolved_by", "resolved_at", "reason"])
    data: dict[str, object] = {"reason": reason} if reason else {}
    record(actor, locked, f"thread.{word}", f"{word} thread {locked.number}", data)
    if not opens:
        thread_settled(actor, locked, word)
    mark_stale(locked.change)
    return locked
