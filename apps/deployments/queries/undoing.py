"""What can be rolled back and where, and what a roll-back keeps from starting. Reads only.

A commit that contains what was rolled back in one environment does not go on to the next one.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.models import Max, Q, QuerySet

from apps.audit.models import AuditEntry
from apps.changes.lifecycle import OPEN
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments.lifecycle import ENDED, HOLDS_LOCK, Status
from apps.deployments.models import Deployment, DeploymentEvent, Environment
from apps.vcs import history

BEGUN = Q(attempts__gt=0) | Q(status__in=[str(status) for status in (Status.SUCCEEDED, Status.FAILED, *HOLDS_LOCK)])
"""Something of it may be in the environment, or will be before anything else runs there."""


def is_undoable(row: Deployment) -> bool:
    """Whether it is over and something of it may be in the environment; nobody knows that of an unknown one, either."""
    return row.status == Status.UNKNOWN or (row.status in ENDED and _has_begun(row))


def _has_begun(row: Deployment) -> bool:
    """Whether what is over is there, by itself or inside something newer, or ran or may have run before it failed or was cancelled."""
    if row.status == Status.SUCCEEDED:
        return True
    at_work = [str(Status.RUNNING), str(Status.UNKNOWN)]
    begun = row.events.filter(kind=DeploymentEvent.Kind.STATE, data__status__in=at_work)
    return row.attempts > 0 and begun.exists()


def require_undoable(row: Deployment) -> None:
    """Only what is over and began: :class:`Conflict` ``wrong_state`` or ``never_live`` says what else can be done."""
    if is_undoable(row):
        return
    if row.status not in ENDED:
        code, why, instead = "wrong_state", f"is {row.status}", "Cancel it, or wait for its end."
    else:
        why = f"{'failed' if row.status == Status.FAILED else 'was cancelled'} before anything of it ran"
        code, instead = "never_live", _instead(row)
    said = f"{row.label} {why}; only what was deployed can be rolled back. {instead}"
    raise Conflict(code, said, status=row.status)


def _instead(row: Deployment) -> str:
    """What somebody can do who wants to be rid of the change of ``row``, of which nothing ran here."""
    others = Deployment.objects.filter(change=row.change_id).exclude(pk=row.pk).select_related("environment")
    ran = next((one for one in others.order_by("-number") if is_undoable(one)), None)
    if ran is not None:
        return f"Roll {row.change.label} back on {ran.label}, which ran in {ran.environment.name}."
    return f"Write the inverse of {row.change.label} in Git and propose that."


def begun_in(change: ChangeRequest) -> QuerySet[Environment]:
    """Where something of ``change`` may be, in promotion order: each of them goes back with a roll-back of it.

    Also inside something newer, for which its own deployment was cancelled: that is live, at work, or ended badly since.
    """
    rows = Deployment.objects.filter(change=change)
    keys = set(rows.filter(BEGUN).values_list("environment", flat=True))
    git_dir, commit = change.repository.mirror_path, change.merge_commit
    others = Environment.objects.filter(pk__in=rows.values("environment")).exclude(pk__in=keys) if commit else ()
    keys |= {row.pk for row in others if any(contains(git_dir, one, commit) for one in _may_run(row))}
    return Environment.objects.filter(pk__in=keys).order_by("position", "name")


def _may_run(environment: Environment) -> set[str]:
    """Commits of which something may be in ``environment``: what is live, and what began after that."""
    live, since = environment.live_commit, environment.live_since
    rows = Deployment.objects.filter(BEGUN, environment=environment)
    if since is not None:
        rows = rows.filter(Q(ended_at=None) | Q(ended_at__gt=since))
    return {*rows.values_list("commit", flat=True), *([live] if live else [])}


def open_rollback(change: ChangeRequest) -> ChangeRequest | None:
    """The roll-back of ``change`` that was asked for and has neither landed nor been withdrawn."""
    return ChangeRequest.objects.filter(rolls_back=change, status__in=[str(status) for status in OPEN]).first()


def contains(git_dir: Path, commit: str, other: str) -> bool:
    """Whether ``commit`` is ``other`` or a descendant of it, as far as that can be shown."""
    return commit == other or history.is_known_ancestor(git_dir, other, commit)


def undone_text(deployment: Deployment, earlier: Environment, since: datetime) -> str:
    """Which roll-back in ``earlier`` keeps what it undid from going on with ``deployment``; empty: none does.

    ``since``: when the deployment's commit succeeded there.
    """
    row = undone_by(deployment, earlier, since)
    if row is None:
        return ""
    undone = row.change.rolls_back
    what = undone.label if undone is not None else "what came after an earlier state"
    done = row.status == Status.SUCCEEDED
    said = (
        f"{row.label} {'rolled' if done else 'rolls'} {what} back in {earlier.name}{'' if done else f' ({row.status})'}"
    )
    return f"{said}, and this commit contains that. Deploy a newer change, which contains {row.change.label} as well."


def undone_by(deployment: Deployment, earlier: Environment, since: datetime) -> Deployment | None:
    """The newest roll-back in ``earlier`` that took something of ``deployment`` back and is not in its commit itself.

    It counts from when its change has landed, unless it was cancelled: from then on the branch is without what was bad.
    What merged before it is held however late it succeeded there, for then it ran beneath the roll-back, or not at all.
    """
    git_dir = deployment.environment.repository.mirror_path
    rows = Deployment.objects.filter(environment=earlier, kind=Deployment.Kind.ROLLBACK)
    rows = (
        rows.exclude(status=Status.CANCELLED)
        .exclude(change=deployment.change_id)
        .filter(_later(deployment, earlier, since))
    )
    for row in rows.select_related("change__rolls_back").order_by("-number"):
        if not contains(git_dir, deployment.commit, row.commit) and _takes_back(git_dir, row, deployment.commit):
            return row
    return None


def _later(deployment: Deployment, earlier: Environment, since: datetime) -> Q:
    own = Deployment.objects.filter(environment=earlier, change=deployment.change_id, status=Status.SUCCEEDED)
    newest = own.aggregate(at=Max("ended_at"))["at"]
    found = Q(ended_at__gt=max(since, newest or since))
    merged = deployment.change.merged_at
    return found | Q(change__merged_at__gt=merged) if merged is not None else found


def _takes_back(git_dir: Path, row: Deployment, commit: str) -> bool:
    """Whether the roll-back ``row`` undid something that is in ``commit``."""
    undone = row.change.rolls_back
    if undone is not None:
        return bool(undone.merge_commit) and contains(git_dir, commit, undone.merge_commit)
    kept = str(asked_for(row.change).get("commit", ""))
    return contains(git_dir, row.commit, commit) and not (kept and contains(git_dir, kept, commit))


def asked_for(change: ChangeRequest) -> dict[str, Any]:
    """What a roll-back was asked for, from its entry of the log: of an earlier state its ``commit`` and what it ``takes_back``."""
    entries = AuditEntry.objects.filter(action="rollback.requested", change_number=change.number)
    return entries.values_list("data", flat=True).first() or {}
