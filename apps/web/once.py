"""A form that is sent twice acts once: the hidden ``idempotency_key`` field of forms that make something new."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from django.core.cache import cache
from django.http import HttpRequest

from apps.core.errors import Conflict

KEEP = 3600  # seconds
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


def new_key() -> str:
    """A value for the hidden field; every rendering of a form gets its own."""
    return secrets.token_urlsafe(18)


def act_once(request: HttpRequest, act: Callable[[], str]) -> str:
    """The address that ``act`` returns; the second sending of the same form gets the first one's address.

    A failed ``act`` frees the key, so that a corrected form can be sent again. Without a
    well-formed key the action simply runs: the field protects from double clicks, it permits nothing.
    """
    given = request.POST.get("idempotency_key", "")
    if not _KEY.fullmatch(given):
        return act()
    key = f"once:{request.user.pk}:{given}"
    if not cache.add(key, "", KEEP):
        done = cache.get(key)
        if done:
            return str(done)
        raise Conflict(
            "already_being_done",
            "This form has just been sent and is still being worked on. Wait a moment, then open the page again.",
        )
    try:
        url = act()
    except BaseException:
        cache.delete(key)
        raise
    cache.set(key, url, KEEP)
    return url
