"""Marking files as viewed: one form for all the buttons in the headings of the files."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.changes import queries as changes
from apps.core.errors import InvalidInput
from apps.presentation.viewed_marks import ViewedBar
from apps.reviews import services
from apps.web.people import signed_in
from apps.web.responding import respond, wants_fragment, writes

_QUERY = re.compile(r"[\w=&.%+-]{0,300}")


@writes
def viewed(request: HttpRequest, number: int) -> HttpResponse:
    """Mark the files named ``file``, or take back the marks of those named ``unview``; back to the first of them.

    For htmx and scripts the progress alone.
    """
    user = signed_in(request)
    change = changes.find(user, number)
    revision = request.POST.get("revision", "")
    if not (revision.isdecimal() and len(revision) < 7):
        raise InvalidInput("bad_revision", "Say which revision you looked at.", field="revision")
    wanted = [(request.POST.getlist(name), name == "file") for name in ("file", "unview")]
    if not any(files for files, _ in wanted):
        raise InvalidInput("no_file", "Say which file you mean.", field="file")
    for files, state in wanted:
        if files:
            marks = services.mark_viewed(user, change=change, revision=int(revision), files=files, viewed=state)
    if wants_fragment(request):
        context = {"viewed": ViewedBar(int(revision), marks)}
        return respond(request, "web/changes/region.html", context, fragment="web/changes/_viewed.html")
    first = next(file for files, _ in wanted for file in files)
    query = request.POST.get("back", "")
    response = HttpResponseRedirect(f"/changes/{number}/diff/?{query if _QUERY.fullmatch(query) else ''}#f-{first}")
    response.status_code = 303
    return response
