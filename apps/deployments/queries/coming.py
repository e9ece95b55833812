"""What becomes live with a deployment: everything between what is live in its environment and its commit. Reads only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.outside import is_on
from apps.deployments.models import Deployment
from apps.deployments.queries.standing import goes_back, live_successor
from apps.deployments.queries.undoing import contains

MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Coming:
    """What starting a deployment brings to what is live: ``changes`` in the order in which they merged, ``more`` older ones unnamed.

    ``outside``: what was pushed past the portal and comes along, though nobody approved it. ``nothing_runs``: what is live contains it
    already, so nothing comes. ``goes_back``: what is live is newer and does not; then all of these would be taken out of it.
    """

    live: Deployment | None
    changes: tuple[ChangeRequest, ...]
    more: int
    outside: tuple[OutsideChange, ...]
    goes_back: bool
    nothing_runs: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    """Merged after ``low`` (``None``: from the beginning) until ``high``, and contained in ``upper`` but not in ``lower``."""

    low: datetime | None
    high: datetime
    lower: str
    upper: str
    goes_back: bool


def coming_with(deployment: Deployment) -> Coming:
    """Everything that was merged between what is live there and this deployment's change, with it."""
    return coming_with_each([deployment])[0]


def coming_with_each(deployments: Sequence[Deployment]) -> list[Coming]:
    """The same for deployments of one change, in their order; the branch is read once, however many they are."""
    contained = _contained(deployments)
    found = _coming([(row, _live(row)) for row in deployments])
    return [
        Coming(one.live, (), 0, (), goes_back=False, nothing_runs=True)
        if row.environment.live_commit in contained
        else one
        for row, one in zip(deployments, found, strict=True)
    ]


def came_with(deployment: Deployment, earlier: Deployment) -> Coming:
    """The same for what has run already, beside what was live before it."""
    return _coming([(deployment, earlier)])[0]


def _coming(pairs: Sequence[tuple[Deployment, Deployment | None]]) -> list[Coming]:
    """What each deployment, all of one change, brings to what is live beside it."""
    end = pairs[0][0].change.merged_at if pairs else None
    if end is None:
        return [Coming(live, (row.change,), 0, (), goes_back=False) for row, live in pairs]
    change, spans = pairs[0][0].change, [_span(row, live, end) for row, live in pairs]
    moments, keys = _merged(change, spans)
    within = [keys[_slice(moments, span)] for span in spans]
    rows = ChangeRequest.objects.in_bulk({key for some in within for key in some[-MOST_NAMED:]})
    pushed = _pushed(change, spans)
    return [
        Coming(
            live=live,
            changes=tuple(rows[key] for key in some[-MOST_NAMED:]),
            more=max(0, len(some) - MOST_NAMED),
            outside=tuple(_between(pushed, span)),
            goes_back=span.goes_back,
        )
        for (_, live), span, some in zip(pairs, spans, within, strict=True)
    ]


def _contained(deployments: Sequence[Deployment]) -> set[str]:
    """Live commits that are newer than that of the deployments, all of one change, and contain it: there nothing would run."""
    if not deployments or goes_back(deployments[0]):
        return set()
    newest = {row.environment.live_commit: row for row in deployments}
    return {commit for commit, row in newest.items() if live_successor(row) is not None}


def _live(deployment: Deployment) -> Deployment | None:
    return deployment.environment.live_deployment


def _span(deployment: Deployment, live: Deployment | None, end: datetime) -> _Span:
    start, there = (live.change.merged_at, live.commit) if live is not None else (None, "")
    if start is not None and end < start:
        return _Span(end, start, deployment.commit, there, goes_back=True)
    return _Span(start, end, there, deployment.commit, goes_back=False)


def _slice(moments: list[datetime], span: _Span) -> slice:
    first = bisect_right(moments, span.low) if span.low is not None else 0
    return slice(first, bisect_right(moments, span.high))


def _lowest(spans: Sequence[_Span]) -> datetime | None:
    lows = [span.low for span in spans if span.low is not None]
    return min(lows) if len(lows) == len(spans) else None


def _merged(change: ChangeRequest, spans: Sequence[_Span]) -> tuple[list[datetime], list[int]]:
    """When each change of the branch was merged in the widest of ``spans``, and its key, in order."""
    rows = ChangeRequest.objects.filter(
        repository=change.repository_id,
        target_branch=change.target_branch,
        merged_at__lte=max(span.high for span in spans),
    )
    low = _lowest(spans)
    rows = rows.filter(merged_at__gt=low) if low is not None else rows
    found = rows.order_by("merged_at", "number").values_list("merged_at", "pk")
    pairs = [(at, key) for at, key in found if at is not None]
    return [at for at, _ in pairs], [key for _, key in pairs]


def _pushed(change: ChangeRequest, spans: Sequence[_Span]) -> list[OutsideChange]:
    """What went to the branch past the portal and was not settled before all of ``spans``, the oldest first."""
    rows = OutsideChange.objects.filter(repository=change.repository_id, branch=change.target_branch)
    low = _lowest(spans)
    rows = rows.filter(Q(settled_at=None) | Q(settled_at__gt=low)) if low is not None else rows
    return list(rows.exclude(new_oid="").select_related("repository", "change", "pusher").order_by("pk"))


def _between(pushed: Sequence[OutsideChange], span: _Span) -> Iterator[OutsideChange]:
    """What is in the newer commit and not in the older one, unless a change within the span adopted or reverted it."""
    for row in pushed:
        settled = row.change.merged_at if row.change is not None and row.settled_at is not None else None
        if settled is not None and settled <= span.high:
            continue
        if is_on(row, span.upper) and not (
            span.lower and contains(row.repository.mirror_path, span.lower, row.new_oid)
        ):
            yield row
