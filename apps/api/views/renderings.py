"""The effect of a change: renderings of its present revision."""

from __future__ import annotations

import json

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import rendering_outputs as shapes
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of
from apps.api.outputs import page_of
from apps.api.pages import page
from apps.changes import services as changes
from apps.changes.effects.reading import difference_of
from apps.changes.models import Rendering
from apps.core.errors import NotVisible
from apps.reviews import services as reviews


@endpoint("GET", response=page_of(shapes.RenderingOut), summary="What a change does, by target")
def list_renderings(request: Request, number: int) -> Response:
    """Every target that the present revision reaches, with its state, counts and digest."""
    change = change_of(request, number)
    rows = Rendering.objects.filter(revision=change.revision_id).defer("document").select_related("revision")
    return page(request, rows, shapes.rendering_json)


@endpoint("GET", response=shapes.RenderingDetailOut, summary="What a change does to one target")
def show_rendering(request: Request, number: int, environment: str, target: str) -> Response:
    """Every resource with its fields, before and after. Secrets are fingerprints."""
    change = change_of(request, number)
    rows = Rendering.objects.filter(revision=change.revision_id, environment=environment, target=target)
    row = rows.select_related("revision").first()
    if row is None:
        raise NotVisible("not_found", f"CHG-{number} reaches no target {environment}/{target}.")
    return Response(shapes.detail_json(row, difference_of(row)))


@endpoint("POST", scope="propose", request=shapes.TargetIn, response=shapes.RenderingOut, status=202,
          summary="Render a target again")  # fmt: skip
def render_again(request: Request, number: int) -> Response:
    """After a failure or a cancellation, or to look twice."""
    body = read(shapes.TargetIn, request)
    row = changes.render_again(caller(request), change=change_of(request, number), **body)
    return Response(shapes.rendering_json(row), status=202)


@endpoint("POST", scope="propose", request=shapes.TargetIn, response=shapes.RenderingOut, summary="Cancel a rendering")
def cancel_rendering(request: Request, number: int) -> Response:
    """Its effect is then not known, and the verdict says so."""
    body = read(shapes.TargetIn, request)
    row = changes.cancel_rendering(caller(request), change=change_of(request, number), **body)
    return Response(shapes.rendering_json(row))


@endpoint("POST", scope="propose", request=shapes.PlanIn, response=shapes.RenderingOut, summary="Hand in a plan")
def hand_in_plan(request: Request, number: int) -> Response:
    """The plan of your pipeline for one Terraform target of the present revision."""
    body = read(shapes.PlanIn, request)
    body["plan"] = json.dumps(body["plan"]).encode()
    row = changes.hand_in_plan(caller(request), change=change_of(request, number), **body)
    return Response(shapes.rendering_json(row))


@endpoint("POST", scope="review", request=shapes.SeenIn, response=shapes.SeenOut, summary="Mark a resource as seen")
def mark_resource_seen(request: Request, number: int) -> Response:
    """Yours alone; a rule can ask for it. `seen: false` takes the mark back."""
    body = read(shapes.SeenIn, request)
    reviews.mark_resource_seen(caller(request), change=change_of(request, number), **body)
    return Response(body)
