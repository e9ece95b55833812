"""Overrides of windows and reports of checks."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import gate_outputs as shapes
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of
from apps.api.shapes import EmptyIn
from apps.changes import services as changes
from apps.changes.queries import present_checks
from apps.reviews import services as reviews


@endpoint("GET", response=shapes.OverridesOut, summary="Overrides of freezes and windows")
def list_overrides(request: Request, number: int) -> Response:
    """All that were ever given for this change, also those that were taken back."""
    rows = change_of(request, number).window_overrides.select_related("given_by", "revision")
    return Response({"results": [shapes.override_json(row) for row in rows]})


@endpoint("POST", scope="review", request=shapes.OverrideIn, response=shapes.OverrideOut, status=201,
          summary="Override the freeze or window that holds a change")  # fmt: skip
def override_window(request: Request, number: int) -> Response:
    """For whom the window names under `override`, never for a contributor; for what the change is now, for a day."""
    body = read(shapes.OverrideIn, request)
    body["environment"] = body["environment"] or ""
    row = reviews.override_window(caller(request), change=change_of(request, number), **body)
    return Response(shapes.override_json(row), status=201)


@endpoint("POST", scope="review", request=EmptyIn, response=shapes.OverrideOut, summary="Take an override back")
def withdraw_override(request: Request, number: int, override: int) -> Response:
    """One's own, or as a maintainer that of somebody else; what has begun meanwhile goes on."""
    row = reviews.withdraw_override(caller(request), change=change_of(request, number), override=override)
    return Response(shapes.override_json(row))


@endpoint("GET", response=shapes.ChecksOut, summary="Checks of the present revision")
def list_checks(request: Request, number: int) -> Response:
    """The newest report of each name, for exactly the present merge result."""
    return Response({"results": [shapes.check_json(row) for row in present_checks(change_of(request, number))]})


@endpoint("POST", scope="propose", request=shapes.CheckIn, response=shapes.CheckOut, status=201,
          summary="Report a check")  # fmt: skip
def report_check(request: Request, number: int) -> Response:
    """For service accounts of pipelines, and for maintainers who did not contribute; a rule can ask for it by name."""
    row = changes.report_check(caller(request), change=change_of(request, number), **read(shapes.CheckIn, request))
    return Response(shapes.check_json(row), status=201)
