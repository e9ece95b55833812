"""When a window opens, as people say it: the usual forms of a crontab line, and the line itself for all others."""

from __future__ import annotations

import re
from itertools import pairwise

DAY = 24 * 60
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_SHORT = {name[:3].lower(): str(number) for number, name in enumerate(DAYS)}
_PLAIN = re.compile(r"([0-5]?\d) ([01]?\d|2[0-3]) \* \* (\*|[0-7a-z,-]+)", re.IGNORECASE)
_PART = re.compile(r"([0-7])(?:-([0-7]))?")


def recurrence_words(cron: str, minutes: int) -> str:
    """``every week from Sunday 00:00 to Friday 00:00``, ``Monday to Friday from 09:00 to 17:00``; empty where it is no such form.

    ``minutes``: how long each lasts, by the clock on the wall.
    """
    found = _PLAIN.fullmatch(" ".join(cron.split()))
    days = None if found is None else _days(found[3].lower())
    if found is None or days is None:
        return ""
    begins = int(found[2]) * 60 + int(found[1])
    if minutes < DAY:
        next_day = " of the next day" if begins + minutes > DAY else ""
        return f"{_names(days)} from {_clock(begins)} to {_clock(begins + minutes)}{next_day}"
    if len(days) == 1 and minutes < 7 * DAY:
        last = DAYS[(days[0] + (begins + minutes) // DAY) % 7]
        return f"every week from {DAYS[days[0]]} {_clock(begins)} to {last} {_clock(begins + minutes)}"
    return ""


def _days(text: str) -> tuple[int, ...] | None:
    """The days of the week, from Sunday = 0, in the order in which the line has them; ``None``: not of the usual form."""
    if text == "*":
        return tuple(range(7))
    for name, number in _SHORT.items():
        text = text.replace(name, number)
    found: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            return None
        found += [day % 7 for day in range(first, last + 1)]
    return tuple(dict.fromkeys(found))


def _names(days: tuple[int, ...]) -> str:
    if len(days) == 7:
        return "every day"
    if len(days) == 1:
        return f"every {DAYS[days[0]]}"
    if all((after - day) % 7 == 1 for day, after in pairwise(days)):
        return f"{DAYS[days[0]]} to {DAYS[days[-1]]}"
    *some, last = (DAYS[day] for day in days)
    return f"{', '.join(some)} and {last}"


def _clock(minutes: int) -> str:
    """``24:00`` only as the end of the very day."""
    return "24:00" if minutes == DAY else f"{minutes % DAY // 60:02d}:{minutes % 60:02d}"
