"""Why one side of a comparison lacks a change: it was tried there and failed, or something took it back. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.changes.models import ChangeRequest
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.rolled_back import is_taken_back, returned_to, undoing
from apps.deployments.queries.undoing import asked_for


@dataclass(frozen=True, slots=True)
class Lacking:
    """By the numbers of changes. ``due``: those that were to be deployed there; ``failed``: with what was tried last, and failed;
    ``taken_back``: with the roll-back, or the earlier state brought back, that took them out.
    """

    due: frozenset[int] = frozenset()
    failed: Mapping[int, Deployment] = field(default_factory=dict)
    taken_back: Mapping[int, ChangeRequest] = field(default_factory=dict)


def lacking(
    environment: Environment,
    changes: Sequence[ChangeRequest],
    *,
    until: datetime | None,
    others: Collection[Environment],
) -> Lacking:
    """Why ``environment`` lacks ``changes`` of one branch, as it was at ``until`` (``None``: now); two queries, and one for each of
    it and ``others`` to which an earlier state was brought back.
    """
    if not changes:
        return Lacking()
    rows = Deployment.objects.filter(environment=environment, change__in=changes).select_related("change")
    last = {row.change.number: row for row in rows.order_by("latest_at", "number")}
    failed = {number: row for number, row in last.items() if _has_failed(row, until)}
    return Lacking(frozenset(last), failed, _taken_back(changes, {environment.name, *(one.name for one in others)}))


def _has_failed(row: Deployment, until: datetime | None) -> bool:
    return row.status == Status.FAILED and (until is None or (row.ended_at is not None and row.ended_at <= until))


def _taken_back(changes: Sequence[ChangeRequest], environments: Collection[str]) -> dict[int, ChangeRequest]:
    first = changes[0]
    since = min((one.merged_at for one in changes if one.merged_at is not None), default=None)
    rows = ChangeRequest.objects.filter(
        kind=ChangeRequest.Kind.ROLLBACK, repository=first.repository_id, target_branch=first.target_branch
    ).exclude(merge_commit="")
    if since is not None:
        rows = rows.filter(merged_at__gt=since)
    landed = list(rows.select_related("repository", "revision").order_by("-number"))
    found: dict[int, ChangeRequest] = {}
    for name in sorted(environments):
        state = returned_to(name, landed)
        facts = asked_for(state) if state is not None else {}
        found |= {one.number: state for one in changes if state is not None and is_taken_back(state, one, facts)}
    alone = ((one.number, undoing(one.pk, landed)) for one in changes)
    return found | {number: row for number, row in alone if row is not None}
