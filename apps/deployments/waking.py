"""Wake-ups from below: a review or another fact may have ended what a deployment or a roll-back waits for."""

from __future__ import annotations

from typing import Any

from apps.changes.signals import change_changed
from apps.core.work import work_requested
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.reviews.signals import gate_opened, review_submitted

MOST_WOKEN = 20
"""Deployments that bring a change along; there may be hundreds, and a sweep comes to all of them."""


def connect() -> None:
    """Listen; receivers only wake the engine, they write nothing."""
    for signal in (change_changed, review_submitted, gate_opened):
        signal.connect(wake_change, dispatch_uid="deployments-wake-up")


def wake_change(*, change_id: int, **_: Any) -> None:
    """Have the gates of one change judged again soon; sent after commit, so the engine sees the new rows.

    What brings it along waits for the same gates: the oldest of those are asked at once, the others by the next sweeps.
    """
    work_requested.send(sender=None, name="deployments.merge_when_allowed", pk=change_id)
    places = Deployment.objects.filter(change=change_id).values("environment")
    pending = Deployment.objects.filter(environment__in=places, status=Status.PENDING).order_by("number")
    bringing = pending.exclude(change=change_id).values_list("pk", flat=True)[:MOST_WOKEN]
    for pk in [*pending.filter(change=change_id).values_list("pk", flat=True), *bringing]:
        work_requested.send(sender=None, name="deployments.start", pk=pk)
