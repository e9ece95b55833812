"""Facts of a deployment that are read from what was stored: how it was approved, and of which moment its resources are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.deployments.models import Attempt, Deployment, DeploymentEvent, MergeIntent

DIGITS = 12
"""Of the digest of an effect, as the form shows it to who approves."""


@dataclass(frozen=True, slots=True)
class Approved:
    """``revision`` (r3) that was merged and the beginning of the ``digest`` of its effect; ``people``: usernames whose
    approvals counted then, for the merge and for the start of this attempt. ``is_known``: there is a record of either.
    """

    revision: str = ""
    digest: str = ""
    people: tuple[str, ...] = ()
    is_known: bool = False


def approved(deployment: Deployment, run: Attempt | None) -> Approved:
    """As the merge and the attempt ``run`` have kept it; nothing is judged again. One query."""
    columns = ("revision__number", "revision__subject", "verdict__standings")
    merges = MergeIntent.objects.filter(change=deployment.change, state=MergeIntent.State.LANDED).order_by("-pk")
    merge: tuple[int, str, list[dict[str, Any]] | None] | None = merges.values_list(*columns).first()
    number, subject, standings = merge or (0, "", None)
    gate: list[dict[str, Any]] = run.verdict.get("standings", []) if run else []
    people = dict.fromkeys([*_counted(standings or []), *_counted(gate)])
    label = f"r{number}" if number else ""
    return Approved(label, subject[:DIGITS], tuple(people), is_known=standings is not None or bool(gate))


def _counted(standings: Iterable[dict[str, Any]]) -> list[str]:
    return [str(one["username"]) for one in standings if one.get("counts") and one.get("verdict") == "approve"]


def resources_at(deployment: Deployment, run: Attempt | None) -> datetime | None:
    """When the resources of ``run`` were told last: at its end, or when any of them changed while it goes on."""
    if run is None or not run.resources:
        return None
    if run.ended_at:
        return run.ended_at
    told = deployment.events.filter(kind=DeploymentEvent.Kind.RESOURCES, attempt=run.number)
    return told.order_by("-seq").values_list("at", flat=True).first()
