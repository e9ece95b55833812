"""A secret that is shown exactly once, on the page after the one that made it.

It waits encrypted in the session, for the very next page only, so that POST can answer with a
redirect (a reload then makes no second token) and nothing of it is left in an address or a log.
"""

from __future__ import annotations

from django.http import HttpRequest

from apps.core.secrets import decrypt, encrypt


def keep(request: HttpRequest, name: str, secret: str) -> None:
    """Put ``secret`` aside for the page that calls :func:`take` with ``name``."""
    request.session[_key(name)] = encrypt(secret)


def take(request: HttpRequest, name: str) -> str:
    """The secret put aside for this page, or ``""``; it is gone afterwards."""
    stored = request.session.pop(_key(name), "") if _key(name) in request.session else ""
    return decrypt(stored)


def _key(name: str) -> str:
    return f"shown_once:{name}"
