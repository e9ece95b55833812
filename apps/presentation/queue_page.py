"""My queue: sections of lines, in the order of what this person mostly does (UX §2.2)."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import NotVisible
from apps.presentation.audit_home import AuditLine, audit_lines
from apps.presentation.change_rows import ChangeRow, rows_of
from apps.presentation.drift_alerts import drift_lines
from apps.presentation.queue_views import FOLDED, TITLES, VIEWS, View, ordered, view_of
from apps.presentation.words import word_of
from apps.reviews import queue
from apps.reviews.attention import SETTLED_BY_SEEING
from apps.reviews.inbox import counts_of
from apps.reviews.models import Desk
from apps.reviews.queue import QueueRow, QueueSection

BESIDE = 10
"""Rows of a section beside the one that needs the person; its own page shows all."""
WHOLE = 50
"""Rows on one page of a section."""


@dataclass(frozen=True, slots=True)
class Line:
    """One change in a section: ``reason`` is why it is there. What can be done about it is in the flags.

    ``stamp`` differs when anything is said differently, so that a page knows how much is new.
    """

    row: ChangeRow
    reason: str
    since: datetime
    is_turn: bool = False
    is_back: bool = False
    is_claim: bool = False
    can_settle: bool = False
    sleeps_until: datetime | None = None
    sleeps: bool = False
    woke: bool = False
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    lines: tuple[Line, ...]
    records: tuple[AuditLine, ...]
    count: str
    more_url: str
    folded: bool

    @property
    def selectable(self) -> bool:
        return self.key in {"attention", "snoozed"}


@dataclass(frozen=True, slots=True)
class QueuePage:
    """``turns``: how many changes need this person; ``waiting``: how many wait for others."""

    sections: tuple[Section, ...]
    view: View
    views: tuple[View, ...]
    turns: int
    waiting: int


def queue_page(user: User, desk: Desk, *, folds: dict[str, bool] | None = None, view: str = "") -> QueuePage:
    """Empty sections are left out, except the first question: does anything need me? What does is listed only there.

    ``folds``: sections that this browser closed (true) or opened; ``view``: a look at another role's home.
    """
    shown = VIEWS.get(view) or view_of(user, desk)
    order = ordered(shown, desk)
    found = {key: _section(user, key) for key in order if key in queue.SECTIONS}
    turns, _ = counts_of(user)
    mine = {row.change.pk for key in ("attention", "snoozed") for row in found[key].rows}
    lines = _lines(user, [found[key] for key in order if key in found], mine)
    sections = []
    for key in order:
        records = _records(user, key) if key not in found else ()
        if lines.get(key) or records or key == "attention":
            is_folded = (folds or {}).get(key, key in FOLDED)
            sections.append(_shown(key, lines.get(key, ()), records, found.get(key), turns, folded=is_folded))
    waiting = found.get("waiting") or found.get("reviewed")
    return QueuePage(
        tuple(sections), shown, tuple(VIEWS.values()), turns=turns, waiting=len(waiting.rows) if waiting else 0
    )


@dataclass(frozen=True, slots=True)
class SectionPage:
    """All of one section, :data:`WHOLE` rows at a time."""

    section: Section
    next_url: str
    first_url: str


def section_page(user: User, key: str, *, start: int = 0) -> SectionPage:
    """:class:`NotVisible` for a section that there is not."""
    if key not in queue.SECTIONS:
        raise NotVisible("not_found", "The queue has no such section.")
    found = queue.section(user, key, start=start, limit=WHOLE)
    lines = _lines(user, [found], set()).get(key, ())
    count = f"{len(lines)}{'+' if found.more else ''}"
    return SectionPage(
        Section(key, TITLES[key], lines, (), count, "", folded=False),
        next_url=f"/queue/{key}/?start={start + WHOLE}" if found.more else "",
        first_url=f"/queue/{key}/" if start else "",
    )


def _records(user: User, key: str) -> tuple[AuditLine, ...]:
    """Lines that are about no change; of alerts one more than are shown, so that it is seen whether there are others."""
    return drift_lines(user, queue.SECTION_LIMIT + 1) if key == "drift" else audit_lines(user, key)


def _section(user: User, key: str) -> QueueSection:
    return queue.section(user, key, limit=queue.SECTION_LIMIT if key == "attention" else BESIDE)


def _shown(
    key: str,
    lines: tuple[Line, ...],
    records: tuple[AuditLine, ...],
    found: QueueSection | None,
    turns: int,
    *,
    folded: bool,
) -> Section:
    records, has_more = records[: queue.SECTION_LIMIT], len(records) > queue.SECTION_LIMIT
    more = f"/queue/{key}/" if found is not None and found.more else "/environments/?drift=1" if has_more else ""
    count = str(turns) if key == "attention" else f"{len(lines) or len(records)}{'+' if more else ''}"
    return Section(key, TITLES[key], lines, records, count, more, folded)


def _lines(user: User, sections: list[QueueSection], mine: Collection[int]) -> dict[str, tuple[Line, ...]]:
    """The lines of all sections, drawn together: the number of queries does not depend on how many there are."""
    changes: dict[int, ChangeRequest] = {row.change.pk: row.change for found in sections for row in found.rows}
    drawn = {row.change.pk: row for row in rows_of(user, changes.values())}
    return {
        found.key: tuple(
            _line(drawn[row.change.pk], row, found.key)
            for row in found.rows
            if row.turn is not None or row.change.pk not in mine
        )
        for found in sections
    }


def _line(drawn: ChangeRow, row: QueueRow, key: str) -> Line:
    turn, at = row.turn, now()
    revision = row.change.revision.number if row.change.revision else 0
    reason = _reason(drawn, row.reason, key)
    said = f"{reason}|{drawn.standing}|{drawn.met}/{drawn.needed}|{row.change.title}|{row.since.isoformat()}"
    return Line(
        row=drawn,
        reason=reason,
        since=row.since if turn is not None else drawn.waiting_since,
        is_turn=turn is not None,
        is_back=row.change.kind == ChangeRequest.Kind.ROLLBACK,
        is_claim=row.is_claim,
        can_settle=turn is not None and turn.kind in SETTLED_BY_SEEING,
        sleeps_until=turn.snoozed_until if turn is not None else None,
        sleeps=turn is not None and turn.sleeps(at, revision),
        woke=turn is not None and turn.woke(at, revision),
        stamp=f"{zlib.crc32(said.encode()):08x}",
    )


def _reason(row: ChangeRow, reason: str, key: str) -> str:
    """Of a merged change: what each environment does; where others act: who; else what the queue says."""
    if row.deployments and key in {"deploying", "done", "reviewed_done"}:
        return ", ".join(f"{fact.environment}: {word_of(fact.status).text.lower()}" for fact in row.deployments)
    if key in {"waiting", "reviewed"} and row.waits_for:
        others = len(row.waits_for) - 2
        names = ", ".join(f"@{name}" for name in row.waits_for[:2]) + (f" and {others} more" if others > 0 else "")
        return f"waiting for {names}: {reason[:1].lower()}{reason[1:]}"
    return reason
