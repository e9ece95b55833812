"""What must have happened in the environments before, and what a newer deployment makes needless. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.lifecycle import HOLDS_LOCK, Status
from apps.deployments.models import Deployment, DeploymentEvent, Environment
from apps.deployments.queries.batches import LEFT
from apps.deployments.queries.standing import goes_back, live_successor
from apps.deployments.queries.undoing import contains
from apps.vcs import history

RECENT = 50


def promoted_at(deployment: Deployment, earlier: Environment) -> datetime | None:
    """When this commit, or the first descendant of it, succeeded in ``earlier``; ``None``: never.

    The look goes back over the last :data:`RECENT` successes and over all of this very commit. A roll-back of what this
    deployment contains is a descendant too, and the opposite of a success of it. Where this very commit came to nothing there,
    what was put right in a descendant goes on with that.
    """
    done = Deployment.objects.filter(environment=earlier, status=Status.SUCCEEDED)
    bad = came_to_nothing(deployment, earlier)
    own = done.filter(commit=deployment.commit).order_by("ended_at").values_list("ended_at", flat=True)
    if bad is not None:
        return own.exclude(pk=bad.pk).first()
    exact = own.first()
    git_dir = deployment.environment.repository.mirror_path
    rows = done.order_by("-number").values_list("commit", "ended_at", "kind", "change__rolls_back__merge_commit")
    recent: list[tuple[str, datetime | None]] = []
    for commit, ended, kind, undone in rows[:RECENT]:
        is_back = kind == Deployment.Kind.ROLLBACK and commit != deployment.commit
        if not is_back or (undone and not contains(git_dir, deployment.commit, undone)):
            recent.append((commit, ended))
    holds: dict[str, bool] = {}
    for commit, _ in recent:
        if commit not in holds:
            holds[commit] = contains(git_dir, commit, deployment.commit)
    moments = [ended for commit, ended in recent if holds[commit] and ended is not None]
    return min([*moments, *([exact] if exact else [])], default=None)


def came_to_nothing(deployment: Deployment, earlier: Environment) -> Deployment | None:
    """The newest deployment of this very commit in ``earlier``, if that failed, was cancelled or is unknown, and was not made good.

    Nor is it while it is to run again, or where something newer was live by then and it ran nothing any more. Where what is live
    in the deployment's own environment contains it, nothing runs there, so that does not matter any more.
    """
    row = Deployment.objects.filter(environment=earlier, commit=deployment.commit).order_by("-number").first()
    if row is None or row.became_live or (live_successor(deployment) is not None and not goes_back(deployment)):
        return None
    ended = row.events.filter(kind=DeploymentEvent.Kind.STATE, data__status__in=LEFT)
    return row if row.status in LEFT or ended.exists() else None


def unpromoted_text(deployment: Deployment, earlier: Environment | None, name: str) -> str:
    """Why ``deployment`` is not promoted from ``earlier``, which portal.yaml calls ``name``, and what goes on instead."""
    if earlier is None:
        return f"{name} must come first, but .gitops/portal.yaml defines no such environment."
    there = Deployment.objects.filter(environment=earlier, change=deployment.change).order_by("-number").first()
    bad = came_to_nothing(deployment, earlier)
    if bad is not None:
        failed = "did not succeed there by itself" if bad.status == Status.SUCCEEDED else f"there is {bad.status}"
        return f"{name} must come first; {bad.label} {failed}. {_instead(bad, deployment.environment)}".strip()
    if there is None:
        return f"{name} must come first, and {deployment.change.label} was not deployed there. Deploy it to {name}."
    return f"{name} must come first; {there.label} there is {there.status}."


def _instead(bad: Deployment, environment: Environment) -> str:
    """Which change goes on to ``environment`` in place of ``bad``, of which the commit came to nothing before, in words; empty: none yet."""
    git_dir = environment.repository.mirror_path
    done = Deployment.objects.filter(environment=bad.environment_id, status=Status.SUCCEEDED, became_live=True)
    rows = done.exclude(kind=Deployment.Kind.ROLLBACK).select_related("change").order_by("-number")[:RECENT]
    row = next((row for row in rows if row.commit != bad.commit and contains(git_dir, row.commit, bad.commit)), None)
    if row is None:
        return ""
    said = f"{row.change.label}, which contains {bad.change.label}, succeeded there"
    is_due = Deployment.objects.filter(change=row.change_id, environment=environment).exists()
    return f"{said} and goes on instead." if is_due else f"{said}: deploy that to {environment.name} instead."


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
    return next(newer_containing(deployment, _is_ready), None)


def newer_containing(deployment: Deployment, is_wanted: Callable[[Deployment], bool]) -> Iterator[Deployment]:
    """Those that wait or are at work in the same environment, are newer and contain this one, the newest first."""
    newer = Deployment.objects.filter(
        environment=deployment.environment_id,
        kind=Deployment.Kind.FORWARD,
        number__gt=deployment.number,
        status__in=[str(Status.PENDING), *(str(status) for status in HOLDS_LOCK - {Status.UNKNOWN})],
    )
    git_dir = deployment.environment.repository.mirror_path
    for row in newer.to_judge().order_by("-number"):
        if row.commit == deployment.commit or not is_wanted(row):
            continue
        if history.is_known_ancestor(git_dir, deployment.commit, row.commit):
            yield row


def _is_ready(row: Deployment) -> bool:
    """Under way, or waiting for nothing but its turn. One that was not looked at yet may still turn out to be held."""
    return row.status != Status.PENDING or (bool(row.waits) and _only_turn(row.waits))


def _only_turn(waits: Iterable[dict[str, str]]) -> bool:
    return all(wait["code"] == "lock" for wait in waits)
