"""Reviews and assignments."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.services import TokenSession
from apps.api import outputs, shapes
from apps.api.answers import assignment_json, review_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, person_named
from apps.api.pages import page
from apps.reviews import services as reviews


@endpoint(
    "POST", scope="review", request=shapes.ReviewIn, response=outputs.ReviewOut, status=201, summary="Review a revision"
)
def submit_review(request: Request, number: int) -> Response:
    """Approve, request changes or comment; bound to the revision that the caller names."""
    body = read(shapes.ReviewIn, request)
    body["environment"] = body["environment"] or ""
    via = "token" if isinstance(request.auth, TokenSession) else "page"
    row = reviews.submit_review(caller(request), change=change_of(request, number), via=via, **body)
    return Response(review_json(row), status=201)


@endpoint("GET", response=outputs.page_of(outputs.ReviewOut), summary="Reviews of a change")
def list_reviews(request: Request, number: int) -> Response:
    """All reviews, oldest first."""
    rows = change_of(request, number).reviews.select_related("reviewer", "revision")
    return page(request, rows, review_json)


@endpoint(
    "POST",
    scope="propose",
    request=shapes.AssignmentIn,
    response=outputs.AssignmentOut,
    status=201,
    summary="Ask a person",
)
def assign(request: Request, number: int) -> Response:
    """Ask somebody to write a backlog request, or to review a change."""
    body = read(shapes.AssignmentIn, request)
    user = person_named(body["user"])
    row = reviews.assign(caller(request), change=change_of(request, number), user=user, reason=body["reason"])
    return Response(assignment_json(row), status=201)


@endpoint("GET", response=outputs.page_of(outputs.AssignmentOut), summary="Who is asked")
def list_assignments(request: Request, number: int) -> Response:
    """Everybody who is asked for something on this change, with the reason."""
    rows = change_of(request, number).assignments.filter(ended_at=None).select_related("user")
    return page(request, rows, assignment_json)


@endpoint("DELETE", scope="propose", response=outputs.page_of(outputs.AssignmentOut), summary="No longer ask a person")
def unassign(request: Request, number: int, username: str) -> Response:
    """Take back that somebody was asked."""
    reviews.unassign(caller(request), change=change_of(request, number), user=person_named(username))
    return list_assignments(request, number=number)
