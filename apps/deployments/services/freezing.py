"""Lifting the freeze of a target branch."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.core.errors import InvalidInput
from apps.deployments.models import TargetFreeze
from apps.deployments.transitions import lift
from apps.repositories import access as repositories


@transaction.atomic
def lift_freeze(actor: User, *, freeze: TargetFreeze, reason: str) -> TargetFreeze:
    """For maintainers, who say what they found. What was found wrong stays undeployed: its deployments never start.

    :class:`InvalidInput` ``reason_missing``; :class:`Conflict` ``lifted`` when somebody was faster.
    """
    repositories.require_maintain(actor, freeze.repository)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say what you found: the record keeps it.", field="reason")
    lift(freeze, actor=actor, reason=reason.strip())
    freeze.refresh_from_db()
    return freeze
