"""Connections to outside systems: their list, one of them, making, changing, allowing, trying and removing it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.core.errors import Conflict, InvalidInput
from apps.deployments import services
from apps.deployments.access import can_manage_connections, require_manage_connections
from apps.deployments.dispatchers.kinds import KINDS, Kind
from apps.deployments.models import Connection
from apps.deployments.queries.connections import find_connection
from apps.presentation.connections import choosable_repositories, connection_page, connection_rows
from apps.repositories.models import Repository
from apps.web.forms.base import attempt
from apps.web.forms.connections import AllowConnection, ConnectionForm
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other, writes


@reads
def index(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    context = {"rows": connection_rows(user), "manages": can_manage_connections(user).allowed}
    return respond(request, "web/connections/list.html", context)


@page("GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """First the kind (in the address), then its fields."""
    user = signed_in(request)
    require_manage_connections(user)
    kind = KINDS.get(request.GET.get("kind", ""))
    if kind is None:
        return respond(request, "web/connections/kinds.html", {"kinds": KINDS.values()})
    form = ConnectionForm(request.POST if request.method == "POST" else None, kind=kind)
    status = 200
    if request.method == "POST":
        made = attempt(form, lambda: _create(user, kind, form))
        if made is not None:
            return see_other(request, f"/connections/{made.name}/", f"The connection {made.name} is there. Try it.")
        status = 422
    return respond(request, "web/connections/new.html", {"form": form, "kind": kind}, status=status)


def _create(user: User, kind: Kind, form: ConnectionForm) -> Connection:
    data = form.cleaned_data
    try:
        return services.create_connection(
            user, name=data["name"].strip(), kind=kind.name, url=data["url"].strip(), values=form.values()
        )
    except Conflict as problem:
        raise InvalidInput(problem.code, problem.message, field="name") from problem


@reads
def show(request: HttpRequest, name: str) -> HttpResponse:
    return _show(request, name)


def _show(request: HttpRequest, name: str, form: AllowConnection | None = None, status: int = 200) -> HttpResponse:
    found = connection_page(signed_in(request), name)
    context = {"page": found, "form": form or AllowConnection(repositories=found.repositories)}
    return respond(request, "web/connections/show.html", context, status=status)


@page("GET", "HEAD", "POST")
def edit(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    row = find_connection(user, name)
    require_manage_connections(user)
    kind = KINDS[row.kind]
    form = ConnectionForm(request.POST if request.method == "POST" else None, kind=kind, connection=row)
    status = 200
    if request.method == "POST":
        done = attempt(form, lambda: _update(user, row, form))
        if done is not None:
            return see_other(request, f"/connections/{name}/", "Saved. Try it.")
        status = 422
    return respond(request, "web/connections/edit.html", {"form": form, "kind": kind, "row": row}, status=status)


def _update(user: User, row: Connection, form: ConnectionForm) -> Connection:
    return services.update_connection(user, connection=row, url=form.cleaned_data["url"].strip(), values=form.values())


@writes
def test(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    row = services.try_connection(user, connection=find_connection(user, name))
    said = "It works." if row.is_working else "It does not work."
    return see_other(request, f"/connections/{name}/", f"{said} {row.test_text}", is_good=bool(row.is_working))


@page("GET", "HEAD", "POST")
def allow(request: HttpRequest, name: str) -> HttpResponse:
    """POST: let a repository use it. GET: where a reloaded page of a refused form ends up."""
    url = f"/connections/{name}/"
    if request.method != "POST":
        return see_other(request, url)
    user = signed_in(request)
    row = find_connection(user, name)
    require_manage_connections(user)
    form = AllowConnection(request.POST, repositories=choosable_repositories(user))
    done = attempt(
        form,
        lambda: services.allow_connection(
            user,
            connection=row,
            repository=_repository(user, form.cleaned_data["repository"]),
            environments=form.names(),
        ),
    )
    if done is None:
        return _show(request, name, form, status=422)
    return see_other(request, url, f"{done.repository.name} may use {name}.")


@writes
def forbid(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    row = find_connection(user, name)
    require_manage_connections(user)
    repository = _repository(user, request.POST.get("repository", ""))
    services.forbid_connection(user, connection=row, repository=repository)
    return see_other(request, f"/connections/{name}/", f"{repository.name} may not use {name} any more.")


@page("GET", "HEAD", "POST")
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """GET says what ends with it, POST removes it."""
    user = signed_in(request)
    row = find_connection(user, name)
    require_manage_connections(user)
    if request.method != "POST":
        return respond(request, "web/connections/remove.html", {"page": connection_page(user, name)})
    services.remove_connection(user, connection=row)
    return see_other(request, "/connections/", f"The connection {name} is removed, with its credentials.")


def _repository(user: User, name: str) -> Repository:
    row = Repository.objects.visible_to(user).filter(name=name.strip()).first()
    if row is None:
        raise InvalidInput(
            "unknown_repository", f"There is no repository {name!r} that you can see.", field="repository"
        )
    return row
