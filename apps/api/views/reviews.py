"""Reviews and assignments."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.services import TokenSession
from apps.api import outputs, shapes
from apps.api.answers import assignment_json, review_json, viewed_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, person_named
from apps.api.pages import page
from apps.api.review_outputs import ViewedOut
from apps.changes.models import ChangeRequest, Revision
from apps.core.errors import NotVisible
from apps.reviews import services as reviews
from apps.reviews.marks import revision_marks


@endpoint(
    "POST",
    scope="review",
    request=shapes.ReviewIn,
    response=outputs.ReviewOut,
    status=201,
    summary="Review a revision",
    whole=True,
)
def submit_review(request: Request, number: int) -> Response:
    """Approve, request changes or comment; bound to the revision that the caller names."""
    body = read(shapes.ReviewIn, request)
    body["environment"] = body["environment"] or ""
    via = "token" if isinstance(request.auth, TokenSession) else "page"
    row = reviews.submit_review(caller(request), change=change_of(request, number), via=via, **body)
    return Response(review_json(row), status=201)


@endpoint(
    "POST",
    scope="review",
    request=shapes.EmptyIn,
    response=outputs.ReviewOut,
    summary="Withdraw a verdict of one's own",
)
def withdraw_review(request: Request, number: int, review: int) -> Response:
    """It does not count from then on, and stays on record as withdrawn; possible until merging."""
    return Response(
        review_json(reviews.withdraw_review(caller(request), change=change_of(request, number), review=review))
    )


@endpoint("GET", response=ViewedOut, summary="Files that you have viewed")
def list_viewed(request: Request, number: int) -> Response:
    """Your own marks on the files of the present revision; nobody else's are ever shown."""
    user, change = caller(request), change_of(request, number)
    return Response(viewed_json(change, revision_marks(user, change, _present(change))))


@endpoint("POST", scope="review", request=shapes.ViewedIn, response=ViewedOut, summary="Mark files as viewed")
def mark_viewed(request: Request, number: int) -> Response:
    """Many files at once (one entry of the audit log); `viewed: false` takes the marks back."""
    user, change = caller(request), change_of(request, number)
    return Response(viewed_json(change, reviews.mark_viewed(user, change=change, **read(shapes.ViewedIn, request))))


@endpoint("PUT", scope="review", request=shapes.ViewedFileIn, response=ViewedOut, summary="Mark a file as viewed")
def mark_file_viewed(request: Request, number: int, file: str) -> Response:
    """With exactly the content that it has in the revision that you name."""
    user, change = caller(request), change_of(request, number)
    body = read(shapes.ViewedFileIn, request)
    return Response(viewed_json(change, reviews.mark_viewed(user, change=change, files=[file], **body)))


@endpoint("DELETE", scope="review", response=ViewedOut, summary="Take back that a file was viewed")
def unmark_file(request: Request, number: int, file: str) -> Response:
    """Of the present revision; marks on earlier contents of the file go too."""
    user, change = caller(request), change_of(request, number)
    place = _present(change)
    marks = reviews.mark_viewed(user, change=change, revision=place.number, files=[file], viewed=False)
    return Response(viewed_json(change, marks))


def _present(change: ChangeRequest) -> Revision:
    if change.revision is None:
        raise NotVisible("no_revision", f"{change.label} has no code yet, so there are no files.")
    return change.revision


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
