"""Answers about what changed."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import maybe_moment, maybe_number, maybe_text, moment, string, texts, whole, word
from apps.api.outputs import Out
from apps.insights.timeline import KINDS
from apps.presentation.timeline_page import Row


class HappeningOut(Out):
    kind = word(KINDS)
    at = moment()
    ended = maybe_moment()
    text = string()
    person = string(allow_blank=True)
    repository = string(allow_blank=True)
    environment = maybe_text()
    state = maybe_text("Of a deployment; null for others.")
    change = maybe_number()
    title = maybe_text("Of the change that a deployment brought.")
    deployment = maybe_number()
    commit = maybe_text()
    entry = maybe_number("The entry of the audit log; null for deployments.")
    touched = texts("Resources and paths that a deployment touched, the first of them.")
    touched_count = whole()
    before_incident = serializers.FloatField(allow_null=True, help_text="Seconds; null without an incident.")
    was_running = serializers.BooleanField(help_text="Whether it was running at the incident.")


def happening_json(row: Row) -> dict[str, Any]:
    """The shape of :class:`HappeningOut`."""
    what = row.what
    return {
        "kind": what.kind,
        "at": time(what.at),
        "ended": time(what.ended),
        "text": what.text,
        "person": what.person,
        "repository": what.repository,
        "environment": what.environment or None,
        "state": what.state or None,
        "change": what.change,
        "title": what.title or None,
        "deployment": what.deployment,
        "commit": what.commit or None,
        "entry": what.entry,
        "touched": list(what.things),
        "touched_count": what.thing_count,
        "before_incident": row.before_incident,
        "was_running": row.was_running,
    }
