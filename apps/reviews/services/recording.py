"""What the use cases on one change share when they write it down."""

from __future__ import annotations

from contextlib import AbstractContextManager

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest


def record_act(actor: User, change: ChangeRequest, action: str, what: str, data: dict[str, object]) -> None:
    """The one audit entry of an act of ``actor`` on ``change``; ``what`` goes on after their name."""
    audit.record(
        Actor.of(actor),
        action,
        repository=change.repository.name,
        change=change.number,
        target=change.label,
        summary=f"{actor.username} {what}",
        data=data,
    )


def refusals_on_record(
    actor: User, change: ChangeRequest, action: str, codes: tuple[str, ...]
) -> AbstractContextManager[None]:
    """A refusal with one of ``codes`` of what is done inside is recorded as ``action`` and goes on to the caller."""
    return audit.refusals_on_record(
        Actor.of(actor),
        action,
        *codes,
        target=change.label,
        repository=change.repository.name,
        change=change.number,
    )
