"""Break-glass: one change goes without its rules, by two people, for an hour, and the rules are owed afterwards."""

from __future__ import annotations

import re

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.reviews import access
from apps.reviews.emergencies import LASTS, emergency_in_force
from apps.reviews.facts import approval_facts, policy_of
from apps.reviews.models import Emergency, EmergencyConfirmation, News
from apps.reviews.people import people_of, principals
from apps.reviews.services.recording import record_act, refusals_on_record
from apps.reviews.signals import gate_opened
from apps.reviews.transitions import mark_stale, tell

LONGEST = 500
MAY_NOT_DECLARE = ("not_viewer", "no_emergencies", "touches_policy", "service_account", "not_in_group")
MAY_NOT_CONFIRM = ("contributor", "service_account", "declared_it", "not_in_group")
"""Refusals that are on record: somebody tried to get past the rules whom, or with what, the policy does not let."""


def declare_emergency(actor: User, *, change: ChangeRequest, reason: str, incident: str = "") -> Emergency:
    """Ask for ``change`` as it is now to go without its rules; nothing goes before others have confirmed it.

    For whoever may merge it, and for those whom ``emergency.from`` names. One at a time: :class:`Conflict`
    ``already_declared``. Everybody who could confirm is told at once. Who may not is refused on record, and so is
    an emergency of a change of the policy, or where the policy has none.
    """
    with refusals_on_record(actor, change, "emergency.refused", MAY_NOT_DECLARE):
        return _declare(actor, change, reason, incident)


@transaction.atomic
def _declare(actor: User, change: ChangeRequest, reason: str, incident: str) -> Emergency:
    reason, incident = " ".join(reason.split()), incident.strip()
    if not 1 <= len(reason) <= LONGEST:
        text = f"Say what happened, in at most {LONGEST} characters: everybody reads it, and it stays on record."
        raise InvalidInput("reason_missing", text, field="reason")
    if len(incident) > LONGEST or (incident and not re.fullmatch(r"(https?://)?[^\s<>\"']+", incident)):
        raise InvalidInput(
            "bad_incident", "Name the incident by its address or its id, without spaces.", field="incident"
        )
    locked = lock_change(change)
    policy = policy_of(locked)
    access.can_declare(actor, locked, policy).require_or_conflict()
    if emergency_in_force(locked) is not None:
        raise Conflict("already_declared", f"An emergency of {locked.label} is declared already; it waits on its page.")
    revision = locked.revision
    if revision is None or not revision.subject:
        raise Conflict("no_result", f"{locked.label} has no merge result, so there is nothing that could go.")
    row = Emergency.objects.create(
        change=locked,
        revision=revision,
        subject=revision.subject,
        reason=reason,
        incident=incident,
        declared_by=actor,
        declared_at=now(),
        expires_at=now() + LASTS,
    )
    said = f"declared an emergency of {locked.label} {revision.label}: {reason[:200]}"
    record_act(actor, locked, "emergency.declared", said, _data(row))
    _tell_everybody(actor, locked, row)
    mark_stale(locked)
    return row


def confirm_emergency(actor: User, *, change: ChangeRequest) -> Emergency:
    """Say that it is one. For those whom ``emergency.from`` names, not for who declared it or contributed.

    Who may not is refused on record; everything else that is refused writes nothing.
    """
    with refusals_on_record(actor, change, "emergency.confirm_refused", MAY_NOT_CONFIRM):
        return _confirm(actor, change)


@transaction.atomic
def _confirm(actor: User, change: ChangeRequest) -> Emergency:
    locked = lock_change(change)
    row = _present(locked)
    facts = approval_facts(locked)
    access.can_confirm(actor, locked, facts).require_or_conflict()
    _, created = EmergencyConfirmation.objects.get_or_create(
        emergency=row, person=actor, defaults={"confirmed_at": now()}
    )
    if not created:
        raise Conflict("already_confirmed", "You confirmed this emergency already.")
    what = f"confirmed the emergency of {locked.label} that {row.declared_by.username} declared"
    record_act(actor, locked, "emergency.confirmed", what, _data(row))
    mark_stale(locked)
    transaction.on_commit(lambda: gate_opened.send(sender=None, change_id=locked.pk))
    return row


@transaction.atomic
def end_emergency(actor: User, *, change: ChangeRequest) -> Emergency:
    """The rules hold again from now on. Who declared or confirmed it, and maintainers; what is owed stays owed."""
    locked = lock_change(change)
    row = _present(locked)
    access.can_end_emergency(actor, locked, row).require()
    row.ended_at = now()
    row.save(update_fields=["ended_at"])
    record_act(actor, locked, "emergency.ended", f"ended the emergency of {locked.label}", _data(row))
    mark_stale(locked)
    return row


def _present(change: ChangeRequest) -> Emergency:
    row = emergency_in_force(change)
    if row is None:
        text = (
            f"No emergency of {change.label} is in force: it was ended, it expired, or the change is another one now."
        )
        raise Conflict("no_emergency", text)
    return row


def _tell_everybody(actor: User, change: ChangeRequest, row: Emergency) -> None:
    config = policy_of(change).config.emergency
    known = principals([*(config.from_ if config else ()), "role/maintainer"], people_of(change.repository))
    people = {person for some in known.values() for person in some} | {change.owner_id or 0, change.requester_id}
    text = f"Emergency, declared by {actor.username}: {row.reason}"
    tell(change, people, kind=News.Kind.EMERGENCY, text=text, place="emergency", by=actor.pk)


def _data(row: Emergency) -> dict[str, object]:
    return {
        "emergency": row.pk,
        "revision": row.revision.number,
        "reason": row.reason,
        "incident": row.incident,
        "expires_at": row.expires_at.isoformat(),
    }
