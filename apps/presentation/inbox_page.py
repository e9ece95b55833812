"""The inbox as a page: rows with their lines, filters, the next page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.dateparse import parse_datetime

from apps.accounts.models import User
from apps.presentation.change_list import Select
from apps.presentation.words import word_of
from apps.reviews.inbox import counts_of, inbox, is_over, turns_in
from apps.reviews.models import Attention, News
from apps.reviews.transitions import KEPT

SHOWN = 3
"""Lines of a row that are shown at once; the older ones are folded."""
STATES = {
    "turn": "needs_you",
    "lost": "lost",
    "handed": "needs_you",
    "nudge": "needs_you",
    "reply": "comment",
    "review": "comment",
    "merged": "merged",
    "deployed": "deployed",
    "failed": "deploy_failed",
    "drift": "drift_drifted",
}
"""Kind of news → the word of its state."""


@dataclass(frozen=True, slots=True)
class NewsLine:
    """``is_over``: it told a turn that has ended since."""

    state: str
    label: str
    text: str
    url: str
    at: datetime | None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class NewsRow:
    """``lines``: newest first, at most :data:`SHOWN`; ``older``: the others."""

    news: News
    lines: tuple[NewsLine, ...]
    older: tuple[NewsLine, ...]

    @property
    def turns_over(self) -> int:
        """How many lines tell turns that ended, so that a page knows when that becomes different."""
        return sum(line.is_over for line in (*self.lines, *self.older))

    @property
    def url(self) -> str:
        return self.lines[0].url if self.lines else f"/changes/{self.news.change.number}/"


@dataclass(frozen=True, slots=True)
class InboxPage:
    rows: tuple[NewsRow, ...]
    unread: int
    selects: tuple[Select, ...]
    filtered: bool
    next_url: str
    first_url: str
    kept_days: int


def inbox_page(user: User, *, unread: bool = False, kind: str = "", after: int | None = None) -> InboxPage:
    """One page; four queries whatever its length."""
    known = kind if kind in News.Kind.values else ""
    found = inbox(user, unread=unread, kind=known, after=after)
    turns = turns_in(user, found.items)
    given = {name: value for name, value in (("show", "unread" if unread else ""), ("kind", known)) if value}
    kinds = (("", "Everything", not known), *((key, label, key == known) for key, label in News.Kind.choices))
    shows = (("", "All", not unread), ("unread", "Unread", unread))
    return InboxPage(
        rows=tuple(row_of(news, turns.get(news.change_id)) for news in found.items),
        unread=counts_of(user)[1],
        selects=(Select("show", "Show", shows), Select("kind", "What", kinds)),
        filtered=bool(given),
        next_url=f"/inbox/?{urlencode({**given, 'after': found.next_after})}" if found.next_after else "",
        first_url=f"/inbox/?{urlencode(given)}" if after else "",
        kept_days=KEPT.days,
    )


def row_of(news: News, turn: Attention | None) -> NewsRow:
    """A row with its lines, the newest first. ``turn``: the one that its reader has on the change now."""
    lines = tuple(_line(news.change.number, line, turn) for line in reversed(news.lines))
    return NewsRow(news, lines[:SHOWN], lines[SHOWN:])


def _line(number: int, line: dict[str, Any], turn: Attention | None) -> NewsLine:
    kind = str(line.get("kind", ""))
    label = dict(News.Kind.choices).get(kind, kind)
    over = is_over(line, turn)
    return NewsLine(
        "turn_over" if over else STATES.get(kind, kind),
        word_of("turn_over").text if over else str(label),
        str(line.get("text", "")),
        place_url(number, str(line.get("place", ""))),
        parse_datetime(str(line.get("at", ""))),
        is_over=over,
    )


def place_url(number: int, place: str) -> str:
    """The very place that a line speaks of: thread, tab or deployment of the change, or the drift of what it brought."""
    what, _, which = place.partition(":")
    if what == "deployment" and which:
        return f"/deployments/{which}/"
    if what == "drift" and which:
        return f"/environments/{which}/drift/"
    if what == "thread" and which:
        return f"/changes/{number}/#thread-{which}"
    if what == "approvals":
        return f"/changes/{number}/approvals/"
    return f"/changes/{number}/"
