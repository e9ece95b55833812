"""Repositories: the list, connecting one, its page and its policy."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.deployments.access import can_manage_connections
from apps.presentation.repository_pages import policy_page, principals, repository_page, repository_rows
from apps.repositories import queries, services
from apps.repositories.access import can_connect, require_connect
from apps.web.forms.base import attempt
from apps.web.forms.repositories import Connect, SetMember
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other, writes
from apps.web.shown_once import take

FIELD_OF = {
    "name_taken": "name",
    "authentication_failed": "secret",
    "bad_ssh_key": "ssh_key",
    "unknown_branch": "default_branch",
}
"""At which field a refusal stands that does not name one; all others are about the address."""


@reads
def index(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    context = {
        "rows": repository_rows(user),
        "connects": can_connect(user).allowed,
        "connections": can_manage_connections(user).allowed,
    }
    return respond(request, "web/repositories/list.html", context)


@page("GET", "HEAD", "POST")
def connect(request: HttpRequest) -> HttpResponse:
    """Connect a repository. Every refusal stands at its field, and nothing typed is lost but secrets."""
    user = signed_in(request)
    require_connect(user)
    form = Connect(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        name = attempt(form, lambda: connected(user, form))
        if name:
            return see_other(request, f"/repositories/{name}/", f"{name} is connected.")
        status = 422
    return respond(request, "web/repositories/connect.html", {"form": form}, status=status)


def connected(user: User, form: forms.Form) -> str:
    """Connect and return the name; what the remote answers is told at the field that it is about."""
    try:
        return services.connect_repository(user, **form.cleaned_data).name
    except (Conflict, Unavailable) as problem:
        raise at_field(problem) from problem


def at_field(problem: Conflict | Unavailable) -> InvalidInput:
    """The refusal as one of a field, so that the form is shown again with what was typed."""
    return InvalidInput(problem.code, problem.message, field=FIELD_OF.get(problem.code, "url"))


@reads
def show(request: HttpRequest, name: str) -> HttpResponse:
    return settings_page(request, name, SetMember())


def settings_page(request: HttpRequest, name: str, form: SetMember, status: int = 200) -> HttpResponse:
    """One repository; ``form`` is the one for members, possibly with its problems."""
    found = repository_page(signed_in(request), name)
    context = {
        "page": found,
        "form": form,
        "principals": principals() if found.maintains else (),
        "webhook_secret": take(request, f"webhook:{name}") if found.maintains else "",
    }
    return respond(request, "web/repositories/show.html", context, status=status)


@reads
def policy(request: HttpRequest, name: str) -> HttpResponse:
    return respond(request, "web/repositories/policy.html", {"page": policy_page(signed_in(request), name)})


@writes
def sync(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    services.request_sync(user, repository=queries.find(user, name))
    return see_other(request, f"/repositories/{name}/", f"{name} is being fetched; this page says when it is done.")
