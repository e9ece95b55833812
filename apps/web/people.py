"""The person behind a request, and people named in forms."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from apps.accounts.models import User
from apps.core.errors import InvalidInput


def signed_in(request: HttpRequest) -> User:
    """The person; only behind :func:`apps.web.responding.page`, which lets nobody else through."""
    return cast("User", request.user)


def named(handle: str) -> User:
    """The active account with this handle (a leading @ is fine)."""
    found = User.objects.filter(username=handle.strip().removeprefix("@").lower(), is_active=True).first()
    if found is None:
        raise InvalidInput("unknown_user", f"Nobody here is called “{handle.strip()[:60]}”.", field="user")
    return found
