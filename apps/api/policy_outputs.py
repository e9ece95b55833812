"""Answers about the policy: when it holds what, and what a change of it would do."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import maybe_moment, maybe_number, maybe_text, moment, string, texts, whole
from apps.api.outputs import Out
from apps.deployments.queries import Tried
from apps.presentation.calendar_intervals import CalendarIntervals, EnvironmentCalendar
from apps.presentation.policy_change import PolicyChange
from apps.presentation.schedules import Planned

KINDS = ["freeze", "window"]
STATES = ["open", "frozen", "waiting"]


class IntervalOut(Out):
    kind = serializers.ChoiceField(choices=KINDS, help_text="`window` allows; outside of all of them is held.")
    name = string()
    start = moment()
    end = moment()
    holds = texts("`merge`, `deploy` or both.")


class EnvironmentCalendarOut(Out):
    repository = string()
    environment = string()
    state = serializers.ChoiceField(choices=STATES, help_text="Now; `waiting`: no window is open.")
    until = maybe_moment()
    waiting = serializers.ListField(
        child=serializers.IntegerField(), help_text="Numbers of the deployments that wait for it."
    )
    intervals = IntervalOut(many=True)


class PlannedOut(Out):
    change = whole()
    deployment = maybe_number("Of a deployment its number; empty for a merge.")
    at = moment()
    until = moment()
    by = maybe_text()
    environments = texts()
    clashes = texts("What could get into its way, in sentences.")


class CalendarOut(Out):
    start = moment()
    end = moment()
    results = EnvironmentCalendarOut(many=True)
    planned = PlannedOut(many=True)
    left_out = whole(help_text="1: more repositories than one answer holds.")
    unread = texts("Repositories whose policy cannot be read just now: what holds there is not known.")


class ProblemOut(Out):
    file = string()
    line = whole(help_text="From 1; 0 for the whole file.")
    column = whole()
    path = string(allow_blank=True)
    message = string()
    fix = string(allow_blank=True)
    severity = serializers.ChoiceField(choices=["error", "notice"])


class DifferenceOut(Out):
    what = string()
    name = string(allow_blank=True)
    change = serializers.ChoiceField(choices=["added", "removed", "changed"])
    before = string(allow_blank=True)
    after = string(allow_blank=True)


class ModuleOut(Out):
    path = string()
    change = string()


class TriedOut(Out):
    change = whole()
    title = string()
    reasons = texts()


class DryRunOut(Out):
    tried = whole(help_text="So many of the last merges into the branch, at most 500.")
    passes = whole()
    blocked = TriedOut(many=True)
    unknown = TriedOut(many=True)


class PolicyChangeOut(Out):
    changes_policy = serializers.BooleanField()
    problems = ProblemOut(many=True)
    notices = ProblemOut(many=True)
    differences = DifferenceOut(many=True)
    modules = ModuleOut(many=True)
    owners_differ = serializers.BooleanField()
    dry_run = DryRunOut(allow_null=True)


def calendar_json(found: CalendarIntervals) -> dict[str, Any]:
    return {
        "start": time(found.start),
        "end": time(found.end),
        "results": [_environment(row) for row in found.environments],
        "planned": [_planned(row) for row in found.planned],
        "left_out": found.left_out,
        "unread": list(found.unread),
    }


def _environment(row: EnvironmentCalendar) -> dict[str, Any]:
    return {
        "repository": row.repository,
        "environment": row.environment,
        "state": row.state,
        "until": time(row.until),
        "waiting": [one.number for one in row.waits],
        "intervals": [
            {
                "kind": one.kind,
                "name": one.name,
                "start": time(one.start),
                "end": time(one.end),
                "holds": list(one.holds),
            }
            for one in row.intervals
        ],
    }


def _planned(row: Planned) -> dict[str, Any]:
    return {
        "change": row.change.number,
        "deployment": row.deployment.number if row.deployment else None,
        "at": time(row.at),
        "until": time(row.until),
        "by": row.by.username if row.by else None,
        "environments": list(row.environments),
        "clashes": list(row.clashes),
    }


def policy_change_json(found: PolicyChange | None) -> dict[str, Any]:
    """``None``: the change leaves the policy as it is."""
    empty = PolicyChange((), (), (), owners_differ=False, run=None)
    page = found or empty
    return {
        "changes_policy": found is not None,
        "problems": [row.to_dict() for row in page.problems],
        "notices": [row.to_dict() for row in page.notices],
        "differences": [
            {"what": row.what, "name": row.name, "change": row.change, "before": row.before, "after": row.after}
            for row in page.differences
        ],
        "modules": [{"path": row.path, "change": row.change} for row in page.modules],
        "owners_differ": page.owners_differ,
        "dry_run": page.run
        and {
            "tried": page.run.tried,
            "passes": page.run.passes,
            "blocked": [_tried(row) for row in page.run.blocked],
            "unknown": [_tried(row) for row in page.run.unknown],
        },
    }


def _tried(row: Tried) -> dict[str, Any]:
    return {"change": row.number, "title": row.title, "reasons": list(row.reasons)}
