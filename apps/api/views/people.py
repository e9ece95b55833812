"""People, teams, tokens."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.accounts.models import ApiToken, Team, User
from apps.accounts.services import TokenSession
from apps.api import outputs, shapes
from apps.api.answers import me_json, team_json, token_json, user_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, people_named
from apps.api.pages import AFTER_NAME, LIMIT, names_page, page
from apps.core.errors import NotVisible


@endpoint("GET", response=outputs.MeOut, summary="Who am I")
def show_me(request: Request) -> Response:
    """The caller, with teams and what the token may do."""
    scopes = request.auth.scopes if isinstance(request.auth, TokenSession) else None
    return Response(me_json(caller(request), scopes))


@endpoint("GET", response=outputs.page_of(outputs.UserOut), summary="People", parameters=[AFTER_NAME, LIMIT])
def list_users(request: Request) -> Response:
    """Everybody with an account, by handle."""
    return names_page(request, User.objects.all(), user_json, key="username")


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
    "PUT", scope="manage", request=shapes.TeamMembersIn, response=outputs.TeamOut, summary="Set the members of a team"
)
def set_team_members(request: Request, name: str) -> Response:
    """Make the given people the members of the team."""
    body = read(shapes.TeamMembersIn, request)
    accounts.set_team_members(caller(request), team=_team(name), members=people_named(body["members"]))
    return Response(team_json(_team(name)))


@endpoint("GET", response=outputs.page_of(outputs.TokenOut), summary="My API tokens")
def list_tokens(request: Request) -> Response:
    """The caller's tokens, without their secrets."""
    rows = ApiToken.objects.filter(user=caller(request)).order_by("-pk")
    return page(request, rows, token_json)


@endpoint(
    "POST",
    scope="manage",
    request=shapes.TokenIn,
    response=outputs.NewTokenOut,
    status=201,
    summary="Make an API token",
    withheld=["token"],
)
def create_token(request: Request) -> Response:
    """A new token of the caller; its secret is in this answer and nowhere else. A token makes none with more rights."""
    body = read(shapes.TokenIn, request)
    scopes = body["scopes"]
    if isinstance(request.auth, TokenSession):
        scopes = [scope for scope in scopes or request.auth.scopes if scope in request.auth.scopes]
    user = caller(request)
    token, secret = accounts.create_token(user, user=user, name=body["name"], scopes=scopes or None, days=body["days"])
    return Response(token_json(token) | {"token": secret}, status=201)


@endpoint("DELETE", scope="manage", response=outputs.TokenOut, summary="Revoke an API token")
def revoke_token(request: Request, pk: int) -> Response:
    """End one of the caller's tokens at once."""
    token = ApiToken.objects.filter(pk=pk, user=caller(request)).first()
    if token is None:
        raise NotVisible("not_found", "You have no such token.")
    token = accounts.revoke_token(caller(request), token=token)
    return Response(token_json(token))


def _team(name: str) -> Team:
    row = Team.objects.prefetch_related("memberships__user").filter(name=name).first()
    if row is None:
        raise NotVisible("not_found", f"There is no team {name}.")
    return row
