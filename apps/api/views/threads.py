"""Threads, and what a person has typed for them and not said yet."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs, shapes
from apps.api.answers import draft_json, thread_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, draft_of, thread_of
from apps.api.pages import page
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput
from apps.deployments import services as deployments
from apps.reviews import services as reviews
from apps.reviews.drafts import drafts_of
from apps.reviews.models import Thread
from apps.reviews.places import path_of


@endpoint("GET", response=outputs.page_of(outputs.ThreadOut), summary="Threads of a change")
def list_threads(request: Request, number: int) -> Response:
    """All threads with their comments."""
    rows = change_of(request, number).threads.select_related("revision").prefetch_related("comments__author")
    return page(request, rows, thread_json)


@endpoint(
    "POST", scope="propose", request=shapes.ThreadIn, response=outputs.ThreadOut, status=201, summary="Open a thread"
)
def open_thread(request: Request, number: int) -> Response:
    """On the change, a file, a line or a range of lines of a revision, or on what a locator names.

    A range goes from `start_line` to `line`. With `scope` `resource` the `locator` reads
    `environment/target · Kind/namespace/name`, with `plan` `environment/target · address.attribute`, with `log`
    `d-12 apply 1240`: a line that a deployment of this change printed.
    """
    change = change_of(request, number)
    body = _place_of(change, read(shapes.ThreadIn, request))
    if body["scope"] == Thread.Scope.LOG:
        row = deployments.comment_on_log(
            caller(request), change=change, locator=body["locator"], body=body["body"], kind=body["kind"]
        )
    else:
        row = reviews.open_thread(caller(request), change=change, **body)
    return Response(thread_json(row), status=201)


def _place_of(change: ChangeRequest, body: dict[str, Any]) -> dict[str, Any]:
    file = body.pop("file")
    body |= {"path": body["path"] or "", "scope": body["scope"] or ""}
    if file and body["path"]:
        raise InvalidInput("two_places", "Name the file by `file` or by `path`, not by both.", field="file")
    if file:
        body["path"] = path_of(change, body["revision"], file, body["side"])
    return body


@endpoint("POST", scope="propose", request=shapes.BodyIn, response=outputs.ThreadOut, status=201, summary="Reply")
def reply(request: Request, number: int, thread: int) -> Response:
    """Add a comment: of somebody else it answers an open thread, of the opener it opens an answered one."""
    row = thread_of(request, number, thread)
    reviews.reply(caller(request), thread=row, body=read(shapes.BodyIn, request)["body"])
    return Response(thread_json(row), status=201)


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ThreadOut, summary="Resolve a thread")
def resolve_thread(request: Request, number: int, thread: int) -> Response:
    """Say that a thread is settled."""
    return Response(thread_json(reviews.resolve_thread(caller(request), thread=thread_of(request, number, thread))))


@endpoint("POST", scope="propose", request=shapes.DropIn, response=outputs.ThreadOut, summary="Drop a thread")
def drop_thread(request: Request, number: int, thread: int) -> Response:
    """Say, with a reason, that what a thread asks for will not be done."""
    row = thread_of(request, number, thread)
    reason = read(shapes.DropIn, request)["reason"]
    return Response(thread_json(reviews.drop_thread(caller(request), thread=row, reason=reason)))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ThreadOut, summary="Reopen a thread")
def reopen_thread(request: Request, number: int, thread: int) -> Response:
    """Say that a thread is not settled after all."""
    return Response(thread_json(reviews.reopen_thread(caller(request), thread=thread_of(request, number, thread))))


@endpoint(
    "POST",
    scope="propose",
    request=shapes.SuggestionsIn,
    response=outputs.SuggestionCommitOut,
    status=201,
    summary="Apply suggestions",
)
def apply_suggestions(request: Request, number: int) -> Response:
    """One commit of the suggestions in these comments on the head of the named revision; it becomes a new revision.

    Who suggested and who applies them are contributors from then on: their approvals do not count for this change.
    409 when the branch moved or two suggestions touch the same lines; then none is applied.
    """
    body = read(shapes.SuggestionsIn, request)
    row = reviews.apply_suggestions(
        caller(request), change=change_of(request, number), comments=body["comments"], revision=body["revision"]
    )
    comments = list(row.comments.order_by("pk").values_list("pk", flat=True))
    answer = {"commit": row.commit, "onto": row.parent, "state": str(row.state), "comments": comments}
    return Response(answer, status=201)


@endpoint("GET", response=outputs.page_of(outputs.DraftOut), summary="Own drafts on a change")
def list_drafts(request: Request, number: int) -> Response:
    """What the caller has typed and not said yet. Drafts of others cannot be seen by anybody."""
    rows = drafts_of(caller(request), change_of(request, number)).select_related("revision", "thread")
    return page(request, rows, draft_json)


@endpoint(
    "POST",
    scope="propose",
    request=shapes.DraftIn,
    response=outputs.page_of(outputs.DraftOut),
    status=201,
    summary="Save a draft",
)
def save_draft(request: Request, number: int) -> Response:
    """Keep a text for a place, or as a reply in `thread`; one draft for each place, and empty text takes it away.

    `pending` drafts are said together with the caller's next review. The answer lists all drafts of the caller.
    """
    change = change_of(request, number)
    reviews.save_draft(caller(request), change=change, **_place_of(change, read(shapes.DraftIn, request)))
    answer = list_drafts(request, number=number)
    answer.status_code = 201
    return answer


@endpoint("DELETE", scope="propose", response=outputs.page_of(outputs.DraftOut), summary="Delete a draft")
def delete_draft(request: Request, number: int, draft: int) -> Response:
    """Take a draft of the caller away."""
    reviews.delete_draft(caller(request), draft=draft_of(request, number, draft))
    return list_drafts(request, number=number)
