"""Recording where branches went: ``RefUpdate`` rows and ``BranchTip`` in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.accounts.models import User
from apps.core.work import request_work
from apps.repositories.models import BranchTip, RefUpdate, Repository
from apps.repositories.signals import repository_changed

TAKE_UPDATES = "changes.take_ref_updates"


class TipMoved(Exception):
    """Somebody else recorded a branch in between: look again."""


@dataclass(frozen=True, slots=True)
class Move:
    """A branch went from ``old`` to ``new`` (full oids, empty for none)."""

    branch: str
    kind: str
    old: str
    new: str
    cause: str
    pusher: User | None = None


def record_moves(repository: Repository, moves: Iterable[Move], *, at: datetime) -> list[RefUpdate]:
    """Write the facts and the tips; :class:`TipMoved` (nothing written) if a tip is not ``old`` any more."""
    rows = []
    with transaction.atomic():
        for move in moves:
            _swap_tip(repository, move, at)
            rows.append(
                RefUpdate(
                    repository=repository,
                    branch=move.branch,
                    kind=move.kind,
                    old_oid=move.old,
                    new_oid=move.new,
                    cause=move.cause,
                    pusher=move.pusher,
                    seen_at=at,
                )
            )
        for row in rows:  # one by one: their keys are the order in which they are taken
            row.save(force_insert=True)
        if rows:
            request_work(TAKE_UPDATES, repository.pk)
    return rows


def record_first_tips(repository: Repository, branches: dict[str, str], *, at: datetime) -> None:
    """The branches at the moment of connecting; only the default branch is work for the contexts above."""
    BranchTip.objects.bulk_create(
        [BranchTip(repository=repository, name=name, oid=oid, seen_at=at) for name, oid in branches.items()],
        batch_size=500,
    )
    RefUpdate.objects.bulk_create(
        [
            RefUpdate(
                repository=repository,
                branch=name,
                kind=RefUpdate.Kind.CREATED,
                new_oid=oid,
                cause=RefUpdate.Cause.CONNECT,
                seen_at=at,
                taken_at=None if name == repository.default_branch else at,
            )
            for name, oid in branches.items()
        ],
        batch_size=500,
    )
    request_work(TAKE_UPDATES, repository.pk)


def announce(repository: Repository) -> None:
    """Tell the contexts above, once the transaction has committed."""
    pk = repository.pk
    transaction.on_commit(lambda: repository_changed.send(sender=None, repository_id=pk))


def _swap_tip(repository: Repository, move: Move, at: datetime) -> None:
    tips = BranchTip.objects.filter(repository=repository, name=move.branch)
    if not move.old:
        _, created = BranchTip.objects.get_or_create(
            repository=repository, name=move.branch, defaults={"oid": move.new, "seen_at": at}
        )
        won = created
    elif not move.new:
        deleted, _ = tips.filter(oid=move.old).delete()
        won = deleted == 1
    else:
        won = tips.filter(oid=move.old).update(oid=move.new, seen_at=at) == 1
    if not won:
        raise TipMoved(move.branch)
