"""Doing it later: the forms that schedule a merge or a deployment, and taking a schedule back."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.changes import queries as changes
from apps.deployments import access, queries, services
from apps.presentation.change_frame import change_frame
from apps.presentation.deployment_page import deployment_page
from apps.presentation.schedules import first_proposal, schedule_of, zone_of
from apps.web.forms.base import attempt
from apps.web.forms.schedule import Schedule, ScheduleMerge
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes


@page("GET", "HEAD", "POST")
def merge(request: HttpRequest, number: int) -> HttpResponse:
    """A time for the merge; GET proposes the next hour at which no window holds it."""
    user = signed_in(request)
    frame = change_frame(user, number)
    access.require_merge(user, frame.change)
    before = schedule_of(frame.change)
    first = before.at if before else first_proposal(frame.change)
    form = ScheduleMerge(request.POST if request.method == "POST" else None, zone=zone_of(user), first=first)
    status = 200
    if request.method == "POST":
        row = attempt(form, lambda: services.schedule_merge(user, change=frame.change, **form.cleaned_data))
        if row is not None:
            return see_other(request, frame.url, "Scheduled. It is judged when the time has come.")
        status = 422
    hint = (
        "The change merges by itself at this time, if everything that it needs is met then. A push to its branch ends the "
        "schedule, because what was scheduled is what is there now."
    )
    context = {"frame": frame, "form": form, "form_action": request.path, "heading": "Schedule the merge",
               "button": "Schedule", "hint": hint}  # fmt: skip
    return respond(request, "web/changes/form.html", context, status=status)


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
    first = row.start_at or first_proposal(row.change, row.environment.name)
    form = Schedule(request.POST if request.method == "POST" else None, zone=zone_of(user), first=first)
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
