"""Who is asked: not me, somebody else, a reminder, and spreading open reviews."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.core.errors import Conflict, InvalidInput
from apps.presentation import choices
from apps.presentation.change_frame import change_frame
from apps.repositories import queries as repositories
from apps.reviews import access, services
from apps.reviews.balancing import rebalancing_plan
from apps.reviews.queries import request_of
from apps.web.forms.base import attempt
from apps.web.forms.reviewers import Decline, Rebalance, Swap
from apps.web.people import named, signed_in
from apps.web.responding import page, respond, see_other, writes


@page("GET", "HEAD", "POST")
def decline(request: HttpRequest, number: int) -> HttpResponse:
    """Somebody says "not me", with a reason and perhaps a better person."""
    user = signed_in(request)
    frame = change_frame(user, number)
    access.can_decline(user, frame.change).require_or_conflict()
    form = Decline(request.POST if request.method == "POST" else None)

    def act() -> str:
        data = form.cleaned_data
        better = _person(data["better"], "better")
        services.decline(user, change=frame.change, reason=data["reason"], better=better)
        return f"You are not asked any more{_instead(better)}"

    if request.method == "POST" and (said := attempt(form, act)):
        return see_other(request, frame.url, said)
    words = {
        "heading": "Not me",
        "hint": "You are not asked for this change again. Reviewing it stays possible.",
        "button": "I am not the right person",
    }
    return _form(request, frame, form, number, words)


@page("GET", "HEAD", "POST")
def swap(request: HttpRequest, number: int) -> HttpResponse:
    """Somebody else instead of the person named by ``user``."""
    user = signed_in(request)
    frame = change_frame(user, number)
    person = named(request.POST.get("user") or request.GET.get("user") or "")
    access.can_swap(user, frame.change, person).require_or_conflict()
    request_of(frame.change, person)
    form = Swap(request.POST if request.method == "POST" else None, initial={"user": person.username})

    def act() -> str:
        data = form.cleaned_data
        to = _person(data["to"], "to")
        services.swap(user, change=frame.change, user=person, reason=data["reason"], to=to)
        return f"{person.username} is not asked any more{_instead(to)}"

    if request.method == "POST" and (said := attempt(form, act)):
        return see_other(request, frame.url, said)
    words = {"heading": f"Ask somebody else than {person.username}", "button": "Swap"}
    return _form(request, frame, form, number, words)


@writes
def nudge(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    change = changes.find(user, number)
    person = named(request.POST.get("user", ""))
    services.nudge(user, change=change, user=person)
    return see_other(request, f"/changes/{number}/", f"{person.username} is reminded. Again possible in a day.")


@page("GET", "HEAD", "POST")
def rebalance(request: HttpRequest, name: str) -> HttpResponse:
    """What would move and why, and then exactly that."""
    user = signed_in(request)
    repository = repositories.find(user, name)
    access.can_rebalance(user, repository).require()
    plan = rebalancing_plan(repository)
    form = Rebalance(request.POST if request.method == "POST" else None, plan=plan)
    status, stale = 200, None
    if request.method == "POST":
        try:
            moved = services.rebalance(user, repository=repository, moves=request.POST.getlist("moves"))
            count = f"{len(moved)} request{'' if len(moved) == 1 else 's'}"
            return see_other(request, f"/repositories/{name}/", f"{count} to review moved.")
        except InvalidInput as problem:
            form.add_error("moves", problem.message)
            status = 422
        except Conflict as problem:
            stale, status = problem, 409
            form = Rebalance(plan=rebalancing_plan(repository))
    context = {"repository": repository, "form": form, "plan": plan, "stale": stale}
    return respond(request, "web/repositories/rebalance.html", context, status=status)


def _instead(named_one: User | None) -> str:
    """Who is asked instead: one who was named is at once, the next best is chosen by a job."""
    return f"; {named_one.username} is." if named_one is not None else ". Who is asked instead is being chosen."


def _person(handle: str, field: str) -> User | None:
    if not handle.strip():
        return None
    try:
        return named(handle)
    except InvalidInput as problem:
        raise InvalidInput(problem.code, problem.message, field=field) from problem


def _form(request: HttpRequest, frame: Any, form: Any, number: int, words: dict[str, str]) -> HttpResponse:
    context = {"frame": frame, "form": form, "form_action": request.path, "people": choices.people_of(number), **words}
    status = 422 if request.method == "POST" else 200
    return respond(request, "web/changes/form.html", context, status=status)
