"""What changed? One table for whoever looks for the cause of something."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from apps.core.errors import InvalidInput
from apps.presentation.timeline_page import FILTERS, KIND_WORDS, timeline_csv, timeline_page
from apps.repositories.queries import visible
from apps.web.people import signed_in
from apps.web.responding import reads, respond


@reads
def timeline(request: HttpRequest) -> HttpResponse:
    """The table; everything that narrows it is in the address, so a link shows the same."""
    user = signed_in(request)
    given = _given(request)
    context: dict[str, Any] = {
        "given": given,
        "kinds": list(KIND_WORDS.items()),
        "problem": None,
        "export": urlencode(given),
    }
    context["repositories"] = visible(user).values_list("name", flat=True)
    status = 200
    try:
        found = timeline_page(user, {**given, "after": request.GET.get("after", "")})
    except InvalidInput as problem:
        context["problem"], status = problem, 422
    else:
        following = urlencode({**given, "after": found.next_after.isoformat()}) if found.next_after else ""
        context |= {"page": found, "next_url": f"?{following}" if following else ""}
    return respond(request, "web/timeline/show.html", context, fragment="web/timeline/_rows.html", status=status)


@reads
def export(request: HttpRequest) -> HttpResponse:
    """The same as a table to keep."""
    text = timeline_csv(signed_in(request), _given(request))
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="timeline.csv"'
    return response


def _given(request: HttpRequest) -> dict[str, str]:
    return {name: value for name in FILTERS if (value := request.GET.get(name, "").strip())}
