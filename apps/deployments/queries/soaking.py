"""How long something must have stood in one environment, undisturbed, before it goes on to the next one. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Q

from apps.core.clock import now
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment

IS_A_SUCCESS = Q(status=Status.SUCCEEDED)
NEVER_RAN = Q(attempts=0) & ~IS_A_SUCCESS
DISTURBS = ~IS_A_SUCCESS | Q(kind=Deployment.Kind.ROLLBACK)


def soak_text(earlier: Environment, since: datetime, seconds: int) -> str:
    """Why the soak time holds a deployment that succeeded in ``earlier`` at ``since``; empty when it is over.

    It must have stood there undisturbed: what did not succeed after it, and what went back, starts the time anew, and while
    something is at work there nobody knows what stands. What ended before anything of it ran disturbs nothing.
    """
    at_work = _at_work(earlier, since)
    if at_work:
        return at_work
    later = Deployment.objects.filter(environment=earlier, ended_at__gt=since).exclude(NEVER_RAN).order_by("-ended_at")
    later = later.exclude(started_at__lte=since)  # it ran before, and only what was to be a repetition ended later
    newest = later.first()
    if newest is not None and newest.status != Status.SUCCEEDED:
        return f"The newest deployment to {earlier.name} did not succeed; it must stand there before it goes on."
    disturbed = later.filter(DISTURBS).values_list("ended_at", flat=True).first()
    due = max(since, disturbed or since) + timedelta(seconds=seconds)
    if now() >= due:
        return ""
    return f"It stands in {earlier.name} until {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC before it goes on."


def _at_work(earlier: Environment, since: datetime) -> str:
    """What runs in ``earlier``, is to run again, or ended nobody knows how, after what succeeded at ``since``."""
    promoted = Deployment.objects.filter(environment=earlier, ended_at=since).order_by("number").values("number")[:1]
    rows = Deployment.objects.filter(environment=earlier, ended_at=None, attempts__gt=0, number__gt=promoted)
    row = rows.order_by("-number").first()
    if row is None:
        return ""
    if row.status == Status.UNKNOWN:
        return f"Nobody knows how {row.label} ended in {earlier.name}. Somebody has to decide that before this goes on."
    doing = "is to run again" if row.status == Status.PENDING else "is at work"
    return f"{row.label} {doing} in {earlier.name}. What comes of it decides whether this goes on."
