"""The audit log."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import shapes
from apps.api.answers import audit_json
from apps.api.endpoints import endpoint
from apps.api.lookups import caller, number_parameter, page_size
from apps.presentation import audit_pages


@endpoint("GET", response=shapes.AnyOut(many=True), summary="Audit entries")
def list_entries(request: Request) -> Response:
    """Newest first; ``?actor=&action=&change=&repository=&environment=&from=&to=&q=``."""
    page = audit_pages.find_entries(
        caller(request),
        request.query_params.dict(),
        after=number_parameter(request, "after"),
        limit=page_size(request),
    )
    following = None
    if page.next_after is not None:
        parameters = request.query_params.copy()
        parameters["after"] = str(page.next_after)
        following = request.build_absolute_uri(f"?{parameters.urlencode()}")
    return Response({"results": [audit_json(row) for row in page.items], "next": following})
