"""Shapes and answers of what opens or holds a gate beside reviews: overrides of windows, reported checks."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import Text, maybe_moment, maybe_text, moment, string, texts, whole, word
from apps.api.outputs import Out
from apps.api.shapes import Shape, Stages
from apps.changes.models import CheckReport
from apps.policies.config.environments import LONGEST_NAME
from apps.reviews.models import Emergency, Review, WindowOverride


class OverrideIn(Shape):
    reason = Text(max_length=500, help_text="Why it cannot wait; it stays on record.")
    stage = Stages(required=False, default="merge")
    environment = Text(required=False, allow_blank=True, allow_null=True, default="", max_length=LONGEST_NAME)


class OverrideOut(Out):
    id = whole()
    windows = texts("Names of the windows that it lets the change through.")
    stage = word(Review.Stage)
    environment = maybe_text()
    reason = string()
    given_by = string()
    revision = whole()
    created_at = moment()
    withdrawn_at = maybe_moment()


class OverridesOut(Out):
    results = OverrideOut(many=True)


class UpdateIn(Shape):
    ref = Text(max_length=300)
    old = Text(max_length=64)
    new = Text(max_length=64)


class ReceiveIn(Shape):
    updates = UpdateIn(many=True, help_text="What a `pre-receive` hook is told: one for each ref.")


class ReceivedOut(Out):
    ref = string()
    new = string()
    allowed = serializers.BooleanField()
    text = string()


class ReceivedListOut(Out):
    results = ReceivedOut(many=True)


class CheckReportIn(Shape):
    name = Text(max_length=100)
    state = serializers.ChoiceField(choices=CheckReport.State.values)
    tree = Text(max_length=64, help_text="The merge result that was checked: `result_tree` of the present revision.")
    summary = Text(required=False, allow_blank=True, default="", max_length=500)
    url = Text(required=False, allow_blank=True, default="", max_length=1000)


class CheckReportOut(Out):
    name = string()
    state = word(CheckReport.State)
    tree = string()
    summary = string(allow_blank=True)
    url = maybe_text()
    reported_by = string()
    created_at = moment()


class CheckReportsOut(Out):
    results = CheckReportOut(many=True)


class EmergencyIn(Shape):
    reason = Text(max_length=500, help_text="What happened; everybody reads it, and it stays on record.")
    incident = Text(required=False, allow_blank=True, default="", max_length=500)


class EmergencyOut(Out):
    id = whole()
    revision = whole()
    reason = string()
    incident = maybe_text()
    declared_by = string()
    confirmed_by = texts("Who confirmed it, in order.")
    declared_at = moment()
    expires_at = moment()
    ended_at = maybe_moment()
    used_for = texts("Gates that it opened: merge, or the names of environments.")
    review_by = maybe_moment()
    reviewed_at = maybe_moment()


class EmergenciesOut(Out):
    results = EmergencyOut(many=True)


def emergency_json(row: Emergency) -> dict[str, Any]:
    return {
        "id": row.pk,
        "revision": row.revision.number,
        "reason": row.reason,
        "incident": row.incident or None,
        "declared_by": row.declared_by.username,
        "confirmed_by": [one.person.username for one in row.confirmations.select_related("person")],
        "declared_at": time(row.declared_at),
        "expires_at": time(row.expires_at),
        "ended_at": time(row.ended_at),
        "used_for": [environment or stage for stage, environment in row.uses],
        "review_by": time(row.review_by),
        "reviewed_at": time(row.paid_at),
    }


def override_json(row: WindowOverride) -> dict[str, Any]:
    return {
        "id": row.pk,
        "windows": row.windows,
        "stage": row.stage,
        "environment": row.environment or None,
        "reason": row.reason,
        "given_by": row.given_by.username,
        "revision": row.revision.number,
        "created_at": time(row.created_at),
        "withdrawn_at": time(row.withdrawn_at),
    }


def check_json(row: CheckReport) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": row.state,
        "tree": row.tree,
        "summary": row.summary,
        "url": row.url or None,
        "reported_by": row.reported_by.username,
        "created_at": time(row.created_at),
    }
