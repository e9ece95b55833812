"""What has ended in one environment, what ran last first, and what each deployment brought."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.core.paging import LastSeen, moment_page
from apps.deployments.access import can_bring_back
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.batches import left_by
from apps.deployments.queries.ledger import Brought, brought_by
from apps.presentation.board import side_of

HISTORY_SHOWN = 20


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One deployment that has ended. ``brought`` is ``None`` where it did not become live; ``may_bring_back``: it was, and its commit
    is not now, or has something over it that did not succeed.
    """

    deployment: Deployment
    brought: Brought | None
    compare_url: str
    may_bring_back: bool = False


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """``url``: of this part of the page; ``next_after``: where older history begins."""

    environment: Environment
    rows: tuple[HistoryRow, ...]
    next_after: LastSeen | None
    url: str


def history_of(user: User, environment: Environment, *, after: LastSeen | None = None) -> HistoryPage:
    """The latest :data:`HISTORY_SHOWN` that have ended, or those behind the place ``after``, as ``user`` may act on them."""
    ended = environment.deployments.filter(ended_at__isnull=False).select_related("change", "requested_by")
    found = moment_page(ended, moment="latest_at", after=after, limit=HISTORY_SHOWN)
    brought = brought_by(environment, found.items)
    brings_back = can_bring_back(user, environment).allowed and environment.defined
    # What is live is offered, too, where something over it did not succeed.
    kept = environment.live_deployment if brings_back and left_by(environment) is None else None
    url = f"/environments/{environment.repository.name}/{environment.name}/_history/"
    return HistoryPage(
        environment,
        tuple(
            _row(
                environment,
                one,
                brought.get(one.pk),
                may=brings_back and one.became_live and (kept is None or one.commit != kept.commit),
            )
            for one in found.items
        ),
        found.next_after,
        url if after is None else f"{url}?after={after}",
    )


def _row(environment: Environment, row: Deployment, brought: Brought | None, *, may: bool) -> HistoryRow:
    """With a link to everything between what was live before and this."""
    if brought is None or brought.earlier is None or brought.earlier.ended_at is None or row.ended_at is None:
        return HistoryRow(row, brought, "", may)
    pairs = {
        "from": side_of(environment),
        "at": brought.earlier.ended_at.isoformat(),
        "to": side_of(environment),
        "to_at": row.ended_at.isoformat(),
    }
    return HistoryRow(row, brought, f"/environments/compare/?{urlencode(pairs)}", may)
