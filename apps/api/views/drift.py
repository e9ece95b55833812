"""The drift of an environment, and what can be done about it."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import shapes
from apps.api.deployment_answers import deployment_detail
from apps.api.deployment_outputs import DeploymentDetailOut
from apps.api.drift_outputs import AcceptanceOut, AcceptDriftIn, DriftOut, acceptance_json, drift_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, environment_of
from apps.deployments import services
from apps.presentation.drift_page import drift_page


@endpoint("GET", response=DriftOut, summary="Drift of an environment")
def show_drift(request: Request, repository: str, environment: str) -> Response:
    """What runs there against what was deployed last, as the last check told, with its age. Only `in_sync` is good news."""
    row = environment_of(request, repository, environment)
    return Response(drift_json(drift_page(caller(request), row.repository.name, row.name)))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=DriftOut, status=202, summary="Check for drift")
def check_drift(request: Request, repository: str, environment: str) -> Response:
    """It begins soon, unless a deployment holds the environment. Follow it with GET."""
    row = environment_of(request, repository, environment)
    services.ask_drift_check(caller(request), environment=row)
    return Response(drift_json(drift_page(caller(request), row.repository.name, row.name)), status=202)


@endpoint("POST", scope="deploy", request=AcceptDriftIn, response=AcceptanceOut, status=201, summary="Accept drift")
def accept_drift(request: Request, repository: str, environment: str) -> Response:
    """A finding stays visible and does not count until then. One that the last check does not tell of, or an old check, answers 409."""
    row = environment_of(request, repository, environment)
    done = services.accept_drift(caller(request), environment=row, **read(AcceptDriftIn, request))
    return Response(acceptance_json(done), status=201)


@endpoint("DELETE", scope="deploy", status=204, summary="Let accepted drift count again")
def end_drift_acceptance(request: Request, repository: str, environment: str, mark: str) -> Response:
    row = environment_of(request, repository, environment)
    services.end_drift_acceptance(caller(request), environment=row, mark=mark[:64])
    return Response(status=204)


@endpoint(
    "POST",
    scope="deploy",
    request=shapes.EmptyIn,
    response=DeploymentDetailOut,
    status=201,
    summary="Deploy what is live again",
)
def reapply_live(request: Request, repository: str, environment: str) -> Response:
    """Puts back what was deployed. Everything that holds a deployment holds this one."""
    row = environment_of(request, repository, environment)
    return Response(deployment_detail(services.reapply_live(caller(request), environment=row)), status=201)


@endpoint(
    "POST",
    scope="propose",
    request=shapes.EmptyIn,
    response=DriftOut,
    status=202,
    summary="Ask for drift to be adopted",
)
def adopt_drift(request: Request, repository: str, environment: str) -> Response:
    """A change with the findings that nobody accepted: written where a rendering proves the place, the rest in its text.

    What is `stale` cannot be adopted (409): check first.

    Follow `adoption` with GET: it ends with a change, or says why there is none.
    """
    row = environment_of(request, repository, environment)
    services.adopt_drift(caller(request), environment=row)
    return Response(drift_json(drift_page(caller(request), row.repository.name, row.name)), status=202)
