"""Rolling a change back, and an environment back to an earlier good state."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.api import outputs
from apps.api.answers import change_row_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, deployment_of
from apps.api.returning_outputs import (
    BringBackIn,
    ReturnOut,
    RollbackAheadOut,
    RollBackIn,
    return_json,
    rollback_json,
)
from apps.changes.models import ChangeRequest
from apps.core.errors import PortalError
from apps.deployments import access
from apps.deployments import services as deployments
from apps.presentation.return_page import return_page
from apps.presentation.rollback_page import rollback_page
from apps.reviews import services as reviews


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
    made = deployments.bring_back(caller(request), deployment=deployment_of(request, number), tip=body["tip"])
    return _made(request, made, body)


@endpoint("GET", response=RollbackAheadOut, can_conflict=True, summary="What rolling back would do")
def show_rollback(request: Request, number: int) -> Response:
    """What would be taken out of the branch, where it goes back, and which gate it meets. For who may deploy there."""
    row = deployment_of(request, number)
    access.require_run(caller(request), row)
    return Response(rollback_json(rollback_page(caller(request), row)))


@endpoint("POST", scope="deploy", request=RollBackIn, response=outputs.RollbackOut, status=201, summary="Roll back")
def roll_back(request: Request, number: int) -> Response:
    """Make the inverse change; it merges and deploys by itself as soon as its gate holds."""
    body = read(RollBackIn, request)
    row = deployment_of(request, number)
    made = deployments.roll_back(caller(request), deployment=row, tip=body["tip"], environments=body["environments"])
    return _made(request, made, body)


def _made(request: Request, made: ChangeRequest, body: dict[str, Any]) -> Response:
    """The change, and why an emergency that was asked for with it was not declared."""
    refused = _declared(caller(request), made, body["emergency"], body["incident"])
    change = change_of(request, made.number)
    answer = {"change": change.number, **change_row_json(change), "emergency_refused": refused}
    return Response(answer, status=201)


def _declared(actor: User, change: ChangeRequest, reason: str, incident: str) -> str:
    """Declare an emergency of a roll-back that was just made, where a reason was given; why not, in words, or nothing.

    The roll-back stays, whatever comes of that.
    """
    if not reason.strip():
        return ""
    try:
        reviews.declare_emergency(actor, change=change, reason=reason, incident=incident)
    except PortalError as problem:
        return problem.message
    return ""
