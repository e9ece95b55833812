"""Moving turns: hand over and snooze, for one change or for all that are ticked; claim, give back, settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import available_timezones

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput, PortalError
from apps.presentation.choices import people_of
from apps.reviews import services
from apps.web.forms.attention import HandOver, Snooze
from apps.web.forms.base import attempt
from apps.web.once import act_once, new_key
from apps.web.people import named, signed_in
from apps.web.responding import page, respond, see_other, writes

QUEUE = "/queue/"
MOST = 100
"""Changes of one form."""
Act = Callable[[ChangeRequest], object]


@page("GET", "HEAD", "POST")
def hand_over(request: HttpRequest) -> HttpResponse:
    """The form for the changes that the address names; sent, each change is judged by itself."""
    user = signed_in(request)
    chosen = _chosen(request, user)
    form = HandOver(request.POST if request.method == "POST" else None, initial={"idempotency_key": new_key()})
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _hand_over_all(request, user, chosen, form)))
        if url:
            return see_other(request, url)
        status = 422
    people = people_of(chosen[0].number) if chosen else []
    return _form(request, form, chosen, "Hand over", "hand_over", status, people=[one for one in people if one != user])


@page("GET", "HEAD", "POST")
def snooze(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    chosen = _chosen(request, user)
    zone = zone_of(request)
    form = Snooze(
        request.POST if request.method == "POST" else None,
        zone=zone,
        initial={"idempotency_key": new_key(), "zone": zone},
    )
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _snooze_all(request, user, chosen, form)))
        if url:
            return see_other(request, url)
        status = 422
    return _form(request, form, chosen, "Snooze", "snooze", status)


@writes
def unsnooze(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.unsnooze(user, change=changes.find(user, number))
    return see_other(request, QUEUE, f"CHG-{number} is back in your queue.")


@writes
def settle(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.settle_turn(user, change=changes.find(user, number))
    return see_other(request, QUEUE, f"CHG-{number} no longer waits for you.")


@writes
def claim(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.claim(user, change=changes.find(user, number))
    return see_other(request, QUEUE, f"You claimed the review of CHG-{number}.")


@writes
def release(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.release_claim(user, change=changes.find(user, number))
    return see_other(request, QUEUE, f"You gave CHG-{number} back to your group.")


def zone_of(request: HttpRequest) -> str:
    """The time zone of the person's browser, as its script said; UTC without one."""
    name = request.COOKIES.get("zone", "").replace("%2F", "/")
    return name if name in available_timezones() else "UTC"


def _chosen(request: HttpRequest, user: User) -> list[ChangeRequest]:
    """The changes that are ticked, in their order; a number that the person cannot see is as good as none (404)."""
    raw = (request.POST if request.method == "POST" else request.GET).getlist("change")
    numbers = dict.fromkeys(int(one) for one in raw[:MOST] if one.isascii() and one.isdecimal() and len(one) < 10)
    return [changes.find(user, number) for number in numbers]


def _hand_over_all(request: HttpRequest, user: User, chosen: list[ChangeRequest], form: HandOver) -> str:
    to = named(form.cleaned_data["user"])
    note = form.cleaned_data["note"]
    return _each(
        request,
        chosen,
        lambda change: services.hand_over(user, change=change, user=to, note=note),
        f"handed over to {to.shown_name}",
    )


def _snooze_all(request: HttpRequest, user: User, chosen: list[ChangeRequest], form: Snooze) -> str:
    until, zone = form.cleaned_data["until"], form.cleaned_data["zone"] or "UTC"
    return _each(
        request, chosen, lambda change: services.snooze(user, change=change, until=until, zone=zone), "snoozed"
    )


def _each(request: HttpRequest, chosen: list[ChangeRequest], act: Act, done: str) -> str:
    """Act on each change by itself: what fails is said with its reason and hinders nothing else.

    When nothing at all could be done, the refusal is raised, so that the form is shown again.
    """
    if not chosen:
        raise InvalidInput("nothing_chosen", "Tick at least one change in the queue first.")
    acted: list[str] = []
    refusals: list[tuple[ChangeRequest, PortalError]] = []
    for change in chosen:
        try:
            act(change)
        except PortalError as problem:
            refusals.append((change, problem))
        else:
            acted.append(change.label)
    if not acted:
        raise refusals[0][1]
    messages.success(request, f"{', '.join(acted)} {done}.")
    for change, refusal in refusals:
        messages.warning(request, f"{change.label} was not {done}: {refusal.message}")
    return QUEUE


def _form(
    request: HttpRequest, form: Any, chosen: list[ChangeRequest], title: str, action: str, status: int, **more: object
) -> HttpResponse:
    context = {"form": form, "chosen": chosen, "title": title, "action": action, **more}
    return respond(request, "web/queue/moving.html", context, status=status)
