"""The list of changes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.core.errors import InvalidInput
from apps.presentation.change_list import ListPage, Wanted, chips, list_page, selects
from apps.web.people import signed_in
from apps.web.responding import reads, respond


def _wanted(request: HttpRequest) -> Wanted:
    after = request.GET.get("after", "")
    return Wanted(
        q=request.GET.get("q", "").strip(),
        state=request.GET.get("state", ""),
        repository=request.GET.get("repository", ""),
        after=int(after) if after.isdigit() and len(after) < 10 else None,
    )


@reads
def changes(request: HttpRequest) -> HttpResponse:
    """Search and filters work by their address; a search that is not understood says which word."""
    user = signed_in(request)
    wanted = _wanted(request)
    problem: InvalidInput | None = None
    try:
        page = list_page(user, wanted)
    except InvalidInput as refused:
        problem = refused
        page = ListPage((), wanted.q, selects(user, wanted), tuple(chips(wanted)), "", "")
    context = {"page": page, "problem": problem}
    status = 422 if problem else 200
    return respond(request, "web/changes/list.html", context, fragment="web/changes/_list.html", status=status)
