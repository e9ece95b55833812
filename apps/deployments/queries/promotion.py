"""What must have happened in the environments before, and what a newer deployment makes needless. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.lifecycle import HOLDS_LOCK, Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.undoing import contains
from apps.vcs import history

RECENT = 50


def promoted_at(deployment: Deployment, earlier: Environment) -> datetime | None:
    """When this commit, or the first descendant of it, succeeded in ``earlier``; ``None``: never.

    The look goes back over the last :data:`RECENT` successes and over all of this very commit. A roll-back of what this
    deployment contains is a descendant too, and the opposite of a success of it.
    """
    done = Deployment.objects.filter(environment=earlier, status=Status.SUCCEEDED)
    exact = done.filter(commit=deployment.commit).order_by("ended_at").values_list("ended_at", flat=True).first()
    git_dir = deployment.environment.repository.mirror_path
    rows = done.order_by("-number").values_list("commit", "ended_at", "kind", "change__rolls_back__merge_commit")
    recent: list[tuple[str, datetime | None]] = []
    for commit, ended, kind, undone in rows[:RECENT]:
        goes_back = kind == Deployment.Kind.ROLLBACK and commit != deployment.commit
        if not goes_back or (undone and not contains(git_dir, deployment.commit, undone)):
            recent.append((commit, ended))
    holds: dict[str, bool] = {}
    for commit, _ in recent:
        if commit not in holds:
            holds[commit] = contains(git_dir, commit, deployment.commit)
    moments = [ended for commit, ended in recent if holds[commit] and ended is not None]
    return min([*moments, *([exact] if exact else [])], default=None)


def coming_along(undone: ChangeRequest, environment: Environment, until: datetime | None = None) -> list[ChangeRequest]:
    """What a roll-back of ``undone`` that merged at ``until`` (now) brings to ``environment``, beside taking that out, in order.

    What merged since ``undone``, which has begun there with all before it, and since the state that is live there, and reaches it;
    neither roll-backs, nor what they took out again.
    """
    moment, live = until or now(), environment.live_deployment
    undoing = ChangeRequest.objects.filter(rolls_back=OuterRef("pk"), merged_at__lte=moment)
    rows = ChangeRequest.objects.filter(
        ~Exists(undoing),
        Exists(Deployment.objects.filter(change=OuterRef("pk"), environment=environment)),
        repository=undone.repository_id,
        target_branch=undone.target_branch,
        merged_at__lt=moment,
    )
    known = (undone.merged_at, live.change.merged_at if live is not None else None)
    for since in filter(None, known):
        rows = rows.filter(merged_at__gt=since)
    rows = rows.exclude(pk=undone.pk).exclude(kind=ChangeRequest.Kind.ROLLBACK)
    return list(rows.order_by("merged_at", "number"))


def replaced_by(deployment: Deployment) -> Deployment | None:
    """The newer deployment that contains this one and is as ready as it: with ``queue: newest`` that one runs instead."""
    newer = Deployment.objects.filter(
        environment=deployment.environment_id,
        kind=Deployment.Kind.FORWARD,
        number__gt=deployment.number,
        status__in=[str(Status.PENDING), *(str(status) for status in HOLDS_LOCK - {Status.UNKNOWN})],
    )
    git_dir = deployment.environment.repository.mirror_path
    for row in newer.order_by("-number"):
        if row.commit == deployment.commit or not _is_ready(row):
            continue
        if history.is_known_ancestor(git_dir, deployment.commit, row.commit):
            return row
    return None


def _is_ready(row: Deployment) -> bool:
    """Under way, or waiting for nothing but its turn. One that was not looked at yet may still turn out to be held."""
    return row.status != Status.PENDING or (bool(row.waits) and _only_turn(row.waits))


def _only_turn(waits: Iterable[dict[str, str]]) -> bool:
    return all(wait["code"] == "lock" for wait in waits)
