"""Decisions to merge, and whether the claims of a repository were taken. Reads only."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.models import MergeIntent
from apps.repositories.models import Repository

NOBODY_AFTER = timedelta(seconds=30)
"""After so long without a try it is said that no worker has taken the merge."""


def last_merge(change: ChangeRequest) -> MergeIntent | None:
    """The newest decision to merge ``change``."""
    rows = MergeIntent.objects.filter(change=change).select_related("revision", "requested_by")
    return rows.order_by("-pk").first()


def why_it_waits(intent: MergeIntent) -> str:
    """Why a decided merge has not landed yet, in words; empty while it is under way as it should be."""
    if intent.state != MergeIntent.State.PENDING:
        return ""
    if intent.outcome:
        tried = f"Tried {intent.tries} times since" if intent.tries > 1 else "Tried once since"
        return f"{intent.outcome['message']} {tried} {intent.created_at:%H:%M} UTC; it is tried again by itself."
    if now() - intent.created_at > NOBODY_AFTER and (intent.lease_until is None or intent.lease_until < now()):
        return (
            f"No worker has finished a try since {intent.created_at:%H:%M} UTC. Nothing is lost: it goes on when the engine of "
            "the portal runs. An administrator looks whether it does."
        )
    return ""


def claim_refused_at(repository: Repository) -> datetime | None:
    """When the host of ``repository`` last took no claim; ``None`` when it took the last one, or was never asked."""
    rows = MergeIntent.objects.filter(change__repository=repository).exclude(claim="").order_by("-pk")
    last = rows.only("claim", "created_at").first()
    return last.created_at if last is not None and last.claim == MergeIntent.Claim.REFUSED else None
