"""Going back: an inverse change through its own, smaller gate. Never a force-push."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from apps.accounts.models import User
from apps.audit.actors import SYSTEM
from apps.changes import services as changes
from apps.changes import transitions
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.errors import Conflict
from apps.core.text import first_few
from apps.core.work import request_work
from apps.deployments import access, messages
from apps.deployments.inverses import write_inverse
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.rolling_back import RollBack, roll_back_of
from apps.deployments.queries.undoing import begun_in


@transaction.atomic
def roll_back(
    actor: User, *, deployment: Deployment, tip: str = "", environments: Collection[str] = (), rule: str = ""
) -> ChangeRequest:
    """Ask for the inverse of the deployment's change; it merges by itself as soon as its gate allows.

    The inverse is the three-way merge of trees that takes the change's effect out of the target's
    present tip, so what was merged later stays. It is for every environment where the change has begun, also where it still
    runs; where it waits it does not start as long as the inverse is open. :class:`Conflict` names the files when that is not
    possible without a person, or the roll-back that is open already.

    ``tip`` and ``environments``: those that were shown, where somebody looked before; ``target_moved`` when they are others by now.
    ``rule``: why ``portal.yaml`` asks for it, in the name of ``actor``; the log says so.
    """
    lock_change(deployment.change)
    access.require_run(actor, deployment)
    rows = Deployment.objects.select_related("change__repository", "change__revision", "environment")
    row = rows.get(pk=deployment.pk)
    found = roll_back_of(row)
    _require_none_open(found)
    _require_as_shown(found, tip, environments)
    change, names = found.change, [one.name for one in found.environments]
    inverse = changes.create_inverse_change(
        actor,
        change=change,
        environments=names,
        title=f"Roll back {change.label}: {change.title}"[:200],
        description=f"Takes the effect of {change.label} out of {', '.join(names)}. "
        f"Asked for on {row.label}.{_told_if_new(found)}",
        head_oid=_written(actor, found),
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


def _require_none_open(found: RollBack) -> None:
    if found.open_one is not None and not found.taken.is_nothing:
        raise Conflict("rollback_open", found.why_not, change=found.open_one.number)


def _require_as_shown(found: RollBack, tip: str, environments: Collection[str]) -> None:
    change = found.change
    if tip and tip != found.tip:
        raise Conflict("target_moved", f"{change.target_branch} moved since you looked. Look at what it does now.")
    names = [row.name for row in found.environments]
    if environments and set(environments) != set(names):
        said = f"{change.label} has begun elsewhere since you looked: it would be rolled back in {first_few(names, 20)} now."
        raise Conflict("target_moved", f"{said} Look at what it does now.")


def _told_if_new(found: RollBack) -> str:
    """Which gate will be asked, in words for the people at it."""
    if found.restores:
        return ""
    names = first_few([row.name for row in found.environments])
    return f" This state of the branch was not live in {names} before: the ordinary rules apply."


def _written(actor: User, found: RollBack) -> str:
    """The revert commit on the target's present tip, in the mirror."""
    change = found.change
    return write_inverse(
        actor,
        change.repository.mirror_path,
        found.taken,
        message=messages.revert_message(change, asked_by=actor),
        left=found.why_not,
        code="rollback_conflict",
        words=(f"{change.label} cannot be undone", "Write the inverse in Git, or roll the later changes back first."),
    )
