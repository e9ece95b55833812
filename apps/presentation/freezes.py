"""Freezes that hold deployments: those of an environment, and those of which every page tells. Both say for how long they are true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from apps.accounts.models import User
from apps.core.clock import now
from apps.policies import calendar
from apps.policies.config import DEPLOY, FREEZE, WindowConfig
from apps.policies.queries import DEFAULT, FILE, Policy
from apps.presentation.moments import seconds_until
from apps.presentation.read_policies import known_policy, unread_words
from apps.presentation.recent import Recent
from apps.repositories.models import BranchTip, Repository
from apps.reviews.holds import windows_for

SOON = timedelta(hours=24)
"""How long before it begins a freeze is told on every page."""
MOST_REPOSITORIES = 200
"""Whose policies are read for it."""
MOST_FREEZES = 100
"""Of one repository, in the order of its file, are looked at: a schedule takes milliseconds. Nor are more looked at anew for one
page, by repositories, of which each counts as one more."""
KEPT = timedelta(days=1)
"""For how long at most it is known what the freezes of a commit say; the calendar does not look ahead for ever."""
DOUBTFUL = timedelta(minutes=1)
"""The same where something else than a new commit can change it: a mirror that is repaired, a valid version that is noted late."""


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
    """What is said at the top of every page: those that hold first. ``lasts`` as in :class:`Freeze`.

    ``unread``: names of repositories of which nobody knows what holds there.
    """

    rows: tuple[Notice, ...] = ()
    lasts: int | None = None
    unread: tuple[str, ...] = ()

    @property
    def unread_words(self) -> str:
        return unread_words(self.unread)


@dataclass(frozen=True, slots=True)
class _Told:
    """What one commit has told of its freezes at ``since``, and says until ``until``. ``looked_at``: what that took, in freezes;
    ``unread``: the policy could not be read.
    """

    rows: tuple[Notice, ...]
    since: datetime
    until: datetime
    edge: datetime | None
    looked_at: int
    unread: bool = False


_TOLD: Recent[_Told] = Recent(2_048)


def freeze_notices(user: User) -> Notices:
    """Of all repositories that ``user`` may see.

    One query, and no look at Git or the calendar where nothing has been pushed and nothing has begun or ended since the last one.
    Where much has, this page tells a part of it and says that it is not true for long: then it asks again.
    """
    moment, looked_at = now(), 0
    rows: list[Notice] = []
    edges: list[datetime] = []
    unread: list[str] = []
    for tip in _tips(user):
        key = f"{tip.repository.mirror_path}:{tip.oid}:{tip.repository.name}:{tip.name}"
        told = _TOLD.get(key)
        if told is None or not told.since <= moment < told.until:
            if looked_at >= MOST_FREEZES:
                edges.append(moment)
                continue
            told = _TOLD.put(key, _told(tip, moment))
            looked_at += told.looked_at
        rows += told.rows
        unread += [tip.repository.name] if told.unread else []
        edges += [told.edge] if told.edge is not None else []
    rows.sort(key=lambda row: not row.is_on)
    return Notices(tuple(rows), seconds_until(min(edges, default=None)), tuple(unread))


def _tips(user: User) -> Iterable[BranchTip]:
    """Of the default branches, whose files define the freezes."""
    tips = BranchTip.objects.filter(repository__in=Repository.objects.visible_to(user))
    tips = tips.filter(name=F("repository__default_branch")).exclude(oid="").select_related("repository")
    return tips.order_by("repository__name")[:MOST_REPOSITORIES]


def _told(tip: BranchTip, moment: datetime) -> _Told:
    policy = known_policy(tip.repository, tip.name, tip.oid)
    if policy is None:  # every page shows this: one mirror that cannot be read must not end them all
        return _Told((), moment, moment + DOUBTFUL, moment + DOUBTFUL, 1, unread=True)
    freezes = [one for one in policy.config.windows if one.kind == FREEZE and DEPLOY in one.holds][:MOST_FREEZES]
    found = [_notice(tip.repository.name, window, moment) for window in freezes]
    edge = min((edge for _, edge in found if edge is not None), default=None)
    kept = moment + (KEPT if policy.governs in {FILE, DEFAULT} else DOUBTFUL)
    rows = tuple(row for row, _ in found if row is not None)
    return _Told(rows, moment, min(kept, edge or kept), edge, 1 + len(freezes))


def _notice(repository: str, window: WindowConfig, moment: datetime) -> tuple[Notice | None, datetime | None]:
    """What is told of a freeze now, and when that is another."""
    span = calendar.span_at(window, moment) or calendar.span_after(window, moment)
    if span is None:
        return None, None
    is_on = span.start <= moment
    if not is_on and moment < span.start - SOON:
        return None, span.start - SOON
    edge = span.end if is_on else span.start
    return Notice(window.name, repository, window.environments, is_on, calendar.words(edge, window.timezone)), edge
