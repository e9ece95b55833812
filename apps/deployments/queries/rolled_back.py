"""What a roll-back keeps from starting, because it would bring again what is taken out. Reads only.

A commit that contains something goes on containing it after the roll-back: that it is an ancestor of what is live does not say
that its change is in force there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q

from apps.changes.lifecycle import OPEN
from apps.changes.models import ChangeRequest
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.deployments.queries.returning import MOST_NAMED
from apps.deployments.queries.standing import goes_back
from apps.deployments.queries.undoing import asked_for, begun_in, contains


def taken_back_text(deployment: Deployment) -> str:
    """Which roll-back that has landed holds ``deployment`` for good, so that a new attempt would never start; empty: none does."""
    return _held_by(deployment, [row for row in _beside(deployment) if row.merge_commit])


def rollback_text(deployment: Deployment, *, without: ChangeRequest | None = None) -> str:
    """Which roll-back, other than ``without``, holds ``deployment``, and what to do about it; empty: none does.

    That is one of something in its commit, as long as it is open and when it has landed after the commit. Where a newer state is
    live already nothing would run, so only one is told that took the very change of ``deployment`` out of that state.
    """
    return _held_by(deployment, [row for row in _beside(deployment) if row != without])


def _held_by(deployment: Deployment, rows: Sequence[ChangeRequest]) -> str:
    """As :func:`rollback_text` tells it of these roll-backs."""
    if not rows:
        return ""
    git_dir, live = deployment.environment.repository.mirror_path, deployment.environment.live_commit
    is_within = bool(live) and live != deployment.commit and contains(git_dir, live, deployment.commit)
    if is_within and not goes_back(deployment):
        landed = [row for row in rows if row.merge_commit and contains(git_dir, live, row.merge_commit)]
        taken_out = taken_out_by(deployment.change, deployment.environment.name, landed)
        return _taken_out_text(deployment, taken_out) if taken_out is not None else ""
    all_landed = [row for row in rows if row.merge_commit]
    for row in rows:
        if undoing(row.pk, all_landed) is not None:  # what it took out is wanted again
            continue
        undone = _brought(deployment, row)
        if undone is None or not _stands(row, deployment):
            continue
        if not row.merge_commit or not contains(git_dir, deployment.commit, row.merge_commit):
            return _held_text(deployment, row, undone)
    return ""


def due_text(deployment: Deployment) -> str:
    """What of the commit of ``deployment`` is not healthy, where portal.yaml says to roll that back and nobody has asked for it yet.

    That is asked for by a job, a moment after the environment became free. Until then it holds like the roll-back that is to come.
    """
    change = deployment.change
    rows = Deployment.objects.filter(
        rollback_due=True, change__repository=change.repository_id, change__target_branch=change.target_branch
    ).exclude(pk=deployment.pk)  # who begins that one again has decided otherwise
    for row in rows.select_related("change").order_by("pk"):
        if _brings(deployment, row.change, is_open=True):
            what = row.change.label if row.change_id == change.pk else f"{row.change.label}, which this contains,"
            said = f"{row.label} is not healthy, and the roll-back that portal.yaml asks for is about to be made"
            return f"{said}: it takes {what} back, so this does not start here."
    return ""


def holds_alone(row: ChangeRequest) -> bool:
    """Whether something that waits to be deployed would start and bring again what the open roll-back ``row`` takes out."""
    waiting = Deployment.objects.filter(
        status=Status.PENDING, change__repository=row.repository_id, change__target_branch=row.target_branch
    ).select_related("change__rolls_back", "environment__repository", "environment__live_deployment")
    return any(rollback_text(one) and not rollback_text(one, without=row) for one in waiting)


def covered_by(row: Deployment) -> ChangeRequest | None:
    """The roll-back by which the change of ``row`` goes from its environment already: an open one, which is taken to wherever it
    has begun before it merges, or one that has landed and is deployed there, unless that was cancelled.
    """
    rows = ChangeRequest.objects.filter(rolls_back=row.change_id)
    here = Deployment.objects.filter(change=OuterRef("pk"), environment=row.environment_id)
    is_on_its_way = Exists(here.filter(number__gt=row.number).exclude(status=Status.CANCELLED))
    return rows.filter(Q(status__in=[str(status) for status in OPEN]) | is_on_its_way).order_by("-number").first()


def undone_by_landing(change: ChangeRequest) -> list[Deployment]:
    """What waits to be deployed of all that the roll-back ``change`` takes back, where it does so; nothing on another branch."""
    rows = Deployment.objects.filter(
        status=Status.PENDING, change__repository=change.repository_id, change__target_branch=change.target_branch
    ).select_related("change", "environment__repository")
    if change.rolls_back_id is not None:
        return list(rows.filter(change=change.rolls_back_id).order_by("pk"))
    waiting = rows.filter(environment__name__in=change.rollback_environments).exclude(change=change).order_by("pk")
    return [row for row in waiting if is_taken_back(change, row.change)]


def is_taken_back(bringing: ChangeRequest, change: ChangeRequest, known: Mapping[str, Any] | None = None) -> bool:
    """Whether bringing an earlier state back with ``bringing`` takes ``change`` out, as its entry of the log says.

    That names the newest :data:`MOST_NAMED`. Of the others, it is whatever its commit was made on top of and the earlier state lacked.
    ``known``: that entry, where it was read already.
    """
    facts = asked_for(bringing) if known is None else known
    named = facts.get("takes_back", [])
    if change.number in named or len(named) < MOST_NAMED:
        return change.number in named
    git_dir, head = bringing.repository.mirror_path, bringing.revision.head_oid if bringing.revision else ""
    kept = str(facts.get("commit", ""))
    return contains(git_dir, head, change.merge_commit) and not contains(git_dir, kept, change.merge_commit)


def _beside(deployment: Deployment) -> list[ChangeRequest]:
    """Roll-backs on its branch, the newest first: what is open, and what landed after it."""
    change = deployment.change
    since = Q(status__in=[str(status) for status in OPEN])
    if change.merged_at is not None:
        since |= Q(merged_at__gt=change.merged_at)
    rows = ChangeRequest.objects.filter(since, repository=change.repository_id, target_branch=change.target_branch)
    rows = rows.filter(kind=ChangeRequest.Kind.ROLLBACK).exclude(pk=change.pk)
    return list(rows.select_related("repository", "revision", "rolls_back").order_by("-number"))


def undoing(change: int, landed: Sequence[ChangeRequest]) -> ChangeRequest | None:
    """The one of ``landed`` that took the change with this key out, and was not taken out again itself."""
    return next((row for row in landed if row.rolls_back_id == change and undoing(row.pk, landed) is None), None)


def taken_out_by(change: ChangeRequest, environment: str, landed: Sequence[ChangeRequest]) -> ChangeRequest | None:
    """The one of the roll-backs ``landed``, the newest first, that took ``change`` out of ``environment``; ``None``: none did."""
    return undoing(change.pk, landed) or _returning(change, environment, landed)


def _returning(change: ChangeRequest, environment: str, landed: Sequence[ChangeRequest]) -> ChangeRequest | None:
    """The newest earlier state that was brought back to the environment, if that is without ``change``."""
    newest = returned_to(environment, landed)
    return newest if newest is not None and is_taken_back(newest, change) else None


def returned_to(environment: str, landed: Sequence[ChangeRequest]) -> ChangeRequest | None:
    """The one of ``landed``, the newest first, that brought an earlier state back to the environment last; ``None``: none did."""
    states = (row for row in landed if row.rolls_back_id is None and environment in row.rollback_environments)
    return next((row for row in states if undoing(row.pk, landed) is None), None)


def _brought(deployment: Deployment, row: ChangeRequest) -> ChangeRequest | None:
    """What ``deployment`` would bring of that which the roll-back ``row`` takes out of its environment."""
    is_open = not row.merge_commit
    if row.rolls_back is not None:
        return row.rolls_back if _brings(deployment, row.rolls_back, is_open=is_open) else None
    environment = deployment.environment
    if deployment.kind == Deployment.Kind.ROLLBACK or environment.name not in row.rollback_environments:
        return None
    git_dir, live = environment.repository.mirror_path, environment.live_commit
    if deployment.commit == live:
        return None
    named = ChangeRequest.objects.filter(number__in=asked_for(row).get("takes_back", [])).exclude(merge_commit="")
    within = (one for one in named if contains(git_dir, deployment.commit, one.merge_commit))
    # What is there goes with it; until then more may come on top.
    return next((one for one in within if not (is_open and live and contains(git_dir, live, one.merge_commit))), None)


def _brings(deployment: Deployment, undone: ChangeRequest, *, is_open: bool) -> bool:
    """Whether ``deployment`` would bring ``undone`` to its environment; ``is_open``: its roll-back has not landed.

    What is live, applied again, brings nothing, neither does what goes on top of it while it is still there, and a roll-back
    only what has not begun there; of two in one environment, neither waits for the other. One that brings an earlier state back
    is judged by that state.
    """
    if undone.pk == deployment.change_id:
        return True
    environment, git_dir = deployment.environment, deployment.environment.repository.mirror_path
    live, is_rollback = environment.live_commit, deployment.kind == Deployment.Kind.ROLLBACK
    if deployment.commit == live or (is_rollback and deployment.change.rolls_back_id is None):
        return False
    if not undone.merge_commit or not Deployment.objects.filter(change=undone, environment=environment).exists():
        return False
    if not contains(git_dir, deployment.commit, undone.merge_commit):
        return False
    if is_rollback:
        return not begun_in(undone).filter(pk=environment.pk).exists()
    return not (is_open and live and contains(git_dir, live, undone.merge_commit))


def _stands(row: ChangeRequest, deployment: Deployment) -> bool:
    """Whether the roll-back still is wanted where ``deployment`` goes: one that has landed is not where it was cancelled, or,
    where it never went, all of it was.
    """
    runs = dict(Deployment.objects.filter(change=row).order_by("number").values_list("environment_id", "status"))
    here = runs.get(deployment.environment_id)
    return (set(runs.values()) if here is None else {here}) != {str(Status.CANCELLED)}


def _held_text(deployment: Deployment, row: ChangeRequest, undone: ChangeRequest) -> str:
    is_own = undone.pk == deployment.change_id
    what = undone.label if is_own else f"{undone.label}, which this contains,"
    if not row.merge_commit:
        return f"{row.label} is to roll {what} back, so it does not start here. Merge or withdraw that one."
    instead = (
        "Propose it again, if it is wanted"
        if is_own
        else f"Deploy {row.label} or a newer change, which come without it"
    )
    return f"{row.label} rolled {what} back, so it does not start here. {instead}{_or_cancel(deployment)}."


def _taken_out_text(deployment: Deployment, row: ChangeRequest) -> str:
    by = Deployment.objects.filter(change=row, environment=deployment.environment_id).order_by("-number").first()
    who = f"{by.label} ({row.label})" if by is not None else row.label
    said = (
        f"{deployment.change.label} was rolled back here by {who}, which is in what {deployment.environment.name} runs."
    )
    return f"{said} Propose it again, if it is wanted{_or_cancel(deployment)}."


def _or_cancel(deployment: Deployment) -> str:
    return ", and cancel this" if deployment.status == Status.PENDING else ""
