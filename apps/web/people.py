"""The person behind a request, and people named in forms."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from apps.accounts.access import can_manage_people
from apps.accounts.models import User
from apps.core.errors import InvalidInput, NotVisible


def signed_in(request: HttpRequest) -> User:
    """The person; only behind :func:`apps.web.responding.page`, which lets nobody else through."""
    return cast("User", request.user)


def administrator(request: HttpRequest) -> User:
    """The person, if they may manage accounts; to everybody else these pages do not exist."""
    user = signed_in(request)
    if not can_manage_people(user).allowed:
        raise NotVisible("not_found", "There is nothing here that you can see.")
    return user


def named(handle: str) -> User:
    """The active account with this handle (a leading @ is fine)."""
    found = User.objects.filter(username=handle.strip().removeprefix("@").lower(), is_active=True).first()
    if found is None:
        raise InvalidInput("unknown_user", f"Nobody here is called “{handle.strip()[:60]}”.", field="user")
    return found
