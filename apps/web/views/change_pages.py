"""The overview of a change and the regions of it that are refreshed live: same partial, own address."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.presentation import overview as pages
from apps.presentation.change_frame import change_frame
from apps.presentation.discussion import discussion
from apps.presentation.reviewers import reviewers_panel
from apps.presentation.revision_bar import reviewed_before
from apps.presentation.thread_bars import bars_html
from apps.reviews import queries as reviews
from apps.web.once import new_key
from apps.web.people import signed_in
from apps.web.responding import reads, respond


@reads
def overview(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    frame = change_frame(user, number)
    context = {
        "frame": frame,
        "page": pages.overview(frame.change),
        "since": reviewed_before(user, frame.change) if frame.facts.status == "in_review" else None,
        "idempotency_key": new_key(),
        **_verdict(frame.change),
        **_reviewers(user, frame.change),
        **_threads(request, user, frame.change),
    }
    return respond(request, "web/changes/overview.html", context)


def _verdict(change: ChangeRequest) -> dict[str, Any]:
    return {"verdict": reviews.verdict_of(change), "change": change}


def _reviewers(user: User, change: ChangeRequest) -> dict[str, Any]:
    return {"panel": reviewers_panel(user, change), "change": change}


def _threads(request: HttpRequest, user: User, change: ChangeRequest) -> dict[str, Any]:
    found = discussion(user, change, request.GET.get("show", ""))
    context = {"change": change, "csrf_token": get_token(request)}
    bars = bars_html(found.bars, number=change.number, context=context)
    return {"discussion": found, "bars": bars, "change": change}


@reads
def header(request: HttpRequest, number: int) -> HttpResponse:
    tab = request.GET.get("tab", "overview")
    context = {"frame": change_frame(signed_in(request), number, tab=tab)}
    return respond(
        request,
        "web/changes/region.html",
        {**context, "region": "web/changes/_header.html"},
        fragment="web/changes/_header.html",
    )


@reads
def verdict(request: HttpRequest, number: int) -> HttpResponse:
    change = changes.find(signed_in(request), number)
    return _region(request, "web/changes/_verdict.html", _verdict(change))


@reads
def reviewers(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    return _region(request, "web/changes/_reviewers.html", _reviewers(user, changes.find(user, number)))


@reads
def threads(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    context = _threads(request, user, changes.find(user, number))
    return _region(request, "web/changes/_threads.html", {**context, "idempotency_key": new_key()})


def _region(request: HttpRequest, partial: str, context: dict[str, Any]) -> HttpResponse:
    """The partial for htmx; whole, it is a small page around the same partial."""
    return respond(request, "web/changes/region.html", {**context, "region": partial}, fragment=partial)
