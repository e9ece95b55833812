"""How often another system may be asked: what it tells of that, and what keeps the portal within it.

GitHub counts the requests of an account by the hour, GitLab those of a user by the minute. Both tell with each answer how many
are left and when they count anew. One that has none left is not asked before that, by no run and no start: GitHub shuts out
who goes on. What is kept for that is in the memory of this process alone; another worker asks once to learn it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from time import monotonic

from apps.core.clock import now
from apps.deployments.dispatchers import Progress, RunState
from apps.deployments.dispatchers.answers import FORBIDDEN, TOO_MANY, Answer, message_in

MOST_WAIT = 300.0
"""Seconds for which an answer can keep us from looking again: it may be wrong, and somebody waits."""
UNTOLD_WAIT = 60.0
"""The same where it is only said in words that it is asked too often: what GitHub's documentation asks for."""
LONGEST_WINDOW = 3600.0
"""Seconds after which each of these systems counts anew, whatever an answer says."""
FEW = 0.1
"""The part of what an account may ask below which it is asked less often, so that enough is left for starts and cancels."""
SPARING = 60.0
"""Seconds between two looks at a run then."""
FAMILIES = ("x-ratelimit-", "ratelimit-")
"""How GitHub and GitLab begin the names of their headers."""
MOST_KEPT = 1000
_SINCE_1970 = 1_000_000_000
"""From here on a number tells a moment; below it, how many seconds are left."""
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to ask. ``until``: when it is counted anew, by the clock of who counts; ``seconds`` until then."""

    limit: int
    left: int
    until: datetime
    seconds: float

    @property
    def is_scarce(self) -> bool:
        return self.left < self.limit * FEW


def allowance_in(answer: Answer) -> Allowance | None:
    """What the answer tells of it; ``None`` where it tells nothing, or its count began anew already."""
    for family in FAMILIES:
        limit, left, reset = (_number(answer.headers, family + name) for name in ("limit", "remaining", "reset"))
        if left is not None and reset is not None:
            there = clock_of(answer)
            seconds = min(reset - there.timestamp() if reset >= _SINCE_1970 else float(reset), LONGEST_WINDOW)
            return Allowance(limit or 0, left, there + timedelta(seconds=seconds), seconds) if seconds > 0 else None
    return None


def is_busy(answer: Answer) -> bool:
    """Too many requests; GitHub says so with 403 too, by a header or in words alone."""
    is_told = "retry-after" in answer.headers or _is_used_up(answer)
    return answer.status == TOO_MANY or (answer.status == FORBIDDEN and (is_told or _says_too_often(answer)))


def seconds_to_wait(answer: Answer) -> float:
    """In how many seconds it may be asked again, where it says so (``Retry-After``, or what it allows is used up); else 0."""
    after = _retry_after(answer)
    if after is not None:
        return max(after, 0.0)
    if _is_used_up(answer):
        allowance = allowance_in(answer)
        return allowance.seconds if allowance else 0.0
    return UNTOLD_WAIT if answer.status == FORBIDDEN and _says_too_often(answer) else 0.0


def when(answer: Answer) -> dict[str, float]:
    """``retry_after``: in how many seconds it is looked again, for the details of a problem."""
    seconds = seconds_to_wait(answer)
    return {"retry_after": min(seconds, MOST_WAIT)} if seconds > 0 else {}


def not_before(answer: Answer) -> str:
    """The sentence that says until when it is not asked, where that is longer than a minute."""
    seconds = seconds_to_wait(answer) if is_busy(answer) else 0.0
    if seconds <= UNTOLD_WAIT:
        return ""
    return f" It allows no more before {clock(now() + timedelta(seconds=seconds))}."


def spared(progress: Progress, allowance: Allowance | None, name: str) -> Progress:
    """A run that goes on is looked at less often while few requests are left, and says so where that takes longer than a look."""
    if progress.state != RunState.RUNNING or allowance is None or not allowance.is_scarce:
        return progress
    if allowance.seconds <= SPARING:
        return replace(progress, pause=allowance.seconds)
    why = f"{name} allows the account of the connection few more requests until {clock(allowance.until)}"
    text = f"{progress.text} {why}, so the run is looked at once a minute."
    return replace(progress, text=text.strip(), pause=SPARING)


def clock(moment: datetime) -> str:
    """``14:32 UTC``; what is within the hour needs no day."""
    return f"{moment.astimezone(UTC):%H:%M} UTC"


class Shut:
    """Which accounts have nothing left to ask, with the answer that said so."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, tuple[float, Answer]] = {}

    def note(self, account: str, answer: Answer) -> None:
        """Keep an answer that refuses because all is used up."""
        seconds = seconds_to_wait(answer)
        if not (is_busy(answer) and _is_used_up(answer) and seconds > 0):
            return
        with self._lock:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[account] = (monotonic() + min(seconds, LONGEST_WINDOW), answer)

    def answer_for(self, account: str) -> Answer | None:
        """What it would answer now; ``None`` where it can be asked."""
        with self._lock:
            until, answer = self._known.get(account, (0.0, None))
        left = until - monotonic()
        if answer is None or left <= 0:
            return None
        return replace(answer, headers={**answer.headers, "retry-after": str(math.ceil(left))})


SHUT = Shut()


def _is_used_up(answer: Answer) -> bool:
    return any(answer.headers.get(f"{family}remaining") == "0" for family in FAMILIES)


def _says_too_often(answer: Answer) -> bool:
    said = message_in(answer.body).lower()
    return any(words in said for words in ("rate limit", "abuse detection"))


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _retry_after(answer: Answer) -> float | None:
    """Seconds, however it is written: their number or a moment (RFC 9110 §10.2.3)."""
    number, text = _number(answer.headers, "retry-after"), answer.headers.get("retry-after", "")
    if number is not None or not text:
        return None if number is None else float(number)
    moment = _date(text)
    return (moment - clock_of(answer)).total_seconds() if moment else None


def clock_of(answer: Answer) -> datetime:
    """The moment at which it answered, by its own clock: ours may be another one."""
    return _date(answer.headers.get("date", "")) or now()


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else None
