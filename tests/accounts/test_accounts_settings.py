"""Environment variables of single sign-on become the right settings, or stop the start."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from gitops_portal.env import BadEnvironment

SIGN_IN = Path(__file__).resolve().parents[2] / "gitops_portal" / "sign_in.py"


@pytest.fixture
def read(monkeypatch):
    def run(**variables: str) -> dict:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SIGN_IN))

    return run


def test_nothing_set_means_local_accounts_only(read):
    settings = read()
    assert settings["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"] == []
    assert settings["FORM_ACTION_ORIGINS"] == []
    assert settings["PORTAL_OPEN_SIGNUP"] is False
    assert settings["SOCIALACCOUNT_EMAIL_AUTHENTICATION"] is False


def test_provider_is_read_with_its_secret_from_a_file(read, tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    settings = read(
        PORTAL_OIDC_ISSUER="https://idp.example:8443/realms/corp/",
        PORTAL_OIDC_CLIENT_ID="portal",
        PORTAL_OIDC_CLIENT_SECRET_FILE=str(tmp_path / "secret"),
        PORTAL_OIDC_SCOPES="openid email groups",
    )
    (app,) = settings["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"]
    assert (app["client_id"], app["secret"], app["provider_id"]) == ("portal", "s3cret", "sso")
    assert app["settings"]["server_url"] == "https://idp.example:8443/realms/corp"
    assert app["settings"]["oauth_pkce_enabled"] is True
    assert app["settings"]["scope"] == ["openid", "email", "groups"]
    assert settings["FORM_ACTION_ORIGINS"] == ["https://idp.example:8443"]


@pytest.mark.parametrize("given", [{}, {"PORTAL_OIDC_CLIENT_ID": "portal"}, {"PORTAL_OIDC_CLIENT_SECRET": "s"}])
def test_half_a_provider_stops_the_start(read, given):
    with pytest.raises(BadEnvironment):
        read(PORTAL_OIDC_ISSUER="https://idp.example", **given)
