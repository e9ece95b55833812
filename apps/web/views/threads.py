"""Discussing a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput, NotVisible
from apps.deployments import services as deployments
from apps.presentation.discussion import talk_of
from apps.reviews import services
from apps.reviews.models import Thread
from apps.reviews.places import path_of
from apps.web.forms.reviews import Drop, OpenThread, Reply
from apps.web.once import act_once
from apps.web.people import signed_in
from apps.web.responding import reads, respond, see_other, wants_fragment, writes

PLACE = ("path", "line", "start_line", "side", "scope", "locator", "revision")


def checked(form: forms.Form) -> dict[str, Any]:
    """The checked values, or a refusal that names the first problem; the error page keeps the text."""
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        raise InvalidInput("bad_form", f"{field.capitalize()}: {problems[0]}", field=field)
    return dict(form.cleaned_data)


def place_in(change: ChangeRequest, data: dict[str, Any]) -> dict[str, Any]:
    """The fields of a form that name a place, as the services take them; the id of a file counts before a typed path."""
    found = {name: data.get(name) for name in PLACE}
    side = found["side"] or "new"
    texts = {name: found[name] or "" for name in ("path", "scope", "locator")}
    if data.get("file"):
        texts["path"] = path_of(change, found["revision"], data["file"], side)
    return found | texts | {"side": side}


def find_thread(user: User, number: int, thread: int) -> Thread:
    """The thread with this number of a change that ``user`` may see."""
    change = changes.find(user, number)
    found = Thread.objects.filter(change=change, number=thread).select_related("change__repository", "created_by")
    row = found.select_related("change__revision", "revision", "resolved_by").first()
    if row is None:
        raise NotVisible("unknown_thread", f"CHG-{number} has no thread {thread}.")
    return row


def finished(request: HttpRequest, number: int, url: str, message: str) -> HttpResponse:
    """Back to where the form stood: the same change's page, or the thread. A script asks for what is new itself."""
    if wants_fragment(request):
        return HttpResponse(status=204)
    back = urlsplit(request.POST.get("back", ""))
    fragment = urlsplit(url).fragment
    if back.path == f"/changes/{number}/diff/" and not back.netloc:
        url = f"{back.path}?{back.query}#{fragment}"
    if back.path in (f"/changes/{number}/rendered/", f"/changes/{number}/plan/") and not back.netloc:
        url = f"{back.path}#effect-threads"
    return see_other(request, url, message)


def _place(number: int, thread: int) -> str:
    return f"/changes/{number}/#thread-{thread}"


@reads
def show(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    """One thread with all its comments: a page, or the region that a bar shows when it is opened."""
    user = signed_in(request)
    row = find_thread(user, number, thread)
    partial = "web/changes/_thread.html"
    context = {"talk": talk_of(user, row), "change": row.change, "region": partial}
    return respond(request, "web/changes/thread.html", context, fragment=partial)


@writes
def open_one(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    change = changes.find(user, number)
    data = checked(OpenThread(request.POST))
    url = act_once(request, lambda: _place(number, _opened(user, change, data).number))
    return finished(request, number, url, "Your comment is there.")


def _opened(user: User, change: ChangeRequest, data: dict[str, Any]) -> Thread:
    kind = str(data["kind"] or Thread.Kind.COMMENT)
    if data["scope"] == Thread.Scope.LOG:
        return deployments.comment_on_log(user, change=change, locator=data["locator"], body=data["body"], kind=kind)
    return services.open_thread(user, change=change, body=data["body"], kind=kind, **place_in(change, data))


@writes
def reply(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    user = signed_in(request)
    found = find_thread(user, number, thread)
    data = checked(Reply(request.POST))

    def act() -> str:
        services.reply(user, thread=found, body=data["body"])
        return _place(number, thread)

    return finished(request, number, act_once(request, act), "Your reply is there.")


@writes
def resolve(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    return _move(request, number, thread, services.resolve_thread, "resolved")


@writes
def drop(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    user = signed_in(request)
    found = find_thread(user, number, thread)
    services.drop_thread(user, thread=found, reason=checked(Drop(request.POST))["reason"])
    return finished(request, number, _place(number, thread), f"Thread {thread} is dropped.")


@writes
def reopen(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    return _move(request, number, thread, services.reopen_thread, "open again")


def _move(request: HttpRequest, number: int, thread: int, move: Callable[..., Thread], word: str) -> HttpResponse:
    user = signed_in(request)
    move(user, thread=find_thread(user, number, thread))
    return finished(request, number, _place(number, thread), f"Thread {thread} is {word}.")
