"""API tokens: made once visible, kept as a digest, checked at every use."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apps.accounts.access import can_create_token, can_revoke_token
from apps.accounts.errors import TokenRefused
from apps.accounts.models import ApiToken, User
from apps.accounts.scopes import checked_scopes, possible_scopes
from apps.audit.actors import Actor
from apps.audit.services import record
from apps.core.clock import now as clock_now
from apps.core.errors import Conflict, InvalidInput

MARK = "gop_"
DEFAULT_DAYS = 90
MAX_DAYS = 366
LAST_USED_EVERY = timedelta(minutes=1)
_SHAPE = re.compile(rf"{MARK}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class TokenSession:
    """Who calls the API, and what the token limits the call to."""

    user: User
    scopes: frozenset[str]
    token_id: int


@transaction.atomic
def create_token(
    actor: User,
    *,
    user: User,
    name: str,
    scopes: Iterable[str] | None = None,
    days: int = DEFAULT_DAYS,
) -> tuple[ApiToken, str]:
    """A token and its secret, which is shown this once and never again.

    ``scopes=None``: all that the person may do. ``days``: 1 to 366 until it expires.
    InvalidInput ``bad_scope``, ``bad_days``, ``bad_name``.
    """
    can_create_token(actor, user).require()
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise InvalidInput("bad_name", "A token needs a name of 1 to 100 characters.", field="name")
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput("bad_days", f"A token lives 1 to {MAX_DAYS} days.", field="days")
    allowed = checked_scopes(user, scopes)
    secret = MARK + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=secret[:10],
        digest=_digest(secret),
        scopes=allowed,
        expires_at=clock_now() + timedelta(days=days),
    )
    _record(actor, "token.created", token, f"Token {name} created for {user.username}")
    return token, secret


@transaction.atomic
def revoke_token(actor: User, *, token: ApiToken) -> ApiToken:
    """End a token at once. Conflict ``already_revoked``."""
    can_revoke_token(actor, token).require()
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=clock_now())
    if not revoked:
        raise Conflict("already_revoked", "This token is revoked already.")
    token.refresh_from_db()
    _record(actor, "token.revoked", token, f"Token {token.name} of {token.user.username} revoked")
    return token


def authenticate_token(raw: str, *, now: datetime) -> TokenSession:
    """The session of a bearer token at ``now``; :class:`TokenRefused` says why there is none.

    Looked up by digest, so the time taken tells nothing about the secret. ``last_used_at`` is
    written at most once a minute.
    """
    digest = _digest(raw)
    token = ApiToken.objects.select_related("user").filter(digest=digest).first() if _SHAPE.fullmatch(raw) else None
    if token is None or not hmac.compare_digest(token.digest, digest):
        raise TokenRefused("token_unknown", "This token is not known here. Create one under Settings → API tokens.")
    if token.revoked_at is not None:
        raise TokenRefused("token_revoked", "This token was revoked. Create a new one.")
    if not token.is_usable(now):
        raise TokenRefused("token_expired", "This token has expired. Create a new one.")
    if not token.user.is_active:
        raise TokenRefused("inactive", "The account of this token is deactivated. Ask an administrator.")
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - LAST_USED_EVERY)
    if token.last_used_at is None or token.last_used_at <= now - LAST_USED_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    # Rights lost since the token was made are lost to the token as well.
    scopes = frozenset(token.scopes) & frozenset(possible_scopes(token.user))
    return TokenSession(user=token.user, scopes=scopes, token_id=token.pk)


def _digest(raw: str) -> str:
    return hashlib.sha256(raw.encode("utf-8", "surrogateescape")).hexdigest()


def _record(actor: User, action: str, token: ApiToken, summary: str) -> None:
    expires = token.expires_at.date().isoformat() if token.expires_at else None
    record(
        Actor.of(actor),
        action,
        target=f"user/{token.user.username}",
        summary=summary,
        data={"token_id": token.pk, "prefix": token.prefix, "scopes": token.scopes, "expires": expires},
    )
