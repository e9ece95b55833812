"""When may what happen where: a week of windows and freezes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.presentation.calendar_page import calendar_page
from apps.web.people import signed_in
from apps.web.responding import reads, respond


@reads
def week(request: HttpRequest) -> HttpResponse:
    found = calendar_page(signed_in(request), week=request.GET.get("week", ""), zone=request.GET.get("tz", ""))
    return respond(request, "web/calendar/week.html", {"page": found})
