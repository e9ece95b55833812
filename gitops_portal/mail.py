"""Mail: by the one server that the environment names, or none at all.

Without a server nothing is written elsewhere: a link that resets a password is as good as the password, and logs are read by many.
"""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from gitops_portal import env

PORTAL_EMAIL_URL = env.url("PORTAL_EMAIL_URL", ("smtps", "smtp"))
PORTAL_SENDS_MAIL = bool(PORTAL_EMAIL_URL) or env.flag("PORTAL_DEBUG")
EMAIL_BACKEND = f"django.core.mail.backends.{'console' if PORTAL_SENDS_MAIL else 'dummy'}.EmailBackend"
EMAIL_TIMEOUT = 10
"""Seconds for which somebody waits who asked for a mail."""

if PORTAL_EMAIL_URL:
    try:
        _parts = urlsplit(PORTAL_EMAIL_URL)
        _port = _parts.port
    except ValueError as _error:
        raise env.BadEnvironment("PORTAL_EMAIL_URL: its port is no number.") from _error
    _tls = parse_qs(_parts.query).get("tls", ["on"])[-1]
    if not _parts.hostname or _tls not in {"on", "off"}:
        raise env.BadEnvironment(
            "PORTAL_EMAIL_URL must be such as smtps://user:password@host:465 or smtp://host?tls=off."
        )
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _parts.hostname
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_parts.username or ""), unquote(_parts.password or "")
    EMAIL_USE_SSL = _parts.scheme == "smtps"
    EMAIL_USE_TLS = not EMAIL_USE_SSL and _tls == "on"
    EMAIL_PORT = _port or (465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
    if EMAIL_HOST_PASSWORD and not (EMAIL_USE_SSL or EMAIL_USE_TLS):
        raise env.BadEnvironment("PORTAL_EMAIL_URL: with ?tls=off its password would go over the network in clear.")
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("PORTAL_EMAIL_FROM")
    if "@" not in DEFAULT_FROM_EMAIL:
        raise env.BadEnvironment("PORTAL_EMAIL_URL needs PORTAL_EMAIL_FROM, the address from which mail comes.")
