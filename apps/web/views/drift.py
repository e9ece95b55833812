"""The drift of an environment, and what can be done about it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.deployments import queries, services
from apps.presentation.drift_page import drift_page
from apps.web.forms.base import attempt
from apps.web.forms.drift import AcceptDrift
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other, writes


@reads
def show(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    return _show(request, repository, name)


def _show(
    request: HttpRequest, repository: str, name: str, form: AcceptDrift | None = None, *, status: int = 200
) -> HttpResponse:
    context = {"page": drift_page(signed_in(request), repository, name), "form": form}
    fragment = "web/environments/_drift.html"
    return respond(request, "web/environments/drift.html", context, fragment=fragment, status=status)


def _url(repository: str, name: str) -> str:
    return f"/environments/{repository}/{name}/drift/"


@writes
def check(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    user = signed_in(request)
    services.ask_drift_check(user, environment=queries.find_environment(user, repository, name))
    return see_other(request, _url(repository, name), f"{name} is looked at soon.")


@page("GET", "HEAD", "POST")
def accept(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """POST: let a finding be for a while. GET: where a reloaded page of a refused form ends up."""
    if request.method != "POST":
        return see_other(request, _url(repository, name))
    user = signed_in(request)
    row = queries.find_environment(user, repository, name)
    form = AcceptDrift(request.POST)
    if attempt(form, lambda: services.accept_drift(user, environment=row, **form.words())) is None:
        return _show(request, repository, name, form, status=422)
    return see_other(request, _url(repository, name), "The finding is accepted for now, and stays visible.")


@writes
def unaccept(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    user = signed_in(request)
    row = queries.find_environment(user, repository, name)
    services.end_drift_acceptance(user, environment=row, mark=request.POST.get("mark", "")[:64])
    return see_other(request, _url(repository, name), "The finding counts again.")


@writes
def reapply(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    user = signed_in(request)
    row = services.reapply_live(user, environment=queries.find_environment(user, repository, name))
    return see_other(request, f"/deployments/{row.number}/", f"{row.label} deploys what is live in {name} again.")


@writes
def adopt(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    user = signed_in(request)
    services.adopt_drift(user, environment=queries.find_environment(user, repository, name))
    return see_other(
        request,
        _url(repository, name),
        "You asked for a change that adopts the drift. It stands here as soon as it is made.",
    )
