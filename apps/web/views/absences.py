"""One's own absences and time zone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts import queries, services
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.web.forms.base import attempt
from apps.web.forms.reviewers import Away, TimeZone
from apps.web.people import named, signed_in
from apps.web.responding import page, respond, see_other, writes

URL = "/settings/away/"


@page("GET", "HEAD", "POST")
def away(request: HttpRequest) -> HttpResponse:
    """Planned absences, and the form for another one."""
    user = signed_in(request)
    form = Away(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if attempt(form, lambda: _declare(user, form)):
            return see_other(request, URL, "Saved. Nobody asks you to review in these days.")
        return _page(request, user, form, TimeZone(initial={"time_zone": user.time_zone}), status=422)
    return _page(request, user, form, TimeZone(initial={"time_zone": user.time_zone}))


def _declare(user: User, form: Away) -> bool:
    data = form.cleaned_data
    try:
        deputy = named(data["deputy"]) if data["deputy"].strip() else None
    except InvalidInput as problem:
        raise InvalidInput(problem.code, problem.message, field="deputy") from problem
    try:
        services.declare_absence(
            user,
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


@page("GET", "HEAD", "POST")
def time_zone(request: HttpRequest) -> HttpResponse:
    """POST: save it. GET: where a reloaded page of a refused form ends up."""
    if request.method != "POST":
        return see_other(request, URL)
    user = signed_in(request)
    form = TimeZone(request.POST)
    if attempt(form, lambda: services.set_time_zone(user, time_zone=form.cleaned_data["time_zone"])):
        return see_other(request, URL, "Your time zone is saved.")
    return _page(request, user, Away(), form, status=422)


def _page(request: HttpRequest, user: User, form: Away, zone: TimeZone, *, status: int = 200) -> HttpResponse:
    people = queries.people()
    context = {"form": form, "zone": zone, "rows": queries.absences_of(user, at=now()), "people": people}
    return respond(request, "web/settings/away.html", context, status=status)
