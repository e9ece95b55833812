"""Days and zones of an absence. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

UTC_NAME = "UTC"


@cache
def zone_names() -> tuple[str, ...]:
    """Zones that can be chosen: places, and UTC."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return (*places, UTC_NAME)


def is_zone(name: str) -> bool:
    return name in zone_names()


def zone(name: str) -> ZoneInfo:
    """The zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name or UTC_NAME)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(UTC_NAME)


def start_of(day: date, zone_name: str) -> datetime:
    """The first moment of that day in that zone, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone(zone_name)).astimezone(UTC)


def end_of(day: date, zone_name: str) -> datetime:
    """The first moment after that day in that zone, in UTC."""
    return start_of(day + timedelta(days=1), zone_name)


def back_on(ends_at: datetime, zone_name: str, now: datetime) -> str:
    """The day on which somebody is back, as people say it: “Mon”, or “Mon 7 Dec” when that is a week away or more."""
    day = ends_at.astimezone(zone(zone_name))
    return f"{day:%a}" if ends_at - now < timedelta(days=6) else f"{day:%a} {day.day} {day:%b}"


def local_time(zone_name: str, now: datetime) -> str:
    """What the clock on that person's wall shows, with its zone: “17:05 CET”; empty without a zone."""
    if not zone_name:
        return ""
    there = now.astimezone(zone(zone_name))
    return f"{there:%H:%M} {there.tzname()}"
