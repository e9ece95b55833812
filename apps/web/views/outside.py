"""What went past the portal in a repository, and the two ways to settle it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.changes.outside import find
from apps.deployments import services
from apps.presentation.outside_page import outside_page
from apps.web.numbers import number_in
from apps.web.people import signed_in
from apps.web.responding import reads, respond, see_other, writes


@reads
def index(request: HttpRequest, name: str) -> HttpResponse:
    after = number_in(request, "after")
    return respond(
        request, "web/repositories/outside.html", {"page": outside_page(signed_in(request), name, after=after)}
    )


@writes
def adopt(request: HttpRequest, name: str, outside: int) -> HttpResponse:
    user = signed_in(request)
    change = services.adopt_outside_change(user, outside=find(user, name, outside))
    return see_other(
        request, f"/changes/{change.number}/", "Proposed. Somebody who did not contribute has to approve it."
    )


@writes
def revert(request: HttpRequest, name: str, outside: int) -> HttpResponse:
    user = signed_in(request)
    change = services.revert_outside_change(user, outside=find(user, name, outside))
    return see_other(request, f"/changes/{change.number}/", "Proposed. Once it is merged, the push is taken back.")
