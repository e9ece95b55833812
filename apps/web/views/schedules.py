"""Doing it later: the forms that schedule a merge or a deployment, and taking a schedule back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse

from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments import access, queries, services
from apps.presentation.deployment_page import deployment_page
from apps.presentation.schedules import first_proposal, held_then, schedule_of, zone_of
from apps.web.forms.base import attempt
from apps.web.forms.schedule import Schedule, ScheduleMerge
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes
from apps.web.views.change_forms import form_page
from apps.web.views.deployment_actions import require_offered


def _first(before: datetime | None, change: ChangeRequest, zone: ZoneInfo, environment: str = "") -> datetime | None:
    """What is scheduled already stands in the field, while that time is still to come."""
    return before if before and before > now() else first_proposal(change, zone, environment)


@page("GET", "HEAD", "POST")
def merge(request: HttpRequest, number: int) -> HttpResponse:
    """A time for the merge; GET proposes the next hour at which no window holds it."""
    zone = zone_of(signed_in(request))

    def make(change: ChangeRequest) -> ScheduleMerge:
        before = schedule_of(change)
        first = _first(before.at if before else None, change, zone)
        held = partial(held_then, change)
        return ScheduleMerge(request.POST if request.method == "POST" else None, zone=zone, held=held, first=first)

    return form_page(
        request,
        number,
        may=access.can_merge,
        make=make,
        act=lambda user, change, data: services.schedule_merge(user, change=change, **data),
        words={
            "heading": "Schedule the merge",
            "button": "Schedule",
            "done": "Scheduled. It is judged when the time has come.",
            "hint": "The change merges by itself at this time, if everything that it needs is met then. A push to its branch "
            "ends the schedule, because what was scheduled is what is there now.",
        },
    )


@writes
def unschedule_merge(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    services.unschedule_merge(user, change=changes.find(user, number))
    return see_other(request, f"/changes/{number}/", "Nothing is scheduled any more.")


@page("GET", "HEAD", "POST")
def deployment(request: HttpRequest, number: int) -> HttpResponse:
    """A time for a deployment that has not started."""
    user = signed_in(request)
    found = deployment_page(user, number)
    row = found.deployment
    access.require_run(user, row)
    if request.method != "POST":
        require_offered(found, found.actions.schedule, "scheduled")
    zone = zone_of(user)
    first = _first(row.start_at, row.change, zone, row.environment.name)
    held = partial(held_then, row.change, environment=row.environment.name)
    form = Schedule(request.POST if request.method == "POST" else None, zone=zone, held=held, first=first)
    status = 200
    if request.method == "POST":
        done = attempt(form, lambda: services.schedule_deployment(user, deployment=row, at=form.cleaned_data["at"]))
        if done is not None:
            return see_other(request, found.url, f"{row.label} starts by itself at that time, if nothing holds it.")
        status = 422
    context = {"page": found, "form": form, "form_action": request.path, "back_url": found.url,
               "button": f"Schedule {row.label}"}  # fmt: skip
    return respond(request, "web/deployments/schedule.html", context, status=status)


@writes
def unschedule_deployment(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    row = services.schedule_deployment(user, deployment=queries.find(user, number), at=None)
    return see_other(request, f"/deployments/{number}/", f"{row.label} waits for a start by hand.")
