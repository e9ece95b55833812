"""Change requests: from the backlog to the merge."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import shapes
from apps.api.answers import change_json, change_row_json, intent_json, revision_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, number_parameter, page_size, repository_named
from apps.changes import queries
from apps.changes import services as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import NotVisible
from apps.deployments import services as deployments
from apps.presentation import diff_json
from apps.reviews import queries as reviews

RELATED = ("repository", "requester", "owner", "revision", "rolls_back", "verdict_snapshot")


@endpoint("GET", response=shapes.AnyOut(many=True), summary="Changes")
def list_changes(request: Request) -> Response:
    """Newest first; ``?state=&repository=&q=``; ``next`` is the address of the following page."""
    page = queries.list_changes(
        caller(request),
        q=request.query_params.get("q", ""),
        state=request.query_params.get("state", ""),
        repository=request.query_params.get("repository", ""),
        after=number_parameter(request, "after"),
        limit=page_size(request, most=100),
    )
    following = None
    if page.next_after is not None:
        parameters = request.query_params.copy()
        parameters["after"] = str(page.next_after)
        following = request.build_absolute_uri(f"?{parameters.urlencode()}")
    return Response({"results": [change_row_json(row) for row in page.items], "next": following})


@endpoint("POST", scope="propose", request=shapes.ChangeIn, response=shapes.AnyOut, status=201, summary="Ask for a change")
def create_change(request: Request) -> Response:
    """From a branch: in review (or a draft). Without a branch: a request in the backlog."""
    body = read(shapes.ChangeIn, request)
    body["repository"] = repository_named(request, body["repository"])
    for name in ("source_branch", "target_branch"):
        body[name] = body[name] or ""
    row = changes.create_change(caller(request), **body)
    return Response(_detail(row), status=201)


@endpoint("GET", response=shapes.AnyOut, summary="One change")
def show_change(request: Request, number: int) -> Response:
    """The change with revisions, verdict, contributors, reviewers and deployments."""
    return Response(_detail(change_of(request, number)))


@endpoint("PATCH", scope="propose", request=shapes.ChangePatchIn, response=shapes.AnyOut, summary="Edit title and text")
def edit_change(request: Request, number: int) -> Response:
    """Change the title or the description; nothing else can be written this way."""
    body = read(shapes.ChangePatchIn, request)
    row = change_of(request, number)
    texts = {"title": row.title, "description": row.description} | body
    return Response(_detail(changes.edit_change(caller(request), change=row, **texts)))


@endpoint("POST", scope="propose", request=shapes.AttachIn, response=shapes.AnyOut, summary="Attach a branch")
def attach_branch(request: Request, number: int) -> Response:
    """Give a backlog request the branch on which it is written."""
    body = read(shapes.AttachIn, request)
    return Response(_detail(changes.attach_branch(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=shapes.AnyOut, summary="Mark ready for review")
def mark_ready(request: Request, number: int) -> Response:
    """A draft becomes in review."""
    return Response(_detail(changes.mark_ready(caller(request), change=change_of(request, number))))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=shapes.AnyOut, summary="Back to draft")
def back_to_draft(request: Request, number: int) -> Response:
    """Take a change out of review for a while."""
    return Response(_detail(changes.back_to_draft(caller(request), change=change_of(request, number))))


@endpoint("POST", scope="propose", request=shapes.RetargetIn, response=shapes.AnyOut, summary="Change the target branch")
def retarget(request: Request, number: int) -> Response:
    """Point the change at another branch; that is a new revision, judged by that branch's rules."""
    body = read(shapes.RetargetIn, request)
    return Response(_detail(changes.retarget(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="propose", request=shapes.ReasonIn, response=shapes.AnyOut, summary="Withdraw")
def withdraw(request: Request, number: int) -> Response:
    """Give the change up; it can be reopened."""
    body = read(shapes.ReasonIn, request)
    return Response(_detail(changes.withdraw(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=shapes.AnyOut, summary="Reopen")
def reopen(request: Request, number: int) -> Response:
    """Take a withdrawn change up again."""
    return Response(_detail(changes.reopen(caller(request), change=change_of(request, number))))


@endpoint("POST", scope="deploy", request=shapes.ReasonIn, response=shapes.AnyOut, summary="Close a merged change")
def close_change(request: Request, number: int) -> Response:
    """Say that nothing more is due, with the reason."""
    body = read(shapes.ReasonIn, request)
    return Response(_detail(changes.close_change(caller(request), change=change_of(request, number), **body)))


@endpoint("POST", scope="deploy", request=shapes.EmptyIn, response=shapes.AnyOut, status=202, summary="Merge and deploy")
def merge_change(request: Request, number: int) -> Response:
    """Merge exactly the reviewed result if the verdict allows it now; deployments follow by themselves."""
    intent = deployments.merge_change(caller(request), change=change_of(request, number))
    return Response(intent_json(intent), status=202)


@endpoint("GET", response=shapes.AnyOut, summary="Difference of a revision")
def show_diff(request: Request, number: int) -> Response:
    """``?from=base|r1…&to=r3&path=``: files with hunks and lines; default: target tip → merge result of the last one."""
    change = change_of(request, number)
    return Response(
        diff_json.diff_document(
            change,
            start=request.query_params.get("from", ""),
            end=request.query_params.get("to", ""),
            path=request.query_params.get("path", ""),
        )
    )


@endpoint("GET", response=shapes.AnyOut, summary="One revision")
def show_revision(request: Request, number: int, revision: int) -> Response:
    """An immutable revision."""
    row = change_of(request, number).revisions.filter(number=revision).first()
    if row is None:
        raise NotVisible("not_found", f"CHG-{number} has no revision r{revision}.")
    return Response(revision_json(row))


def _detail(change: ChangeRequest) -> dict[str, Any]:
    row = ChangeRequest.objects.select_related(*RELATED).get(pk=change.pk)
    return change_json(row, reviews.verdict_of(row).to_dict())
