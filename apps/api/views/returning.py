"""Back to an earlier good state of an environment."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs
from apps.api.answers import change_row_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, deployment_of
from apps.api.returning_outputs import BringBackIn, ReturnOut, return_json
from apps.deployments import access
from apps.deployments import services as deployments
from apps.presentation.return_page import return_page


@endpoint("GET", response=ReturnOut, summary="What bringing it back would do")
def show_return(request: Request, number: int) -> Response:
    """Which changes would be taken back so that its environment is again what this deployment made it. For deployers."""
    row = deployment_of(request, number)
    access.require_bring_back(caller(request), row.environment)
    return Response(return_json(return_page(row)))


@endpoint(
    "POST", scope="deploy", request=BringBackIn, response=outputs.RollbackOut, status=201, summary="Bring it back"
)
def bring_back(request: Request, number: int) -> Response:
    """Make the one change that does it; it merges and deploys by itself as soon as its gate holds."""
    body = read(BringBackIn, request)
    change = deployments.bring_back(caller(request), deployment=deployment_of(request, number), **body)
    change = change_of(request, change.number)
    return Response({"change": change.number, **change_row_json(change)}, status=201)
