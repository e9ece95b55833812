"""Days and times that somebody writes: ``from`` and ``to`` of a query, and moments with their time zone. The same on pages and in the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from math import ceil

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import localtime

from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.text import visible

FIRST_YEAR, LAST_YEAR = 1970, 9998
"""What can be reckoned with on both sides of it, in every database."""
NOW = "now"


def moment_of(parameters: Mapping[str, str], name: str) -> datetime | None:
    """A date (``to`` includes its whole day) or a date with time; without a zone it is UTC."""
    raw = parameters.get(name, "").strip()
    if not raw:
        return None
    try:
        day = parse_date(raw)
        moment = parse_datetime(raw.replace(" ", "+")) if day is None else None
        if day is not None:
            start = datetime.combine(day, time.min, UTC)
            moment = start + timedelta(days=1) if name == "to" else start
        elif moment is not None:
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        said = f"Write a day as 2026-11-23 or a time as 2026-11-23T14:00Z, of the years {FIRST_YEAR} to {LAST_YEAR}."
        raise InvalidInput(f"bad_{name}", said, field=name)
    return moment


def zoned(text: str) -> datetime | None:
    """``2026-11-28T14:05:00Z``, ``2026-11-28T14:05+01:00``, in UTC. ``None``: it has no zone, is out of bounds, or is no moment.

    A moment without a zone would be another one for everybody.
    """
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    return moment if moment is not None and FIRST_YEAR <= moment.year <= LAST_YEAR else None


def no_moment(text: str) -> str:
    """What is said of a text that is none."""
    return (
        f"{visible(text[:40])} is no moment. Write one with its time zone, such as 2026-11-28T14:05Z or …+01:00, of the years "
        f"{FIRST_YEAR} to {LAST_YEAR}."
    )


def seconds_until(moment: datetime | None) -> int | None:
    """How long what is true until ``moment`` can be shown, a second longer: then it is surely past. ``None``: it has no end."""
    return None if moment is None else max(0, ceil((moment - now()).total_seconds())) + 1


def in_words(moment: datetime, *, seconds: bool = False) -> str:
    """In the zone of the reader, with its name: ``3 Nov 2026, 14:05 CET``; of zones without one its distance, ``UTC+04``."""
    local = localtime(moment)
    name = local.tzname() or ""
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{local:%d %b %Y}, {clock} {'UTC' if name[:1] in ('+', '-') else ''}{name}".lstrip("0")


def is_now(text: str) -> bool:
    """Whether a text that may name a moment means the present: empty, or ``now``."""
    return text.strip().lower() in ("", NOW)


def zoned_moment(text: str, field: str) -> datetime | None:
    """``None``: now. ``InvalidInput`` ``bad_moment`` for what :func:`zoned` does not take."""
    if is_now(text):
        return None
    found = zoned(text.strip())
    if found is None:
        raise InvalidInput("bad_moment", no_moment(text), field=field)
    return found
