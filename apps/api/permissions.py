"""Every call needs a signed-in person; a token also needs the scope of the endpoint and method."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts.services import TokenSession


class SignedInWithScope(BasePermission):
    """Signed in; with a token: its scope for this method of this endpoint, ``read`` for reading."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        if isinstance(request.auth, TokenSession):
            needed = "read" if request.method in SAFE_METHODS else view.scopes.get(request.method)
            if needed is not None and needed not in request.auth.scopes:
                raise PermissionDenied(
                    f"This token lacks the scope {needed!r}. Its owner can make one that has it.", code="scope_missing"
                )
        return True
