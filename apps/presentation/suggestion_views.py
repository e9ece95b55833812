"""A suggestion as a small difference, with what follows from applying it said before."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.diffs import html
from apps.diffs.highlight import painter_for
from apps.diffs.marks import mark_pair
from apps.diffs.rows import align
from apps.reviews.models import Comment, SuggestionCommit, Thread
from apps.reviews.suggestions import suggested_lines

_ID = re.compile(r' id="[^"]*"')
_LINK = re.compile(r'<a href="[^"]*">(\d+)</a>')
OPEN = frozenset({"draft", "in_review"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """``rows``: removed and added lines (safe). ``state``: empty, ``pending`` or ``applied``, then in ``commit``.

    ``warning`` is what a person has to know before applying; empty where they may not apply.
    """

    comment: int
    rows: SafeString
    state: str
    commit: str
    warning: str


def suggestion_of(
    user: User, change: ChangeRequest, thread: Thread, comment: Comment, *, may_apply: bool
) -> Suggestion:
    """The suggestion of ``comment`` (which has one) as ``user`` sees it."""
    done = comment.application
    state = done.state if done and done.state != SuggestionCommit.State.FAILED else ""
    possible = may_apply and not state and change.status in OPEN and bool(change.source_branch)
    return Suggestion(
        comment=comment.pk,
        rows=_rows(thread, suggested_lines(comment.body) or []),
        state=state,
        commit=done.commit[:10] if done and state else "",
        warning=warning_of(user, [comment.author]) if possible else "",
    )


def warning_of(applier: User, suggesters: list[User]) -> str:
    """Who can no longer approve once these suggestions are applied, in one sentence."""
    others = list(dict.fromkeys(row.username for row in suggesters if row.pk != applier.pk))
    if not others:
        return "You become a contributor: your approval will not count for this change."
    who = others[0] if len(others) == 1 else f"{', '.join(others[:-1])} and {others[-1]}"
    becomes = "becomes a contributor" if len(others) == 1 else "become contributors"
    their = "that approval" if len(others) == 1 else "their approvals"
    return f"{who} {becomes}: {their} will not count for this change, and neither will yours."


def _rows(thread: Thread, lines: list[str]) -> SafeString:
    first = thread.anchor.start_line or 1
    old_lines = thread.snippet.split("\n") if thread.snippet else []
    painter = painter_for(thread.path)
    olds, _ = painter.paint(old_lines, 0)
    news, _ = painter.paint(lines, 0)
    for old, new in align(old_lines, lines):
        if old >= 0 and new >= 0:
            olds[old], news[new] = mark_pair(olds[old], news[new], old_lines[old], lines[new])
    prefix = f"s-{thread.number}-"
    rows = [*html.removed_rows(prefix, first, olds), *html.added_rows(prefix, first, news)]
    return mark_safe("".join(_without_links(row) for row in rows))  # noqa: S308  # painted and escaped by apps.diffs


def _without_links(row: str) -> str:
    """Rows of a suggestion are no places: their id and their link would be there twice. (Ours come before any code.)"""
    return _LINK.sub(r"\1", _ID.sub("", row, count=1), count=1)
