"""Asking for a merged change in an environment: what becomes live there, and one button."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.changes import queries as changes
from apps.core.errors import InvalidInput
from apps.deployments import access, services
from apps.deployments.queries.deploying import deployable
from apps.presentation.deploy_page import deploy_page
from apps.web.forms.base import attempt
from apps.web.forms.deployments import Deploy
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other


@page("GET", "HEAD", "POST")
def deploy(request: HttpRequest, number: int) -> HttpResponse:
    """GET lists exactly what would become live in ``?environment=``; POST asks for it, of a protected one with its name typed."""
    user = signed_in(request)
    change = changes.find(user, number)
    access.require_deploy(user, change)
    asked = request.POST if request.method == "POST" else request.GET
    name = asked.get("environment", "").strip()
    if not name:
        raise InvalidInput("environment_required", "Name the environment to deploy to.", field="environment")
    wanted = deployable(change, name)
    form = Deploy(
        request.POST if request.method == "POST" else None,
        confirm_name=name if wanted.environment.protected else "",
        initial={"environment": name},
    )
    status = 200
    if request.method == "POST":
        row = attempt(form, lambda: services.start_deployment(user, change=change, environment=name))
        if row is not None:
            return see_other(request, f"/deployments/{row.number}/", f"Deployment {row.label} to {name} is on its way.")
        status = 422
    context = {"page": deploy_page(wanted), "form": form, "form_action": request.path, "button": f"Deploy to {name}",
               "back_url": f"/changes/{number}/deployments/"}  # fmt: skip
    return respond(request, "web/changes/deploy.html", context, status=status)
