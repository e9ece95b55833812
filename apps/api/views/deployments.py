"""Deployments and environments."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs, shapes
from apps.api.answers import (
    DEPLOYMENT_RELATED,
    ENVIRONMENT_COLUMNS,
    deployment_json,
    environment_json,
    event_json,
)
from apps.api.deployment_answers import deployment_detail
from apps.api.deployment_outputs import DeploymentDetailOut
from apps.api.endpoints import endpoint, query, read
from apps.api.environment_outputs import SecretOut
from apps.api.lookups import caller, change_of, deployment_of, environment_of
from apps.api.pages import (
    AFTER,
    AFTER_MOMENT,
    BAD_AFTER,
    LIMIT,
    NAMES,
    last_seen,
    number_parameter,
    page,
    page_size,
    word_parameter,
)
from apps.core.errors import InvalidInput
from apps.core.paging import moment_page
from apps.deployments import services as deployments
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.presentation.log_file import log_file
from apps.repositories.models import Repository


@endpoint(
    "GET",
    response=outputs.page_of(outputs.DeploymentOut),
    summary="Deployments",
    parameters=[
        query("environment", "By name."),
        query("change", "By number.", int),
        query("repository", "By name."),
        query("state", f"One of {', '.join(Status)}."),
        AFTER_MOMENT,
        LIMIT,
    ],
)
def list_deployments(request: Request) -> Response:
    """What began, or was asked for, last comes first, as `latest_at` says: a new attempt keeps its number and comes to the top."""
    wanted = {
        "change__number": number_parameter(request, "change"),
        "environment__name": request.query_params.get("environment"),
        "environment__repository__name": request.query_params.get("repository"),
        "status": word_parameter(request, "state", Status),
    }
    rows = Deployment.objects.visible_to(caller(request)).select_related(*DEPLOYMENT_RELATED)
    rows = rows.filter(**{column: value for column, value in wanted.items() if value not in {None, ""}})
    found = moment_page(rows, moment="latest_at", after=last_seen(request), limit=page_size(request))
    return page(request, found.items, deployment_json, found.next_after)


@endpoint(
    "POST",
    scope="deploy",
    request=shapes.DeploymentIn,
    response=DeploymentDetailOut,
    status=201,
    summary="Deploy a change",
)
def start_deployment(request: Request) -> Response:
    """Deploy a merged change to an environment; a pending one answers 409 with its number."""
    body = read(shapes.DeploymentIn, request)
    change = change_of(request, body["change"])
    row = deployments.start_deployment(caller(request), change=change, environment=body["environment"])
    return Response(deployment_detail(row), status=201)


@endpoint("GET", response=DeploymentDetailOut, summary="One deployment")
def show_deployment(request: Request, number: int) -> Response:
    """A deployment with attempts, steps and what it waits for."""
    return Response(deployment_detail(deployment_of(request, number)))


@endpoint(
    "GET",
    response=outputs.page_of(outputs.EventOut),
    summary="Numbered events",
    parameters=[query("after", "Only events behind this number.", int), LIMIT],
)
def list_events(request: Request, number: int) -> Response:
    """In order; ``next`` while there are more. Asking again with the last ``seq`` follows a running deployment."""
    row = deployment_of(request, number)
    limit = page_size(request, default=200, most=1000)
    events = row.events.filter(seq__gt=number_parameter(request, "after") or 0).order_by("seq")
    found = list(events[: limit + 1])
    return page(request, found[:limit], event_json, found[limit - 1].seq if len(found) > limit else None)


@endpoint("GET", summary="Raw log", media="text/plain")
def show_log(request: Request, number: int) -> Any:
    """The whole log as text, secrets masked."""
    row = deployment_of(request, number)
    is_wanted = request.method == "GET"
    response = StreamingHttpResponse(log_file(row)) if is_wanted else HttpResponse()
    response["Content-Type"] = "text/plain; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="deployment-{row.number}.log"'
    response["ETag"] = f'"{row.number}-{row.last_event}"'
    return response


@endpoint("POST", scope="deploy", request=shapes.EmptyIn, response=DeploymentDetailOut, status=202, summary="Start")
def start(request: Request, number: int) -> Response:
    """Start a deployment that waits for a person."""
    return Response(
        deployment_detail(deployments.release(caller(request), deployment=deployment_of(request, number))), status=202
    )


@endpoint("POST", scope="deploy", request=shapes.EmptyIn, response=DeploymentDetailOut, status=202, summary="Cancel")
def cancel(request: Request, number: int) -> Response:
    """Cancel; what was applied already stays applied and is named in the events."""
    return Response(
        deployment_detail(deployments.cancel(caller(request), deployment=deployment_of(request, number))), status=202
    )


@endpoint("POST", scope="deploy", request=shapes.RetryIn, response=DeploymentDetailOut, status=202, summary="Retry")
def retry(request: Request, number: int) -> Response:
    """A new attempt, from the first step or from ``from_step``, or with ``only_failed`` of what failed in the last run."""
    body = read(shapes.RetryIn, request)
    row = deployments.retry(caller(request), deployment=deployment_of(request, number), **body)
    return Response(deployment_detail(row), status=202)


@endpoint(
    "POST",
    scope="deploy",
    request=shapes.ResolveIn,
    response=DeploymentDetailOut,
    summary="Decide an unknown outcome",
)
def resolve(request: Request, number: int) -> Response:
    """A person says whether an unknown deployment ``succeeded`` or ``failed``, and why."""
    body = read(shapes.ResolveIn, request)
    return Response(
        deployment_detail(deployments.resolve(caller(request), deployment=deployment_of(request, number), **body))
    )


@endpoint(
    "GET",
    response=outputs.page_of(outputs.EnvironmentOut),
    summary="Environments",
    parameters=[query("repository", "By name."), AFTER, LIMIT],
)
def list_environments(request: Request) -> Response:
    """What runs where, in promotion order, repository by repository."""
    visible = Repository.objects.visible_to(caller(request))
    rows = Environment.objects.filter(repository__in=visible, defined=True)
    if request.query_params.get("repository"):
        rows = rows.filter(repository__name=request.query_params["repository"])
    limit = page_size(request, default=NAMES, most=1000)
    rows = _behind(rows, number_parameter(request, "after")).order_by("repository__name", "position", "name")
    found = list(rows.select_related("repository", "live_deployment__change").only(*ENVIRONMENT_COLUMNS)[: limit + 1])
    return page(request, found[:limit], environment_json, found[limit - 1].pk if len(found) > limit else None)


def _behind(rows: QuerySet[Environment], after: int | None) -> QuerySet[Environment]:
    """Those that come after the last row of the page before, in promotion order."""
    if after is None:
        return rows
    last = Environment.objects.select_related("repository").filter(pk=after).first()
    if last is None:
        raise InvalidInput("bad_after", BAD_AFTER, field="after")
    same = Q(repository=last.repository_id)
    later = Q(position__gt=last.position) | Q(position=last.position, name__gt=last.name)
    return rows.filter(Q(repository__name__gt=last.repository.name) | same & later)


@endpoint("PUT", scope="manage", request=shapes.SecretIn, response=SecretOut, summary="Set a secret")
def set_secret(request: Request, repository: str, environment: str, name: str) -> Response:
    """Give the steps of an environment, or its plans, a secret variable; it is never shown again."""
    row = environment_of(request, repository, environment)
    done = deployments.set_secret(caller(request), environment=row, name=name, **read(shapes.SecretIn, request))
    return Response({"name": name, "used_for": done.used_for})


@endpoint("DELETE", scope="manage", response=SecretOut, summary="Remove a secret",
          parameters=[query("used_for", "Which of two with this name: deploy, the default, or plan.")])  # fmt: skip
def remove_secret(request: Request, repository: str, environment: str, name: str) -> Response:
    """Take a secret variable away."""
    row = environment_of(request, repository, environment)
    used_for = request.query_params.get("used_for", "deploy")
    deployments.remove_secret(caller(request), environment=row, name=name, used_for=used_for)
    return Response({"name": name, "used_for": used_for})
