"""Threads as bars: one line each, written here because five hundred of them cost a template a quarter of a second.

A bar is a ``<details>`` with the state in words, who began it and its first words; the comments come with it or are
fetched when it is opened. ``data-file`` and ``data-row`` say under which row of a difference it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from apps.presentation.plain import one_line, visible
from apps.presentation.templatetags.portal import status_chip
from apps.reviews.models import Thread
from apps.reviews.placing import Placement
from apps.reviews.thread_states import UNSETTLED

if TYPE_CHECKING:
    from apps.presentation.discussion import Talk

WORDS = 90  # characters of the first comment
_MARKS = re.compile(r"[`*_~#>]+")
NOWHERE = Placement()


@dataclass(frozen=True, slots=True)
class Bar:
    """One thread as a line. ``talk`` are its comments, where they come with it."""

    number: int
    state: str
    kind: str
    opener: str
    words: str
    place: str
    comments: int
    last_author: str
    opened_on: str
    placement: Placement = NOWHERE
    talk: Talk | None = None

    @property
    def is_unsettled(self) -> bool:
        return self.state in {str(state) for state in UNSETTLED}

    @property
    def version(self) -> str:
        """Changes whenever there is something new to see in the thread."""
        return f"{self.state}.{self.comments}"

    def at(self, placement: Placement) -> Bar:
        return replace(self, placement=placement)


def bar_of(row: Thread) -> Bar:
    """The bar of a row of ``threads_with_first_words``."""
    facts: Any = row
    return Bar(
        number=row.number,
        state=row.state,
        kind=row.kind,
        opener=row.created_by.username,
        words=_first_words(facts.first_words or ""),
        place=visible(row.anchor.place),
        comments=facts.comment_count,
        last_author=facts.last_author or "",
        opened_on=row.revision.label if row.revision else "",
    )


def _first_words(body: str) -> str:
    said, block, _ = body.partition("```suggestion")
    text = one_line(_MARKS.sub("", said)) or ("Suggestion" if block else "")
    return text if len(text) <= WORDS else f"{text[:WORDS].rstrip()}…"


def bars_html(bars: Iterable[Bar], *, number: int, context: dict[str, Any]) -> SafeString:
    """The bars one after another; ``number`` is that of the change, ``context`` what the template of comments needs."""
    return mark_safe("".join(_bar_html(bar, number, context) for bar in bars))  # noqa: S308  # every foreign part is escaped


def _bar_html(bar: Bar, number: int, context: dict[str, Any]) -> str:
    place = bar.placement
    where = f' data-file="{place.file}"' if place.file else ""
    where += f' data-row="{place.row}"' if place.row else ""
    unsettled = " data-unsettled" if bar.is_unsettled else ""
    is_open = " open" if bar.talk is not None else ""
    if bar.talk is not None:
        body: str = render_to_string("web/changes/_thread.html", {**context, "talk": bar.talk})
    else:
        body = f'<p class="thread-later"><a href="/changes/{number}/threads/{bar.number}/">Open thread {bar.number}</a></p>'
    return (
        f'<details class="thread" id="thread-{bar.number}" data-thread="{bar.number}" data-version="{bar.version}"'
        f' data-last="{escape(bar.last_author)}"{where}{unsettled}{is_open}><summary>{_summary(bar)}</summary>'
        f'<div class="thread-body" data-body="/changes/{number}/threads/{bar.number}/">{body}</div></details>\n'
    )


def _summary(bar: Bar) -> str:
    blocking = bar.kind == Thread.Kind.BLOCKING
    chips = str(status_chip("blocking" if blocking and bar.state == Thread.State.OPEN else bar.state))
    if blocking and bar.state == Thread.State.ANSWERED:
        chips = f"{status_chip('blocking')} {chips}"
    if bar.kind == Thread.Kind.QUESTION:
        chips += ' <span class="st st--neu">Question</span>'
    if bar.placement.outdated:
        chips += f" {status_chip('outdated', f'since {bar.opened_on}')}"
    place = f'<bdi class="thread-place mono">{escape(bar.place or "Whole change")}</bdi>'
    count = f"{bar.comments} comment{'s' if bar.comments != 1 else ''}"
    return (
        f'{chips} {place} <b>{escape(bar.opener)}</b> <span class="thread-words">{escape(bar.words)}</span>'
        f' <span class="muted small">{count}</span>'
    )
