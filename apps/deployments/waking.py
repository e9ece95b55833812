"""Wake-ups from below: a review or another fact may have ended what a deployment or a roll-back waits for."""

from __future__ import annotations

from typing import Any

from apps.changes.signals import change_changed
from apps.core.work import work_requested
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.reviews.signals import gate_opened, review_submitted


def connect() -> None:
    """Listen; receivers only wake the engine, they write nothing."""
    for signal in (change_changed, review_submitted, gate_opened):
        signal.connect(wake_change, dispatch_uid="deployments-wake-up")


def wake_change(*, change_id: int, **_: Any) -> None:
    """Have the gates of one change judged again soon; sent after commit, so the engine sees the new rows."""
    work_requested.send(sender=None, name="deployments.merge_when_allowed", pk=change_id)
    for pk in Deployment.objects.filter(change=change_id, status=Status.PENDING).values_list("pk", flat=True):
        work_requested.send(sender=None, name="deployments.start", pk=pk)
