"""Numbered events: the one way by which anything about a deployment becomes known."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F

from apps.core.clock import now
from apps.core.leases import LeaseLost
from apps.deployments.models import Deployment, DeploymentEvent
from apps.deployments.signals import deployment_event


def append_event(
    deployment: Deployment,
    *,
    kind: str,
    text: str = "",
    attempt: int = 0,
    step: str = "",
    first_line: int = 0,
    data: dict[str, Any] | None = None,
    fence: int | None = None,
) -> int:
    """Append the next event and return its number; only inside a transaction.

    The counter's UPDATE locks the deployment until the transaction ends, so numbers have no gap
    and no repeat. With ``fence`` it is also the proof that the caller still holds the lease.
    """
    rows = Deployment.objects.filter(pk=deployment.pk)
    if fence is not None:
        rows = rows.filter(fence=fence)
    if not rows.update(last_event=F("last_event") + 1):
        raise LeaseLost
    seq = Deployment.objects.values_list("last_event", flat=True).get(pk=deployment.pk)
    store_event(deployment, seq, kind=kind, text=text, attempt=attempt, step=step, first_line=first_line, data=data)
    return seq


def say(deployment: Deployment, text: str, *, attempt: int = 0, fence: int | None = None, **data: Any) -> None:
    """A sentence for who watches that moves nothing; inside a transaction, as :func:`append_event`."""
    append_event(
        deployment,
        kind=DeploymentEvent.Kind.STATE,
        attempt=attempt,
        text=text,
        data={"status": str(deployment.status), **data},
        fence=fence,
    )


def store_event(deployment: Deployment, seq: int, *, kind: str, **columns: Any) -> None:
    """Write event ``seq`` (already counted) and tell it after commit."""
    columns["data"] = columns.get("data") or {}
    DeploymentEvent.objects.create(deployment_id=deployment.pk, seq=seq, kind=kind, at=now(), **columns)
    deployment.last_event = seq
    pk = deployment.pk
    transaction.on_commit(lambda: deployment_event.send(sender=None, deployment_id=pk, seq=seq))
