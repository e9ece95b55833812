"""Decisions to merge, and what guards them."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import repository_json, time
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, repository_of
from apps.api.merging_outputs import ClaimsIn, ClaimsOut, FreezeOut, IntentOut, LiftIn, freeze_json, intent_json
from apps.api.outputs import page_of
from apps.api.pages import AFTER, LIMIT, number_parameter, page, page_size
from apps.core.paging import keyset_page
from apps.deployments import services as deployments
from apps.deployments.models import MergeIntent
from apps.deployments.queries import claim_refused_at, find_freeze, freezes_of
from apps.repositories import services as repositories
from apps.repositories.models import Repository


@endpoint("GET", response=page_of(IntentOut), summary="Decisions to merge a change", parameters=[AFTER, LIMIT])
def list_merges(request: Request, number: int) -> Response:
    """Newest first: what became of each, and why one waits or was given back."""
    rows = MergeIntent.objects.filter(change=change_of(request, number))
    rows = rows.select_related("change", "revision", "requested_by")
    found = keyset_page(rows, key="pk", after=number_parameter(request, "after"), limit=page_size(request))
    return page(request, found.items, intent_json, found.next_after)


@endpoint("GET", response=ClaimsOut, summary="Whether merges need a claim")
def show_claims(request: Request, name: str) -> Response:
    """A claim is a ref that the target repository keeps, so that no second portal does the same merge."""
    return Response(_claims(repository_of(request, name)))


@endpoint("PUT", scope="manage", request=ClaimsIn, response=ClaimsOut, summary="Choose whether merges need a claim")
def require_claims(request: Request, name: str) -> Response:
    """For maintainers of repositories whose host takes no refs outside `refs/heads`."""
    body = read(ClaimsIn, request)
    repository = repository_of(request, name)
    return Response(
        _claims(repositories.require_claims(caller(request), repository=repository, required=body["claims_required"]))
    )


@endpoint("GET", response=page_of(FreezeOut), summary="Frozen target branches", parameters=[AFTER, LIMIT])
def list_freezes(request: Request, name: str) -> Response:
    """Newest first, lifted ones too. Into a frozen branch nothing is merged, and nothing from it is started."""
    rows = freezes_of(repository_of(request, name))
    found = keyset_page(rows, key="pk", after=number_parameter(request, "after"), limit=page_size(request))
    return page(request, found.items, freeze_json, found.next_after)


@endpoint("POST", scope="manage", request=LiftIn, response=FreezeOut, summary="Lift the freeze of a branch")
def lift_freeze(request: Request, name: str, freeze: int) -> Response:
    """For maintainers, with what they found. What was found wrong stays undeployed."""
    body = read(LiftIn, request)
    row = find_freeze(caller(request), name, freeze)
    return Response(freeze_json(deployments.lift_freeze(caller(request), freeze=row, reason=body["reason"])))


def _claims(row: Repository) -> dict[str, object]:
    return repository_json(row) | {
        "claims_required": row.claims_required,
        "claim_refused_at": time(claim_refused_at(row)),
    }
