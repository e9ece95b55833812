"""The calendar for programs: windows and freezes as intervals, what holds now, and what is planned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.deployments.models import Deployment
from apps.policies import calendar
from apps.policies.config import WindowConfig
from apps.presentation.calendar_marks import kind_of
from apps.presentation.calendar_page import (
    EARLIEST,
    LATEST,
    shown_repositories,
    state_of,
    waiting_for_windows,
    windows_of_all,
)
from apps.presentation.schedules import Planned, planned_between

USUAL = timedelta(days=7)
LONGEST = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Interval:
    """``freeze`` or ``window`` from ``start`` until just before ``end``; ``holds`` what it holds: merge, deploy."""

    kind: str
    name: str
    start: datetime
    end: datetime
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnvironmentCalendar:
    """``state`` is of now; ``until``: the next moment at which nothing holds, where that is known."""

    repository: str
    environment: str
    state: str
    until: datetime | None
    waits: tuple[Deployment, ...]
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class CalendarIntervals:
    start: datetime
    end: datetime
    environments: tuple[EnvironmentCalendar, ...]
    planned: tuple[Planned, ...]
    left_out: int
    unread: tuple[str, ...]


def calendar_intervals(
    user: User, *, environment: str, start: datetime | None, end: datetime | None
) -> CalendarIntervals:
    """What ``/calendar/`` shows, of environments with this name (empty: of all); a week from today on if nothing else is said.

    :class:`InvalidInput` ``bad_to`` for an end that is not after the start, or more than 92 days later.
    """
    first = start or now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if not EARLIEST <= first.year <= LATEST:
        raise InvalidInput("bad_from", f"`from` lies in the years {EARLIEST} to {LATEST}.", field="from")
    last = end or first + USUAL
    if not first < last <= first + LONGEST:
        raise InvalidInput("bad_to", f"`to` lies after `from`, by {LONGEST.days} days at most.", field="to")
    repositories, left_out = shown_repositories(user)
    found = []
    readable, unread = windows_of_all(repositories)
    for repository, windows in readable:
        waiting = waiting_for_windows(repository) if windows else []
        for name, ours in windows.items():
            if environment in ("", name):
                state, until = state_of(ours, now())
                waits = tuple(row for row in waiting if row.environment.name == name)
                found.append(
                    EnvironmentCalendar(repository.name, name, state, until, waits, _intervals(ours, first, last))
                )
    planned = [one for one in planned_between(user, first, last) if not environment or environment in one.environments]
    return CalendarIntervals(first, last, tuple(found), tuple(planned), left_out, unread)


def _intervals(windows: tuple[WindowConfig, ...], start: datetime, end: datetime) -> tuple[Interval, ...]:
    found = [
        Interval(kind_of(window), window.name, span.start, span.end, tuple(window.holds))
        for window in windows
        for span in calendar.spans_between(window, start, end)
    ]
    return tuple(sorted(found, key=lambda one: (one.start, one.kind, one.name)))
