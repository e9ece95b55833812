"""Change requests: from the backlog to the merge."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs, shapes
from apps.api.answers import change_json, change_row_json, revision_json
from apps.api.diff_outputs import DiffOut
from apps.api.endpoints import endpoint, query, read
from apps.api.inverse_outputs import InverseOut, inverse_json
from apps.api.lookups import caller, change_of, repository_of
from apps.api.merging_outputs import IntentOut, intent_json
from apps.api.overlap_outputs import OverlapsOut, overlap_json
from apps.api.pages import AFTER, LIMIT, number_parameter, page, page_size, word_parameter
from apps.changes import queries
from apps.changes import services as changes
from apps.changes.inverse_words import going_back
from apps.changes.models import ChangeRequest
from apps.changes.overlaps import overlaps_of
from apps.changes.search import STATES
from apps.core.errors import NotVisible
from apps.deployments import services as deployments
from apps.presentation import diff_json
from apps.presentation.diff_sides import sides_of
from apps.reviews import queries as reviews

RELATED = ("repository", "requester", "owner", "revision", "rolls_back", "verdict_snapshot")


@endpoint(
    "GET",
    response=outputs.page_of(outputs.ChangeRowOut),
    summary="Changes",
    parameters=[
        query("state", f"One of {', '.join(sorted(STATES))}."),
        query("repository", "By name."),
        query("q", 'As the search field of the page: `state:open owner:me "free text"`.'),
        AFTER,
        LIMIT,
    ],
)
def list_changes(request: Request) -> Response:
    """Newest first; ``next`` is the address of the following page."""
    found = queries.list_changes(
        caller(request),
        q=request.query_params.get("q", ""),
        state=word_parameter(request, "state", STATES),
        repository=request.query_params.get("repository", ""),
        after=number_parameter(request, "after"),
        limit=page_size(request, most=100),
    )
    return page(request, found.items, change_row_json, found.next_after)


@endpoint(
    "POST", scope="propose", request=shapes.ChangeIn, response=outputs.ChangeOut, status=201, summary="Ask for a change"
)
def create_change(request: Request) -> Response:
    """From a branch: in review (or a draft). Without a branch: a request in the backlog."""
    body = read(shapes.ChangeIn, request)
    body["repository"] = repository_of(request, body["repository"])
    for name in ("source_branch", "target_branch"):
        body[name] = body[name] or ""
    row = changes.create_change(caller(request), **body)
    return Response(_detail(row), status=201)


@endpoint("GET", response=outputs.ChangeOut, summary="One change")
def show_change(request: Request, number: int) -> Response:
    """The change with revisions, verdict, contributors, reviewers and deployments."""
    return Response(_detail(change_of(request, number)))


@endpoint(
    "PATCH", scope="propose", request=shapes.ChangePatchIn, response=outputs.ChangeOut, summary="Edit title and text"
)
def edit_change(request: Request, number: int) -> Response:
    """Change the title or the description; nothing else can be written this way."""
    body = read(shapes.ChangePatchIn, request)
    row = change_of(request, number)
    texts = {"title": row.title, "description": row.description} | body
    return Response(_detail(changes.edit_change(caller(request), change=row, **texts)))


@endpoint("POST", scope="propose", request=shapes.AttachIn, response=outputs.ChangeOut, summary="Attach a branch")
def attach_branch(request: Request, number: int) -> Response:
    """Give a backlog request the branch on which it is written."""
    body = read(shapes.AttachIn, request)
    return Response(_detail(changes.attach_branch(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ChangeOut, summary="Mark ready for review")
def mark_ready(request: Request, number: int) -> Response:
    """A draft becomes in review."""
    return Response(_detail(changes.mark_ready(caller(request), change=change_of(request, number))))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ChangeOut, summary="Back to draft")
def back_to_draft(request: Request, number: int) -> Response:
    """Take a change out of review for a while."""
    return Response(_detail(changes.back_to_draft(caller(request), change=change_of(request, number))))


@endpoint(
    "POST", scope="propose", request=shapes.RetargetIn, response=outputs.ChangeOut, summary="Change the target branch"
)
def retarget(request: Request, number: int) -> Response:
    """Point the change at another branch; that is a new revision, judged by that branch's rules."""
    body = read(shapes.RetargetIn, request)
    return Response(_detail(changes.retarget(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="propose", request=shapes.ReasonIn, response=outputs.ChangeOut, summary="Withdraw")
def withdraw(request: Request, number: int) -> Response:
    """Give the change up; it can be reopened."""
    body = read(shapes.ReasonIn, request)
    return Response(_detail(changes.withdraw(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=outputs.ChangeOut, summary="Reopen")
def reopen(request: Request, number: int) -> Response:
    """Take a withdrawn change up again."""
    return Response(_detail(changes.reopen(caller(request), change=change_of(request, number))))


@endpoint("POST", scope="deploy", request=shapes.ReasonIn, response=outputs.ChangeOut, summary="Close a merged change")
def close_change(request: Request, number: int) -> Response:
    """Say that nothing more is due, with the reason."""
    body = read(shapes.ReasonIn, request)
    return Response(_detail(changes.close_change(caller(request), change=change_of(request, number), **body)))


@endpoint(
    "POST",
    scope="deploy",
    request=shapes.EmptyIn,
    response=IntentOut,
    status=202,
    summary="Merge and deploy",
    whole=True,
)
def merge_change(request: Request, number: int) -> Response:
    """Merge exactly the reviewed result if the verdict allows it now; deployments follow by themselves."""
    intent = deployments.merge_change(caller(request), change=change_of(request, number))
    return Response(intent_json(intent), status=202)


@endpoint("POST", scope="review", request=shapes.EmptyIn, response=IntentOut, summary="Abort a merge")
def abort_merge(request: Request, number: int) -> Response:
    """Before it is pushed; later answers 409 `too_late`. For who may merge, and for reviewers."""
    return Response(intent_json(deployments.abort_merge(caller(request), change=change_of(request, number))))


@endpoint(
    "GET",
    response=DiffOut,
    summary="Difference of a revision",
    parameters=[
        query("from", "`base` (default), another revision: `r1`, or `mine`: the one that you reviewed last."),
        query("to", "A revision: `r3`; default the last one."),
        query("upstream", "`1`: of two revisions, what only upstream changed instead of what the author changed."),
        query("path", "Only this file."),
        query("whitespace", "`ignore` leaves out what differs only in white space; a review needs the whole."),
    ],
)
def show_diff(request: Request, number: int) -> Response:
    """Files with hunks and lines; by default target tip → merge result of the last revision.

    Between two revisions: what the author changed. ``comparison`` counts what only upstream changed.
    """
    change = change_of(request, number)
    asked = request.query_params
    sides = sides_of(
        change,
        asked.get("from", ""),
        asked.get("to", ""),
        upstream=asked.get("upstream") == "1",
        viewer=caller(request),
        ignore_space=asked.get("whitespace") == "ignore",
    )
    return Response(diff_json.diff_document(change, sides, path=asked.get("path", "")))


@endpoint("GET", response=outputs.RevisionOut, summary="One revision")
def show_revision(request: Request, number: int, revision: int) -> Response:
    """An immutable revision."""
    row = change_of(request, number).revisions.filter(number=revision).first()
    if row is None:
        raise NotVisible("not_found", f"CHG-{number} has no revision r{revision}.")
    return Response(revision_json(row))


def _detail(change: ChangeRequest) -> dict[str, Any]:
    row = ChangeRequest.objects.select_related(*RELATED).get(pk=change.pk)
    return change_json(row, reviews.verdict_of(row).to_dict())


@endpoint("GET", response=OverlapsOut, summary="Other open changes that touch the same")
def list_overlaps(request: Request, number: int) -> Response:
    """Resources or paths that other open changes touch too, and whether the order in which they are merged matters."""
    return Response({"results": [overlap_json(found) for found in overlaps_of(change_of(request, number))]})


@endpoint("GET", response=InverseOut, summary="How it would be undone")
def show_inverse(request: Request, number: int) -> Response:
    """Whether the present revision can be taken back on its target branch, and what would not come back."""
    return Response(inverse_json(going_back(change_of(request, number))))
