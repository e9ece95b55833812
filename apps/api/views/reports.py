"""What outside systems report of the runs that the portal asked them for, and what people ask for there."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import connection_outputs
from apps.api.bodies import require_length
from apps.api.deployment_answers import deployment_detail
from apps.api.deployment_outputs import DeploymentDetailOut
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, deployment_of
from apps.api.signed import signed_call
from apps.deployments import services as deployments
from apps.deployments.services.hearing import MAX_EVENT
from apps.deployments.services.reporting import MAX_REPORT


@signed_call(
    "accept_report",
    summary="Report of an outside system",
    description="Signed (Standard Webhooks) with the secret of the webhook connection through which the deployment "
    "runs, about its present attempt; the same message id counts once.",
    request=connection_outputs.ReportIn,
    response=connection_outputs.ReportOut,
    refusals={
        403: "Not signed with the secret of a connection that runs this deployment.",
        404: "The address names no number.",
        409: "About another attempt, of a run that is over, or under an id that another report had.",
        422: "Not a report.",
    },
    tag="deployments",
)
def accept_report(request: Request, number: int) -> Response:
    """An outside system tells how its run goes. Believed only as far as its signature."""
    require_length(request, most=MAX_REPORT)
    row = deployments.accept_report(
        number=number, headers={name.lower(): value for name, value in request.headers.items()}, body=request.body
    )
    return Response({"message": row.message_id}, status=202)


@signed_call(
    "accept_event",
    summary="Event of Flux",
    description="Of a Provider of the type generic-hmac at Flux's notification controller, signed with the event key of the "
    "connection (`X-Signature`). It is told to the deployments that wait for its object, which are looked at anew in the "
    "cluster; it decides nothing.",
    request=connection_outputs.FluxEventIn,
    response=connection_outputs.FluxEventOut,
    refusals={
        403: "Not signed with the event key of a connection to Flux of that name.",
        404: "The address names no connection.",
        422: "Not an event.",
    },
    tag="connections",
)
def accept_event(request: Request, name: str) -> Response:
    """Flux tells that something happened. The cluster is asked what."""
    require_length(request, most=MAX_EVENT)
    told = deployments.accept_event(
        name=name, headers={key.lower(): value for key, value in request.headers.items()}, body=request.body
    )
    return Response({"deployments": told}, status=202)


@endpoint(
    "POST",
    scope="deploy",
    request=connection_outputs.StepActIn,
    response=DeploymentDetailOut,
    status=202,
    summary="Do something with a step",
)
def act_on_step(request: Request, number: int, step: int) -> Response:
    """Pass on what a step of the present attempt offers (``play``, ``retry``, ``stop``) to the system that runs it."""
    body = read(connection_outputs.StepActIn, request)
    row = deployment_of(request, number)
    deployments.act_on_step(caller(request), deployment=row, step=step, action=body["action"])
    return Response(deployment_detail(row), status=202)
