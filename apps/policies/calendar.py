"""When windows and freezes hold something. Pure: the moment is given, no clock is asked.

A **freeze** holds while it lasts. Where an environment has **allow** windows, everything outside all of them is held. Both
together: a freeze wins. One-off windows are two moments. Recurring ones start by a schedule of five fields in the *wall time*
of their time zone, and last a span of *elapsed* time, so 8 hours are 8 hours also in the night in which the clocks change. A
start that the clocks skip takes place when they have jumped; one that comes twice takes place the first time only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from apps.policies.config import ALLOW, FREEZE, WindowConfig

HORIZON = timedelta(days=400)
"""How far the next slot is looked for."""
_SHIFT = timedelta(hours=3)
"""More than any change of the clocks: how far wall time and elapsed time can be apart."""
_MOST_STEPS = 2_000
_MOST_JUMPS = 450
"""From the end of one hold to the next: a touching freeze of every day for :data:`HORIZON`, and some."""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` until just before ``end``, both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """One window that holds at a moment.

    ``until``: when this reason ends by itself; ``None``: not within :data:`HORIZON`. A hold of the kind ``allow`` stands for
    all allow windows together: none of them is open.
    """

    kind: str
    windows: tuple[str, ...]
    until: datetime | None


def concerns(window: WindowConfig, environment: str, stage: str) -> bool:
    """Whether a window speaks of this environment and stage. Without ``environments`` it speaks of all."""
    return stage in window.holds and (not window.environments or environment in window.environments)


def holds_at(windows: Iterable[WindowConfig], moment: datetime) -> tuple[Hold, ...]:
    """What holds at ``moment`` (aware), freezes first; ``windows`` are those that concern the place in question."""
    moment = moment.astimezone(UTC)
    asked = tuple(windows)
    freezes = ((window, span_at(window, moment)) for window in asked if window.kind == FREEZE)
    holds = [Hold(FREEZE, (window.name,), span.end) for window, span in freezes if span is not None]
    allowing = [window for window in asked if window.kind == ALLOW]
    if allowing and all(span_at(window, moment) is None for window in allowing):
        starts = [span.start for window in allowing if (span := span_after(window, moment)) is not None]
        holds.append(Hold(ALLOW, tuple(window.name for window in allowing), min(starts, default=None)))
    return tuple(holds)


def next_slot(windows: Iterable[WindowConfig], moment: datetime) -> datetime | None:
    """The first moment from ``moment`` on at which nothing holds; ``None``: none within :data:`HORIZON`."""
    asked = tuple(windows)
    at, last = moment.astimezone(UTC), moment.astimezone(UTC) + HORIZON
    for _ in range(_MOST_JUMPS):
        holds = holds_at(asked, at)
        if not holds:
            return at
        ends = [hold.until for hold in holds]
        if None in ends:
            return None
        at = max(end for end in ends if end is not None)
        if at > last:
            return None
    return None


def words(moment: datetime, zone: str) -> str:
    """``Tue 1 Dec 2026 22:00 (Europe/Berlin)``: always with the time zone."""
    local = moment.astimezone(_zone(zone))
    return f"{local:%a} {local.day} {local:%b %Y %H:%M} ({zone})"


def span_at(window: WindowConfig, moment: datetime) -> Span | None:
    """The occurrence that lasts at ``moment``; of several the one that ends last."""
    if not window.cron:
        fixed = _fixed(window)
        return fixed if fixed is not None and fixed.start <= moment < fixed.end else None
    wall = moment.astimezone(_zone(window.timezone)).replace(tzinfo=None) + _SHIFT
    for start in _starts(window, wall, backwards=True):
        if start <= moment:  # the latest start has the latest end, for all last equally long
            end = start + timedelta(seconds=window.duration_seconds)
            return Span(start, end) if moment < end else None
    return None


def span_after(window: WindowConfig, moment: datetime) -> Span | None:
    """The next occurrence that starts after ``moment``, within :data:`HORIZON`."""
    if not window.cron:
        fixed = _fixed(window)
        return fixed if fixed is not None and fixed.start > moment else None
    wall = moment.astimezone(_zone(window.timezone)).replace(tzinfo=None) - _SHIFT
    for start in _starts(window, wall, backwards=False):
        if start > moment + HORIZON:
            return None
        if start > moment:
            return Span(start, start + timedelta(seconds=window.duration_seconds))
    return None


def spans_between(window: WindowConfig, start: datetime, end: datetime, *, most: int = 200) -> list[Span]:
    """Occurrences that lie in ``start`` … ``end``, at least in part; those that touch are one. At most ``most``."""
    found: list[Span] = []
    now = span_at(window, start) or span_after(window, start)
    for _ in range(_MOST_STEPS):
        if now is None or now.start >= end:
            break
        if found and now.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, now.end))
        elif len(found) == most:
            break
        else:
            found.append(now)
        now = span_after(window, now.start)
    return found


def _fixed(window: WindowConfig) -> Span | None:
    if window.start is None or window.end is None:
        return None
    return Span(window.start.astimezone(UTC), window.end.astimezone(UTC))


def _starts(window: WindowConfig, wall: datetime, *, backwards: bool) -> Iterator[datetime]:
    """Starts in UTC from a wall time on, one after another; ends where the schedule ends."""
    schedule = croniter(window.cron, wall)
    zone = _zone(window.timezone)
    for _ in range(_MOST_STEPS):
        try:
            found = schedule.get_prev(datetime) if backwards else schedule.get_next(datetime)
        except CroniterBadDateError:
            return
        yield _instant(found, zone)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A wall time as a moment: the first of two, and for one that is skipped the moment of the jump."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    back = moment.astimezone(zone).replace(tzinfo=None)
    if back == wall:
        return moment
    return _jump(moment, zone)


def _jump(near: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks of ``zone`` jump, within a few hours of ``near``; to the minute, as schedules are."""
    low, high = near - _SHIFT, near + _SHIFT
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(second=0, microsecond=0)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
