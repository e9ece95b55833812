"""Discussing a change."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.changes import queries as changes
from apps.core.errors import InvalidInput, NotVisible
from apps.reviews import services
from apps.reviews.models import Thread
from apps.web.forms.reviews import OpenThread, Reply
from apps.web.once import act_once
from apps.web.people import signed_in
from apps.web.responding import see_other, writes


def _require(form: OpenThread | Reply) -> dict[str, object]:
    """The checked values, or a refusal that names the first problem; the error page keeps the text."""
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        raise InvalidInput("bad_form", f"{field.capitalize()}: {problems[0]}", field=field)
    return dict(form.cleaned_data)


def _find(request: HttpRequest, number: int, thread: int) -> Thread:
    change = changes.find(signed_in(request), number)
    found = (
        Thread.objects.filter(change=change, number=thread).select_related("change__repository", "created_by").first()
    )
    if found is None:
        raise NotVisible("unknown_thread", f"CHG-{number} has no thread {thread}.")
    return found


def _place(number: int, thread: int) -> str:
    return f"/changes/{number}/#thread-{thread}"


@writes
def open_one(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    change = changes.find(user, number)
    data = _require(OpenThread(request.POST))

    def act() -> str:
        opened = services.open_thread(
            user,
            change=change,
            body=str(data["body"]),
            kind=str(data["kind"] or Thread.Kind.COMMENT),
            path=str(data["path"] or ""),
            line=data["line"],  # type: ignore[arg-type]  # IntegerField: int or None
            side=str(data["side"] or "new"),
            revision=data["revision"],  # type: ignore[arg-type]  # IntegerField: int or None
        )
        return _place(number, opened.number)

    return see_other(request, act_once(request, act), "Your comment is there.")


@writes
def reply(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    user = signed_in(request)
    found = _find(request, number, thread)
    data = _require(Reply(request.POST))

    def act() -> str:
        services.reply(user, thread=found, body=str(data["body"]))
        return _place(number, thread)

    return see_other(request, act_once(request, act), "Your reply is there.")


@writes
def resolve(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    return _move(request, number, thread, services.resolve_thread, "resolved")


@writes
def reopen(request: HttpRequest, number: int, thread: int) -> HttpResponse:
    return _move(request, number, thread, services.reopen_thread, "open again")


def _move(request: HttpRequest, number: int, thread: int, move: Callable[..., Thread], word: str) -> HttpResponse:
    move(signed_in(request), thread=_find(request, number, thread))
    return see_other(request, _place(number, thread), f"Thread {thread} is {word}.")
