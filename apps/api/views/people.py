"""People and their tokens."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import queries
from apps.accounts import services as accounts
from apps.accounts.models import ApiToken, User
from apps.accounts.services import TokenSession
from apps.api import outputs, shapes
from apps.api.answers import keyboard_json, me_json, token_json, user_json
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, person_named
from apps.api.pages import AFTER_NAME, LIMIT, names_page, page
from apps.core.errors import InvalidInput, NotAllowed, NotVisible


@endpoint("GET", response=outputs.MeOut, summary="Who am I")
def show_me(request: Request) -> Response:
    """The caller, with teams and what the token may do."""
    scopes = request.auth.scopes if isinstance(request.auth, TokenSession) else None
    return Response(me_json(caller(request), scopes))


@endpoint("GET", response=outputs.KeyboardOut, summary="My keyboard shortcuts")
def show_keyboard(request: Request) -> Response:
    """The table of shortcuts with the caller's keys; an empty text has none."""
    return Response(keyboard_json(caller(request)))


@endpoint("PUT", scope="manage", request=shapes.KeyboardIn, response=outputs.KeyboardOut, summary="Choose my shortcuts")
def choose_keyboard(request: Request) -> Response:
    """Set the caller's keys: what `keys` leaves out gets its default, so an empty object resets all."""
    user, body = caller(request), read(shapes.KeyboardIn, request)
    return Response(keyboard_json(accounts.choose_shortcuts(user, user=user, **body)))


@endpoint("GET", response=outputs.page_of(outputs.UserOut), summary="People", parameters=[AFTER_NAME, LIMIT])
def list_users(request: Request) -> Response:
    """Everybody with an account, by handle."""
    return names_page(request, User.objects.select_related("sponsor"), user_json, key="username")


@endpoint(
    "POST", scope="admin", request=shapes.UserIn, response=outputs.UserOut, status=201, summary="Create an account"
)
def create_user(request: Request) -> Response:
    """A local account; its address counts as verified. Without a password nobody can sign in to it yet."""
    body = read(shapes.UserIn, request)
    password, is_administrator = body.pop("password"), body.pop("administrator")
    if password:
        _require_good(password)
    sponsor = person_named(named) if (named := body.pop("sponsor")) else None
    user = accounts.create_user(
        caller(request), password=password or None, is_administrator=is_administrator, sponsor=sponsor, **body
    )
    return Response(user_json(user), status=201)


def _require_good(password: str) -> None:
    try:
        validate_password(password)
    except ValidationError as error:
        raise InvalidInput("weak_password", " ".join(error.messages), field="password") from error


@endpoint("GET", response=outputs.UserOut, summary="One person")
def show_user(request: Request, username: str) -> Response:
    """An account by its handle."""
    return Response(user_json(queries.user_by_handle(username)))


@endpoint("PATCH", scope="admin", request=shapes.UserPatchIn, response=outputs.UserOut, summary="Permission to connect")
def edit_user(request: Request, username: str) -> Response:
    """Let a person connect repositories, or no longer."""
    allowed = read(shapes.UserPatchIn, request)["can_connect_repositories"]
    user = queries.user_by_handle(username)
    return Response(user_json(accounts.set_connect_permission(caller(request), user=user, allowed=allowed)))


@endpoint("PUT", scope="admin", request=shapes.SponsorIn, response=outputs.UserOut,
          summary="Set who answers for a service account")  # fmt: skip
def set_sponsor(request: Request, username: str) -> Response:
    """What the account writes from now on counts as written by this person too, who then cannot approve it."""
    named = read(shapes.SponsorIn, request)["sponsor"]
    user = queries.user_by_handle(username)
    sponsor = person_named(named) if named else None
    return Response(user_json(accounts.set_sponsor(caller(request), user=user, sponsor=sponsor)))


@endpoint("POST", scope="admin", request=shapes.ReasonIn, response=outputs.UserOut, summary="Deactivate an account")
def deactivate_user(request: Request, username: str) -> Response:
    """End every session, socket and token of a person; nothing is deleted."""
    user, reason = queries.user_by_handle(username), read(shapes.ReasonIn, request)["reason"]
    return Response(user_json(accounts.deactivate_user(caller(request), user=user, reason=reason)))


@endpoint("POST", scope="admin", request=shapes.EmptyIn, response=outputs.UserOut, summary="Reactivate an account")
def reactivate_user(request: Request, username: str) -> Response:
    """Let a deactivated person sign in again, with the roles and teams they still have."""
    return Response(user_json(accounts.reactivate_user(caller(request), user=queries.user_by_handle(username))))


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
        scopes = scopes or sorted(request.auth.scopes)
        more = sorted(set(scopes) - request.auth.scopes)
        if more:
            raise NotAllowed(
                "scope_missing", f"A token makes none with more rights than its own: not {', '.join(more)}."
            )
    user = caller(request)
    token, secret = accounts.create_token(user, user=user, name=body["name"], scopes=scopes or None, days=body["days"])
    return Response(token_json(token) | {"token": secret}, status=201)


@endpoint("DELETE", scope="manage", response=outputs.TokenOut, summary="Revoke an API token")
def revoke_token(request: Request, token: int) -> Response:
    """End one of the caller's tokens at once."""
    row = ApiToken.objects.filter(pk=token, user=caller(request)).first()
    if row is None:
        raise NotVisible("not_found", "You have no such token.")
    return Response(token_json(accounts.revoke_token(caller(request), token=row)))
