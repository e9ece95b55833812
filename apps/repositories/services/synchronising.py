"""Keeping a mirror current: one fetch, then facts of what moved."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import SYSTEM, Actor
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.core.leases import LeaseLost
from apps.core.text import first_few, shortened
from apps.core.work import pause_after, request_work
from apps.repositories import access, mirrors
from apps.repositories.models import BranchTip, RefUpdate, Repository, WebhookDelivery
from apps.repositories.pushers import split_by_pushes
from apps.repositories.services.branches import own_pushes
from apps.repositories.transitions import Move, TipMoved, announce, record_moves
from apps.vcs.history import is_known_ancestor

SYNC = "repositories.sync"
MAX_BACKOFF_SECONDS = 900
BUSY = "fetch_running"
REFUSED, GONE = "branches_refused", "main_branch_gone"
ATTEMPTS = 3
MOST_LISTED = 20
"""Movements of branches that one entry of the log lists; the others are counted. Who pushes many with long names could
otherwise make the entry larger than one may be, and then it tells of none."""
LONGEST_LISTED = 100
FORWARD = (RefUpdate.Kind.CREATED, RefUpdate.Kind.ADVANCED)


@transaction.atomic
def request_sync(actor: User, *, repository: Repository) -> Repository:
    """Ask for a look at the remote now; anyone who may ask for a change may."""
    access.require_ask(actor, repository)
    Repository.objects.filter(pk=repository.pk).update(sync_requested_at=now())
    audit.record(
        Actor.of(actor),
        "repository.sync_requested",
        target=repository.name,
        repository=repository.name,
        summary=f"{actor.username} asked to synchronise {repository.name}",
    )
    request_work(SYNC, repository.pk)
    repository.refresh_from_db()
    return repository


def synchronise(repository_id: int) -> bool:
    """Fetch and record what moved; ``False`` when another worker does it or the remote failed.

    A failure is stored as ``sync_problem`` and cleared by the next success; polling slows down
    meanwhile. Safe to call twice and at the same time: the lease's fence guards every write.
    """
    fence = Repository.objects.claim(repository_id, seconds=settings.PORTAL_LEASE_SECONDS)
    if fence is None:
        return False
    repository = Repository.objects.get(pk=repository_id)
    try:
        with Repository.objects.kept(repository_id, fence=fence, seconds=settings.PORTAL_LEASE_SECONDS):
            return _look_often(repository, fence)
    except LeaseLost:
        return False  # somebody newer records
    except PortalError as error:
        if error.code != BUSY:
            with suppress(LeaseLost):
                _note_problem(repository, fence, error)
        return False
    finally:
        Repository.objects.release(repository_id, fence=fence)


def is_partial(problem: Mapping[str, Any]) -> bool:
    """Whether the look itself was good with this ``sync_problem``: what else there is, is current."""
    return problem.get("code") in {REFUSED, GONE}


def _look_often(repository: Repository, fence: int) -> bool:
    if repository.sync_problem and not is_partial(repository.sync_problem):
        mirrors.ask(repository)  # a quick question to a host that failed: a fetch would wait for minutes
    for _ in range(ATTEMPTS):
        try:
            return _look(repository, fence)
        except TipMoved:  # recorded by somebody else while we fetched: what we saw may be older
            continue
    return False


def note_pins_restored(repository: Repository) -> None:
    """The revisions of a rebuilt mirror are pinned again, as far as their objects exist."""
    Repository.objects.filter(pk=repository.pk, mirror_rebuilt_at=repository.mirror_rebuilt_at).update(
        pins_restored_at=F("mirror_rebuilt_at")
    )


def _look(repository: Repository, fence: int) -> bool:
    began = now()
    requested = repository.sync_requested_at
    tips = dict(BranchTip.objects.filter(repository=repository).values_list("name", "oid"))
    deliveries = list(repository.deliveries.accepted().order_by("pk"))
    cause = _cause(requested, deliveries)
    fetched = mirrors.refresh(repository, thorough=cause == RefUpdate.Cause.MANUAL)
    moves = _moves(repository, tips, fetched.branches, cause)
    moves = split_by_pushes(repository.mirror_path, moves, deliveries)
    with transaction.atomic():
        held = Repository.objects.filter(pk=repository.pk, fence=fence)
        facts = _after_success(repository, began, fetched)
        if not held.update(**facts):
            raise LeaseLost
        held.filter(sync_requested_at=requested).update(sync_requested_at=None)
        is_other_problem = _said(facts["sync_problem"]) != _said(repository.sync_problem)
        WebhookDelivery.objects.filter(pk__in=[row.pk for row in deliveries]).update(
            status=WebhookDelivery.Status.SYNCED
        )
        record_moves(repository, moves, at=now())
        _audit_moves(repository, moves, rebuilt=fetched.rebuilt)
        if moves or is_other_problem or fetched.rebuilt:
            announce(repository)
    return True


def _after_success(repository: Repository, began: datetime, fetched: mirrors.Fetched) -> dict[str, Any]:
    problem = _partial(repository, fetched)
    failures = problem["failures"] if fetched.refused else 0  # what was refused is expensive to try again
    facts: dict[str, Any] = {
        "synced_at": began,
        "sync_problem": problem,
        "next_poll_at": now() + timedelta(seconds=_wait(failures)),
    }
    return facts | ({"mirror_rebuilt_at": now()} if fetched.rebuilt else {})


def _partial(repository: Repository, fetched: mirrors.Fetched) -> dict[str, Any]:
    """What is said while branches hold objects that Git's own checks refuse, or the main one is gone; all others are current."""
    main = repository.default_branch
    if fetched.refused:
        message = (
            f"What was pushed to {first_few(fetched.refused)} is malformed and was not taken; "
            "all other branches are current. Run 'git fsck --full' there, repair or delete the branch, and push again."
        )
        return _problem(repository, REFUSED, message)
    if main not in fetched.branches:
        message = (
            f"The main branch {main} does not exist there any more, so nobody can read what governs this repository. "
            f"Push {main} again; if it was renamed, keep {main} beside the new name."
        )
        return _problem(repository, GONE, message)
    return {}


def _problem(repository: Repository, code: str, message: str) -> dict[str, Any]:
    before = repository.sync_problem or {}
    since = before["since"] if before.get("code") == code else now().isoformat()
    return {"code": code, "message": message, "since": since, "failures": int(before.get("failures", 0)) + 1}


def _said(problem: dict[str, Any] | None) -> tuple[Any, Any]:
    return (problem or {}).get("code"), (problem or {}).get("message")


def _wait(failures: int) -> float:
    return pause_after(failures, first=settings.PORTAL_POLL_SECONDS, longest=MAX_BACKOFF_SECONDS)


def _cause(requested: datetime | None, deliveries: list[WebhookDelivery]) -> str:
    if deliveries:
        return RefUpdate.Cause.WEBHOOK
    return RefUpdate.Cause.MANUAL if requested else RefUpdate.Cause.POLL


def _moves(repository: Repository, before: dict[str, str], after: dict[str, str], cause: str) -> list[Move]:
    moved = {name: (before.get(name, ""), after.get(name, "")) for name in sorted({*before, *after})}
    kinds = {name: _kind(repository, old, new) for name, (old, new) in moved.items() if old != new}
    # The portal forces and deletes no branch: one that went back to what it had merged is no doing of its own.
    forward = {name: after[name] for name, kind in kinds.items() if kind in FORWARD}
    ours = own_pushes(repository, forward)
    return [
        Move(name, kind, *moved[name], RefUpdate.Cause.PORTAL if name in ours else cause)
        for name, kind in kinds.items()
    ]


def _kind(repository: Repository, old: str, new: str) -> str:
    if not old:
        return RefUpdate.Kind.CREATED
    if not new:
        return RefUpdate.Kind.DELETED
    # After a rebuild the old tip can be gone: that it was an ancestor cannot be shown.
    forward = is_known_ancestor(repository.mirror_path, old, new)
    return RefUpdate.Kind.ADVANCED if forward else RefUpdate.Kind.FORCED


def _audit_moves(repository: Repository, moves: list[Move], *, rebuilt: bool) -> None:
    """One entry for one look: what moved, and whether the default branch was moved past the portal."""
    outside = [move for move in moves if move.cause != RefUpdate.Cause.PORTAL]
    main = [move for move in outside if move.branch == repository.default_branch]
    if not outside and not rebuilt:
        return
    if main:
        action = "repository.outside_change"
        what = f"{repository.default_branch} of {repository.name} was moved outside the portal ({main[-1].kind})"
    elif outside:
        branches = "one branch" if len(outside) == 1 else f"{len(outside)} branches"
        action, what = "repository.ref_moved", f"{branches} of {repository.name} moved"
    else:
        action, what = "repository.synced", f"The mirror of {repository.name} was made again"
    pusher = main[-1].pusher if main else None
    # What the entry is about comes first.
    told = sorted(outside, key=lambda move: move.branch != repository.default_branch)[:MOST_LISTED]
    audit.record(
        Actor.of(pusher) if pusher else SYSTEM,
        action,
        target=main[-1].branch if main else repository.name,
        repository=repository.name,
        summary=what,
        data={
            "moves": [_as_data(move) for move in told],
            "not_listed": len(outside) - len(told),
            "mirror_rebuilt": rebuilt,
        },
    )


def _as_data(move: Move) -> dict[str, str]:
    return {
        "branch": shortened(move.branch, LONGEST_LISTED),
        "kind": str(move.kind),
        "old": move.old,
        "new": move.new,
        "cause": str(move.cause),
        "pusher": move.pusher.username if move.pusher else "",
    }


def _note_problem(repository: Repository, fence: int, error: PortalError) -> None:
    problem = _problem(repository, error.code, error.message)
    wait = _wait(problem["failures"])
    with transaction.atomic():
        held = Repository.objects.filter(pk=repository.pk, fence=fence)
        held.filter(sync_requested_at=repository.sync_requested_at).update(sync_requested_at=None)
        if not held.update(sync_problem=problem, next_poll_at=now() + timedelta(seconds=wait)):
            raise LeaseLost
        if (repository.sync_problem or {}).get("code") != error.code:
            announce(repository)
