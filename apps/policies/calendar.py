"""When windows and freezes hold something. Pure: the moment is given, no clock is asked.

A **freeze** holds while it lasts. Where an environment has **allow** windows, everything outside all of them is held. Both
together: a freeze wins. One-off windows are two moments. Recurring ones start by a schedule of five fields in the *wall time*
of their time zone, and last a span of *elapsed* time, so 8 hours are 8 hours also in the night in which the clocks change. A
start that the clocks skip takes place when they have jumped. One that comes twice takes place the first time only, and of a
freeze both times: between freezes that touch there is no hole then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from apps.policies.config import ALLOW, FREEZE, WindowConfig

HORIZON = timedelta(days=400)
"""How far the next slot is looked for."""
_SHIFT = timedelta(hours=3)
"""More than any change of the clocks: how far wall time and elapsed time can be apart."""
_MOMENT = timedelta(seconds=1)
_BEFORE_A_DAY = datetime(2024, 1, 1) - _MOMENT  # noqa: DTZ001 - wall time
MOST_SPANS = 1_440
"""More than one day can have, and more than anybody reads."""
_MOST_STEPS = 2_000
_MOST_HOURS = 24 * 140
"""The longest window of 30 days before the longest calendar of 92, and some."""
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


def next_common_slot(places: Iterable[Iterable[WindowConfig]], moment: datetime, last: datetime) -> datetime | None:
    """The first full minute from ``moment`` to ``last`` at which nothing holds at any of ``places``, each given by the windows that concern it; ``None``: there is none.

    Windows of several places do not add up: each place has to be open by its own.
    """
    asked = [tuple(windows) for windows in places]
    at = _full_minute(moment.astimezone(UTC))
    for _ in range(_MOST_JUMPS):
        slots = [next_slot(windows, at) for windows in asked]
        found = [slot for slot in slots if slot is not None]
        then = _full_minute(max(found, default=at))
        if len(found) < len(slots) or then > last:
            return None
        if then == at:
            return at
        at = then
    return None


def _full_minute(moment: datetime) -> datetime:
    """``moment``, or the next full minute: what can be typed."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)


def next_edge(windows: Iterable[WindowConfig], moment: datetime) -> datetime | None:
    """The first moment after ``moment`` at which one of them begins or ends; until then the same holds. ``None``: none within :data:`HORIZON`."""
    moment = moment.astimezone(UTC)
    spans = ((span_at(window, moment), window) for window in windows)
    ends = [span.end if span is not None else _start(span_after(window, moment)) for span, window in spans]
    return min((end for end in ends if end is not None), default=None)


def _start(span: Span | None) -> datetime | None:
    return span.start if span is not None else None


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


def spans_between(window: WindowConfig, start: datetime, end: datetime, *, most: int = MOST_SPANS) -> list[Span]:
    """Occurrences that lie in ``start`` … ``end``, at least in part; those that touch are one. At most ``most``."""
    pieces = _pieces(window, start, end) if window.cron else filter(None, [_fixed(window)])
    found: list[Span] = []
    for piece in sorted(pieces, key=lambda span: (span.start, span.end)):
        if piece.end <= start or piece.start >= end:
            continue
        if found and piece.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, piece.end))
        else:
            found.append(piece)
    return found[:most]


def _pieces(window: WindowConfig, start: datetime, end: datetime) -> Iterator[Span]:
    """What occurs from ``start`` to ``end`` hour by hour, so that a schedule of every minute costs no more than one of every hour."""
    lasts, zone = timedelta(seconds=window.duration_seconds), _zone(window.timezone)
    minute, rest = window.cron.split(maxsplit=1)
    minutes = [
        at.minute for at in takewhile(lambda at: at.hour == 0, _walls(f"{minute} * * * *", _BEFORE_A_DAY, most=60))
    ]
    runs = _runs([timedelta(minutes=at) for at in minutes], lasts)
    first = (start - lasts).astimezone(zone).replace(tzinfo=None) - _SHIFT
    for hour in _walls(f"0 {rest}", first.replace(minute=0, second=0, microsecond=0) - _MOMENT, most=_MOST_HOURS):
        begins = hour.replace(tzinfo=zone).astimezone(UTC)
        if begins > end + _SHIFT:
            return
        if _is_plain(hour, zone):
            yield from (Span(begins + run[0], begins + run[1]) for run in runs)
        else:
            walls = (hour + timedelta(minutes=at) for at in minutes)
            yield from (Span(at, at + lasts) for wall in walls for at in _instants(window, wall, zone))


def _runs(starts: list[timedelta], lasts: timedelta) -> list[tuple[timedelta, timedelta]]:
    """The starts of one hour with their ends; those that touch are one."""
    found: list[tuple[timedelta, timedelta]] = []
    for start in starts:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], start + lasts)
        else:
            found.append((start, start + lasts))
    return found


def _is_plain(hour: datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks do not change within this hour of the wall time, nor show it twice or never."""
    last = hour + timedelta(minutes=59)
    return len({at.replace(tzinfo=zone, fold=fold).utcoffset() for at in (hour, last) for fold in (0, 1)}) == 1


def _fixed(window: WindowConfig) -> Span | None:
    if window.start is None or window.end is None:
        return None
    return Span(window.start.astimezone(UTC), window.end.astimezone(UTC))


def _starts(window: WindowConfig, wall: datetime, *, backwards: bool) -> Iterator[datetime]:
    """Starts in UTC from a wall time on, one after another; ends where the schedule ends."""
    zone = _zone(window.timezone)
    twice: list[datetime] = []
    for found in _walls(window.cron, wall, backwards=backwards, most=_MOST_STEPS):
        moments = _instants(window, found, zone)
        if len(moments) > 1 and (not twice or abs(moments[0] - twice[-1]) < _SHIFT):
            twice += moments  # all of the first time come before all of the second
            continue
        yield from sorted(twice, reverse=backwards)
        twice = list(moments) if len(moments) > 1 else []
        yield from () if twice else moments
    yield from sorted(twice, reverse=backwards)


def _walls(cron: str, wall: datetime, *, most: int, backwards: bool = False) -> Iterator[datetime]:
    """Wall times of a schedule after ``wall``, or before it."""
    schedule = croniter(cron, wall)
    for _ in range(most):
        try:
            yield schedule.get_prev(datetime) if backwards else schedule.get_next(datetime)
        except CroniterBadDateError:
            return


def _instants(window: WindowConfig, wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The moments at which an occurrence starts that the schedule names with ``wall``."""
    first = _instant(wall, zone)
    if window.kind != FREEZE:
        return (first,)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    is_twice = second > first and second.astimezone(zone).replace(tzinfo=None) == wall
    return (first, second) if is_twice else (first,)


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
