"""What a deployment waited for before an attempt, and for how long: from its numbered events, never guessed.

Each look at a pending deployment that finds other reasons writes an event with all of them (jobs.starting); the event that
takes the environment, or ends the deployment, ends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, DeploymentEvent

MOST_EVENTS = 500
"""The newest states that are read; a wait that began before them is known to be at least so long."""


State = tuple[datetime, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Waited:
    """One reason. ``seconds`` over all of its times that are over; ``since``: it holds now. ``text``: as it was told last.

    ``at_least``: it may have begun before what was read.
    """

    code: str
    text: str
    seconds: float
    since: datetime | None = None
    at_least: bool = False


def states_of(deployment: Deployment) -> tuple[list[State], bool]:
    """(time, data) of the states in their order, at most :data:`MOST_EVENTS`; True when older ones are left out."""
    rows = deployment.events.filter(kind=DeploymentEvent.Kind.STATE).order_by("-seq")
    found = list(rows.values_list("at", "data")[:MOST_EVENTS])
    return found[::-1], len(found) == MOST_EVENTS


def waited(events: Iterable[State], attempt: int, *, is_cut: bool = False) -> tuple[Waited, ...]:
    """What was waited for before ``attempt`` (counted from 1), in the order in which the reasons came. Pure."""
    tally = _Tally(attempt, is_cut=is_cut)
    for at, data in events:
        tally.take(at, data)
    return tally.found()


class _Tally:
    def __init__(self, attempt: int, *, is_cut: bool) -> None:
        self._wanted = attempt
        self._is_cut = is_cut
        self._coming = 1 if not is_cut else 0  # the attempt that these waits are before; 0: not known yet
        self._since: dict[str, datetime] = {}
        self._seconds: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self._early: set[str] = set()  # in force at the first event that was read

    def take(self, at: datetime, data: dict[str, Any]) -> None:
        begins = data.get("attempt") if data.get("status") == Status.DISPATCHING else None
        if begins is not None:
            self._end(at, set())
            if begins < self._wanted:
                self._forget()
            self._coming = int(begins) + 1
        elif data.get("status") != Status.PENDING:
            self._end(at, set())
        elif "waits" in data and (not self._coming or self._coming <= self._wanted):
            self._hold(at, {wait["code"]: wait["text"] for wait in data["waits"]})

    def _hold(self, at: datetime, now: dict[str, str]) -> None:
        self._end(at, set(now))
        if self._is_cut and not self._coming and not self._texts:
            self._early = set(now)
        for code, text in now.items():
            self._texts[code] = text
            self._since.setdefault(code, at)

    def _end(self, at: datetime, but: set[str]) -> None:
        for code in set(self._since) - but:
            self._seconds[code] = self._seconds.get(code, 0.0) + (at - self._since.pop(code)).total_seconds()

    def _forget(self) -> None:
        self._since, self._seconds, self._texts, self._early = {}, {}, {}, set()

    def found(self) -> tuple[Waited, ...]:
        return tuple(
            Waited(code, text, self._seconds.get(code, 0.0), self._since.get(code), code in self._early)
            for code, text in self._texts.items()
        )
