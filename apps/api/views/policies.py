"""When the policy holds what, and what a change of it would do."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import policy_outputs as shapes
from apps.api.endpoints import endpoint, query
from apps.api.lookups import caller, change_of
from apps.presentation.calendar_intervals import calendar_intervals
from apps.presentation.moments import moment_of
from apps.presentation.policy_change import policy_change


@endpoint(
    "GET",
    response=shapes.CalendarOut,
    summary="Calendar of windows and freezes",
    parameters=[
        query("environment", "Only environments with this name."),
        query("from", "From this day or time on; today without it."),
        query("to", "Up to this day, or before this time; a week without it, 92 days at most."),
    ],
)
def show_calendar(request: Request) -> Response:
    """Of every environment with windows that you may see: intervals, what holds now, and what is planned."""
    asked = request.query_params.dict()
    found = calendar_intervals(
        caller(request),
        environment=asked.get("environment", "").strip(),
        start=moment_of(asked, "from"),
        end=moment_of(asked, "to"),
    )
    return Response(shapes.calendar_json(found))


@endpoint("GET", response=shapes.PolicyChangeOut, summary="What a change of the policy does")
def show_policy_change(request: Request, number: int) -> Response:
    """What it says otherwise, in words, and which of the last 500 merges it would have blocked, on the facts recorded then.

    Of a change that leaves the policy as it is `changes_policy` is false and the rest is empty. Where the file of the
    change is invalid, `problems` say so, and nothing is compared or tried.
    """
    return Response(shapes.policy_change_json(policy_change(change_of(request, number))))
