"""Lengths of time in words: “4–6 min”, “about 2 h”. Pure."""

from __future__ import annotations

from math import ceil, floor

MINUTE, HOUR, DAY = 60, 3600, 86_400


def between(low: float, high: float) -> str:
    """Seconds from ``low`` to ``high`` in one unit, rounded outwards so that nothing sounds more exact than it is."""
    size, unit = _unit(high)
    first, last = floor(low / size), ceil(high / size)
    if size == 1:
        first, last = floor(low / 5) * 5, max(5, ceil(high / 5) * 5)
    if first == 0:
        return f"up to {last} {unit}"
    return f"{first}–{last} {unit}" if first != last else f"about {last} {unit}"


def length(seconds: float) -> str:
    """One length, in its largest unit: 7,300 → “2 h”; under a minute in seconds."""
    size, unit = _unit(seconds)
    count = max(0, round(seconds / size))
    return f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}"


def _unit(seconds: float) -> tuple[int, str]:
    if seconds < 2 * MINUTE:
        return 1, "s"
    if seconds < 2 * HOUR:
        return MINUTE, "min"
    return (HOUR, "h") if seconds < 2 * DAY else (DAY, "day")
