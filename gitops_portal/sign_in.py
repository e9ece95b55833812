"""How people sign in: local accounts, and one OpenID Connect provider by environment variables.

docs/sign-in.md explains every variable. Nothing set: local accounts only.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from gitops_portal import env

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/queue/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"

# --- local accounts ----------------------------------------------------------------------
PORTAL_OPEN_SIGNUP = env.flag("PORTAL_OPEN_SIGNUP")
PORTAL_LOCAL_SIGN_IN = env.flag("PORTAL_LOCAL_SIGN_IN", default=True)
ACCOUNT_ADAPTER = "apps.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_FORMS = {"login": "apps.accounts.forms.SignIn", "reset_password": "apps.accounts.forms.AskForReset"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_USERNAME_VALIDATORS = "apps.accounts.handles.VALIDATORS"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_EMAIL_VERIFICATION = "none"  # an address counts only once verified; signing in does not wait for it
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_SESSION_REMEMBER = False  # the cookie ends with the browser, the session after 12 hours
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # before an address or a sign-in method of one's own is changed
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ALLAUTH_TRUSTED_PROXY_COUNT = env.whole("PORTAL_TRUSTED_PROXIES", 0)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "GitOps Portal"

# --- OpenID Connect ----------------------------------------------------------------------
PORTAL_OIDC_ISSUER = env.text("PORTAL_OIDC_ISSUER").rstrip("/")
PORTAL_OIDC_GROUPS_CLAIM = env.text("PORTAL_OIDC_GROUPS_CLAIM", "groups")
PORTAL_OIDC_CREATE_USERS = env.flag("PORTAL_OIDC_CREATE_USERS", default=True)
PORTAL_OIDC_CREATE_TEAMS = env.flag("PORTAL_OIDC_CREATE_TEAMS")
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_AUTO_SIGNUP = True
SOCIALACCOUNT_EMAIL_REQUIRED = False  # an address is recorded only if nobody else holds it; signing in needs none
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # identity is (issuer, subject); an e-mail address proves nothing
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10


def openid_connect_apps() -> list[dict[str, Any]]:
    """The one provider that the environment names, as allauth wants it; empty without an issuer."""
    if not PORTAL_OIDC_ISSUER:
        return []
    client_id, secret = env.text("PORTAL_OIDC_CLIENT_ID"), env.text("PORTAL_OIDC_CLIENT_SECRET")
    if not client_id or not secret:
        raise env.BadEnvironment("PORTAL_OIDC_ISSUER needs PORTAL_OIDC_CLIENT_ID and PORTAL_OIDC_CLIENT_SECRET(_FILE).")
    return [
        {
            "provider_id": env.text("PORTAL_OIDC_ID", "sso"),
            "name": env.text("PORTAL_OIDC_NAME", "Single sign-on"),
            "client_id": client_id,
            "secret": secret,
            "settings": {
                "server_url": PORTAL_OIDC_ISSUER,
                "oauth_pkce_enabled": True,
                "scope": env.text("PORTAL_OIDC_SCOPES", "openid profile email").split(),
                "fetch_userinfo": True,
            },
        }
    ]


SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {"provider_class": "apps.accounts.oidc.PortalProvider", "APPS": openid_connect_apps()}
}
# Browsers apply form-action to the redirect that follows the sign-in button's POST.
_issuer = urlsplit(PORTAL_OIDC_ISSUER)
FORM_ACTION_ORIGINS: list[str] = [f"{_issuer.scheme}://{_issuer.netloc}"] if PORTAL_OIDC_ISSUER else []
FORM_ACTION_ORIGINS += env.words("PORTAL_OIDC_FORM_ORIGINS")
