"""Carrying out a merge: write the commit, claim it, push it with a lease, record what came of it.

Killed anywhere, a repeat does the right thing: the commit is the same bytes again (fixed message,
author and dates), the claim is known again by its number (``claiming``), the remote's tip tells whether the
push happened, and every write of this job is conditional on its fence (RELIABILITY §3.6, K9-K11).
Nothing is ever merged onto another base.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction

from apps.audit.actors import Actor
from apps.changes import transitions as changes
from apps.changes.models import ChangeRequest
from apps.changes.outside import settle_outside
from apps.changes.signals import change_changed
from apps.core.clock import now
from apps.core.errors import PortalError, Unavailable
from apps.core.failpoints import failpoint
from apps.core.work import LONGEST_PAUSE, has_come, pause_after, request_work
from apps.deployments import messages
from apps.deployments.jobs.claiming import ELSEWHERE, claim, ref_of
from apps.deployments.jobs.defects import defect_words
from apps.deployments.jobs.stuck_merges import STUCK_AFTER, tell_who_can_help
from apps.deployments.models import Deployment, Environment, MergeIntent
from apps.deployments.plans import deploys_from
from apps.deployments.queries import open_freeze
from apps.deployments.queries.freezes import words_of
from apps.deployments.queries.rolled_back import undone_by_landing
from apps.deployments.transitions import LeaseLost, cancel_undone, create_deployment, refresh_environments
from apps.policies.config import affected_environments
from apps.policies.queries import policy_at
from apps.repositories import mirrors
from apps.repositories.models import Repository
from apps.repositories.services import expect_no_push, expect_push, note_push
from apps.reviews.models import News
from apps.reviews.transitions import tell
from apps.vcs import history, installation, merging, objects, remotes
from apps.vcs.history import Signature

log = structlog.get_logger(__name__)
MOVED = "target_moved"
FROZEN = "frozen"
VERIFY = "deployments.verify_landed"
TO_VERIFY: dict[str, object] = {
    "verification": MergeIntent.Verification.PENDING,
    "lease_until": None,
    "check_at": None,
    "tries": 0,
    "outcome": {},
}
LONGEST_WAIT = timedelta(seconds=LONGEST_PAUSE)


def merges_due(limit: int) -> list[int]:
    """Pending intents that nobody works on and whose time has come."""
    rows = MergeIntent.objects.pending().unleased().filter(has_come("check_at", LONGEST_WAIT))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def carry_out_merge(pk: int) -> None:
    """One try at one intent."""
    fence = MergeIntent.objects.claim(pk, seconds=lease_seconds(), state=MergeIntent.State.PENDING)
    if fence is None:
        return
    intent = MergeIntent.objects.select_related(
        "change", "change__repository", "change__revision", "revision", "requested_by"
    ).get(pk=pk)
    failpoint("K9")
    try:
        with MergeIntent.objects.kept(pk, fence=fence, seconds=lease_seconds()):
            _try(intent, fence)
    except LeaseLost:
        log.info("merge_lease_lost", intent=pk)
    except PortalError as problem:
        _again_or_back(intent, fence, problem)
    except OSError as problem:  # the disk is full, or gone: nothing was pushed, or the next try finds what was
        _again_later(intent, fence, Unavailable("no_disk", f"The portal cannot write: {problem.strerror or problem}."))
    except OperationalError:  # the database is away, or busy
        raise
    except Exception as problem:  # nobody foresaw it, and the merge may be out: who waits for it learns of it
        with suppress(LeaseLost, DatabaseError):
            _again_later(intent, fence, Unavailable("defect", defect_words("merge_failed_here", pk, problem)))
        raise


def _again_or_back(intent: MergeIntent, fence: int, problem: PortalError) -> None:
    if isinstance(problem, Unavailable) or _may_be_pushed(intent, problem):
        _again_later(intent, fence, problem)
    else:
        _return(intent, fence, problem.code, problem.message)


def _may_be_pushed(intent: MergeIntent, problem: PortalError) -> bool:
    """Whether, for all that ``problem`` says, our merge may be at the remote: only its tip tells then, however long it takes.

    The claim is held before anything is pushed, and only an intent from before there were keys has none.
    """
    if problem.code == "fetch_running":
        return True
    is_pushed = intent.change.kind != ChangeRequest.Kind.ADOPTION
    return is_pushed and bool(intent.claim or (intent.merge_commit and not intent.key))


def lease_seconds() -> float:
    """For how long a silent worker is believed to live; while Git is waited for, the lease is prolonged."""
    return float(max(settings.PORTAL_LEASE_SECONDS, 1.0))


def _try(intent: MergeIntent, fence: int) -> None:
    repository, revision = intent.change.repository, intent.revision
    if intent.change.kind == ChangeRequest.Kind.ADOPTION:
        _adopt(intent, fence)
        return
    failpoint("K18")
    commit = _written(intent)
    _write(intent, fence, merge_commit=commit)
    intent.merge_commit = commit
    ref = f"refs/heads/{revision.target_branch}"
    source = mirrors.source_of(repository)
    tip = remotes.remote_tip(source, ref, limits=installation.limits())
    if tip != revision.target_oid and not _is_there(intent, commit, tip):
        _return_moved(intent, fence, tip, commit)
        return
    if tip == revision.target_oid and _is_frozen(intent, fence):
        return
    _claim(intent, fence, source)
    refusal = ""
    if tip == revision.target_oid:
        expect_push(repository, branch=revision.target_branch, oid=commit)
        refusal = _push(intent, fence, source, ref, commit)
        tip = remotes.remote_tip(source, ref, limits=installation.limits())  # it decides, whatever the push said
    if tip and _is_there(intent, commit, tip):
        _look_again(intent)
        _land(intent, fence, commit, tip=tip)
    elif refusal:
        expect_no_push(repository, branch=revision.target_branch, oid=commit)
        _return(intent, fence, "push_refused", f"The Git host refused the merge: {refusal}")
    else:
        _return_moved(intent, fence, tip, commit)


def _written(intent: MergeIntent) -> str:
    """The merge commit: that of an earlier try where the mirror has it, or the same bytes again."""
    git_dir, revision = intent.change.repository.mirror_path, intent.revision
    if intent.merge_commit and objects.object_type(git_dir, intent.merge_commit) == "commit":
        return str(intent.merge_commit)
    author = messages.signature_of(intent.requested_by, intent.created_at)
    if intent.author_name:
        author = Signature(intent.author_name, intent.author_email, intent.created_at)
    return merging.write_commit(
        git_dir,
        tree=revision.result_tree,
        parents=[revision.target_oid, revision.head_oid],
        message=intent.message,
        author=author,
        committer=Signature(messages.PORTAL_NAME, messages.PORTAL_EMAIL, intent.created_at),
    )


def _is_there(intent: MergeIntent, commit: str, tip: str | None) -> bool:
    """Whether the remote has our merge: it is the tip, or others pushed on top of it."""
    return bool(tip) and (tip == commit or _has_arrived(intent, commit, str(tip)))


def _is_frozen(intent: MergeIntent, fence: int) -> bool:
    """Whether nothing may be pushed to the branch; then the merge is given back."""
    freeze = open_freeze(intent.change.repository_id, intent.revision.target_branch)
    if freeze is not None:
        _return(intent, fence, FROZEN, words_of(freeze))
    return freeze is not None


def _return_moved(intent: MergeIntent, fence: int, tip: str | None, commit: str) -> None:
    """The lease of the push was the old tip: no push of ours can be accepted any more, also none that is under way."""
    expect_no_push(intent.change.repository, branch=intent.revision.target_branch, oid=commit)
    what = "moved" if tip else "was deleted"
    _return(intent, fence, MOVED, f"{intent.revision.target_branch} {what} before the merge arrived.")


def _adopt(intent: MergeIntent, fence: int) -> None:
    """What was pushed past the portal is there already: it lands if the remote still has it, and nothing is pushed."""
    repository, revision = intent.change.repository, intent.revision
    ref = f"refs/heads/{revision.target_branch}"
    source = mirrors.source_of(repository)
    tip = remotes.remote_tip(source, ref, limits=installation.limits())
    if _is_frozen(intent, fence):
        return
    if tip and _is_there(intent, revision.head_oid, tip):
        _claim(intent, fence, source)
        _land(intent, fence, revision.head_oid, tip=tip)
    else:
        _return(intent, fence, "gone", f"{revision.target_branch} does not contain {revision.head_oid[:10]} any more.")


def _has_arrived(intent: MergeIntent, commit: str, tip: str) -> bool:
    """Whether ``tip`` contains our merge: it was pushed, we were killed, and others pushed on top of it."""
    if tip == intent.revision.target_oid:
        return False
    git_dir = intent.change.repository.mirror_path
    mirrors.refresh(intent.change.repository)
    if objects.object_type(git_dir, tip) is None:
        raise Unavailable("tip_not_fetched", f"{intent.revision.target_branch} moved while it was being fetched.")
    return history.is_ancestor(git_dir, commit, tip)


def _claim(intent: MergeIntent, fence: int, source: remotes.Source) -> None:
    """S1: from here on no other portal, and no copy of this one, merges this."""
    _hold(intent, fence)
    claim(intent, source, partial(_write, intent, fence))


def _hold(intent: MergeIntent, fence: int) -> None:
    if not MergeIntent.objects.renew(intent.pk, fence=fence, seconds=lease_seconds()):
        raise LeaseLost


def _push(intent: MergeIntent, fence: int, source: remotes.Source, ref: str, commit: str) -> str:
    """Push with the lease; why the host refuses it, or nothing: then its tip tells whether we won."""
    _hold(intent, fence)
    git_dir = intent.change.repository.mirror_path
    outcome = remotes.push_with_lease(
        source, git_dir, ref=ref, new=commit, old=intent.revision.target_oid, limits=installation.limits()
    )
    failpoint("K11")
    return (outcome.message or "no reason given") if outcome.status == "refused" else ""


def _look_again(intent: MergeIntent) -> None:
    """Bring the mirror to the new tip at once; when that fails the next poll does it."""
    try:
        mirrors.refresh(intent.change.repository)
    except PortalError as problem:
        log.info("mirror_not_refreshed", repository=intent.change.repository.name, code=problem.code)


def _land(intent: MergeIntent, fence: int, commit: str, *, tip: str) -> None:
    """The merge happened: change, environments, deployments and branch tip in one transaction."""
    change, revision = intent.change, intent.revision
    actor = Actor.of(intent.requested_by)
    waiting: Sequence[Deployment] = undone_by_landing(change) if change.kind == ChangeRequest.Kind.ROLLBACK else []
    with transaction.atomic():
        undone = _locked(change, waiting)
        _write(intent, fence, state=MergeIntent.State.LANDED, ended_at=now(), **TO_VERIFY)
        request_work(VERIFY, intent.pk)
        for schedule in intent.schedules.open():
            request_work("deployments.merge_scheduled", schedule.pk)
        change.refresh_from_db()
        is_adoption = change.kind == ChangeRequest.Kind.ADOPTION
        # Everything that others may hold is written before the first entry, which locks the log (ADR 26).
        settle_outside(change)
        if not is_adoption:
            _note_push(intent, commit)
        _tell(intent)
        rows = _defined(intent, tip) if deploys_from(revision.target_branch, change.repository) else {}
        changes.land(change, commit=commit, actor=actor, entry=_adopted(change, commit) if is_adoption else None)
        change.refresh_from_db()
        cancel_undone(undone, by=change, actor=actor)
        if not _create_deployments(intent, commit, rows):
            changes.finish(change, actor=actor)


def _locked(change: ChangeRequest, undone: Sequence[Deployment]) -> Sequence[Deployment]:
    """``change``, what it takes back, and what of that waits to be deployed: that again, where it was asked for meanwhile."""
    waiting = [key for row in undone for key in (row.change_id, row.change.rolls_back_id)]
    changes.lock_all([change.pk, change.rolls_back_id, *waiting])
    if change.rolls_back_id is not None:
        undone = undone_by_landing(change)
    list(Deployment.objects.select_for_update(no_key=True).filter(pk__in=[row.pk for row in undone]).order_by("pk"))
    return undone


def _note_push(intent: MergeIntent, commit: str) -> None:
    revision = intent.revision
    note_push(
        intent.change.repository,
        branch=revision.target_branch,
        old=revision.target_oid,
        new=commit,
        pusher=intent.requested_by,
    )


def _tell(intent: MergeIntent) -> None:
    """The people of the change hear that it arrived."""
    change = intent.change
    done = "Adopted on" if change.kind == ChangeRequest.Kind.ADOPTION else "Merged into"
    text = f"{done} {intent.revision.target_branch} by {intent.requested_by.username}"
    people = (change.owner_id or 0, change.requester_id)
    tell(change, people, kind=News.Kind.MERGED, text=text, by=intent.requested_by_id)


def _defined(intent: MergeIntent, tip: str) -> dict[str, Environment]:
    """The environments as ``portal.yaml`` defines them on the branch's ``tip``, by name."""
    repository = intent.change.repository
    return refresh_environments(repository, policy_at(repository, intent.revision.target_branch, tip).config)


def _adopted(change: ChangeRequest, commit: str) -> changes.Entry:
    said = f"{change.label} adopted {commit[:12]}, which went to {change.target_branch} past the portal"
    return changes.Entry("change.adopted", said, {"commit": commit})


def _create_deployments(intent: MergeIntent, commit: str, rows: dict[str, Environment]) -> bool:
    """One for each of ``rows`` that is due, as ``portal.yaml`` says at ``commit``; False when none is."""
    change, revision = intent.change, intent.revision
    if not rows:
        return False
    config = policy_at(change.repository, revision.target_branch, commit).config
    is_rollback = change.kind == ChangeRequest.Kind.ROLLBACK
    names = change.rollback_environments if is_rollback else affected_environments(config, revision.paths)
    # The tip may be newer than ``commit`` by now: only what both of them define is due.
    found = {name: config.environment(name) for name in names if name in rows and rows[name].defined}
    due = {name: defined for name, defined in found.items() if defined is not None}
    for name, defined in due.items():
        create_deployment(
            intent.requested_by,
            change=change,
            environment=rows[name],
            config=defined,
            kind=Deployment.Kind.ROLLBACK if is_rollback else Deployment.Kind.FORWARD,
            started_by_hand=is_rollback,
        )
    return bool(due)


def _return(intent: MergeIntent, fence: int, code: str, message: str) -> None:
    """The merge did not happen and will not: back to review, where the verdict is judged anew."""
    entry = None
    if code == ELSEWHERE:
        said = f"The merge of {intent.change.label} was stopped: {message}"
        entry = changes.Entry("merge.claimed_elsewhere", said, {"reason": message, "ref": ref_of(intent)})
    with transaction.atomic():
        changes.lock_change(intent.change)
        _write(
            intent,
            fence,
            state=MergeIntent.State.RETURNED,
            ended_at=now(),
            lease_until=None,
            outcome={"code": code, "message": message},
        )
        _ask_for_sync(intent.change.repository)
        intent.change.refresh_from_db()
        changes.return_to_review(intent.change, message, actor=Actor.of(intent.requested_by), entry=entry)
        if code in {MOVED, FROZEN} and intent.change.kind == ChangeRequest.Kind.ROLLBACK:
            # It was to merge by itself; it waits for its next revision or for the freeze to end, not for a person.
            changes.swap(intent.change, merge_when_allowed_by=intent.requested_by)


def _ask_for_sync(repository: Repository) -> None:
    """The new tip makes a new revision; nobody needs to wait for the next poll."""
    Repository.objects.filter(pk=repository.pk).update(sync_requested_at=now())
    request_work("repositories.sync", repository.pk)


def _again_later(intent: MergeIntent, fence: int, problem: PortalError) -> None:
    """1 s x 2^n, at most a minute; never dropped, and after a quarter of an hour shown as stuck."""
    wait = pause_after(intent.tries)
    since = now() - intent.created_at
    outcome = {"code": problem.code, "message": problem.message, "stuck": since > STUCK_AFTER}
    is_new = since > STUCK_AFTER and not intent.outcome.get("stuck")
    log.warning("merge_waits", intent=intent.pk, code=problem.code, tries=intent.tries + 1)
    with transaction.atomic():
        if is_new:
            changes.lock_change(intent.change)  # its people are told
        _write(
            intent,
            fence,
            tries=intent.tries + 1,
            check_at=now() + timedelta(seconds=wait),
            lease_until=None,
            outcome=outcome,
        )
        if is_new:
            branch = intent.revision.target_branch
            tell_who_can_help(intent, f"The merge into {branch} has waited for a quarter of an hour: {problem.message}")
        change_id = intent.change_id
        transaction.on_commit(lambda: change_changed.send(sender=None, change_id=change_id))


def _write(intent: MergeIntent, fence: int, **columns: object) -> None:
    """Write columns of the intent if this worker still holds it."""
    rows = MergeIntent.objects.filter(pk=intent.pk, fence=fence, state=MergeIntent.State.PENDING)
    if not rows.update(**columns):
        raise LeaseLost
