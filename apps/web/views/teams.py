"""Teams: who is in them, and changing that (administrators)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.accounts import queries, services
from apps.accounts.access import can_create_team, can_manage_teams
from apps.accounts.models import User
from apps.core.errors import Conflict, InvalidInput
from apps.web.forms.base import attempt
from apps.web.forms.people import AddMember, EditTeam, NewTeam
from apps.web.people import named, signed_in
from apps.web.responding import page, reads, respond, see_other, writes


@reads
def index(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    context = {"teams": queries.teams(), "mine": queries.teams_of(user), "creates": can_create_team(user).allowed}
    return respond(request, "web/teams/list.html", context)


@page("GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    can_create_team(user).require()
    form = NewTeam(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        name = attempt(form, lambda: _create(user, form))
        if name:
            return see_other(request, f"/teams/{name}/", f"Team {name} is there.")
        status = 422
    return respond(request, "web/teams/new.html", {"form": form}, status=status)


def _create(user: User, form: NewTeam) -> str:
    data = form.cleaned_data
    found = queries.users_by_handle(form.handles())
    unknown = [handle for handle in form.handles() if handle not in found]
    if unknown:
        raise InvalidInput("unknown_members", f"Nobody here is called {', '.join(unknown)}.", field="members")
    try:
        team = services.create_team(
            user,
            name=data["name"].strip(),
            title=data["title"],
            description=data["description"],
            external_group=data["external_group"],
            members=found.values(),
        )
    except Conflict as problem:
        raise InvalidInput(problem.code, problem.message, field="name") from problem
    return team.name


@reads
def show(request: HttpRequest, name: str) -> HttpResponse:
    return _show(request, name, AddMember())


def _show(request: HttpRequest, name: str, form: AddMember, status: int = 200) -> HttpResponse:
    manages = can_manage_teams(signed_in(request)).allowed
    context: dict[str, Any] = {"team": queries.team(name), "manages": manages, "form": form}
    if manages:
        context["people"] = queries.people(limit=500)
    return respond(request, "web/teams/show.html", context, status=status)


@page("GET", "HEAD", "POST")
def edit(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    can_manage_teams(user).require()
    team = queries.team_by_name(name)
    initial = {"title": team.title, "description": team.description, "external_group": team.external_group}
    form = EditTeam(request.POST if request.method == "POST" else None, initial=initial)
    status = 200
    if request.method == "POST":
        if attempt(form, lambda: services.update_team(user, team=team, **form.cleaned_data)):
            return see_other(request, f"/teams/{name}/", "Saved.")
        status = 422
    return respond(request, "web/teams/edit.html", {"team": team, "form": form}, status=status)


@page("GET", "HEAD", "POST")
def add_member(request: HttpRequest, name: str) -> HttpResponse:
    url = f"/teams/{name}/"
    if request.method != "POST":
        return see_other(request, url)
    user = signed_in(request)
    can_manage_teams(user).require()
    team = queries.team_by_name(name)
    form = AddMember(request.POST)
    done = attempt(form, lambda: services.add_team_member(user, team=team, user=named(form.cleaned_data["user"])))
    if done is None:
        return _show(request, name, form, status=422)
    return see_other(request, url, f"{done.user.username} is in team {name} now.")


@writes
def remove_member(request: HttpRequest, name: str) -> HttpResponse:
    user = signed_in(request)
    team = queries.team_by_name(name)
    person = queries.user_by_handle(request.POST.get("user", ""))
    services.remove_team_member(user, team=team, user=person)
    return see_other(request, f"/teams/{name}/", f"{person.username} is no longer in team {name}.")
