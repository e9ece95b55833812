"""What runs where: the board, one environment, its secrets."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, QueryDict

from apps.core.errors import NotVisible
from apps.core.paging import LastSeen
from apps.deployments import queries, services
from apps.deployments.access import require_keep_secrets
from apps.deployments.queries.board import STATES, Asked
from apps.presentation.board import board_page
from apps.presentation.environment_history import history_of
from apps.presentation.environment_page import environment_page, windows_page
from apps.presentation.environment_resources import environment_resources
from apps.web.forms.base import attempt
from apps.web.forms.environments import PublicPage, SetSecret
from apps.web.numbers import number_in
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other


@reads
def board(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its table. Filters are in the address."""
    board_ = board_page(signed_in(request), asked_of(request.GET), column=number_in(request, "column") or 0)
    context = {"board": board_}
    return respond(request, "web/environments/board.html", context, fragment="web/environments/_board.html")


def asked_of(values: QueryDict) -> Asked:
    """The filters of the board; what is no value of theirs does not narrow."""
    repository, _, service = values.get("after", "")[:200].partition("/")
    state = values.get("state", "")
    return Asked(
        q=values.get("q", "").strip()[:100],
        repository=values.get("repository", "")[:80],
        environment=values.get("environment", "")[:64],
        state=state if state in STATES else "",
        behind=values.get("behind") == "1",
        drift=values.get("drift") == "1",
        after=(repository, service),
    )


@reads
def show(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    return _show(request, repository, name, SetSecret())


@reads
def history(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """What has ended there, as the part of the page that is fetched again."""
    user = signed_in(request)
    found = history_of(user, queries.find_environment(user, repository, name), after=_after(request))
    context = {"history": found, "region": "web/environments/_history.html"}
    return respond(request, "web/environments/region.html", context, fragment="web/environments/_history.html")


def _after(request: HttpRequest) -> LastSeen | None:
    """The last line of the history that was seen; what is no place is as if it were not there."""
    return LastSeen.read(request.GET.get("after", ""))


@reads
def windows(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """When deployments may start there, as the part of the page that is fetched again."""
    found = windows_page(signed_in(request), repository, name)
    context = {"windows": found, "region": "web/environments/_windows.html"}
    return respond(request, "web/environments/region.html", context, fragment="web/environments/_windows.html")


@reads
def resources(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """What is live there made, as the part of the page that is fetched again."""
    found = environment_resources(queries.find_environment(signed_in(request), repository, name))
    context = {"resources": found, "region": "web/environments/_resources.html"}
    return respond(request, "web/environments/region.html", context, fragment="web/environments/_resources.html")


def show_again(request: HttpRequest, repository: str, name: str, *, public: PublicPage) -> HttpResponse:
    """The page with a form that was refused."""
    return _show(request, repository, name, SetSecret(), public=public, status=422)


def _show(
    request: HttpRequest,
    repository: str,
    name: str,
    form: SetSecret,
    *,
    public: PublicPage | None = None,
    status: int = 200,
) -> HttpResponse:
    found = environment_page(signed_in(request), repository, name, after=_after(request))
    row = found.status_page
    present = {field: getattr(row, field) for field in ("is_on", "shows_titles", "shows_people")} if row else {}
    context = {"page": found, "form": form, "public": public or PublicPage(initial=present)}
    return respond(
        request, "web/environments/show.html", context, fragment="web/environments/_state.html", status=status
    )


@page("GET", "HEAD", "POST")
def set_secret(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """POST: set or replace. GET: where a reloaded page of a refused form ends up."""
    url = f"/environments/{repository}/{name}/#secrets"
    if request.method != "POST":
        return see_other(request, url)
    user = signed_in(request)
    row = queries.find_environment(user, repository, name)
    form = SetSecret(request.POST)
    done = attempt(form, lambda: services.set_secret(user, environment=row, **form.cleaned_data))
    if done is None:
        return _show(request, repository, name, form, status=422)
    return see_other(
        request,
        url,
        f"The secret {done.name} is set; the next {'plan' if done.used_for == 'plan' else 'attempt'} gets it.",
    )


@page("GET", "HEAD", "POST")
def remove_secret(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """GET says what ends with it, POST removes it: its value can never be shown again."""
    user = signed_in(request)
    row = queries.find_environment(user, repository, name)
    url = f"/environments/{repository}/{name}/#secrets"
    asked = request.POST if request.method == "POST" else request.GET
    secret, used_for = asked.get("name", ""), asked.get("used_for", "deploy")
    if request.method == "POST":
        services.remove_secret(user, environment=row, name=secret, used_for=used_for)
        return see_other(request, url, f"The secret {secret} is removed.")
    require_keep_secrets(user, row)
    found = row.secrets.select_related("updated_by").filter(name=secret, used_for=used_for).first()
    if found is None:
        raise NotVisible("no_such_secret", f"{name} has no such secret.")
    context = {"environment": row, "secret": found, "form_action": request.path, "back_url": url, "danger": True,
               "button": f"Remove {secret}"}  # fmt: skip
    return respond(request, "web/environments/remove_secret.html", context)
