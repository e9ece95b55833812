"""What the portal itself does to branches of the remote."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.core.clock import now
from apps.repositories.models import BranchTip, RefUpdate, Repository
from apps.repositories.transitions import Move, TipMoved, record_moves
from apps.vcs import refs

PUSHED_TO = "refs/portal/pushed-to/"


def expect_push(repository: Repository, *, branch: str, oid: str) -> None:
    """Pin ``oid`` as a commit that the portal is about to push to ``branch``.

    Whoever sees it first on that branch, poll or :func:`note_push`, then records it as ours and not as
    an outside change, also when the portal is killed between the push and the next statement.
    """
    refs.pin(repository.mirror_path, _announced(branch, oid), oid)


def is_own_push(repository: Repository, *, branch: str, oid: str) -> bool:
    """Whether the portal announced ``oid`` for ``branch`` by :func:`expect_push`; on any other branch it is somebody else's push."""
    return bool(oid) and refs.ref_exists(repository.mirror_path, _announced(branch, oid))


def _announced(branch: str, oid: str) -> str:
    return f"{PUSHED_TO}{branch}/{oid}"


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
