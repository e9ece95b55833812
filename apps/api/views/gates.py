"""Overrides of windows and reports of checks."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import gate_outputs as shapes
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, repository_of
from apps.api.shapes import EmptyIn
from apps.api.verdict_outputs import PastVerdictsOut, past_verdict_json
from apps.changes import services as changes
from apps.changes.queries import present_checks
from apps.deployments import services as deployments
from apps.deployments.queries.verdicts import past_verdicts
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


@endpoint("GET", response=shapes.CheckReportsOut, summary="Checks of the present revision")
def list_checks(request: Request, number: int) -> Response:
    """The newest report of each name, for exactly the present merge result."""
    return Response({"results": [shapes.check_json(row) for row in present_checks(change_of(request, number))]})


@endpoint("POST", scope="propose", request=shapes.CheckReportIn, response=shapes.CheckReportOut, status=201,
          summary="Report a check")  # fmt: skip
def report_check(request: Request, number: int) -> Response:
    """For service accounts of pipelines, and for maintainers who did not contribute; a rule can ask for it by name."""
    row = changes.report_check(
        caller(request), change=change_of(request, number), **read(shapes.CheckReportIn, request)
    )
    return Response(shapes.check_json(row), status=201)


@endpoint("GET", response=shapes.EmergenciesOut, summary="Emergencies of a change")
def list_emergencies(request: Request, number: int) -> Response:
    """All that were ever declared; at most one is in force."""
    rows = change_of(request, number).emergencies.select_related("declared_by", "revision")
    return Response({"results": [shapes.emergency_json(row) for row in rows]})


@endpoint("POST", scope="deploy", request=shapes.EmergencyIn, response=shapes.EmergencyOut, status=201,
          summary="Declare an emergency")  # fmt: skip
def declare_emergency(request: Request, number: int) -> Response:
    """The change can go without its rules for an hour, once others have confirmed it; the rules are owed afterwards."""
    body = read(shapes.EmergencyIn, request)
    row = reviews.declare_emergency(caller(request), change=change_of(request, number), **body)
    return Response(shapes.emergency_json(row), status=201)


@endpoint("POST", scope="review", request=EmptyIn, response=shapes.EmergencyOut, summary="Confirm an emergency")
def confirm_emergency(request: Request, number: int) -> Response:
    """For those whom portal.yaml names (`emergency.from`), not for who declared it or contributed."""
    row = reviews.confirm_emergency(caller(request), change=change_of(request, number))
    return Response(shapes.emergency_json(row))


@endpoint("POST", scope="deploy", request=EmptyIn, response=shapes.EmergencyOut, summary="End an emergency")
def end_emergency(request: Request, number: int) -> Response:
    """The rules hold again at once; what is owed stays owed."""
    row = reviews.end_emergency(caller(request), change=change_of(request, number))
    return Response(shapes.emergency_json(row))


@endpoint("POST", scope="propose", request=shapes.ReceiveIn, response=shapes.ReceivedListOut,
          summary="Ask whether a push may be taken")  # fmt: skip
def judge_push(request: Request, name: str) -> Response:
    """For the hook of a Git host (docs/connecting.md): target branches take only what the portal merges."""
    body = read(shapes.ReceiveIn, request)
    user = caller(request)
    updates = [deployments.Update(**one) for one in body["updates"]]
    found = deployments.judge_push(user, repository=repository_of(request, name), updates=updates)
    rows = [{"ref": one.update.ref, "new": one.update.new, "allowed": one.allowed, "text": one.text} for one in found]
    return Response({"results": rows})


@endpoint("GET", response=PastVerdictsOut, summary="Verdicts on record")
def list_verdicts(request: Request, number: int) -> Response:
    """Every gate of this change that opened, each judged again from its record."""
    found = past_verdicts(change_of(request, number))
    return Response({"results": [past_verdict_json(one) for one in found]})
