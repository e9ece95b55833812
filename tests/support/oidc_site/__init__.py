"""A small Django site that is a real OpenID Connect provider (allauth.idp.oidc), run as its own process."""
