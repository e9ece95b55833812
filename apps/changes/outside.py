"""What was pushed to a target branch past the portal: kept as rows until it is adopted, reverted, or gone again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db.models import Count

from apps.accounts.models import User
from apps.changes.lifecycle import OPEN
from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.querysets import OutsideChangeQuerySet
from apps.core.clock import now
from apps.core.errors import NotVisible, PortalError
from apps.repositories import queries as repositories
from apps.repositories.models import RefUpdate, Repository
from apps.vcs import refs
from apps.vcs.history import is_ancestor

OUR_DOING = {RefUpdate.Cause.CONNECT, RefUpdate.Cause.PORTAL}


def target_branches(repository: Repository) -> frozenset[str]:
    """The default branch, and every branch into which a change was merged."""
    merged = ChangeRequest.objects.filter(repository=repository).exclude(merge_commit="")
    return frozenset({repository.default_branch, *merged.values_list("target_branch", flat=True).distinct()})


def is_outside(update: RefUpdate) -> bool:
    """Whether ``update`` moved, or deleted, a target branch past the portal."""
    if update.cause in OUR_DOING or not update.old_oid:
        return False
    return update.branch in target_branches(update.repository)


def prepare_outside_change(update: RefUpdate) -> Callable[[], None]:
    """Pin both ends and find what the move took away; the answer writes the rows, in the caller's transaction."""
    git_dir = update.repository.mirror_path
    for oid in filter(None, (update.old_oid, update.new_oid)):
        refs.pin(git_dir, f"refs/portal/outside/{oid}", oid)
    before = list(OutsideChange.objects.open().filter(repository=update.repository_id, branch=update.branch))
    gone = [row for row in before if not is_on(row, update.new_oid)] if update.kind != RefUpdate.Kind.ADVANCED else []

    def write() -> None:
        _settle(gone, OutsideChange.Outcome.GONE)
        if not _undoes(update, gone):
            OutsideChange.objects.create(
                repository=update.repository,
                branch=update.branch,
                kind=update.kind,
                old_oid=update.old_oid,
                new_oid=update.new_oid,
                pusher=update.pusher,
                seen_at=update.seen_at,
            )

    return write


def is_on(row: OutsideChange, tip: str) -> bool:
    """Whether commit ``tip`` (full oid, empty for a deleted branch) contains what ``row`` brought."""
    if not tip or not row.new_oid:
        return False
    try:
        return is_ancestor(row.repository.mirror_path, row.new_oid, tip)
    except PortalError:  # it cannot be shown that it is gone
        return True


def settle_outside(change: ChangeRequest) -> None:
    """``change`` landed: what it adopts or reverts is settled. The caller's entry of the log tells it."""
    is_adoption = change.kind == ChangeRequest.Kind.ADOPTION
    outcome = OutsideChange.Outcome.ADOPTED if is_adoption else OutsideChange.Outcome.REVERTED
    _settle(OutsideChange.objects.open().filter(change=change), outcome)


def rows_of(repository: Repository) -> OutsideChangeQuerySet:
    """All of ``repository``, the newest first."""
    return OutsideChange.objects.filter(repository=repository).select_related("repository", "pusher", "change")


def find(user: User, repository: str, pk: int) -> OutsideChange:
    """:class:`NotVisible` unless it exists and ``user`` may see the repository."""
    row = rows_of(repositories.find(user, repository)).filter(pk=pk).first()
    if row is None:
        raise NotVisible("outside_change_not_found", f"{repository} has no outside change {pk}.")
    return row


def open_counts(rows: Iterable[Repository]) -> dict[int, int]:
    """How many are open in each repository that has any, by its key; one query."""
    found = OutsideChange.objects.open().filter(repository__in=list(rows)).order_by().values("repository")
    return {row["repository"]: row["count"] for row in found.annotate(count=Count("pk"))}


def proposal_of(row: OutsideChange) -> ChangeRequest | None:
    """The open change that is to settle ``row``."""
    return row.change if row.change is not None and row.change.status in OPEN else None


def _settle(rows: Iterable[OutsideChange], outcome: str) -> None:
    keys = [row.pk for row in rows]
    OutsideChange.objects.open().filter(pk__in=keys).update(outcome=outcome, settled_at=now())


def _undoes(update: RefUpdate, gone: list[OutsideChange]) -> bool:
    """Whether the branch went back by exactly what ``gone`` had brought: then nothing that was approved is lost."""
    at, by_start = update.new_oid, {row.old_oid: row for row in gone}
    while at in by_start:
        at = by_start.pop(at).new_oid
    return bool(at == update.old_oid and at != update.new_oid)
