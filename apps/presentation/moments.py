"""Days and times of a query, ``from`` and ``to``: the same on every page and in the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from django.utils.dateparse import parse_date, parse_datetime

from apps.core.errors import InvalidInput


def moment_of(parameters: Mapping[str, str], name: str) -> datetime | None:
    """A date (``to`` includes its whole day) or a date with time; without a zone it is UTC."""
    raw = parameters.get(name, "").strip()
    if not raw:
        return None
    try:
        day = parse_date(raw)
        moment = parse_datetime(raw.replace(" ", "+")) if day is None else None
    except ValueError:
        day = moment = None
    if day is not None:
        start = datetime.combine(day, time.min, UTC)
        return start + timedelta(days=1) if name == "to" else start
    if moment is None:
        raise InvalidInput(f"bad_{name}", "Write a day as 2026-11-23 or a time as 2026-11-23T14:00Z.", field=name)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
