"""Days and times of a query, ``from`` and ``to``: the same on every page and in the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from django.utils.dateparse import parse_date, parse_datetime

from apps.core.errors import InvalidInput

FIRST_YEAR, LAST_YEAR = 1970, 9998
"""What can be reckoned with on both sides of it, in every database."""


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
