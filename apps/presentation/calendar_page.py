"""A week of windows and freezes: what holds where and when, in one time zone that is always named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.deployments.models import Deployment
from apps.policies import calendar
from apps.policies.config import ALLOW, FREEZE, MERGE, WindowConfig
from apps.presentation.calendar_marks import Mark, marks_of
from apps.presentation.read_policies import known_policy
from apps.presentation.schedules import Planned, planned_between
from apps.repositories.models import Repository

DAYS = 7
EARLIEST, LATEST = 2000, 2100
"""Years of which a calendar is shown."""
MOST_REPOSITORIES = 200
Windows = dict[str, tuple[WindowConfig, ...]]
"""By environment."""
_WEEK = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True)
class Lane:
    """One environment in that week. ``state``: ``frozen``, ``waiting`` (no window is open) or ``open``, as of now.

    ``until`` says until when, and ``waits`` which deployments wait for it. ``allows``: outside its windows nothing may start.
    """

    repository: str
    environment: str
    state: str
    until: str
    days: tuple[tuple[date, tuple[Mark, ...]], ...]
    waits: tuple[Deployment, ...]
    merges: bool
    allows: bool


@dataclass(frozen=True, slots=True)
class CalendarPage:
    zone: str
    week: str
    previous: str
    following: str
    days: tuple[date, ...]
    today: date
    lanes: tuple[Lane, ...]
    left_out: int
    unread: tuple[str, ...]
    planned: tuple[Planned, ...]


def calendar_page(user: User, *, week: str, zone: str) -> CalendarPage:
    """The week (``2026-W48``; empty: the present one) of every environment with windows that ``user`` may see.

    :class:`InvalidInput` for what is no week or no time zone.
    """
    place = _zone(zone or user.time_zone or "UTC")
    today = now().astimezone(place).date()
    monday = _monday(week, today)
    days = tuple(monday + timedelta(days=number) for number in range(DAYS))
    repositories, left_out = shown_repositories(user)
    found, unread = windows_of_all(repositories)
    lanes = [lane for row, windows in found for lane in _lanes(row, windows, days, place)]
    return CalendarPage(
        zone=place.key,
        week=_name(monday),
        previous=_name(monday - timedelta(days=DAYS)),
        following=_name(monday + timedelta(days=DAYS)),
        days=days,
        today=today,
        lanes=tuple(lanes),
        left_out=left_out,
        unread=unread,
        planned=planned_between(user, _midnight(monday, place), _midnight(monday + timedelta(days=DAYS), place)),
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def _bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def _zone(name: str) -> ZoneInfo:
    if name not in available_timezones():
        raise InvalidInput(
            "unknown_zone", f"{name[:60]} is no time zone. Write a name such as Europe/Berlin.", field="tz"
        )
    return ZoneInfo(name)


def _monday(week: str, today: date) -> date:
    if not week:
        return today - timedelta(days=today.weekday())
    found = _WEEK.fullmatch(week)
    try:
        year, number = (int(found[1]), int(found[2])) if found else (0, 0)
        monday = date.fromisocalendar(year, number, 1)
    except ValueError:
        monday = date.min
    if not EARLIEST <= monday.year <= LATEST:
        raise InvalidInput("unknown_week", f"{week[:20]} is no week. Write one such as 2026-W48.", field="week")
    return monday


def _name(monday: date) -> str:
    year, number, _ = monday.isocalendar()
    return f"{year}-W{number:02}"


def _lanes(repository: Repository, windows: Windows, days: Sequence[date], zone: ZoneInfo) -> list[Lane]:
    waiting = waiting_for_windows(repository) if windows else []
    return [_lane(repository.name, name, found, days, zone, waiting) for name, found in windows.items()]


def windows_of_all(repositories: Iterable[Repository]) -> tuple[list[tuple[Repository, Windows]], tuple[str, ...]]:
    """Each with its windows, and the names of those whose policy cannot be read: that ends nothing for the others."""
    found, unread = [], []
    for repository in repositories:
        windows = _windows_of(repository)
        if windows is None:
            unread.append(repository.name)
        else:
            found.append((repository, windows))
    return found, tuple(unread)


def _windows_of(repository: Repository) -> Windows | None:
    """The windows of every environment that has any, by the policy on the tip of the default branch; ``None``: nobody knows it."""
    tip = repository.branch_tips.filter(name=repository.default_branch).values_list("oid", flat=True).first()
    policy = known_policy(repository, repository.default_branch, tip or "")
    if policy is None:
        return None
    config = policy.config
    found = {
        environment.name: tuple(
            one for one in config.windows if not one.environments or environment.name in one.environments
        )
        for environment in config.environments
    }
    return {name: windows for name, windows in found.items() if windows}


def state_of(windows: Sequence[WindowConfig], moment: datetime) -> tuple[str, datetime | None]:
    """``open``, ``frozen`` or ``waiting`` (no window is open), and the next moment at which nothing holds (``None``: not known)."""
    holds = calendar.holds_at(windows, moment)
    if not holds:
        return "open", None
    return "frozen" if holds[0].kind == FREEZE else "waiting", calendar.next_slot(windows, moment)


def shown_repositories(user: User) -> tuple[list[Repository], int]:
    """Of those that ``user`` sees the first :data:`MOST_REPOSITORIES`, and whether (1) or not (0) some are left out."""
    found = list(Repository.objects.visible_to(user).order_by("name")[: MOST_REPOSITORIES + 1])
    return found[:MOST_REPOSITORIES], max(0, len(found) - MOST_REPOSITORIES)


def _lane(
    repository: str,
    environment: str,
    windows: Sequence[WindowConfig],
    days: Sequence[date],
    zone: ZoneInfo,
    waiting: Sequence[Deployment],
) -> Lane:
    state, slot = state_of(windows, now())
    until = calendar.words(slot, zone.key) if slot is not None else "" if state == "open" else "nobody knows when"
    return Lane(
        repository,
        environment,
        state,
        until,
        tuple((day, marks_of(windows, *_bounds(day, zone), zone)) for day in days),
        tuple(row for row in waiting if row.environment.name == environment),
        merges=any(MERGE in window.holds for window in windows),
        allows=any(window.kind == ALLOW for window in windows),
    )


def waiting_for_windows(repository: Repository) -> list[Deployment]:
    """Deployments that a freeze or a window holds now."""
    rows = Deployment.objects.filter(environment__repository=repository, status="pending")
    found = rows.select_related("change", "environment").order_by("number")[:100]
    return [row for row in found if any(wait["code"] in ("freeze", "window") for wait in row.waits)]
