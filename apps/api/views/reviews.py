"""Reviews, assignments, threads."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.services import TokenSession
from apps.api import outputs, shapes
from apps.api.answers import assignment_json, review_json, thread_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, person_named, thread_of
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


@endpoint("GET", response=outputs.page_of(outputs.ThreadOut), summary="Threads of a change")
def list_threads(request: Request, number: int) -> Response:
    """All threads with their comments."""
    rows = change_of(request, number).threads.select_related("revision").prefetch_related("comments__author")
    return page(request, rows, thread_json)


@endpoint(
    "POST", scope="propose", request=shapes.ThreadIn, response=outputs.ThreadOut, status=201, summary="Open a thread"
)
def open_thread(request: Request, number: int) -> Response:
    """On the change, or on a file or a line of a revision."""
    body = read(shapes.ThreadIn, request)
    body["path"] = body["path"] or ""
    row = reviews.open_thread(caller(request), change=change_of(request, number), **body)
    return Response(thread_json(row), status=201)


@endpoint("POST", scope="propose", request=shapes.BodyIn, response=outputs.ThreadOut, status=201, summary="Reply")
def reply(request: Request, number: int, thread: int) -> Response:
    """Add a comment to a thread."""
    row = thread_of(request, number, thread)
    reviews.reply(caller(request), thread=row, body=read(shapes.BodyIn, request)["body"])
    return Response(thread_json(row), status=201)


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ThreadOut, summary="Resolve a thread")
def resolve_thread(request: Request, number: int, thread: int) -> Response:
    """Say that a thread is settled."""
    return Response(thread_json(reviews.resolve_thread(caller(request), thread=thread_of(request, number, thread))))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ThreadOut, summary="Reopen a thread")
def reopen_thread(request: Request, number: int, thread: int) -> Response:
    """Say that a thread is not settled after all."""
    return Response(thread_json(reviews.reopen_thread(caller(request), thread=thread_of(request, number, thread))))
