"""Local sign-in by page: what works, what is refused, what is recorded."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import deactivate_user
from apps.audit.models import AuditEntry
from tests.support.people import PASSWORD, Cast, cast

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.account_urls")]
LOGIN = "/accounts/login/"


@pytest.fixture
def people(settings) -> Cast:
    settings.TEMPLATES = _without_frame(settings.TEMPLATES)
    cache.clear()
    return cast()


def _without_frame(templates):
    """The frame around pages needs every context of the portal; signing in must not."""
    changed = {**templates[0], "OPTIONS": {**templates[0]["OPTIONS"]}}
    processors = changed["OPTIONS"]["context_processors"]
    changed["OPTIONS"]["context_processors"] = [name for name in processors if name.startswith("django.")]
    changed["DIRS"] = []
    return [changed]


def sign_in(login: str, password: str = PASSWORD, browser: Client | None = None):
    browser = browser or Client()
    return browser, browser.post(LOGIN, {"login": login, "password": password, "next": "/queue/"})


def user_of(browser: Client) -> str | None:
    pk = browser.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else None


def refusals() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="session.refused").order_by("seq"))


@pytest.mark.parametrize("login", ["alice", "ALICE", "alice@example.org", "Alice@Example.org"])
def test_handle_or_address_with_password_signs_in(people, login):
    browser, response = sign_in(login)
    assert (response.status_code, response.headers["Location"]) == (302, "/queue/")
    assert user_of(browser) == "alice"
    entry = AuditEntry.objects.latest("seq")
    assert (entry.action, entry.actor_name, entry.data) == ("session.started", "alice", {"method": "password"})


def test_wrong_password_is_refused_and_recorded(people):
    browser, response = sign_in("alice", "wrong-password")
    assert response.status_code == 200
    assert user_of(browser) is None
    (entry,) = refusals()
    assert (entry.target, entry.actor["kind"]) == ("user/alice", "system")
    assert "wrong-password" not in str(entry.data)


def test_name_that_no_account_has_is_not_recorded_because_it_may_be_a_password(people):
    sign_in("hunter2-my-secret")
    (entry,) = refusals()
    assert "hunter2" not in f"{entry.summary}{entry.target}{entry.data}"


def test_guessing_is_slowed_down(people):
    for _ in range(6):
        sign_in("alice", "wrong-password")
    browser, _ = sign_in("alice")
    assert user_of(browser) is None
    assert len(refusals()) == 5


def test_deactivated_account_is_refused_and_recorded(people):
    deactivate_user(people.erin, user=people.alice)
    browser, response = sign_in("alice")
    assert user_of(browser) is None
    assert "inactive" in response.headers["Location"]
    assert refusals()[-1].data["reason"] == "account deactivated"


def test_sign_out_is_recorded_and_ends_the_session(people):
    browser, _ = sign_in("alice")
    key = browser.session.session_key
    browser.post("/accounts/logout/")
    assert user_of(browser) is None
    assert browser.session.session_key != key
    assert AuditEntry.objects.latest("seq").action == "session.ended"


def test_reading_the_sign_out_page_signs_nobody_out(people):
    browser, _ = sign_in("alice")
    browser.get("/accounts/logout/")
    assert user_of(browser) == "alice"


def test_session_key_given_before_sign_in_is_not_kept(people):
    browser = Client()
    session = browser.session
    session["planted"] = 1
    session.save()
    planted = session.session_key
    sign_in("alice", browser=browser)
    assert user_of(browser) == "alice"
    assert browser.session.session_key != planted


def test_target_outside_the_portal_is_not_followed(people):
    response = Client().post(LOGIN, {"login": "alice", "password": PASSWORD, "next": "https://evil.example/"})
    assert response.headers["Location"] == "/queue/"


def test_nobody_signs_up_unless_the_operator_opens_the_door(people, settings):
    form = {"username": "newcomer", "email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", form)
    assert not User.objects.filter(username="newcomer").exists()
    settings.PORTAL_OPEN_SIGNUP = True
    Client().post("/accounts/signup/", form)
    assert User.objects.get(username="newcomer").is_superuser is False
    assert AuditEntry.objects.filter(action="user.created", actor_name="newcomer").exists()


def test_password_sign_in_can_be_switched_off(people, settings):
    settings.PORTAL_LOCAL_SIGN_IN = False
    browser, response = sign_in("alice")
    assert user_of(browser) is None
    assert "switched off" in response.content.decode()


def test_changed_password_is_recorded(people):
    browser, _ = sign_in("alice")
    form = {"oldpassword": PASSWORD, "password1": "another-long-one-1", "password2": "another-long-one-1"}
    browser.post("/accounts/password/change/", form)
    people.alice.refresh_from_db()
    assert people.alice.check_password("another-long-one-1")
    entry = AuditEntry.objects.latest("seq")
    assert entry.action == "user.password_changed"
    assert "another-long" not in str(entry.data)
