"""Break-glass: its own page, with what would be skipped, what holds all the same, and who has to confirm it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.changes import queries as changes
from apps.presentation.change_frame import change_frame
from apps.presentation.emergency_page import emergency_page
from apps.reviews import services
from apps.web.forms.base import attempt
from apps.web.forms.changes import DeclareEmergency
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes


@page("GET", "HEAD", "POST")
def emergency(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    form = DeclareEmergency(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        change = changes.find(user, number)
        row = attempt(form, lambda: services.declare_emergency(user, change=change, **form.cleaned_data))
        if row is not None:
            return see_other(request, _url(number), "Declared. Whoever can confirm it was told.")
        status = 422
    frame = change_frame(user, number)
    context = {"frame": frame, "form": form, "page": emergency_page(user, frame.change)}
    return respond(request, "web/changes/emergency.html", context, status=status)


@writes
def confirm(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.confirm_emergency(user, change=changes.find(user, number))
    return see_other(request, _url(number), "Confirmed. It is on record, and the rules are owed afterwards.")


@writes
def end(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.end_emergency(user, change=changes.find(user, number))
    return see_other(request, _url(number), "Ended. The rules hold again.")


def _url(number: int) -> str:
    return f"/changes/{number}/emergency/"
