"""What was pushed to a target branch past the portal: kept as rows until it is adopted, reverted, or gone again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db.models import Count

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import SYSTEM, Actor
from apps.changes.lifecycle import OPEN
from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.querysets import OutsideChangeQuerySet
from apps.core.clock import now
from apps.core.errors import NotVisible, PortalError
from apps.repositories import queries as repositories
from apps.repositories.models import RefUpdate, Repository
from apps.vcs import refs
from apps.vcs.history import is_ancestor, is_known_ancestor

CLOCKS_DIFFER = timedelta(hours=1)
"""Moments of two workers may be that far apart."""
OUR_DOING = {RefUpdate.Cause.CONNECT, RefUpdate.Cause.PORTAL}


def target_branches(repository: Repository) -> frozenset[str]:
    """The default branch, and every branch into which a change was merged."""
    merged = ChangeRequest.objects.filter(repository=repository).exclude(merge_commit="")
    return frozenset({repository.default_branch, *merged.values_list("target_branch", flat=True).distinct()})


def is_outside(update: RefUpdate) -> bool:
    """Whether ``update`` moved, deleted, or made anew a target branch past the portal."""
    if update.branch not in target_branches(update.repository):
        return False
    if update.old_oid:
        return update.cause not in OUR_DOING
    return _deleted(update) is not None  # the portal makes no target branch anew, whoever made the commit


def prepare_outside_change(update: RefUpdate) -> Callable[[], None]:
    """Pin both ends and find what the move took away; the answer writes the rows, in the caller's transaction.

    What ``update`` replaces of earlier pushes is gone, and what those took away is a part of the new row as long as the branch
    does not contain it again: nothing that was approved is lost without a row that shows it.
    """
    is_anew = not update.old_oid and _deleted(update) is not None
    kind = RefUpdate.Kind.FORCED if is_anew else update.kind  # a branch that is made anew took everything away
    over = [row for row in _open_ones(update) if _is_over(row, update)]
    starts = _starts(update, over)
    for oid in filter(None, (*starts, update.new_oid)):
        refs.pin(update.repository.mirror_path, f"refs/portal/outside/{oid}", oid)

    def write() -> None:
        _settle(over, OutsideChange.Outcome.GONE)
        for start in starts:
            OutsideChange.objects.create(
                repository=update.repository,
                branch=update.branch,
                kind=kind,
                old_oid=start,
                new_oid=update.new_oid,
                pusher=update.pusher,
                seen_at=update.seen_at,
            )
        if update.branch != update.repository.default_branch:  # whose moves the look at Git told of already
            _record(update, kind)

    return write


def _record(update: RefUpdate, kind: str) -> None:
    """The look recorded that a branch moved; that changes had been merged into this one is known here."""
    repository = update.repository
    audit.record(
        Actor.of(update.pusher) if update.pusher else SYSTEM,
        "repository.outside_change",
        target=update.branch,
        repository=repository.name,
        summary=f"{update.branch} of {repository.name} was moved outside the portal ({kind})",
        data={"kind": str(kind), "old": update.old_oid, "new": update.new_oid, "cause": str(update.cause)},
    )


def prepare_return(update: RefUpdate) -> Callable[[], None]:
    """What only took something away is settled where the branch has that again, also by a commit of the portal's own."""
    over = (
        [row for row in _open_ones(update) if _is_over(row, update)] if update.kind == RefUpdate.Kind.ADVANCED else []
    )
    return lambda: _settle(over, OutsideChange.Outcome.GONE)


def is_on(row: OutsideChange, tip: str) -> bool:
    """Whether commit ``tip`` (full oid, empty for a deleted branch) contains what ``row`` brought."""
    if not tip or not row.new_oid:
        return False
    try:
        return is_ancestor(row.repository.mirror_path, row.new_oid, tip)
    except PortalError:  # it cannot be shown that it is gone
        return True


def settle_outside(change: ChangeRequest) -> None:
    """``change`` landed: what it adopts or reverts is settled, on the branch where it is. The caller's entry of the log tells it."""
    is_adoption = change.kind == ChangeRequest.Kind.ADOPTION
    outcome = OutsideChange.Outcome.ADOPTED if is_adoption else OutsideChange.Outcome.REVERTED
    _settle(OutsideChange.objects.open().filter(change=change, branch=change.target_branch), outcome)


def beneath(row: OutsideChange) -> OutsideChange | None:
    """An older open one of the branch on which ``row`` stands: what it says of the policy is not believed yet."""
    older = OutsideChange.objects.open().filter(repository=row.repository_id, branch=row.branch, pk__lt=row.pk)
    rows = older.select_related("repository").order_by("pk")
    return next((one for one in rows if is_on(one, row.old_oid)), None)


def unapproved_within(repository: Repository, branch: str, commit: str) -> OutsideChange | None:
    """Something pushed past the portal and never adopted that commit ``commit`` contains."""
    rows = OutsideChange.objects.filter(repository=repository, branch=branch).exclude(new_oid="")
    rows = rows.exclude(outcome=OutsideChange.Outcome.ADOPTED).select_related("repository")
    return next((row for row in rows if is_on(row, commit)), None)


def left_behind(repository: Repository, branch: str, commit: str, *, since: datetime | None) -> list[OutsideChange]:
    """What commit ``commit`` still contains of pushes past the portal that its branch has rid itself of: reverted, or forced away.

    ``since``: when ``commit`` landed; it stands on what had been settled before that, so only later rows are looked at.
    """
    ended = (OutsideChange.Outcome.REVERTED, OutsideChange.Outcome.GONE)
    rows = OutsideChange.objects.filter(repository=repository, branch=branch, outcome__in=ended).exclude(new_oid="")
    if since is not None:
        rows = rows.filter(settled_at__gte=since - CLOCKS_DIFFER)
    found = list(rows.select_related("repository", "change").order_by("pk"))
    tip = (refs.branch_tip(repository.mirror_path, branch) or "") if found else ""
    return [row for row in found if _is_left_behind(row, commit, tip) and is_on(row, commit)]


def _is_left_behind(row: OutsideChange, commit: str, tip: str) -> bool:
    """Whether what ended ``row`` is not in ``commit``, as far as the contrary cannot be shown.

    A revert that settled it has landed, whether or not the mirror has seen its branch since.
    """
    git_dir = row.repository.mirror_path
    if row.outcome == OutsideChange.Outcome.GONE:
        return not (tip and is_known_ancestor(git_dir, row.new_oid, tip))
    revert = row.change.merge_commit if row.change else ""
    return not (revert and is_known_ancestor(git_dir, revert, commit))


def rows_of(repository: Repository) -> OutsideChangeQuerySet:
    """All of ``repository``, the newest first."""
    return OutsideChange.objects.filter(repository=repository).select_related("repository", "pusher", "change")


def pushers_before(row: OutsideChange) -> list[User]:
    """Who pushed what ``row`` replaced and shows as well: they took away what adopting it gives up."""
    replaced = OutsideChange.objects.filter(repository=row.repository_id, branch=row.branch, old_oid=row.old_oid)
    replaced = replaced.filter(pk__lt=row.pk, outcome=OutsideChange.Outcome.GONE).exclude(kind=RefUpdate.Kind.ADVANCED)
    return [one.pusher for one in replaced.select_related("pusher__sponsor") if one.pusher is not None]


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


def _open_ones(update: RefUpdate) -> OutsideChangeQuerySet:
    rows = OutsideChange.objects.open().filter(repository=update.repository_id, branch=update.branch)
    return rows.select_related("repository")


def _deleted(update: RefUpdate) -> OutsideChange | None:
    """The deletion of the branch that ``update`` makes anew."""
    return _open_ones(update).filter(new_oid="").first()


def _settle(rows: Iterable[OutsideChange], outcome: str) -> None:
    keys = [row.pk for row in rows]
    OutsideChange.objects.open().filter(pk__in=keys).update(outcome=outcome, settled_at=now())


def _is_over(row: OutsideChange, update: RefUpdate) -> bool:
    """Whether nothing of ``row`` is on the branch any more; one that only went back is over where the branch is forward again."""
    if update.kind != RefUpdate.Kind.ADVANCED:
        return not is_on(row, update.new_oid) or _is_back(row, update.new_oid)
    return row.kind != RefUpdate.Kind.ADVANCED and _is_back(row, update.new_oid)


def _is_back(row: OutsideChange, tip: str) -> bool:
    """Whether ``row`` brought nothing, and ``tip`` contains again what it took away."""
    git_dir = row.repository.mirror_path
    return is_known_ancestor(git_dir, row.new_oid, row.old_oid) and is_known_ancestor(git_dir, row.old_oid, tip)


def _starts(update: RefUpdate, over: Iterable[OutsideChange]) -> list[str]:
    """From where rows have to lead to the new tip, so that they show all that ``update`` and the rows that are ``over`` took away.

    One push after the other is one way, from where it began. Where the portal merged in between, the way from there does not
    show what had been taken away before: that is another one. ``over``: the newest first.
    """
    git_dir, start, others = update.repository.mirror_path, update.old_oid, []
    for row in over:
        if row.new_oid == start:
            start = row.old_oid
        else:
            others.append(row.old_oid)
    starts = [start]
    for oid in others:
        if not any(is_known_ancestor(git_dir, oid, shown) for shown in (update.new_oid, *starts)):
            starts.append(oid)
    return [oid for oid in starts if oid != update.new_oid]
