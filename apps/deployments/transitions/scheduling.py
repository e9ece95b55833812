"""The end of a scheduled merge: written once, whoever comes first."""

from __future__ import annotations

from django.db import transaction

from apps.changes.signals import change_changed
from apps.core.clock import now
from apps.deployments.models import MergeSchedule
from apps.reviews.models import News
from apps.reviews.transitions import tell


def end_schedule(schedule: MergeSchedule, outcome: str, reason: str = "") -> bool:
    """Say how it ended; who scheduled it is told where it did not merge. ``False``: it had ended already."""
    rows = MergeSchedule.objects.open().filter(pk=schedule.pk)
    if not rows.update(outcome=outcome, ended_at=now(), reason=reason[:500]):
        return False
    if outcome in {MergeSchedule.Outcome.LAPSED, MergeSchedule.Outcome.OVERTAKEN}:
        text = f"The scheduled merge did not happen: {reason}"
        tell(schedule.change, (schedule.scheduled_by_id,), kind=News.Kind.FAILED, text=text)
    change_id = schedule.change_id
    transaction.on_commit(lambda: change_changed.send(sender=None, change_id=change_id))
    return True
