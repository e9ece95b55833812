"""Starting one change in many environments: what becomes live in each, and one button."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from apps.core.errors import InvalidInput
from apps.deployments import access, services
from apps.deployments.queries.groups import groups_of, startable
from apps.policies.config.environments import LONGEST_NAME
from apps.presentation.change_frame import change_frame
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other


@page("GET", "HEAD", "POST")
def start_group(request: HttpRequest, number: int) -> HttpResponse:
    """GET lists exactly what would become live; POST starts what was chosen, and tells what came of each."""
    user = signed_in(request)
    frame = change_frame(user, number, tab="deployments")
    access.require_deploy(user, frame.change)
    group = request.GET.get("group", "")[:LONGEST_NAME]
    problem, status = "", 200
    if request.method == "POST":
        try:
            done = services.start_group(user, change=frame.change, environments=request.POST.getlist("environments"))
        except InvalidInput as refused:
            problem, status = refused.message, 422
        else:
            for row in done:
                if not row.started:
                    messages.warning(request, row.text)
            count = sum(row.started for row in done)
            said = " ".join(row.text for row in done if row.started)
            return see_other(request, f"{frame.url}deployments/", f"{count} of {len(done)} started. {said}")
    context = {
        "frame": frame,
        "rows": startable(frame.change, group=group),
        "groups": groups_of(frame.change),
        "group": group,
        "problem": problem,
    }
    return respond(request, "web/changes/start_group.html", context, status=status)
