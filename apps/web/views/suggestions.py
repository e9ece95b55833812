"""Applying suggestions: one by its button, several together on a page of their own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.presentation.change_frame import change_frame
from apps.presentation.suggestion_batch import suggestion_batch
from apps.reviews import services
from apps.web.forms.reviews import Suggestions
from apps.web.once import act_once
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other
from apps.web.views.threads import checked


@page("GET", "HEAD", "POST")
def suggestions(request: HttpRequest, number: int) -> HttpResponse:
    """GET: all suggestions that can be applied, to be ticked. POST: make one commit of those named by ``comment``."""
    user = signed_in(request)
    if request.method == "POST":
        return _apply(request, user, number)
    frame = change_frame(user, number)
    batch = suggestion_batch(user, frame.change, _numbers(request.GET.getlist("pick")))
    return respond(request, "web/changes/suggestions.html", {"frame": frame, "batch": batch, "change": frame.change})


def _apply(request: HttpRequest, user: User, number: int) -> HttpResponse:
    change = changes.find(user, number)
    revision = checked(Suggestions(request.POST))["revision"]
    chosen = sorted(_numbers(request.POST.getlist("comment")))

    def act() -> str:
        services.apply_suggestions(user, change=change, comments=chosen, revision=revision)
        return f"/changes/{number}/diff/"

    return see_other(request, act_once(request, act), "Applied: the suggestions are a commit on the branch now.")


def _numbers(given: list[str]) -> frozenset[int]:
    return frozenset(int(text) for text in given if text.isascii() and text.isdigit() and len(text) < 10)
