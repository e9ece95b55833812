"""The timeline as page, table and API ask for it: the same parameters everywhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.deployments.lifecycle import ENDED, Status
from apps.insights.timeline import KINDS, Asked, Happening, Timeline, timeline
from apps.presentation.moments import moment_of

FILTERS = ("environment", "person", "thing", "kind", "repository", "q", "from", "to", "incident")
"""The names of the query parameters."""
KIND_WORDS = {
    "deploy": "Deployments",
    "rollback": "Roll-backs",
    "drift": "Drift",
    "policy": "Policy",
    "outside": "Pushes past the portal",
    "freeze": "Freezes, locks, emergencies",
    "access": "Access",
}
BRINGS = ("bring", "brings", "brought")
ROLLS_BACK = ("roll back by", "rolls back by", "rolled back by")
NOT_OVER = frozenset(Status) - ENDED - {Status.UNKNOWN}
LATELY = timedelta(hours=24)
PAGE_SIZE = 50
EXPORTED = 5_000
COLUMNS = (
    "began", "ended", "kind", "state", "repository", "environment", "change", "title", "deployment", "commit", "person", "text", "touched",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A happening, and how long before the incident it began (seconds; ``None`` without one)."""

    what: Happening
    before_incident: float | None
    was_running: bool

    @property
    def kind(self) -> str:
        return KIND_WORDS[self.what.kind]

    @property
    def did(self) -> str:
        """What a deployment did with its change: only one that has succeeded brought it."""
        bring, goes, done = ROLLS_BACK if self.what.kind == "rollback" else BRINGS
        if self.what.state == Status.SUCCEEDED:
            return done
        return goes if self.what.state in NOT_OVER else f"tried to {bring}"


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """``since`` and ``until``: the window that is shown."""

    rows: tuple[Row, ...]
    since: datetime
    until: datetime
    incident: datetime | None
    next_after: datetime | None


def timeline_page(user: User, given: Mapping[str, str], *, limit: int = PAGE_SIZE) -> TimelinePage:
    """The last day where nothing else is asked. With an incident: only what began before it, and how long before."""
    incident = moment_of(given, "incident")
    asked = asked_of(given, incident)
    found: Timeline = timeline(user, asked, limit=limit)
    rows = tuple(_row(what, incident) for what in found.rows)
    return TimelinePage(rows, asked.since, asked.until, incident, found.next_before)


def asked_of(given: Mapping[str, str], incident: datetime | None = None) -> Asked:
    """What the parameters ask for; :class:`InvalidInput` names the one that is not understood."""
    until = min(filter(None, (moment_of(given, "to"), incident)), default=now())
    since = moment_of(given, "from") or until - LATELY
    if since >= until:
        raise InvalidInput("empty_window", "The beginning lies after the end. Exchange from and to.", field="from")
    kinds = frozenset(given.get("kind", "").split(",")) - {""}
    if kinds - set(KINDS):
        raise InvalidInput("bad_kind", f"A kind is one of {', '.join(KINDS)}.", field="kind")
    return Asked(
        since,
        until,
        kinds=kinds,
        repository=given.get("repository", "").strip()[:120],
        environment=given.get("environment", "").strip()[:64],
        person=given.get("person", "").strip().removeprefix("@")[:150],
        thing=given.get("thing", "").strip()[:300],
        text=given.get("q", "").strip()[:200],
        before=moment_of(given, "after"),
    )


def _row(what: Happening, incident: datetime | None) -> Row:
    if incident is None:
        return Row(what, None, was_running=False)
    was_running = what.deployment is not None and (what.ended is None or what.ended > incident)
    return Row(what, (incident - what.at).total_seconds(), was_running=was_running)


def timeline_csv(user: User, given: Mapping[str, str]) -> str:
    """The whole answer as a table, at most :data:`EXPORTED` rows, newest first; times are UTC."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for row in timeline_page(user, given, limit=EXPORTED).rows:
        table.writerow([_plain(value) for value in _columns(row.what)])
    return out.getvalue()


def _columns(what: Happening) -> list[object]:
    return [
        what.at.isoformat(),
        what.ended.isoformat() if what.ended else "",
        what.kind,
        what.state,
        what.repository,
        what.environment,
        what.change or "",
        what.title,
        what.deployment or "",
        what.commit,
        what.person,
        what.text,
        "; ".join(what.things),
    ]


def _plain(value: object) -> str:
    """Text that a spreadsheet does not take for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
