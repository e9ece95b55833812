"""Somebody else instead: "not me", and swapping a person who is asked."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.reviews import access
from apps.reviews.asking import end
from apps.reviews.models import Assignment, News
from apps.reviews.queries import request_of
from apps.reviews.services.assigning import require_able
from apps.reviews.transitions import end_turn, mark_stale, tell

REVIEW = Assignment.Duty.REVIEW


@transaction.atomic
def decline(actor: User, *, change: ChangeRequest, reason: str, better: User | None = None) -> Assignment | None:
    """``actor`` says "not me" with a ``reason``, and may name somebody better, who is asked at once.

    Without a better person the next best one is chosen. The portal never asks ``actor`` for this change
    again. Returns the new request, if one was made here. InvalidInput ``reason_required``, ``not_able``,
    ``already_assigned``; Conflict ``not_assigned``.
    """
    locked = _locked(change)
    access.can_decline(actor, locked).require_or_conflict()
    row = request_of(locked, actor)
    said = _required(reason, "Say why not you: it helps to ask the right person.")
    made = _ask_instead(actor, locked, row, better, field="better") if better else None
    end(row, Assignment.Ending.DECLINED, f"said “not me”: {said}")
    _record(
        actor,
        locked,
        "change.reviewer_declined",
        f"{actor.username} declined to review {locked.label}",
        row,
        said,
        better,
    )
    owners = [locked.owner_id or locked.requester_id]
    text = f"{actor.username} is not asked any more: “not me”, {said}"
    tell(locked, owners, kind=News.Kind.REVIEW, text=text, place="approvals", by=actor.pk)
    end_turn(locked, actor)
    mark_stale(locked)
    return made


@transaction.atomic
def swap(actor: User, *, change: ChangeRequest, user: User, reason: str, to: User | None = None) -> Assignment | None:
    """Ask ``to`` (or, if nobody is named, the next best) instead of ``user``, with a ``reason``.

    InvalidInput ``reason_required``, ``same_person``, ``not_able``, ``already_assigned``; Conflict ``not_assigned``.
    """
    locked = _locked(change)
    access.can_swap(actor, locked, user).require_or_conflict()
    row = request_of(locked, user)
    said = _required(reason, f"Say why somebody else than {user.username} is asked.")
    made = _ask_instead(actor, locked, row, to, field="to") if to else None
    whom = f"{to.username} is asked instead" if to else "somebody else is asked"
    end(row, Assignment.Ending.SWAPPED, f"{whom}: {said}")
    summary = f"{actor.username} let {to.username if to else 'somebody else'} be asked instead of {user.username}"
    _record(actor, locked, "change.reviewer_swapped", f"{summary} on {locked.label}", row, said, to)
    text = f"{actor.username}: {whom} of you: {said}" if to else f"{actor.username} lets somebody else be asked: {said}"
    tell(locked, [user.pk], kind=News.Kind.REVIEW, text=text, place="approvals", by=actor.pk)
    end_turn(locked, user)
    mark_stale(locked)
    return made


def _locked(change: ChangeRequest) -> ChangeRequest:
    rows = ChangeRequest.objects.select_for_update(of=("self",), no_key=True).select_related("repository", "requester")
    return rows.get(pk=change.pk)


def _required(reason: str, hint: str) -> str:
    said = " ".join(reason.split())[:300]
    if not said:
        raise InvalidInput("reason_required", hint, field="reason")
    return said


def _ask_instead(actor: User, change: ChangeRequest, row: Assignment, to: User, *, field: str) -> Assignment:
    if to.pk == row.user_id:
        raise InvalidInput("same_person", f"{to.username} is the person who is asked now.", field=field)
    require_able(to, change, REVIEW, field=field)
    earlier = Assignment.objects.filter(change=change, user=to, duty=REVIEW)
    if earlier.filter(ended_at=None).exists():
        raise InvalidInput("already_assigned", f"{to.username} is asked already.", field=field)
    if earlier.filter(ending=Assignment.Ending.DECLINED).exists():
        raise InvalidInput("declined", f"{to.username} said “not me” on this change.", field=field)
    words = "named you as the better person" if actor.pk == row.user_id else f"asked you instead of {row.user.username}"
    return Assignment.objects.create(
        change=change,
        user=to,
        duty=REVIEW,
        origin=Assignment.Origin.PERSON,
        reason=f"{actor.username} {words}",
        assigned_by=actor,
        created_at=now(),
    )


def _record(
    actor: User, change: ChangeRequest, action: str, summary: str, row: Assignment, reason: str, to: User | None
) -> None:
    audit.record(
        Actor.of(actor),
        action,
        repository=change.repository.name,
        change=change.number,
        target=row.user.username,
        summary=summary,
        data={
            "user": row.user.username,
            "instead": to.username if to else None,
            "reason": reason,
            "asked_because": row.reason,
        },
    )
