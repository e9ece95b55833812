"""Back to any earlier good state of an environment: one change through its gate. Never a force-push."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.changes import services as changes
from apps.changes import transitions
from apps.changes.lifecycle import OPEN
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.text import first_few
from apps.core.work import request_work
from apps.deployments import access, messages
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.returning import Return, return_to
from apps.deployments.services.running import require_defined
from apps.vcs import merging
from apps.vcs.history import Signature


@transaction.atomic
def bring_back(
    actor: User, *, deployment: Deployment, tip: str = "", instead_of: Deployment | None = None
) -> ChangeRequest:
    """Ask for the state that ``deployment`` had in its environment; it merges by itself as soon as its gate allows.

    One commit on the present tip whose tree, of what the environment is made of, is exactly the earlier one's. ``tip``: the one
    that was shown; :class:`Conflict` ``target_moved`` when the branch is elsewhere. Others: ``never_good``, ``is_live``,
    ``nothing_to_undo``, ``rollback_conflict`` with the paths, ``rollback_open``, ``not_defined`` where portal.yaml has no such environment any more.

    ``instead_of``: the unhealthy deployment for which ``portal.yaml`` asks it, in the name of ``actor``, who needs no more than for
    rolling that one back; the log says so.
    """
    rows = Environment.objects.select_for_update(of=("self",), no_key=True).select_related("repository")
    environment = rows.get(pk=deployment.environment_id)
    if instead_of is None:
        access.require_bring_back(actor, environment)
    else:
        access.require_run(actor, instead_of)
    require_defined(environment)
    row = Deployment.objects.select_related("change", "environment", "environment__repository").get(pk=deployment.pk)
    require_none_open(environment)
    found = return_to(row)
    if tip and tip != found.tip:
        raise Conflict("target_moved", f"{row.change.target_branch} moved since you looked. Look at what it does now.")
    _require_no_twin(found)
    if not found.is_possible:
        files = list(found.conflicts)
        text = f"{row.label} cannot be brought back by itself: files and folders stand in each other's way in {first_few(files)}."
        raise Conflict("rollback_conflict", f"{text} Write it in Git, and propose that.", files=files)
    change = _propose(actor, found, rule=f"{instead_of.label} is not healthy" if instead_of is not None else "")
    transitions.swap(change, merge_when_allowed_by=actor)
    request_work("deployments.merge_when_allowed", change.pk)
    return change


def _propose(actor: User, found: Return, *, rule: str) -> ChangeRequest:
    row = found.deployment
    environment = row.environment
    taken = first_few([one.label for one in found.changes], 20) or "no change"
    taken += f" and {found.more} more" if found.more else ""
    pushed = [f"{one.old_oid[:10]}..{one.new_oid[:10]}" for one in found.outside]
    taken += f"; pushed past the portal: {first_few(pushed, 20)}" if pushed else ""
    stays = f" New since then, and left as they are: {first_few(found.added, 20)}." if found.added else ""
    head = merging.write_commit(
        environment.repository.mirror_path,
        tree=found.tree,
        parents=[found.tip],
        message=messages.bring_back_message(row, asked_by=actor),
        author=messages.signature_of(actor),
        committer=Signature(messages.PORTAL_NAME, messages.PORTAL_EMAIL, now()),
    )
    return changes.create_returning_change(
        actor,
        repository=environment.repository,
        target_branch=row.change.target_branch,
        environment=environment.name,
        title=f"Bring {row.label} back to {environment.name}: {row.change.title}"[:200],
        description=f"Makes {environment.name} what {row.label} ({row.change.label}) made it. Takes back: {taken}.{stays}",
        head_oid=head,
        rule=rule,
        facts={
            "to": row.label,
            "deployment": row.number,
            "commit": row.commit,
            "takes_back": [one.number for one in found.changes],
            **({"takes_back_outside": [one.new_oid for one in found.outside]} if found.outside else {}),
        },
    )


def _open_ones(environment: Environment) -> QuerySet[ChangeRequest]:
    rows = ChangeRequest.objects.filter(
        repository=environment.repository_id,
        kind=ChangeRequest.Kind.ROLLBACK,
        rolls_back=None,
        status__in=[str(status) for status in OPEN],
    )
    return rows.order_by("number")


def require_none_open(environment: Environment) -> None:
    """One at a time in an environment: a second one would be judged on a state that the first one changes.

    :class:`Conflict` ``rollback_open`` with the number of its ``change``.
    """
    for row in _open_ones(environment):
        if environment.name in row.rollback_environments:
            said = f"{row.label} brings an earlier state back to {environment.name} already. Approve, merge or withdraw that one."
            raise Conflict("rollback_open", said, change=row.number)


def _require_no_twin(found: Return) -> None:
    """When one of two that make the same tree has merged, nothing is left of the other, and it would wait for ever."""
    environment, branch = found.deployment.environment, found.deployment.change.target_branch
    rows = _open_ones(environment).filter(target_branch=branch, revision__result_tree=found.tree)
    twin = rows.first() if found.tree else None
    if twin is not None:
        where = ", ".join(twin.rollback_environments)
        said = f"{twin.label} makes exactly this of {branch} already, for {where}. When that is merged, deploy it to {environment.name}, too."
        raise Conflict("rollback_open", said, change=twin.number)
