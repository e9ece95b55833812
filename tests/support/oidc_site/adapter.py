"""Adds the groups claim: the Django groups of the person."""

from typing import Any

from allauth.idp.oidc.adapter import DefaultOIDCAdapter


class GroupsAdapter(DefaultOIDCAdapter):
    def get_claims(self, purpose: str, user: Any, client: Any, scopes: Any, **kwargs: Any) -> dict[str, Any]:
        claims = super().get_claims(purpose, user, client, scopes, **kwargs)
        claims["groups"] = sorted(user.groups.values_list("name", flat=True))
        return claims
