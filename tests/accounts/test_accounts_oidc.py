"""Single sign-on end to end against a real provider in another process."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import TeamMembership, User
from apps.accounts.queries import people_by_email, teams_of
from apps.accounts.services import deactivate_user
from apps.audit.models import AuditEntry
from apps.audit.verification import verify
from tests.support.oidc_provider import OidcProvider
from tests.support.people import person, team

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.account_urls")]

PEOPLE = {
    "alice": ("alice@corp.example", True),
    "bob": ("bob@corp.example", True),
    "mallory": ("mallory@corp.example", False),
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    running = OidcProvider.start(tmp_path_factory.mktemp("idp"), PEOPLE)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def portal(settings, provider: OidcProvider) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = provider.app_settings()
    settings.PORTAL_OIDC_GROUPS_CLAIM = "groups"
    settings.PORTAL_OIDC_CREATE_USERS = True
    settings.PORTAL_OIDC_CREATE_TEAMS = False
    cache.clear()
    for name in PEOPLE:
        provider.set_groups(name, [])


def start(browser: Client) -> str:
    response = browser.post("/accounts/oidc/sso/login/?next=/queue/")
    assert response.status_code == 302, response.content
    return str(response.headers["Location"])


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def sign_in(provider: OidcProvider, name: str, browser: Client | None = None):
    browser = browser or Client()
    response = browser.get(path_of(provider.authorise(start(browser), name)))
    return browser, response


def signed_in_as(browser: Client) -> str | None:
    user_id = browser.session.get("_auth_user_id")
    return User.objects.get(pk=user_id).username if user_id else None


def test_first_sign_in_creates_the_account_with_its_identity_and_teams(provider):
    team("sre")
    team("dba", external_group="corp-dba")
    provider.set_groups("alice", ["sre", "corp-dba", "unknown-group"])
    browser, response = sign_in(provider, "alice")
    assert response.status_code == 302
    assert response.headers["Location"] == "/queue/"
    user = User.objects.get()
    assert signed_in_as(browser) == "alice" == user.username
    assert user.issuer == provider.issuer
    assert user.subject == SocialAccount.objects.get().uid
    assert not user.has_usable_password()
    assert user.display_name == "Alice"
    assert people_by_email(["alice@corp.example"]) == {"alice@corp.example": user}
    assert teams_of(user) == {"sre", "dba"}
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {
        "user.created", "user.groups_synced", "session.started",
    }  # fmt: skip
    started = AuditEntry.objects.get(action="session.started")
    assert started.actor["issuer"] == provider.issuer
    assert started.data == {"method": "sso"}
    assert verify().ok


def test_second_sign_in_takes_lost_groups_away_and_leaves_manual_memberships(provider):
    sre, dba, network = team("sre"), team("dba"), team("network")
    provider.set_groups("alice", ["sre", "dba"])
    sign_in(provider, "alice")
    user = User.objects.get()
    TeamMembership.objects.create(team=network, user=user)
    provider.set_groups("alice", ["sre"])
    sign_in(provider, "alice")
    assert User.objects.count() == 1
    assert teams_of(user) == {"sre", "network"}
    assert AuditEntry.objects.filter(action="user.groups_synced").latest("seq").data["removed"] == [dba.name]
    provider.set_groups("alice", [])
    sign_in(provider, "alice")
    assert teams_of(user) == {"network"}
    assert not sre.memberships.exists()


def test_groups_become_teams_only_when_the_operator_says_so(provider, settings):
    settings.PORTAL_OIDC_CREATE_TEAMS = True
    provider.set_groups("alice", ["Platform Engineers"])
    sign_in(provider, "alice")
    made = User.objects.get().teams.get()
    assert (made.name, made.external_group) == ("platform-engineers", "Platform Engineers")


def test_authorise_request_carries_pkce_state_and_nonce_and_nothing_of_the_link(provider):
    browser = Client()
    response = browser.post("/accounts/oidc/sso/login/?scope=admin&auth_params=prompt%3Dnone%26nonce%3Dmine")
    sent = parse_qs(urlsplit(response.headers["Location"]).query)
    assert sent["code_challenge_method"] == ["S256"]
    assert len(sent["code_challenge"][0]) == 43
    assert set(sent["scope"][0].split()) == {"openid", "profile", "email"}
    assert "prompt" not in sent
    assert sent["nonce"] != ["mine"]
    assert len(sent["state"][0]) >= 16


def test_code_is_useless_without_the_verifier_of_the_browser_that_asked(provider):
    victim, attacker = Client(), Client()
    callback = provider.authorise(start(victim), "alice")
    code = parse_qs(urlsplit(callback).query)["code"][0]
    state = parse_qs(urlsplit(start(attacker)).query)["state"][0]
    response = attacker.get(f"/accounts/oidc/sso/login/callback/?{urlencode({'code': code, 'state': state})}")
    assert response.status_code == 401
    assert signed_in_as(attacker) is None
    assert not User.objects.exists()


def test_wrong_state_is_refused(provider):
    browser = Client()
    callback = provider.authorise(start(browser), "alice")
    code = parse_qs(urlsplit(callback).query)["code"][0]
    response = browser.get(f"/accounts/oidc/sso/login/callback/?{urlencode({'code': code, 'state': 'x' * 16})}")
    assert response.status_code == 401
    assert "not started in this browser" in response.content.decode()
    assert not User.objects.exists()
    assert not AuditEntry.objects.exists()


def test_wrong_nonce_is_refused_before_anything_is_stored(provider):
    browser = Client()
    callback = provider.authorise(start(browser), "alice")
    session = browser.session
    states = session[statekit.STATES_SESSION_KEY]
    for stored in states.values():
        stored[0]["nonce"] = "another"
    session[statekit.STATES_SESSION_KEY] = states
    session.save()
    response = browser.get(path_of(callback))
    assert response.status_code == 401
    assert "nonce" in response.content.decode()
    assert not User.objects.exists()
    assert not SocialAccount.objects.exists()
    assert AuditEntry.objects.get().action == "session.refused"


def test_callback_cannot_be_replayed(provider):
    browser = Client()
    callback = path_of(provider.authorise(start(browser), "alice"))
    assert browser.get(callback).status_code == 302
    browser.post("/accounts/logout/")
    assert browser.get(callback).status_code == 401
    assert signed_in_as(browser) is None


def test_replayed_code_with_fresh_state_is_refused(provider):
    browser = Client()
    callback = provider.authorise(start(browser), "alice")
    assert browser.get(path_of(callback)).status_code == 302
    code = parse_qs(urlsplit(callback).query)["code"][0]
    state = parse_qs(urlsplit(start(browser)).query)["state"][0]
    browser.logout()
    response = browser.get(f"/accounts/oidc/sso/login/callback/?{urlencode({'code': code, 'state': state})}")
    assert response.status_code == 401


def test_wrong_client_secret_gives_a_clear_page(provider, settings):
    settings.SOCIALACCOUNT_PROVIDERS = provider.app_settings(secret="wrong")
    browser, response = sign_in(provider, "alice")
    assert response.status_code == 401
    assert "client id and secret" in response.content.decode()
    assert signed_in_as(browser) is None
    assert AuditEntry.objects.get().action == "session.refused"


def test_provider_that_is_down_gives_a_clear_page(provider, settings):
    settings.SOCIALACCOUNT_PROVIDERS = provider.app_settings(server_url="http://127.0.0.1:9")
    response = Client().post("/accounts/oidc/sso/login/")
    assert response.status_code == 401
    assert "could not be reached" in response.content.decode()


def test_provider_that_goes_down_during_the_sign_in_gives_a_clear_page(provider, settings):
    browser = Client()
    callback = path_of(provider.authorise(start(browser), "alice"))
    settings.SOCIALACCOUNT_PROVIDERS = provider.app_settings(server_url="http://127.0.0.1:9")
    response = browser.get(callback)
    assert response.status_code == 401
    assert "could not be reached" in response.content.decode()


def test_discovery_document_of_another_issuer_is_refused(provider, settings):
    other_name = provider.issuer.replace("127.0.0.1", "localhost")
    settings.SOCIALACCOUNT_PROVIDERS = provider.app_settings(server_url=other_name)
    response = Client().post("/accounts/oidc/sso/login/")
    assert response.status_code == 401


def test_same_address_as_a_local_account_does_not_take_it_over(provider):
    local = person("robert")
    local.emailaddress_set.create(email="bob@corp.example", verified=True)
    browser, _ = sign_in(provider, "bob")
    assert signed_in_as(browser) == "bob"
    assert User.objects.count() == 2
    newcomer = User.objects.get(username="bob")
    assert newcomer.email == ""
    assert people_by_email(["bob@corp.example"]) == {"bob@corp.example": local}
    local.refresh_from_db()
    assert local.issuer == ""


def test_same_handle_as_a_local_account_gets_another_handle(provider):
    person("alice")
    browser, _ = sign_in(provider, "alice")
    assert signed_in_as(browser) == "alice-2"


def test_unverified_address_is_not_recorded(provider):
    sign_in(provider, "mallory")
    assert people_by_email(["mallory@corp.example"]) == {}
    assert User.objects.get().email == ""


def test_exchanged_issuer_does_not_inherit_accounts(provider):
    sign_in(provider, "alice")
    User.objects.update(issuer="https://old-provider.example")
    browser, response = sign_in(provider, "alice")
    assert response.status_code == 401
    assert "another issuer" in response.content.decode()
    assert signed_in_as(browser) is None


def test_deactivated_account_is_refused(provider):
    erin = person("erin", is_administrator=True)
    sign_in(provider, "alice")
    deactivate_user(erin, user=User.objects.get(username="alice"))
    browser, response = sign_in(provider, "alice")
    assert response.status_code == 302
    assert "inactive" in response.headers["Location"]
    assert signed_in_as(browser) is None


def test_unknown_people_are_refused_when_accounts_are_not_created(provider, settings):
    settings.PORTAL_OIDC_CREATE_USERS = False
    browser, _ = sign_in(provider, "alice")
    assert signed_in_as(browser) is None
    assert not User.objects.exists()


def test_session_key_changes_at_sign_in(provider):
    browser = Client()
    callback = path_of(provider.authorise(start(browser), "alice"))
    before = browser.session.session_key
    browser.get(callback)
    assert browser.session.session_key != before


def test_single_sign_on_cannot_be_attached_to_a_signed_in_account(provider):
    alice = person("anna")
    browser = Client()
    browser.force_login(alice)
    location = browser.post("/accounts/oidc/sso/login/?process=connect").headers["Location"]
    if location.startswith(provider.issuer):
        browser.get(path_of(provider.authorise(location, "alice")))
    assert not SocialAccount.objects.exists()
