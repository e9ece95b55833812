"""Signing in by local account, and finding again who is signed in."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend

from apps.accounts.models import User
from apps.core.prepared import Prepared

_person: Prepared[User] = Prepared(lambda pk: User.objects.filter(pk=pk), 1)


class PortalBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth is untyped
    """allauth's, with the question that every request asks written once. Inactive people are nobody."""

    def get_user(self, user_id: int) -> User | None:
        found = _person.first(user_id)
        return found if found is not None and self.user_can_authenticate(found) else None
