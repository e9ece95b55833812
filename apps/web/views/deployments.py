"""Deployments as pages: the list, the live page and the regions of it that are refreshed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from apps.core.clock import now
from apps.core.errors import NotVisible
from apps.core.paging import LastSeen
from apps.deployments import queries
from apps.presentation.deployment_events import events_body
from apps.presentation.deployment_list import Wanted, deployment_list
from apps.presentation.deployment_page import DeploymentPage, deployment_page, logs_of
from apps.presentation.log_file import log_file
from apps.presentation.log_filters import filters_of
from apps.presentation.log_pages import WHOLE, Look, piece_of
from apps.presentation.log_scan import LEVELS, search
from apps.presentation.log_threads import log_threads
from apps.reviews.access import can_comment
from apps.web.forms.deployments import Resolve
from apps.web.numbers import number_in
from apps.web.people import signed_in
from apps.web.responding import reads, respond

RESOURCES_SHOWN = 500


@reads
def deployment_rows(request: HttpRequest) -> HttpResponse:
    """The list; filters are in the address."""
    wanted = Wanted(
        state=request.GET.get("state", ""),
        repository=request.GET.get("repository", ""),
        environment=request.GET.get("environment", ""),
        change=request.GET.get("change", "")[:20],
        after=LastSeen.read(request.GET.get("after", "")),
    )
    context = {"page": deployment_list(signed_in(request), wanted)}
    return respond(request, "web/deployments/list.html", context, fragment="web/deployments/_list.html")


def _page(request: HttpRequest, number: int) -> DeploymentPage:
    attempt, before = number_in(request, "attempt"), number_in(request, "before") or 0
    return deployment_page(signed_in(request), number, attempt=attempt, before=before)


@reads
def show(request: HttpRequest, number: int) -> HttpResponse:
    """One deployment. The log is a picture at ``last_event``; the socket goes on behind it."""
    page = _page(request, number)
    context = _log_context(request, page) | {"resolve_form": Resolve(), "threads": log_threads(page.deployment)}
    return respond(request, "web/deployments/show.html", context)


def _log_context(request: HttpRequest, page: DeploymentPage) -> dict[str, Any]:
    """What the log takes, with its tools."""
    asked = _look(request)
    look = page.first_look if asked == WHOLE else asked
    return {
        "page": page,
        "logs": logs_of(page, look),
        "filters": filters_of(page, look),
        "search_steps": [step.name for step in page.steps],
        "filtered": look,
        "may_comment": can_comment(signed_in(request), page.deployment.change).allowed,
    }


def _look(request: HttpRequest) -> Look:
    show = request.GET.get("show", "")
    line = number_in(request, "line") or 0
    return Look(show if show in LEVELS else "", request.GET.get("step", ""), line)


@reads
def search_log(request: HttpRequest, number: int) -> HttpResponse:
    """Lines that hold ``?q=``, in ``?step=`` or in every step of the attempt: a page, and the list for htmx."""
    row = queries.find(signed_in(request), number)
    step, start = request.GET.get("step", ""), number_in(request, "from") or 1
    attempt = number_in(request, "attempt") or row.attempts or 1
    found = search(row, request.GET.get("q", ""), attempt=attempt, step=step, start=start)
    context = {
        "deployment": row,
        "found": found,
        "step": step,
        "start": start,
        "attempt": attempt,
        "search_steps": [one.name for one in queries.steps_of(row, attempt=attempt)],
    }
    return respond(request, "web/deployments/search.html", context, fragment="web/deployments/_found.html")


@reads
def header(request: HttpRequest, number: int) -> HttpResponse:
    return _region(request, number, "web/deployments/_header.html")


@reads
def steps(request: HttpRequest, number: int) -> HttpResponse:
    return _region(request, number, "web/deployments/_steps.html")


@reads
def log_list(request: HttpRequest, number: int) -> HttpResponse:
    """The log of the newest attempt: a page that is open asks for it when another attempt begins."""
    partial = "web/deployments/_log.html"
    context = _log_context(request, _page(request, number)) | {"region": partial}
    return respond(request, "web/deployments/region.html", context, fragment=partial)


@reads
def event_list(request: HttpRequest, number: int) -> HttpResponse:
    """The newest with the resources; those before ``?before=``, a number, are a page of their own."""
    return _region(request, number, "web/deployments/_events.html")


def _region(request: HttpRequest, number: int, partial: str) -> HttpResponse:
    """The partial for htmx; opened by itself it is a small page around the same partial."""
    context: dict[str, Any] = {"page": _page(request, number), "region": partial, "resolve_form": Resolve()}
    return respond(request, "web/deployments/region.html", context, fragment=partial)


@reads
def resource_list(request: HttpRequest, number: int) -> HttpResponse:
    """All that the system that deploys told of, :data:`RESOURCES_SHOWN` on a page."""
    page, first = _page(request, number), number_in(request, "first") or 1
    rows = page.resources[first - 1 : first - 1 + RESOURCES_SHOWN] if first else ()
    last = first - 1 + len(rows)
    context = {"page": page, "rows": rows, "first": first, "last": last,
               "next_first": last + 1 if rows and last < len(page.resources) else 0}  # fmt: skip
    return respond(request, "web/deployments/resources.html", context)


@reads
def log_piece(request: HttpRequest, number: int) -> HttpResponse:
    """Lines out of the middle of a step's log: rows for the page, or a page of their own."""
    row = queries.find(signed_in(request), number)
    first, last = number_in(request, "from"), number_in(request, "to")
    if not first or not last or last < first:
        raise NotVisible("no_such_lines", f"{row.label} has no such lines.")
    step = request.GET.get("step", "")
    attempt = number_in(request, "attempt") or 1
    show, around = _look(request).show, number_in(request, "around") or 0
    piece = piece_of(row, step=step, attempt=attempt, first=first, last=last, show=show, around=around)
    context = {"deployment": row, "piece": piece, "step": step, "attempt": attempt, "first": around or first}
    return respond(request, "web/deployments/log_piece.html", context, fragment="web/deployments/_log_piece.html")


@reads
def events(request: HttpRequest, number: int) -> HttpResponse:
    """Events behind ``?after=`` as JSON: what a page asks for when no socket can be had."""
    row = queries.find(signed_in(request), number)
    after = number_in(request, "after") or 0
    body = events_body(row.pk, after) or {"type": "beat", "seq": after}
    response = JsonResponse({**body, "now": now().isoformat()})
    response["Cache-Control"] = "no-store"
    return response


@reads
def raw_log(request: HttpRequest, number: int) -> StreamingHttpResponse:
    """The log as it is kept, as text, secrets masked; of one step and attempt when named."""
    row = queries.find(signed_in(request), number)
    attempt = number_in(request, "attempt")
    text = log_file(row, step=request.GET.get("step", ""), attempt=attempt)
    response = StreamingHttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{row.label}.log"'
    response["Cache-Control"] = "private, no-cache"
    return response
