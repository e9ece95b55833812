"""What an environment is like since its last deployment, and which one brings it back to what was live before that. Reads only.

A deployment brings everything that was merged since what is live. Undoing its own change alone leaves the rest there: a state that
never was live, and is as bad as before where the rest is to blame.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from apps.changes.models import ChangeRequest, OutsideChange
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.coming import came_with
from apps.deployments.queries.ledger import once_live
from apps.deployments.queries.undoing import is_undoable

LEFT = [str(status) for status in (Status.FAILED, Status.CANCELLED, Status.UNKNOWN)]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a deployment brought beside its own change to what ``earlier`` had made of its environment, ``more`` of it unnamed."""

    earlier: Deployment
    others: tuple[ChangeRequest, ...]
    more: int
    outside: tuple[OutsideChange, ...]


def left_by(environment: Environment) -> Deployment | None:
    """The newest that ran after what is live and did not succeed: something of it may be there instead."""
    rows = Deployment.objects.filter(environment=environment, status__in=LEFT, attempts__gt=0)
    if environment.live_since is not None:
        rows = rows.filter(Q(ended_at=None) | Q(ended_at__gt=environment.live_since))
    return next((row for row in rows.order_by("-started_at", "-number") if is_undoable(row)), None)


def batch_of(deployment: Deployment) -> Batch | None:
    """``None`` where it brought its own change alone, where nothing was live before, and where something else ran there since."""
    environment = deployment.environment
    last = left_by(environment)
    if last is not None:
        earlier = environment.live_deployment if last.pk == deployment.pk else None
    else:
        is_live = environment.live_deployment_id == deployment.pk
        earlier = _before(deployment) if is_live else None
    if earlier is None:
        return None
    came = came_with(deployment, earlier)
    others = tuple(one for one in came.changes if one.pk != deployment.change_id)
    if came.goes_back or not (others or came.outside):
        return None
    return Batch(earlier, others, came.more, came.outside)


def _before(deployment: Deployment) -> Deployment | None:
    rows = once_live(deployment.environment).filter(ended_at__lte=deployment.ended_at).exclude(pk=deployment.pk)
    return rows.select_related("change").first()
