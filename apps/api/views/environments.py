"""What runs where, and how two places differ."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import comparison_outputs as shapes
from apps.api.endpoints import endpoint, query, read
from apps.api.environment_outputs import StatusPageIn, StatusPageOut, status_page_json
from apps.api.lookups import caller, environment_of
from apps.api.pages import number_parameter, word_parameter
from apps.core.errors import InvalidInput
from apps.deployments import access, services
from apps.deployments.queries.board import STATES
from apps.deployments.queries.board import Asked as BoardAsked
from apps.deployments.queries.status_pages import status_page_of
from apps.presentation.board import board_page
from apps.presentation.comparison_page import Asked, Comparison, compared_of, comparison_page


@endpoint(
    "GET",
    response=shapes.BoardOut,
    summary="The board",
    parameters=[
        query("q", "Part of the name of a service or repository."),
        query("repository", "By name."),
        query("environment", "By name, or its beginning with * behind it."),
        query("state", f"One of {', '.join(STATES)}."),
        query("behind", "1: only what is behind Git."),
        query("drift", "1: only what has drifted, as the last check told, and nobody accepted."),
        query("after", "The last row of the page before, as repository/service."),
        query("column", "The first of the environments that are shown.", int),
    ],
)
def show_board(request: Request) -> Response:
    """What was deployed where: services with their environments, 25 of them and ten environments at once."""
    asked = request.query_params
    repository, _, service = asked.get("after", "")[:200].partition("/")
    found = BoardAsked(
        q=asked.get("q", "").strip()[:100],
        repository=asked.get("repository", "")[:80],
        environment=asked.get("environment", "")[:64],
        state=word_parameter(request, "state", STATES),
        behind=asked.get("behind") == "1",
        drift=asked.get("drift") == "1",
        after=(repository, service),
    )
    column = number_parameter(request, "column") or 0
    return Response(shapes.board_json(board_page(caller(request), found, column=column)))


@endpoint(
    "GET",
    response=shapes.EnvironmentsComparedOut,
    summary="Compare environments",
    parameters=[
        query("from", "repository/environment"),
        query("at", "The moment at which `from` is looked at, with its time zone; now without it."),
        query(
            "to", "repository/environment, or `git` for the tip of the default branch; the same as `from` without it."
        ),
        query("to_at", "The same for `to`."),
    ],
)
def compare_environments(request: Request) -> Response:
    """Changes and files between two environments, or one at two times, and what differs in their rendered resources with a reason.

    Nothing is rendered by this call: a target whose state is `not_asked` is rendered after a POST to the same address.
    """
    return Response(shapes.comparison_json(_page(request, request.query_params.dict())))


@endpoint(
    "POST", request=shapes.CompareIn, response=shapes.EnvironmentsComparedOut, status=202, summary="Render a comparison"
)
def render_comparison(request: Request) -> Response:
    """Let the targets be rendered and compared in the background; what is there already stays. Follow it with GET."""
    body = read(shapes.CompareIn, request)
    services.ask_comparison(caller(request), compared=compared_of(caller(request), _asked(body)))
    return Response(shapes.comparison_json(_page(request, body)), status=202)


@endpoint("GET", response=StatusPageOut, summary="The public status page")
def show_status_page(request: Request, repository: str, environment: str) -> Response:
    """Whether strangers can read what is live here, where, and what they see. For maintainers."""
    row = environment_of(request, repository, environment)
    access.require_publish_status(caller(request), row)
    return Response(status_page_json(status_page_of(row)))


@endpoint("PUT", scope="manage", request=StatusPageIn, response=StatusPageOut, summary="Switch the public status page")
def set_status_page(request: Request, repository: str, environment: str) -> Response:
    """Switch it on or off and say what it shows; a taken address answers 409 `slug_taken`."""
    row = environment_of(request, repository, environment)
    done = services.set_status_page(caller(request), environment=row, **read(StatusPageIn, request))
    return Response(status_page_json(done))


def _asked(values: dict[str, Any]) -> Asked:
    return Asked(*(str(values.get(name, "")).strip()[:160] for name in ("from", "to", "at", "to_at")))


def _page(request: Request, values: dict[str, Any]) -> Comparison:
    page = comparison_page(caller(request), _asked(values))
    if page.compared is None:
        said = "Name from and to as repository/environment, or from and a time in at."
        raise InvalidInput("bad_side", said, field="from" if not page.asked.start else "to")
    return page
