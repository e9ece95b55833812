"""What changed, and when."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs
from apps.api.endpoints import endpoint, query
from apps.api.lookups import caller
from apps.api.pages import LIMIT, page, page_size
from apps.api.timeline_outputs import HappeningOut, happening_json
from apps.insights.timeline import KINDS
from apps.presentation.timeline_page import timeline_page

FILTERS = [
    query("from", "From this day or time on; a day before `to` without it."),
    query("to", "Up to this day, or before this time; now without it."),
    query("incident", "A time: only what began before it, with how long before."),
    query("kind", f"Some of {', '.join(KINDS)}, with commas between them."),
    query("repository", "By name."),
    query("environment", "By name, or its beginning with * behind it."),
    query("person", "Who started it, or whose change it is, by username."),
    query("thing", "Part of a rendered resource or a path that was touched."),
    query("q", "Part of a title, of an entry, or the beginning of a commit."),
    query("after", "Where the page before ended; taken from its `next`."),
]


@endpoint("GET", response=outputs.page_of(HappeningOut), summary="What changed", parameters=[*FILTERS, LIMIT])
def list_happenings(request: Request) -> Response:
    """Newest first, of the repositories that the caller sees: deployments that reach into the time, drift, policy, freezes, and for auditors access."""
    found = timeline_page(caller(request), request.query_params.dict(), limit=page_size(request))
    return page(request, found.rows, happening_json, found.next_after.isoformat() if found.next_after else None)
