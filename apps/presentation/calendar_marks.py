"""What stands on one day of the calendar: freezes, windows, and those parts of windows that a freeze holds all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from apps.policies import calendar
from apps.policies.calendar import Span
from apps.policies.config import FREEZE, WindowConfig

Occurrence = tuple[WindowConfig, Span]


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of one day: ``freeze`` or ``window``, whose it is, and from when to when.

    ``held_by``: the freezes that hold that part of a window, in words; empty: none does.
    """

    kind: str
    name: str
    hours: str
    held_by: str = ""


def kind_of(window: WindowConfig) -> str:
    """``freeze``, or ``window`` for one that allows."""
    return "freeze" if window.kind == FREEZE else "window"


def marks_of(windows: Sequence[WindowConfig], start: datetime, end: datetime, zone: ZoneInfo) -> tuple[Mark, ...]:
    """Of the day from ``start`` to ``end``, both in UTC: freezes first, then windows, each in the order of the day."""
    every = [(window, span) for window in windows for span in calendar.spans_between(window, start, end)]
    every.sort(key=lambda pair: pair[1].start)
    freezes = [(window, span) for window, span in every if window.kind == FREEZE]
    found = [Mark("freeze", window.name, _hours(span, start, end, zone)) for window, span in freezes]
    for window, span in every:
        if window.kind != FREEZE:
            day = Span(max(span.start, start), min(span.end, end))
            parts = _parts(window, day, freezes)
            found += [Mark("window", window.name, _hours(part, start, end, zone), held) for part, held in parts]
    return tuple(found)


def _parts(window: WindowConfig, span: Span, freezes: Sequence[Occurrence]) -> Iterator[tuple[Span, str]]:
    """``span`` of a window cut where what holds it changes, with that in words; a freeze of other things holds nothing of it."""
    over = [(one, at) for one, at in freezes if at.start < span.end and at.end > span.start and _held(window, one)]
    edges = {span.start, span.end, *(edge for _, at in over for edge in (at.start, at.end))}
    begins, said = span.start, ""
    for first, second in pairwise(sorted(edge for edge in edges if span.start <= edge <= span.end)):
        held = _words(window, [one for one, at in over if at.start <= first and at.end >= second])
        if first > begins and held != said:
            yield Span(begins, first), said
            begins = first
        said = held
    yield Span(begins, span.end), said


def _held(window: WindowConfig, freeze: WindowConfig) -> list[str]:
    """What of that which ``window`` is about the freeze holds: merge, deploy."""
    return [stage for stage in window.holds if stage in freeze.holds]


def _words(window: WindowConfig, freezes: Sequence[WindowConfig]) -> str:
    names = []
    for one in {freeze.name: freeze for freeze in freezes}.values():
        held = _held(window, one)
        names.append(one.name if len(held) == len(window.holds) else f"{one.name} ({', '.join(held)} only)")
    return f"freeze{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""


def _hours(span: Span, start: datetime, end: datetime, zone: ZoneInfo) -> str:
    if span.start <= start and span.end >= end:
        return "all day"
    begins = "" if span.start <= start else f"{span.start.astimezone(zone):%H:%M}"
    ends = "" if span.end >= end else f"{span.end.astimezone(zone):%H:%M}"
    if not begins:
        return f"until {ends}"
    return f"{begins}–{ends}" if ends else f"from {begins}"
