"""What a session knows of how its person signed in."""

from __future__ import annotations

import time
from typing import cast

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest


def has_just_signed_in(request: HttpRequest) -> bool:
    """Whether the person proved who they are within the last minutes (``ACCOUNT_REAUTHENTICATION_TIMEOUT``).

    By signing in, here or at the identity provider, or by confirming the password or a passkey. Not allauth's own question:
    that one says yes to everybody who has no password here.
    """
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, cast("AbstractBaseUser", request.user))
    newest = max((float(record["at"]) for record in records), default=0.0)
    limit = float(app_settings.REAUTHENTICATION_TIMEOUT)
    return 0 <= time.time() - newest < limit
