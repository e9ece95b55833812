"""Who calls: a bearer token, or the session of somebody who signed in on a page."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.accounts.services import TokenSession
from apps.core.clock import now
from apps.core.errors import PortalError


class BearerTokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer gop_…``; expired, revoked and inactive ones are refused with the reason."""

    def authenticate(self, request: Request) -> tuple[User, TokenSession] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() not in {b"bearer", b"token"}:
            return None
        if len(words) != 2:
            raise AuthenticationFailed("Send exactly one token after the word Bearer.")
        try:
            session = accounts.authenticate_token(words[1].decode("latin-1"), now=now())
        except PortalError as error:
            raise AuthenticationFailed(error.message, code=error.code) from error
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="gitops-portal"'


class PageSessionAuthentication(SessionAuthentication):
    """The session cookie with its CSRF token, so that pages may call the API."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise PermissionDenied(
                "A call with the session cookie needs the header X-CSRFToken. Programs use a token instead.",
                code="csrf",
            ) from error
