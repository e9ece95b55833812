"""What went past the portal in one repository: what is open first, each with the way to settle it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.outside import proposal_of, rows_of
from apps.core.errors import PortalError
from apps.core.paging import Page, keyset_page
from apps.policies.config import HOLD
from apps.presentation.repository_pages import policy_page
from apps.repositories import queries
from apps.repositories.access import can_write
from apps.repositories.models import Repository
from apps.vcs import history

SETTLED_SHOWN = 25
OPEN_SHOWN = 100
COMMITS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OutsideRow:
    """One push. ``state``: a key of the words; ``commits`` are the newest of it, of ``count``."""

    row: OutsideChange
    state: str
    proposal: ChangeRequest | None
    commits: tuple[history.Commit, ...]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.commits)


@dataclass(frozen=True, slots=True)
class OutsidePage:
    repository: Repository
    open_rows: tuple[OutsideRow, ...]
    left_out: int
    settled: Page[OutsideChange]
    holds: bool
    writes: bool


def outside_page(user: User, name: str, *, after: int | None = None) -> OutsidePage:
    """The page; :class:`NotVisible` when ``user`` may not know of the repository."""
    repository = queries.find(user, name)
    rows = rows_of(repository)
    policy = policy_page(user, name).policy
    waiting = list(rows.open()[: OPEN_SHOWN + 1])
    return OutsidePage(
        repository=repository,
        open_rows=tuple(_row(row) for row in waiting[:OPEN_SHOWN]),
        left_out=max(0, len(waiting) - OPEN_SHOWN),
        settled=keyset_page(rows.exclude(settled_at=None), key="pk", after=after, limit=SETTLED_SHOWN),
        holds=policy is not None and policy.config.outside_changes == HOLD,
        writes=can_write(user, repository).allowed,
    )


def _row(row: OutsideChange) -> OutsideRow:
    proposal = proposal_of(row)
    commits, count = _commits(row)
    return OutsideRow(row, "proposed" if proposal else "outside_change", proposal, commits, count)


def _commits(row: OutsideChange) -> tuple[tuple[history.Commit, ...], int]:
    git_dir = row.repository.mirror_path
    try:
        found = history.commits_between(git_dir, row.old_oid, row.new_oid, limit=COMMITS_SHOWN) if row.new_oid else []
        count = history.count_between(git_dir, row.old_oid, row.new_oid) if row.new_oid else 0
    except PortalError:
        return (), 0
    return tuple(found), count
