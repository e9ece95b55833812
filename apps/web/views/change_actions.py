"""Actions on a change that need no form of their own: one use case each, then the page that shows the result."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes import services
from apps.deployments import services as deployments
from apps.reviews import services as reviews
from apps.web.people import named, signed_in
from apps.web.responding import see_other, writes


def _url(number: int, tail: str = "") -> str:
    return f"/changes/{number}/{tail}"


@writes
def ready(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.mark_ready(user, change=changes.find(user, number))
    return see_other(request, _url(number), f"CHG-{number} is in review. Its reviewers are being asked.")


@writes
def draft(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.back_to_draft(user, change=changes.find(user, number))
    return see_other(request, _url(number), f"CHG-{number} is a draft again; nobody is asked to review it.")


@writes
def reopen(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.reopen(user, change=changes.find(user, number))
    return see_other(request, _url(number), f"CHG-{number} is open again.")


@writes
def merge(request: HttpRequest, number: int) -> HttpResponse:
    """The verdict is judged again by the service: this button promises nothing."""
    user = signed_in(request)
    deployments.merge_change(user, change=changes.find(user, number))
    return see_other(request, _url(number), f"CHG-{number} is being merged.")


@writes
def abort_merge(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    deployments.abort_merge(user, change=changes.find(user, number))
    return see_other(request, _url(number), f"Aborted before anything was pushed. CHG-{number} is in review again.")


@writes
def withdraw_override(request: HttpRequest, number: int, override: int) -> HttpResponse:
    """Take back that the change was let through a freeze or a window."""
    user = signed_in(request)
    row = reviews.withdraw_override(user, change=changes.find(user, number), override=override)
    return see_other(request, _url(number, "approvals/"), f"The override of {', '.join(row.windows)} is taken back.")


@writes
def unassign(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    person: User = named(request.POST.get("user", ""))
    reviews.unassign(user, change=changes.find(user, number), user=person)
    return see_other(request, _url(number), f"{person.username} is no longer asked.")
