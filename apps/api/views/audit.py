"""The audit log."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs, shapes
from apps.api.answers import audit_json, chain_json, checkpoint_json
from apps.api.endpoints import endpoint, query
from apps.api.lookups import caller
from apps.api.pages import AFTER, LIMIT, number_parameter, page, page_size
from apps.presentation import audit_pages
from apps.presentation.audit_chain import check_chain, published_log

FILTERS = [
    query("actor", "Who did it, by username."),
    query("action", "An action, or its beginning: `review`."),
    query("change", "A change: `42` or `CHG-42`."),
    query("repository", "By name."),
    query("environment", "By name."),
    query("from", "From this day or time on."),
    query("to", "Up to this day, or before this time."),
    query("q", "Part of the summary or target."),
]


@endpoint(
    "GET", response=outputs.page_of(outputs.AuditOut), summary="Audit entries", parameters=[*FILTERS, AFTER, LIMIT]
)
def list_entries(request: Request) -> Response:
    """Newest first, of the repositories in which the caller is auditor or maintainer; all for administrators."""
    found = audit_pages.find_entries(
        caller(request),
        request.query_params.dict(),
        after=number_parameter(request, "after"),
        limit=page_size(request),
    )
    return page(request, found.items, audit_json, found.next_after)


@endpoint("POST", request=shapes.EmptyIn, response=outputs.ChainOut, summary="Verify the chain")
def verify_chain(request: Request) -> Response:
    """Walk the whole log now. Everybody who may audit something may ask; it changes nothing."""
    audit_pages.entry_filter(caller(request), {})
    found = check_chain(caller(request))
    return Response(chain_json(found))


@endpoint("GET", response=outputs.CheckpointOut, summary="The published log")
def checkpoint(request: Request) -> Response:
    """How far the log is published in Git, with the signed checkpoint that an auditor compares with a clone."""
    audit_pages.entry_filter(caller(request), {})
    return Response(checkpoint_json(published_log()))
