"""After a merge landed: is what the remote has what was approved (RELIABILITY §3.5 S4, I14)?

Another job than the one that pushed, with a connection and a repository of its own; nothing is believed that was remembered.
Until it says yes no deployment of the change starts. A wrong tree freezes the target branch. Killed anywhere, it is done again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction

from apps.changes.models import ChangeRequest
from apps.changes.signals import change_changed
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import PortalError, Unavailable
from apps.core.failpoints import failpoint
from apps.core.work import LONGEST_PAUSE, has_come, pause_after
from apps.deployments.jobs.defects import defect_words
from apps.deployments.jobs.stuck_merges import STUCK_AFTER, tell_who_can_help
from apps.deployments.models import MergeIntent
from apps.deployments.transitions import LeaseLost, freeze_target, wake_pending
from apps.repositories import mirrors
from apps.vcs import installation, landed

log = structlog.get_logger(__name__)
LOOKS = 3
"""Looks that a missing commit gets: the host may answer from a replica that is behind. Only those that had an answer count."""
BETWEEN_LOOKS = 5.0
"""Seconds that a replica gets to catch up, at least."""
NOT_THERE_YET = "not_there_yet"
STUCK = "For a quarter of an hour it could not be told whether what landed is what was approved, so nothing of it is deployed:"
Verification = MergeIntent.Verification


def verifications_due(limit: int) -> list[int]:
    """Landed merges that nobody has compared yet and whose time has come."""
    due = has_come("check_at", timedelta(seconds=LONGEST_PAUSE))
    rows = MergeIntent.objects.filter(due, verification=Verification.PENDING).unleased()
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def verify_landed(pk: int) -> None:
    """One look at one landed merge."""
    seconds = float(max(settings.PORTAL_LEASE_SECONDS, 1.0))
    fence = MergeIntent.objects.claim(pk, seconds=seconds, verification=Verification.PENDING)
    if fence is None:
        return
    intent = MergeIntent.objects.select_related("change__repository", "revision", "requested_by").get(pk=pk)
    try:
        with MergeIntent.objects.kept(pk, fence=fence, seconds=seconds):
            wrong = _compare(intent)
        failpoint("S4")
        _end(intent, fence, wrong)
    except LeaseLost:
        log.info("verification_lease_lost", intent=pk)
    except (PortalError, OSError) as problem:
        _again_later(intent, fence, problem)
    except OperationalError:  # the database is away, or busy
        raise
    except Exception as problem:  # nobody foresaw it: who waits for it learns of it
        with suppress(DatabaseError):
            _again_later(intent, fence, Unavailable("defect", defect_words("verification_failed_here", pk, problem)))
        raise


def _compare(intent: MergeIntent) -> str:
    """What is wrong with what landed, as a sentence; empty when it is what was approved."""
    change, revision = intent.change, intent.revision
    repository = change.repository
    found = landed.look_at(
        mirrors.source_of(repository),
        repository.mirror_path,
        branch=revision.target_branch,
        commit=change.merge_commit,
        limits=installation.limits(),
    )
    if not found.tree:
        what = f"does not contain {change.merge_commit[:12]}, the merge of {change.label}" if found.tip else "is gone"
        if _missed(intent) + 1 < LOOKS:
            raise Unavailable(NOT_THERE_YET, f"{revision.target_branch} {what}; it is looked at again.")
        return (
            f"{revision.target_branch} {what} that had landed there."
            if found.tip
            else f"{revision.target_branch} {what}."
        )
    if found.tree != revision.result_tree:
        return (
            f"{change.merge_commit[:12]}, the merge of {change.label}, has the tree {found.tree[:12]}; "
            f"approved was {revision.result_tree[:12]}."
        )
    is_adoption = change.kind == ChangeRequest.Kind.ADOPTION
    if not is_adoption and found.parents != (revision.target_oid, revision.head_oid):
        return f"{change.merge_commit[:12]}, the merge of {change.label}, stands on other commits than those that were reviewed."
    return ""


def _end(intent: MergeIntent, fence: int, wrong: str) -> None:
    change, branch = intent.change, intent.revision.target_branch
    with transaction.atomic():
        if wrong:
            lock_change(change)  # its people are told
        _write(
            intent,
            fence,
            verification=Verification.FAILED if wrong else Verification.PASSED,
            verified_at=now(),
            outcome={"code": "wrong_tree", "message": wrong} if wrong else {},
            lease_until=None,
            check_at=None,
        )
        if wrong:
            log.error("landed_is_not_approved", intent=intent.pk, commit=change.merge_commit)
            tell_who_can_help(intent, f"{branch} is frozen: {wrong}")
            freeze_target(change.repository, branch, reason=wrong, change=change, commit=change.merge_commit)
        transaction.on_commit(lambda: _tell(change))
        transaction.on_commit(lambda: wake_pending(change.repository_id))  # also what contains it


def _missed(intent: MergeIntent) -> int:
    """How many looks found the host without the commit; one that it did not answer says nothing about that."""
    return int(intent.outcome.get("missing", 0))


def _tell(change: ChangeRequest) -> None:
    wake_pending(change.repository_id, change=change)
    change_changed.send(sender=None, change_id=change.pk)


def _again_later(intent: MergeIntent, fence: int, problem: Exception) -> None:
    """1 s x 2^n, at most a minute, and longer than a replica is behind; until it is known nothing starts."""
    code, message = (problem.code, problem.message) if isinstance(problem, PortalError) else ("no_disk", str(problem))
    is_missing = code == NOT_THERE_YET
    wait = max(pause_after(intent.tries), BETWEEN_LOOKS if is_missing else 0.0)
    log.warning("verification_waits", intent=intent.pk, code=code, tries=intent.tries + 1)
    is_stuck = intent.ended_at is not None and now() - intent.ended_at > STUCK_AFTER
    outcome = {"code": code, "message": message, "missing": _missed(intent) + is_missing, "stuck": is_stuck}
    later = now() + timedelta(seconds=wait)
    try:
        with transaction.atomic():
            if is_stuck and not intent.outcome.get("stuck"):
                lock_change(intent.change)  # its people are told
                tell_who_can_help(intent, f"{STUCK} {message}")
            _write(intent, fence, tries=intent.tries + 1, check_at=later, lease_until=None, outcome=outcome)
            transaction.on_commit(lambda: _tell(intent.change))
    except LeaseLost:
        log.info("verification_lease_lost", intent=intent.pk)


def _write(intent: MergeIntent, fence: int, **columns: object) -> None:
    """Write columns if this worker still holds it."""
    rows = MergeIntent.objects.filter(pk=intent.pk, fence=fence, verification=Verification.PENDING)
    if not rows.update(**columns):
        raise LeaseLost
