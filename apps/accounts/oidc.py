"""OpenID Connect on top of allauth: what allauth leaves open is closed here.

allauth gives the code flow with ``state`` and PKCE. Added: a nonce (OpenID Connect Core 1.0
§3.1.2.1, §3.1.3.7), one subject in ID token and userinfo (§5.3.2), the issuer of the discovery
document equal to the configured one (Discovery 1.0 §4.3), identity bound to (issuer, subject),
no parameters taken from the link, and a page instead of a crash when the provider is down.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

import requests
from allauth.account.internal.decorators import login_not_required
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings

from apps.accounts.claims import Claims, UnusableClaims, read_claims
from apps.core.errors import NotVisible

WELL_KNOWN = "/.well-known/openid-configuration"


class SignInRefused(OAuth2Error):  # type: ignore[misc]
    """The provider answered, and the answer is not acceptable. The text is shown and logged."""


class PortalOAuth2Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """One sign-in at the provider. ``state`` is what the portal stored when it sent the browser away."""

    state: dict[str, Any] | None = None

    @property
    def openid_config(self) -> dict[str, Any]:
        """The discovery document; a page with the reason when it cannot be had or is somebody else's."""
        if not hasattr(self, "_portal_config"):
            try:
                config: dict[str, Any] = super().openid_config
                self._check_issuer(config)
            except (requests.RequestException, ValueError, OAuth2Error) as error:
                response = render_authentication_error(self.request, self.get_provider(), exception=error)
                raise ImmediateHttpResponse(response) from error
            self._portal_config = config
        return self._portal_config

    def _check_issuer(self, config: Any) -> None:
        expected = self.get_provider().app.settings["server_url"].partition(WELL_KNOWN)[0].rstrip("/")
        if not isinstance(config, dict) or str(config.get("issuer", "")).rstrip("/") != expected:
            raise SignInRefused("The discovery document names another issuer than the one that is configured.")

    def complete_login(self, request: Any, app: Any, token: Any, **kwargs: Any) -> Any:
        """The login that the provider proved; every check stands before anything is looked up or stored."""
        try:
            login = super().complete_login(request, app, token, **kwargs)
            claims = claims_of(login)
        except (UnusableClaims, KeyError, TypeError, ValueError) as error:
            raise SignInRefused(str(error)) from error
        self._check_nonce(login.account.extra_data["id_token"])
        if (self.state or {}).get("process") == "connect":
            raise SignInRefused("Single sign-on cannot be attached to an existing account. Ask an administrator.")
        _check_identity(login.account, claims)
        return login

    def _check_nonce(self, id_token: dict[str, Any]) -> None:
        sent, got = str((self.state or {}).get("nonce") or ""), str(id_token.get("nonce") or "")
        if not sent or not hmac.compare_digest(sent.encode(), got.encode()):
            raise SignInRefused("The nonce of the ID token is not the one that was sent.")

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        """Checked without its signature only if TLS proved where it came from (Core 1.0 §3.1.3.7, item 6)."""
        direct = self.did_fetch_access_token and self.access_token_url.startswith("https://")
        decoded: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
            verify_signature=not direct,
        )
        return decoded


def _check_identity(account: Any, claims: Claims) -> None:
    """A known account only for the same issuer: a provider that was exchanged must not inherit its people."""
    known = SocialAccount.objects.filter(provider=account.provider, uid=account.uid).select_related("user").first()
    if known is not None and (known.user.issuer, known.user.subject) != (claims.issuer, claims.subject):
        raise SignInRefused("This account belongs to another issuer. Ask an administrator.")


class PortalProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider with PKCE always on, a nonce, and nothing taken from the query of the link."""

    oauth2_adapter_class = PortalOAuth2Adapter

    def get_pkce_params(self) -> dict[str, str]:
        params: dict[str, str] = generate_code_challenge()
        return params

    def get_auth_params_from_request(self, request: Any, action: str) -> dict[str, str]:
        params: dict[str, str] = self.get_auth_params()
        return params

    def get_scope_from_request(self, request: Any) -> list[str]:
        scope: list[str] = self.get_scope()
        return scope

    def redirect(self, request: Any, process: str, next_url: Any = None, data: Any = None, **kwargs: Any) -> Any:
        """Send the browser to the provider; the nonce is kept beside the state in the session."""
        nonce = secrets.token_urlsafe(24)
        kwargs["auth_params"] = {**(kwargs.get("auth_params") or self.get_auth_params()), "nonce": nonce}
        return super().redirect(request, process, next_url, data, nonce=nonce, **kwargs)


class _CallbackView(OAuth2CallbackView):  # type: ignore[misc]
    def _get_state(self, request: Any, provider: Any) -> Any:
        state, response = super()._get_state(request, provider)
        self.adapter.state = state
        return state, response


@login_not_required  # type: ignore[untyped-decorator]
def callback(request: Any, provider_id: str) -> Any:
    """Where the provider sends the browser back to."""
    try:
        return _CallbackView.adapter_view(PortalOAuth2Adapter(request, provider_id))(request)
    except SocialApp.DoesNotExist as error:
        raise NotVisible("provider_not_found", "There is no such identity provider.") from error


def claims_of(login: Any) -> Claims:
    """What the provider says about the person of this login; :class:`UnusableClaims` if it proves nothing."""
    return read_claims(login.account.extra_data, groups_claim=settings.PORTAL_OIDC_GROUPS_CLAIM)
