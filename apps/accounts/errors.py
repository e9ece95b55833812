"""Errors of this context beside those of ``apps.core.errors``."""

from __future__ import annotations

from apps.core.errors import PortalError


class TokenRefused(PortalError):
    """A bearer token that does not sign anybody in; the API answers 401."""
