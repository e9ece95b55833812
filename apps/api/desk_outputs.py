"""Shapes and answers of the queue, the inbox and the attention set."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import change_row_json, time
from apps.api.fields import Text, maybe_moment, maybe_text, moment, one_of, string, texts, whole, word
from apps.api.outputs import ChangeRowOut, Out
from apps.api.shapes import Shape
from apps.presentation.inbox_page import row_of
from apps.presentation.queue_page import Line, QueuePage
from apps.presentation.queue_views import VIEWS
from apps.reviews.attention import Kind
from apps.reviews.models import Attention, News
from apps.reviews.services.turns import MAX_NOTE, UNTIL


class HandOverIn(Shape):
    user = Text(max_length=150)
    note = Text(required=False, allow_blank=True, default="", max_length=MAX_NOTE)


class SnoozeIn(Shape):
    until = one_of(*UNTIL)()
    zone = Text(required=False, default="UTC", max_length=60)


class ArrangeIn(Shape):
    view = one_of("", *VIEWS, checked=True)(required=False, allow_blank=True, default=None, allow_null=True)
    order = serializers.ListField(
        child=Text(max_length=20), required=False, default=None, allow_null=True, max_length=30
    )


class NewsChoiceIn(Shape):
    muted = serializers.ListField(child=one_of(*News.Kind.values)(), max_length=30)


class AttentionOut(Out):
    """Somebody whose turn it is."""

    user = string()
    kind = word(Kind)
    reason = string()
    since = moment()


class QueueRowOut(Out):
    change = ChangeRowOut()
    reason = string()
    since = moment()
    my_turn = serializers.BooleanField()
    snoozed = serializers.BooleanField()
    snoozed_until = maybe_moment()
    snooze_ended = serializers.BooleanField()
    met = whole()
    needed = whole()
    environments = texts("Which ones it reaches, in promotion order.")


class RecordOut(Out):
    """A line of a section that is about no change: alerts of drift, and what an auditor sees."""

    state = string()
    text = string()
    url = string(help_text="The page that shows it.")
    at = maybe_moment()


class QueueSectionOut(Out):
    key = string()
    title = string()
    count = string(help_text="With + when there are more than are listed.")
    rows = QueueRowOut(many=True)
    records = RecordOut(many=True)


class QueueOut(Out):
    view = word(VIEWS)
    turns = whole(help_text="How many changes wait for you and are not snoozed.")
    sections = QueueSectionOut(many=True)


class DeskOut(Out):
    view = maybe_text("null: chosen by role")
    order = texts("Keys of sections.")
    muted = texts("Kinds of news that the inbox leaves out.")


class NewsLineOut(Out):
    kind = word(News.Kind.values)
    text = string()
    place = string(
        allow_blank=True,
        help_text="thread:7, deployment:8831, drift:infra/staging, approvals, or empty: the change itself.",
    )
    url = string(help_text="The page that shows it.")
    at = moment()
    over = serializers.BooleanField(help_text="It told a turn of yours that has ended since.")


class NewsOut(Out):
    id = whole()
    change = whole()
    title = string()
    repository = string()
    first_at = moment()
    last_at = moment()
    read_at = maybe_moment()
    lines = NewsLineOut(many=True)


class MarkedOut(Out):
    changed = whole(help_text="How many rows were marked otherwise before.")


def attention_json(row: Attention) -> dict[str, Any]:
    """A snooze is one's own affair: others see whose turn it is, not that they sleep on it."""
    return {"user": row.user.username, "kind": row.kind, "reason": row.reason, "since": time(row.since)}


def queue_json(page: QueuePage) -> dict[str, Any]:
    return {
        "view": page.view.key,
        "turns": page.turns,
        "sections": [
            {
                "key": found.key,
                "title": found.title,
                "count": found.count,
                "rows": [_line_json(line) for line in found.lines],
                "records": [
                    {"state": one.state, "text": one.text, "url": one.url, "at": time(one.at)} for one in found.records
                ],
            }
            for found in page.sections
        ],
    }


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "change": change_row_json(line.row.change),
        "reason": line.reason,
        "since": time(line.since),
        "my_turn": line.is_turn,
        "snoozed": line.sleeps,
        "snoozed_until": time(line.sleeps_until),
        "snooze_ended": line.woke,
        "met": line.row.met,
        "needed": line.row.needed,
        "environments": list(line.row.environments),
    }


def news_json(news: News, turn: Attention | None) -> dict[str, Any]:
    """``turn``: the one that the reader has on the change now."""
    row = row_of(news, turn)
    shown = [*row.lines, *row.older]
    return {
        "id": news.pk,
        "change": news.change.number,
        "title": news.change.title,
        "repository": news.change.repository.name,
        "first_at": time(news.first_at),
        "last_at": time(news.last_at),
        "read_at": time(news.read_at),
        "lines": [
            {
                "kind": line["kind"],
                "text": line["text"],
                "place": line["place"],
                "url": drawn.url,
                "at": line["at"],
                "over": drawn.is_over,
            }
            for line, drawn in zip(reversed(news.lines), shown, strict=True)
        ],
    }
