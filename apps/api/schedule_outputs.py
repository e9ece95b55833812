"""Shapes and answers of what is done later."""

from __future__ import annotations

from typing import Any

from apps.api.answers import time
from apps.api.fields import Moment, maybe_moment, maybe_text, moment, string, whole
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.deployments.models import MergeSchedule


class ScheduleIn(Shape):
    at = Moment(help_text="With its offset, at most 90 days ahead.")
    until = Moment(
        required=False, allow_null=True, default=None, help_text="When to give up: an hour later if it is not said."
    )


class DeploymentScheduleIn(Shape):
    at = Moment(allow_null=True, help_text="With its offset; null: it waits for a start by hand again.")


class ScheduleOut(Out):
    id = whole()
    at = moment()
    until = moment()
    revision = whole()
    scheduled_by = string()
    created_at = moment()
    outcome = maybe_text("merged, cancelled, replaced, overtaken or lapsed; null while it waits.")
    reason = maybe_text()
    ended_at = maybe_moment()


class SchedulesOut(Out):
    results = ScheduleOut(many=True)


def schedule_json(row: MergeSchedule) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": time(row.at),
        "until": time(row.until),
        "revision": row.revision.number,
        "scheduled_by": row.scheduled_by.username,
        "created_at": time(row.created_at),
        "outcome": row.outcome or None,
        "reason": row.reason or None,
        "ended_at": time(row.ended_at),
    }
