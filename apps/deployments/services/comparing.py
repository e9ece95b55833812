"""Asking for a comparison to be rendered."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.work import request_work
from apps.deployments import access
from apps.deployments.models import TargetComparison
from apps.deployments.queries.comparing import Compared, keys_of

COMPARE = "deployments.compare"
AT_ONCE = 500
"""Targets that one press asks for. The others go on saying that they are not rendered, and the next press asks for them."""
State = TargetComparison.State


@transaction.atomic
def ask_comparison(actor: User, *, compared: Compared) -> int:
    """Let the targets of both sides be rendered and compared in the background; how many were asked for now.

    What is rendered already, or waits to be, stays as it is; what failed is tried again, and of very many targets
    :data:`AT_ONCE` are asked for. Whoever may ask for changes in both
    repositories can ask.
    """
    for side in (compared.start, compared.end):
        access.require_compare(actor, side.environment)
    asked = 0
    for name, key in keys_of(compared).items():
        if asked == AT_ONCE:
            break
        row, is_new = TargetComparison.objects.get_or_create(
            key=key,
            defaults={
                "from_environment": compared.start.environment,
                "to_environment": compared.end.environment,
                "from_commit": compared.start.commit,
                "to_commit": compared.end.commit,
                "target": name[:100],
                "created_at": now(),
            },
        )
        again = {"state": State.QUEUED, "finished_at": None, "message": ""}
        if is_new or TargetComparison.objects.filter(pk=row.pk, state=State.FAILED).update(**again):
            request_work(COMPARE, row.pk)
            asked += 1
    if asked:
        _record(actor, compared, asked)
    return asked


def _record(actor: User, compared: Compared, asked: int) -> None:
    start, end = compared.start, compared.end
    audit.record(
        Actor.of(actor),
        "comparison.requested",
        target=f"{start.name} {end.name}",
        repository=start.environment.repository.name,
        environment=start.environment.name,
        summary=f"{actor.username} asked for {start.name} and {end.name} to be compared",
        data={"from": start.commit, "to": end.commit, "targets": asked},
    )
