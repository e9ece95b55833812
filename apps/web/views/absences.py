"""When people are away, and one's own time zone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts import queries, services
from apps.accounts.access import can_declare_absence
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.web.forms.base import attempt
from apps.web.forms.reviewers import Away, TimeZone
from apps.web.people import administrator, named, signed_in
from apps.web.responding import page, respond, see_other, writes

URL = "/settings/away/"
SAVED = "Saved. Nobody asks {whom} to review in these days."


@page("GET", "HEAD", "POST")
def away(request: HttpRequest) -> HttpResponse:
    """Planned absences, and the form for another one."""
    user = signed_in(request)
    form = Away(request.POST if request.method == "POST" else None)
    if request.method == "POST" and attempt(form, lambda: _declare(user, user, form)):
        return see_other(request, URL, SAVED.format(whom="you"))
    return _page(request, user, form, TimeZone(initial={"time_zone": user.time_zone}))


@page("GET", "HEAD", "POST")
def of_person(request: HttpRequest, handle: str) -> HttpResponse:
    """Somebody else's absences, for administrators: who is ill cannot enter it."""
    user = administrator(request)
    person = queries.user_by_handle(handle)
    can_declare_absence(user, person).require_or_conflict()
    form = Away(request.POST if request.method == "POST" else None)
    if request.method == "POST" and attempt(form, lambda: _declare(user, person, form)):
        return see_other(request, f"/people/{person.username}/away/", SAVED.format(whom=person.username))
    return _respond(request, "web/people/away.html", person, form)


def _declare(actor: User, user: User, form: Away) -> bool:
    data = form.cleaned_data
    try:
        deputy = named(data["deputy"]) if data["deputy"].strip() else None
    except InvalidInput as problem:
        raise InvalidInput(problem.code, problem.message, field="deputy") from problem
    try:
        services.declare_absence(
            actor,
            user=user,
            first_day=data["first_day"],
            last_day=data["last_day"],
            deputy=deputy,
            note=data["note"],
        )
    except Conflict as problem:
        # Days that overlap are to be corrected in the form, where they were typed.
        raise InvalidInput(problem.code, problem.message, field="first_day") from problem
    return True


@writes
def end(request: HttpRequest, absence: int) -> HttpResponse:
    user = signed_in(request)
    services.end_absence(user, absence=queries.absence_of(user, absence))
    return see_other(request, URL, "Taken back. You can be asked again.")


@writes
def end_of_person(request: HttpRequest, handle: str, absence: int) -> HttpResponse:
    user = administrator(request)
    person = queries.user_by_handle(handle)
    services.end_absence(user, absence=queries.absence_of(person, absence))
    return see_other(request, f"/people/{person.username}/away/", f"Taken back. {person.username} can be asked again.")


@page("GET", "HEAD", "POST")
def time_zone(request: HttpRequest) -> HttpResponse:
    """POST: save it. GET: where a reloaded page of a refused form ends up."""
    if request.method != "POST":
        return see_other(request, URL)
    user = signed_in(request)
    form = TimeZone(request.POST)
    if attempt(form, lambda: services.set_time_zone(user, time_zone=form.cleaned_data["time_zone"])):
        return see_other(request, URL, "Your time zone is saved.")
    return _page(request, user, Away(), form)


def _page(request: HttpRequest, user: User, form: Away, zone: TimeZone) -> HttpResponse:
    return _respond(request, "web/settings/away.html", user, form, zone=zone)


def _respond(request: HttpRequest, template: str, person: User, form: Away, **more: object) -> HttpResponse:
    """``base_url``: where the form is sent. A POST that comes here was refused."""
    rows, people = queries.absences_of(person, at=now()), queries.people()
    context = {"form": form, "rows": rows, "people": people, "person": person, "base_url": request.path, **more}
    return respond(request, template, context, status=422 if request.method == "POST" else 200)
