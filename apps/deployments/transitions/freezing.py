"""Freezing a target branch, and lifting that."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import SYSTEM, Actor
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.text import first_few
from apps.deployments.models import MergeIntent, TargetFreeze
from apps.deployments.transitions.moving import wake_pending
from apps.repositories.models import Repository


@transaction.atomic
def freeze_target(
    repository: Repository, branch: str, *, reason: str, change: ChangeRequest | None = None, commit: str = ""
) -> None:
    """Nothing goes to ``branch`` any more. There is one freeze at a time; what else was wrong is added to its reason."""
    audit.hold_log()  # a merge or a start is before this, and under way, or after it, and refused
    try:
        with transaction.atomic():
            TargetFreeze.objects.create(
                repository=repository,
                branch=branch,
                change=change,
                commit=commit,
                reason=reason[:500],
                created_at=now(),
            )
    except IntegrityError:
        _add_reason(repository, branch, reason)
    audit.record(
        SYSTEM,
        "target.frozen",
        target=branch,
        repository=repository.name,
        change=change.number if change else None,
        summary=f"{branch} of {repository.name} is frozen: {reason}",
        data={"branch": branch, "commit": commit},
    )
    wake_pending(repository.pk)


def _add_reason(repository: Repository, branch: str, reason: str) -> None:
    """It is frozen already."""
    for row in TargetFreeze.objects.open().filter(repository=repository, branch=branch):
        if reason not in row.reason:
            TargetFreeze.objects.filter(pk=row.pk).update(reason=f"{row.reason} {reason}"[:500])


def _wrong_since(freeze: TargetFreeze) -> list[str]:
    """Changes of which something else landed than was approved, and that lifting the freeze lets others stand upon."""
    rows = MergeIntent.objects.filter(
        verification=MergeIntent.Verification.FAILED,
        verified_at__gte=freeze.created_at,
        change__repository=freeze.repository_id,
        revision__target_branch=freeze.branch,
    ).select_related("change")
    found = [row.change.label for row in rows.order_by("pk")]
    first = freeze.change.label if freeze.change else ""
    return [first, *(label for label in found if label != first)] if first else found


def lift(freeze: TargetFreeze, *, actor: User, reason: str) -> None:
    """End ``freeze``; :class:`Conflict` ``lifted`` when somebody did already. Inside a transaction."""
    audit.hold_log()  # before the freeze, as who freezes the same branch does
    rows = TargetFreeze.objects.open().filter(pk=freeze.pk)
    if not rows.update(lifted_at=now(), lifted_by=actor, lift_reason=reason[:500]):
        raise Conflict("lifted", f"{freeze.branch} is not frozen any more. Reload the page.")
    repository, wrong = freeze.repository, _wrong_since(freeze)
    of = f", frozen for {first_few(wrong)}" if wrong else ""
    audit.record(
        Actor.of(actor),
        "target.unfrozen",
        target=freeze.branch,
        repository=repository.name,
        change=freeze.change.number if freeze.change else None,
        summary=f"{actor.username} lifted the freeze of {freeze.branch} of {repository.name}{of}: {reason}",
        data={"branch": freeze.branch, "reason": reason, "changes": wrong},
    )
    wake_pending(repository.pk)
