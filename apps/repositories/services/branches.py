"""What the portal itself does to branches of the remote."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from django.db import transaction

from apps.accounts.models import User
from apps.core.clock import now
from apps.repositories.models import BranchTip, RefUpdate, Repository
from apps.repositories.transitions import Move, TipMoved, record_moves
from apps.vcs import refs
from apps.vcs.paths import encode

PUSHED_TO = "refs/portal/pushed-to/"
ASKED_BY_NAME = 50


def expect_push(repository: Repository, *, branch: str, oid: str) -> None:
    """Pin ``oid`` as a commit that the portal is about to push to ``branch``.

    Whoever sees it first on that branch, poll or :func:`note_push`, then records it as ours and not as
    an outside change, also when the portal is killed between the push and the next statement.
    """
    refs.pin(repository.mirror_path, _announced(branch, oid), oid)


def expect_no_push(repository: Repository, *, branch: str, oid: str) -> None:
    """Take :func:`expect_push` back: the push was refused, or cannot be accepted any more. Who pushes ``oid`` later is somebody else."""
    refs.unpin(repository.mirror_path, _announced(branch, oid), oid)


def own_pushes(repository: Repository, tips: Mapping[str, str]) -> set[str]:
    """Those of the branches ``tips`` (name → full oid) of which the portal announced just this by :func:`expect_push`.

    What it announced for one branch is somebody else's push on any other.
    """
    wanted = {branch: _announced(branch, oid) for branch, oid in tips.items()}
    if not wanted:
        return set()
    # A few are looked up, which takes no longer when thousands were announced; for many, all of them are read once.
    asked = wanted.values() if len(wanted) <= ASKED_BY_NAME else [PUSHED_TO]
    announced = refs.list_refs(repository.mirror_path, *asked)
    return {branch for branch, ref in wanted.items() if ref in announced}


def _announced(branch: str, oid: str) -> str:
    """A ref of its own for each branch and commit: a name as it is may be no part of another one, or longer than a file's may be."""
    return f"{PUSHED_TO}{sha256(encode(branch)).hexdigest()}/{oid}"


@transaction.atomic
def note_push(repository: Repository, *, branch: str, old: str, new: str, pusher: User | None = None) -> None:
    """Record that the portal moved ``branch`` from ``old`` to ``new`` (full oids); idempotent.

    The caller writes the audit entry of what this push was for.
    """
    tip = BranchTip.objects.filter(repository=repository, name=branch).values_list("oid", flat=True).first() or ""
    if tip == new:
        return
    kind = RefUpdate.Kind.ADVANCED if tip else RefUpdate.Kind.CREATED
    try:
        with transaction.atomic():
            move = Move(branch, kind, old if tip else "", new, RefUpdate.Cause.PORTAL, pusher)
            record_moves(repository, [move], at=now())
    except TipMoved:
        # Others pushed as well and a look at Git recorded it already, or will: the refs decide.
        Repository.objects.filter(pk=repository.pk).update(sync_requested_at=now())
