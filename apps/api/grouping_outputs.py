"""Shapes and answers of starting a change in many environments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from apps.api.fields import Text, maybe_number, string, texts, whole
from apps.api.outputs import Out
from apps.api.outside_outputs import OutsideChangeOut, outside_change_json
from apps.api.shapes import Shape
from apps.deployments.queries.groups import Startable
from apps.deployments.services import Started
from apps.policies.config.environments import LONGEST_NAME, MAX_ENVIRONMENTS


class StartGroupIn(Shape):
    environments = serializers.ListField(
        child=Text(max_length=LONGEST_NAME), required=False, default=list, max_length=MAX_ENVIRONMENTS
    )
    group = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=LONGEST_NAME,
        help_text="Instead of names: all of this group.",
    )


class StartableOut(Out):
    environment = string()
    group = string()
    deployment = whole()
    commit = string()
    live = maybe_number("The change that is live there now.")
    becomes_live = serializers.ListField(
        child=serializers.IntegerField(), help_text="Numbers of changes, in the order of their merges."
    )
    more = whole(help_text="How many older ones come along beside the 100 that are named.")
    outside = OutsideChangeOut(many=True, help_text="Pushed past the portal: it comes along, and nobody approved it.")
    goes_back = serializers.BooleanField(
        help_text="What is live is newer and does not contain it; then these would be taken out of it."
    )
    nothing_runs = serializers.BooleanField(
        help_text="What is live contains it already: nothing runs, and nothing becomes live."
    )
    held = texts("What holds it beside the start.")


class StartablesOut(Out):
    results = StartableOut(many=True)


class StartedOut(Out):
    environment = string()
    deployment = whole()
    started = serializers.BooleanField()
    text = string()


class StartedGroupOut(Out):
    results = StartedOut(many=True)


def startables_json(rows: Iterable[Startable]) -> dict[str, Any]:
    return {
        "results": [
            {
                "environment": row.name,
                "group": row.group,
                "deployment": row.deployment.number,
                "commit": row.deployment.commit,
                "live": row.coming.live.change.number if row.coming.live else None,
                "becomes_live": [change.number for change in row.coming.changes],
                "more": row.coming.more,
                "outside": [outside_change_json(one) for one in row.coming.outside],
                "goes_back": row.coming.goes_back,
                "nothing_runs": row.coming.nothing_runs,
                "held": list(row.held),
            }
            for row in rows
        ]
    }


def started_json(rows: Iterable[Started]) -> dict[str, Any]:
    return {
        "results": [
            {"environment": row.environment, "deployment": row.deployment, "started": row.started, "text": row.text}
            for row in rows
        ]
    }
