"""Going back: an inverse change through its own, smaller gate. Never a force-push."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit.actors import SYSTEM
from apps.changes import services as changes
from apps.changes import transitions
from apps.changes.lifecycle import Status as ChangeStatus
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.errors import Conflict
from apps.core.work import request_work
from apps.deployments import access, messages
from apps.deployments.inverses import write_inverse
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.undoing import begun_in, open_rollback, require_undoable
from apps.vcs import objects, refs


@transaction.atomic
def roll_back(actor: User, *, deployment: Deployment, rule: str = "") -> ChangeRequest:
    """Ask for the inverse of the deployment's change; it merges by itself as soon as its gate allows.

    The inverse is the three-way merge of trees that takes the change's effect out of the target's
    present tip, so what was merged later stays. It is for every environment where the change has begun, also where it still
    runs; where it waits it does not start as long as the inverse is open. :class:`Conflict` names the files when that is not
    possible without a person, or the roll-back that is open already.

    ``rule``: why ``portal.yaml`` asks for it, in the name of ``actor``; the log says so.
    """
    change = lock_change(deployment.change)
    access.require_run(actor, deployment)
    _require_undoable(change, deployment)
    environments = list(begun_in(change).values_list("name", flat=True))
    head = _write_inverse(actor, change)
    inverse = changes.create_inverse_change(
        actor,
        change=change,
        environments=environments,
        title=f"Roll back {change.label}: {change.title}"[:200],
        description=f"Takes the effect of {change.label} out of {', '.join(environments)}. "
        f"Asked for on {deployment.label}.{_told_if_new(change, head)}",
        head_oid=head,
        rule=rule,
    )
    transitions.swap(inverse, merge_when_allowed_by=actor)
    request_work("deployments.merge_when_allowed", inverse.pk)
    return inverse


def widen_rollback(change: ChangeRequest) -> None:
    """Take in where what ``change`` rolls back has begun since that was asked for; the caller holds ``change``.

    Its gate is judged for all of them. From when the roll-back is on record, nothing more begins.
    """
    undone = change.rolls_back
    known = set(change.rollback_environments)
    more = {row.name for row in begun_in(undone)} - known if undone is not None else set()
    if undone is None or not more:
        return
    rows = Environment.objects.filter(repository=change.repository_id, name__in=known | more)
    names = list(rows.order_by("position", "name").values_list("name", flat=True))
    transitions.swap(change, rollback_environments=names)
    said = f"{change.label} is for {', '.join(names)} now: {undone.label} has begun there, too"
    transitions.record(change, SYSTEM, transitions.Entry("rollback.widened", said, {"environments": names}))


def _require_undoable(change: ChangeRequest, deployment: Deployment) -> None:
    open_one = open_rollback(change)
    if open_one is not None:
        raise Conflict(
            "rollback_open",
            f"{open_one.label} rolls {change.label} back already. Approve or merge that one.",
            change=open_one.number,
        )
    if change.status not in {ChangeStatus.MERGED, ChangeStatus.DONE}:
        said = f"{change.label} is {change.status}; only what is merged can be rolled back. Reload the page to see where it stands."
        raise Conflict("wrong_state", said, status=change.status)
    require_undoable(deployment)


def _told_if_new(change: ChangeRequest, head: str) -> str:
    """Which gate will be asked, in words for the people at it."""
    git_dir = change.repository.mirror_path
    if objects.commit_tree_oid(git_dir, head) == objects.commit_tree_oid(git_dir, _before(change)):
        return ""
    return " Later changes stay, so this makes a state that was not live before: the ordinary rules apply."


def _before(change: ChangeRequest) -> str:
    """The commit onto which ``change`` landed: a merge is made on exactly the tip that its revision names."""
    if change.revision is None:
        raise Conflict("no_revision", f"{change.label} has no code, so there is nothing to undo.")
    return str(change.revision.target_oid)


def _write_inverse(actor: User, change: ChangeRequest) -> str:
    """The revert commit on the target's present tip, in the mirror."""
    git_dir = change.repository.mirror_path
    tip = refs.branch_tip(git_dir, change.target_branch)
    if tip is None:
        raise Conflict("target_gone", f"The branch {change.target_branch} is gone, so nothing can be merged into it.")
    return write_inverse(
        actor,
        git_dir,
        tip=tip,
        before=_before(change),
        after=change.merge_commit,
        message=messages.revert_message(change, asked_by=actor),
        left=f"Nothing of {change.label} is left on {change.target_branch}.",
        code="rollback_conflict",
        words=(f"{change.label} cannot be undone", "Write the inverse in Git, or roll the later changes back first."),
    )
