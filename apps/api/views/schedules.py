"""Merges and deployments at a chosen time."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.deployment_answers import deployment_detail
from apps.api.deployment_outputs import DeploymentDetailOut
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, deployment_of
from apps.api.schedule_outputs import DeploymentScheduleIn, ScheduleIn, ScheduleOut, SchedulesOut, schedule_json
from apps.deployments import services as deployments


@endpoint("GET", response=SchedulesOut, summary="Scheduled merges of a change")
def list_schedules(request: Request, number: int) -> Response:
    """All that were ever made, the newest first; at most one waits."""
    rows = change_of(request, number).merge_schedules.select_related("revision", "scheduled_by")
    return Response({"results": [schedule_json(row) for row in rows]})


@endpoint("POST", scope="deploy", request=ScheduleIn, response=ScheduleOut, status=201, summary="Schedule a merge")
def schedule_merge(request: Request, number: int) -> Response:
    """The verdict is judged when the time has come; a push to the branch ends the schedule, an earlier one is replaced."""
    row = deployments.schedule_merge(caller(request), change=change_of(request, number), **read(ScheduleIn, request))
    return Response(schedule_json(row), status=201)


@endpoint("DELETE", scope="deploy", response=ScheduleOut, summary="Take a scheduled merge back")
def unschedule_merge(request: Request, number: int) -> Response:
    """For whoever may merge the change."""
    return Response(schedule_json(deployments.unschedule_merge(caller(request), change=change_of(request, number))))


@endpoint("POST", scope="deploy", request=DeploymentScheduleIn, response=DeploymentDetailOut,
          summary="Schedule a deployment")  # fmt: skip
def schedule_deployment(request: Request, number: int) -> Response:
    """It starts by itself, not before this time; what else holds it is judged then."""
    at = read(DeploymentScheduleIn, request)["at"]
    row = deployments.schedule_deployment(caller(request), deployment=deployment_of(request, number), at=at)
    return Response(deployment_detail(deployment_of(request, row.number)))
