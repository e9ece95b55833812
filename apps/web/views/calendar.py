"""When may what happen where: a week of windows and freezes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from apps.core.errors import InvalidInput
from apps.presentation.calendar_page import calendar_page
from apps.presentation.freezes import freeze_notices
from apps.web.people import signed_in
from apps.web.responding import reads, respond


@reads
def week(request: HttpRequest) -> HttpResponse:
    user, week, zone = signed_in(request), request.GET.get("week", ""), request.GET.get("tz", "")
    try:
        return respond(request, "web/calendar/week.html", {"page": calendar_page(user, week=week, zone=zone)})
    except InvalidInput as problem:
        context = {
            "page": calendar_page(user, week="", zone=""),
            "problem": problem,
            "typed": {"week": week, "tz": zone},
        }
        return respond(request, "web/calendar/week.html", context, status=422)


@reads
def freezes(request: HttpRequest) -> HttpResponse:
    """What the top of every page tells of freezes; opened by itself, on top of the calendar."""
    user = signed_in(request)
    page = SimpleLazyObject(lambda: calendar_page(user, week="", zone=""))
    context = {"page": page, "freezes": freeze_notices(user)}
    return respond(request, "web/calendar/week.html", context, fragment="components/_freezes.html")
