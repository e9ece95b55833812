"""Teams and their members."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.accounts.models import Team
from apps.api import outputs, shapes
from apps.api.answers import team_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, people_named
from apps.api.pages import AFTER_NAME, LIMIT, names_page
from apps.core.errors import NotVisible


@endpoint("GET", response=outputs.page_of(outputs.TeamOut), summary="Teams", parameters=[AFTER_NAME, LIMIT])
def list_teams(request: Request) -> Response:
    """All teams with their members."""
    return names_page(request, Team.objects.prefetch_related("memberships__user"), team_json, key="name")


@endpoint("POST", scope="manage", request=shapes.TeamIn, response=outputs.TeamOut, status=201, summary="Create a team")
def create_team(request: Request) -> Response:
    """A team with its first members."""
    body = read(shapes.TeamIn, request)
    team = accounts.create_team(
        caller(request), name=body["name"], title=body["title"], members=people_named(body["members"])
    )
    return Response(team_json(team), status=201)


@endpoint("GET", response=outputs.TeamOut, summary="One team")
def show_team(request: Request, name: str) -> Response:
    """A team with its members."""
    return Response(team_json(_team(name)))


@endpoint(
    "PUT", scope="admin", request=shapes.TeamMembersIn, response=outputs.TeamOut, summary="Set the members of a team"
)
def set_team_members(request: Request, name: str) -> Response:
    """Make the given people the members of the team."""
    body = read(shapes.TeamMembersIn, request)
    accounts.set_team_members(caller(request), team=_team(name), members=people_named(body["members"]))
    return Response(team_json(_team(name)))


@endpoint("PATCH", scope="admin", request=shapes.TeamPatchIn, response=outputs.TeamOut, summary="Describe a team")
def edit_team(request: Request, name: str) -> Response:
    """How a team is shown, and which group of the identity provider it stands for; its name stays."""
    body = read(shapes.TeamPatchIn, request)
    team = _team(name)
    kept = {"title": team.title, "description": team.description, "external_group": team.external_group}
    accounts.update_team(caller(request), team=team, **(kept | body))
    return Response(team_json(_team(name)))


def _team(name: str) -> Team:
    row = Team.objects.prefetch_related("memberships__user").filter(name=name).first()
    if row is None:
        raise NotVisible("not_found", f"There is no team {name}.")
    return row
