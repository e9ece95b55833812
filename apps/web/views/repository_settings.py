"""What maintainers change of a repository: members, webhook secret, credentials."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.presentation.repository_pages import repository_page
from apps.repositories import queries, services
from apps.repositories.access import require_maintain
from apps.web.forms.base import attempt
from apps.web.forms.repositories import Credentials, SetMember
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes
from apps.web.shown_once import keep
from apps.web.views.repositories import at_field, settings_page


@page("GET", "HEAD", "POST")
def set_member(request: HttpRequest, name: str) -> HttpResponse:
    """Give a role. GET: where a reloaded page of a refused form ends up."""
    url = f"/repositories/{name}/#members"
    if request.method != "POST":
        return see_other(request, url)
    user = signed_in(request)
    repository = queries.find(user, name)
    require_maintain(user, repository)
    form = SetMember(request.POST)
    member = request.POST.get("member", "").strip().removeprefix("@")
    done = attempt(form, lambda: _give(request, name, member, form.cleaned_data["role"]))
    if done is None:
        return settings_page(request, name, form, status=422)
    return see_other(request, url, done)


def _give(request: HttpRequest, name: str, member: str, role: str) -> str:
    user = signed_in(request)
    try:
        services.set_member(user, repository=queries.find(user, name), member=member, role=role)
    except InvalidInput as problem:
        if problem.code != "unknown_members":
            raise
        raise InvalidInput(problem.code, problem.message, field="member") from problem
    return f"{member} is {role} of {name} now."


@writes
def remove_member(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    member = request.POST.get("member", "")
    services.remove_member(user, repository=queries.find(user, name), member=member)
    return see_other(request, f"/repositories/{name}/#members", f"{member} has no role in {name} any more.")


@writes
def rotate_webhook(request: HttpRequest, name: str) -> HttpResponse:
    """A new secret, shown once on the next page."""
    user = signed_in(request)
    secret = services.rotate_webhook_secret(user, repository=queries.find(user, name))
    keep(request, f"webhook:{name}", secret)
    return see_other(
        request, f"/repositories/{name}/#webhook", "The webhook has a new secret; the old one stopped working."
    )


@writes
def require_claims(request: HttpRequest, name: str) -> HttpResponse:
    """Whether merges need a claim that the Git host keeps: ``required`` is ``yes`` or ``no``."""
    user = signed_in(request)
    chosen = request.POST.get("required", "")
    if chosen not in {"yes", "no"}:
        raise InvalidInput("bad_choice", "Choose whether merges need a claim: yes or no.", field="required")
    services.require_claims(user, repository=queries.find(user, name), required=chosen == "yes")
    said = (
        "Every merge and run needs a claim from now on." if chosen == "yes" else "Merges and runs go on without claims."
    )
    return see_other(request, f"/repositories/{name}/#merging", said)


@page("GET", "HEAD", "POST")
def credentials(request: HttpRequest, name: str) -> HttpResponse:
    """Replace the credentials; they are tried before the old ones go."""
    user = signed_in(request)
    found = repository_page(user, name)
    require_maintain(user, found.repository)
    form = Credentials(
        request.POST if request.method == "POST" else None, initial={"username": found.repository.credential_username}
    )
    status = 200
    if request.method == "POST":
        if attempt(form, lambda: _change(request, name, form)):
            return see_other(request, f"/repositories/{name}/", "The new credentials work and are used from now on.")
        status = 422
    return respond(request, "web/repositories/credentials.html", {"page": found, "form": form}, status=status)


def _change(request: HttpRequest, name: str, form: Credentials) -> bool:
    user = signed_in(request)
    try:
        services.change_credentials(user, repository=queries.find(user, name), **form.cleaned_data)
    except (Conflict, Unavailable) as problem:
        raise at_field(problem) from problem
    return True
