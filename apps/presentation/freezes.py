"""Freezes that hold deployments: those of an environment, and those of which every page tells. Both say for how long they are true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from apps.accounts.models import User
from apps.core.clock import now
from apps.policies import calendar
from apps.policies.config import DEPLOY, FREEZE, WindowConfig
from apps.policies.queries import Policy, policy_at
from apps.presentation.moments import seconds_until
from apps.repositories.models import BranchTip, Repository
from apps.reviews.holds import windows_for
from apps.vcs.errors import ObjectMissing

SOON = timedelta(hours=24)
"""How long before it begins a freeze is told on every page."""
MOST_REPOSITORIES = 200
"""Whose policies are read for it."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """``until``: in words when it ends; empty: none holds. ``lasts``: for how many seconds that stays so; ``None``: for good."""

    until: str = ""
    lasts: int | None = None


def freeze_of(policy: Policy | None, name: str) -> Freeze:
    """The freezes that ``policy`` puts on the environment ``name``, as they stand now."""
    windows = windows_for(policy.config.windows, name, DEPLOY) if policy is not None else ()
    freezes = [window for window in windows if window.kind == FREEZE]
    if not freezes:
        return Freeze()
    moment = now()
    lasts = seconds_until(calendar.next_edge(freezes, moment))
    ends = [hold.until for hold in calendar.holds_at(freezes, moment)]
    if not ends:
        return Freeze("", lasts)
    known = [end for end in ends if end is not None]
    until = calendar.words(max(known), freezes[0].timezone) if len(known) == len(ends) else "nobody knows when"
    return Freeze(until, lasts)


@dataclass(frozen=True, slots=True)
class Notice:
    """A freeze that holds now, or begins :data:`SOON` (then ``is_on`` is false), with its end or beginning in words.

    ``environments``: empty for all of the repository.
    """

    name: str
    repository: str
    environments: tuple[str, ...]
    is_on: bool
    moment: str


@dataclass(frozen=True, slots=True)
class Notices:
    """What is said at the top of every page: those that hold first. ``lasts`` as in :class:`Freeze`."""

    rows: tuple[Notice, ...] = ()
    lasts: int | None = None


def freeze_notices(user: User) -> Notices:
    """Of all repositories that ``user`` may see. One query, where the policies are valid; files are read once for each commit."""
    moment = now()
    rows: list[Notice] = []
    edges: list[datetime] = []
    for repository, window in _freezes_for(user):
        span = calendar.span_at(window, moment) or calendar.span_after(window, moment)
        if span is None:
            continue
        is_on, is_told = span.start <= moment, span.start - SOON <= moment
        edges.append(span.end if is_on else span.start if is_told else span.start - SOON)
        if is_told:
            words = calendar.words(span.end if is_on else span.start, window.timezone)
            rows.append(Notice(window.name, repository, window.environments, is_on, words))
    rows.sort(key=lambda row: not row.is_on)
    return Notices(tuple(rows), seconds_until(min(edges, default=None)))


def _freezes_for(user: User) -> Iterator[tuple[str, WindowConfig]]:
    """With the name of the repository whose default branch defines them."""
    tips = BranchTip.objects.filter(repository__in=Repository.objects.visible_to(user))
    tips = tips.filter(name=F("repository__default_branch")).exclude(oid="").select_related("repository")
    for tip in tips.order_by("repository__name")[:MOST_REPOSITORIES]:
        try:
            config = policy_at(tip.repository, tip.name, tip.oid).config
        except ObjectMissing:
            continue
        for window in config.windows:
            if window.kind == FREEZE and DEPLOY in window.holds:
                yield tip.repository.name, window
