"""What happens by itself: roll-backs merge when their gate allows, finished changes are marked done."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from apps.audit.actors import SYSTEM
from apps.changes import transitions as changes
from apps.changes.lifecycle import Event, Status
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, NotAllowed, NotVisible
from apps.core.work import has_come
from apps.deployments import access
from apps.deployments.models import Deployment
from apps.deployments.queries.rolled_back import holds_alone
from apps.deployments.services.merging import begin_merge
from apps.deployments.services.rollback import widen_rollback
from apps.deployments.transitions.ending import all_succeeded, without_success
from apps.vcs import refs

LOOK_AGAIN = timedelta(seconds=4)
"""Less than from one sweep to the next, so that one engine judges each at every sweep, and several not each of them."""


def merges_due(limit: int) -> list[int]:
    """Changes in review that somebody asked to be merged as soon as their verdict allows, the one that was judged longest ago first."""
    rows = _waiting().filter(has_come("merge_check_at", LOOK_AGAIN))
    return list(rows.order_by(F("merge_check_at").asc(nulls_first=True), "pk").values_list("pk", flat=True)[:limit])


def merge_when_allowed(pk: int) -> None:
    """Merge one of them if its verdict allows now and who asked for it may still merge.

    First it moves behind the others, so that no other engine judges it at once and none is kept waiting by one that fails.
    """
    if _waiting().filter(pk=pk).update(merge_check_at=now() + LOOK_AGAIN):
        _merge_if_allowed(pk)


def _waiting() -> QuerySet[ChangeRequest]:
    return ChangeRequest.objects.filter(status=Status.IN_REVIEW, merge_when_allowed_by__isnull=False)


@transaction.atomic
def _merge_if_allowed(pk: int) -> None:
    """A roll-back of which nothing is left to take back can never be merged: it is withdrawn, as soon as it holds nothing any more."""
    waiting = _waiting().filter(pk=pk).first()
    if waiting is None:
        return
    change = lock_change(waiting)
    if _is_emptied(change) and not holds_alone(change):
        _withdraw_emptied(change)
        return
    asker = change.merge_when_allowed_by
    if asker is None or not access.can_merge(asker, change).allowed:
        return
    widen_rollback(change)  # kept whatever the verdict says, which is about all of them from now on
    try:
        with transaction.atomic():
            begin_merge(asker, change)
    except (Conflict, NotAllowed, NotVisible):
        return  # not yet; the next review, revision or sweep asks again


def _is_emptied(change: ChangeRequest) -> bool:
    """Whether the roll-back ``change`` would change nothing of its branch as it is now."""
    revision = change.revision
    if change.kind != ChangeRequest.Kind.ROLLBACK or revision is None or revision.paths or revision.conflicts:
        return False
    return bool(revision.target_oid == refs.branch_tip(change.repository.mirror_path, change.target_branch))


def _withdraw_emptied(change: ChangeRequest) -> None:
    reason = f"Nothing of what it takes back is left on {change.target_branch}."
    said = f"{change.label} is withdrawn by itself. {reason}"
    changes.apply_event(
        change,
        Event.WITHDRAW,
        actor=SYSTEM,
        entry=changes.Entry("change.withdrawn", said, {"reason": reason}),
        closed_reason=reason,
        merge_when_allowed_by=None,
    )


def changes_due(limit: int) -> list[int]:
    """Merged changes whose deployments have all ended, the newest to each environment well. What failed and was left hides none."""
    unfinished = Deployment.objects.filter(ended_at__isnull=True).values("change")
    rows = ChangeRequest.objects.filter(~Exists(without_success(OuterRef("pk"))), status=Status.MERGED)
    return list(rows.exclude(pk__in=unfinished).order_by("pk").values_list("pk", flat=True)[:limit])


@transaction.atomic
def finish_change(pk: int) -> None:
    """Mark a change done whose deployments all succeeded; normally the last success did that."""
    change = lock_change(ChangeRequest(pk=pk))
    if change.status == Status.MERGED and all_succeeded(change):
        changes.finish(change, actor=SYSTEM)
