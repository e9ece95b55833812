"""One change in many environments with one call."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.endpoints import endpoint, query, read
from apps.api.grouping_outputs import StartablesOut, StartedGroupOut, StartGroupIn, startables_json, started_json
from apps.api.lookups import caller, change_of
from apps.deployments import services as deployments
from apps.deployments.queries.groups import startable
from apps.policies.config.environments import LONGEST_NAME


@endpoint(
    "GET",
    response=StartablesOut,
    summary="What waits for a start by hand",
    parameters=[query("group", "Only environments of this group (the name up to the last `-`).")],
)
def list_startable(request: Request, number: int) -> Response:
    """In promotion order: what would become live in each environment, and what else holds it."""
    group = request.query_params.get("group", "")[:LONGEST_NAME]
    return Response(startables_json(startable(change_of(request, number), group=group)))


@endpoint("POST", scope="deploy", request=StartGroupIn, response=StartedGroupOut, summary="Start a whole group")
def start_group(request: Request, number: int) -> Response:
    """Press Start in all of these environments; what came of each is told, and one that is refused leaves the others as they are."""
    body = read(StartGroupIn, request)
    return Response(started_json(deployments.start_group(caller(request), change=change_of(request, number), **body)))
