"""Lifting the freeze of a target branch; the form stands on the page of the repository."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.deployments import queries, services
from apps.web.people import signed_in
from apps.web.responding import see_other, writes


@writes
def lift(request: HttpRequest, name: str, freeze: int) -> HttpResponse:
    user = signed_in(request)
    row = queries.find_freeze(user, name, freeze)
    services.lift_freeze(user, freeze=row, reason=request.POST.get("reason", ""))
    return see_other(request, f"/repositories/{name}/#merging", f"{row.branch} is not frozen any more.")
