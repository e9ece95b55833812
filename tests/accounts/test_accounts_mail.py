"""Mails of accounts: through the server that was named, or none; never into a log."""

from __future__ import annotations

import runpy
import smtplib
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from gitops_portal.env import BadEnvironment
from tests.support.people import Cast, cast

MAIL = Path(__file__).resolve().parents[2] / "gitops_portal" / "mail.py"
RESET = "/accounts/password/reset/"


@pytest.fixture
def people(db: None) -> Cast:
    cache.clear()
    return cast()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(**variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(MAIL))

    return run


def test_without_a_server_no_mail_goes_anywhere(read: Any) -> None:
    found = read()
    assert (found["PORTAL_SENDS_MAIL"], found["EMAIL_BACKEND"]) == (
        False,
        "django.core.mail.backends.dummy.EmailBackend",
    )


def test_only_a_developer_s_portal_prints_mails(read: Any) -> None:
    assert "console" in read(PORTAL_DEBUG="true")["EMAIL_BACKEND"]


@pytest.mark.parametrize(
    ("url", "port", "ssl", "starttls", "password"),
    [
        ("smtps://portal:p%40ss@mail.example.org", 465, True, False, "p@ss"),
        ("smtp://portal:p%40ss@mail.example.org", 587, False, True, "p@ss"),
        ("smtp://mail.example.org:2525?tls=off", 2525, False, False, ""),
    ],
)
def test_the_address_of_a_server_becomes_django_s_settings(
    read: Any, url: str, port: int, ssl: bool, starttls: bool, password: str
) -> None:
    found = read(PORTAL_EMAIL_URL=url, PORTAL_EMAIL_FROM="Portal <portal@example.org>")
    assert found["EMAIL_BACKEND"].endswith("smtp.EmailBackend")
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.org", port)
    assert (found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"], found["EMAIL_HOST_PASSWORD"]) == (ssl, starttls, password)
    assert found["DEFAULT_FROM_EMAIL"] == "Portal <portal@example.org>"


def test_the_address_may_be_a_secret_file(read: Any, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtps://portal:secret@mail.example.org\n")
    found = read(PORTAL_EMAIL_URL_FILE=str(tmp_path / "url"), PORTAL_EMAIL_FROM="a@example.org")
    assert found["EMAIL_HOST_PASSWORD"] == "secret"


@pytest.mark.parametrize(
    ("url", "sender", "said"),
    [
        ("smtps://mail.example.org", "", "needs PORTAL_EMAIL_FROM"),
        ("mail.example.org", "a@example.org", "must be a URL that begins with smtps"),
        ("smtp://me:secret@mail.example.org?tls=off", "a@example.org", "in clear"),
        ("smtp://mail.example.org?tls=maybe", "a@example.org", "must be such as"),
        ("smtp://mail.example.org:many", "a@example.org", "no number"),
    ],
)
def test_half_an_address_stops_the_start_and_shows_no_password(read: Any, url: str, sender: str, said: str) -> None:
    with pytest.raises(BadEnvironment, match=said) as found:
        read(PORTAL_EMAIL_URL=url, PORTAL_EMAIL_FROM=sender)
    assert "secret" not in str(found.value)


def test_who_forgot_a_password_is_told_that_no_mail_is_sent(people: Cast, settings: Any) -> None:
    settings.PORTAL_SENDS_MAIL = False
    browser = Client()
    assert "sends no mail. Ask an administrator" in browser.get(RESET).content.decode()
    answer = browser.post(RESET, {"email": people.alice.email})
    assert answer.status_code == 200
    assert "sends no mail" in answer.content.decode()
    assert not mail.outbox


def test_with_a_server_the_link_is_sent_to_whom_it_belongs(people: Cast, settings: Any) -> None:
    settings.PORTAL_SENDS_MAIL = True
    browser = Client()
    assert "sends no mail" not in browser.get(RESET).content.decode()
    assert browser.post(RESET, {"email": people.alice.email}).status_code == 302
    (sent,) = mail.outbox
    assert (sent.to, RESET + "key/" in sent.body) == ([people.alice.email], True)


def test_a_server_that_does_not_answer_tells_no_stranger_who_has_an_account(
    people: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PORTAL_SENDS_MAIL = True

    def refuse(*_args: object, **_options: object) -> None:
        raise smtplib.SMTPServerDisconnected

    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    browser = Client()
    answers = [browser.post(RESET, {"email": email}) for email in (people.alice.email, "nobody@example.org")]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, f"{RESET}done/")}


def test_an_address_that_cannot_be_confirmed_is_not_said_to_have_got_a_mail(people: Cast, settings: Any) -> None:
    settings.PORTAL_SENDS_MAIL = False
    settings.ACCOUNT_REAUTHENTICATION_REQUIRED = False
    browser = Client()
    browser.force_login(people.alice, backend="apps.accounts.backends.PortalBackend")
    answer = browser.post("/accounts/email/", {"email": "new@example.org", "action_add": ""}, follow=True)
    said = answer.content.decode()
    assert "so the address cannot be confirmed" in said
    assert "Confirmation email sent" not in said
    assert not mail.outbox
