"""Accounts: who may create and switch them off, and how they are found."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import queries, services, signals
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from tests.support.people import PASSWORD, Cast, cast, person, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Cast:
    return cast()


def last_entry() -> AuditEntry:
    return AuditEntry.objects.latest("seq")


def test_administrator_creates_account_with_verified_address(people):
    made = services.create_user(people.erin, username="Nina", email="Nina@Example.org", password=PASSWORD)
    assert made.username == "nina"
    assert made.check_password(PASSWORD)
    assert queries.people_by_email(["nina@example.org"]) == {"nina@example.org": made}
    assert (last_entry().action, last_entry().actor_name, last_entry().target) == ("user.created", "erin", "user/nina")
    assert PASSWORD not in str(last_entry().data)


def test_others_cannot_create_accounts(people):
    for actor in (people.alice, people.carol, people.dave, people.mallory):
        with pytest.raises(NotAllowed) as refusal:
            services.create_user(actor, username="nina")
        assert refusal.value.code == "not_administrator"
    assert not User.objects.filter(username="nina").exists()


@pytest.mark.parametrize("handle", ["", "-x", "a b", "аlice", "a" * 65, "team/x", "a@b", "x\n"])
def test_illegal_handles_are_refused(handle):
    with pytest.raises(InvalidInput) as refusal:
        services.create_user(None, username=handle.replace("\n", "\n."))
    assert refusal.value.code == "bad_handle"
    assert "username" in refusal.value.details["fields"]


def test_handle_is_taken_in_any_case(people):
    with pytest.raises(InvalidInput) as refusal:
        services.create_user(people.erin, username="ALICE")
    assert refusal.value.code == "handle_taken"


def test_address_of_another_account_is_refused(people):
    with pytest.raises(InvalidInput) as refusal:
        services.create_user(people.erin, username="alice2", email="ALICE@example.org")
    assert refusal.value.code == "email_taken"
    assert not User.objects.filter(username="alice2").exists()


def test_deactivated_account_loses_session_and_returns_with_reactivation(
    people, client, django_capture_on_commit_callbacks, settings
):
    settings.ROOT_URLCONF = "tests.support.account_urls"
    seen: list[int] = []
    signals.user_deactivated.connect(receiver := lambda user_id, **_: seen.append(user_id))
    client.force_login(people.bob)
    with django_capture_on_commit_callbacks(execute=True):
        services.deactivate_user(people.erin, user=people.bob, reason="left the company")
    signals.user_deactivated.disconnect(receiver)
    assert seen == [people.bob.pk]
    assert client.get("/accounts/password/change/").status_code == 302
    assert last_entry().data == {"reason": "left the company"}
    assert services.reactivate_user(people.erin, user=people.bob).is_active
    assert last_entry().action == "user.reactivated"


def test_only_administrators_deactivate(people):
    with pytest.raises(NotAllowed):
        services.deactivate_user(people.carol, user=people.bob)
    with pytest.raises(NotAllowed):
        services.reactivate_user(people.carol, user=people.bob)
    with pytest.raises(NotAllowed):
        services.set_connect_permission(people.carol, user=people.bob, allowed=True)


def test_nobody_locks_everybody_out(people):
    with pytest.raises(Conflict) as own:
        services.deactivate_user(people.erin, user=people.erin)
    assert own.value.code == "own_account"
    second = person("eve", is_administrator=True)
    services.deactivate_user(people.erin, user=second)
    with pytest.raises(NotAllowed) as stale:
        services.deactivate_user(User.objects.get(pk=second.pk), user=people.erin)
    assert stale.value.code == "inactive"
    with pytest.raises(Conflict) as repeated:
        services.deactivate_user(people.erin, user=second)
    assert repeated.value.code == "already_inactive"


def test_connect_permission_is_given_and_recorded(people):
    assert services.set_connect_permission(people.erin, user=people.bob, allowed=True).can_connect_repositories
    assert last_entry().data == {"permission": "connect_repositories", "allowed": True}


def test_address_counts_only_when_verified(people):
    people.mallory.emailaddress_set.create(email="alice@work.example", verified=False)
    people.alice.emailaddress_set.create(email="alice@home.example", verified=True)
    found = queries.people_by_email(["alice@work.example", "Alice@Home.example", "", "nobody@example.org"])
    assert found == {"Alice@Home.example": people.alice}


def test_looking_up_addresses_takes_one_query(people, django_assert_num_queries):
    with django_assert_num_queries(1):
        queries.people_by_email([f"{name}@example.org" for name in ("alice", "bob", "carol")])


def test_people_are_listed_with_their_teams(people, django_assert_num_queries):
    team("sre", people.bob, people.kim)
    services.deactivate_user(people.erin, user=people.kim)
    with django_assert_num_queries(2):
        rows = queries.people()
    assert [row.handle for row in rows] == ["alice", "bob", "carol", "dave", "erin", "mallory"]
    assert queries.person("bob").teams == ("sre",)
    assert [row.handle for row in queries.people(text="KI", include_inactive=True)] == ["kim"]
    assert [row.handle for row in queries.people(after="carol", limit=2)] == ["dave", "erin"]
    with pytest.raises(NotVisible):
        queries.person("nobody")


def test_command_creates_the_first_administrator(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    call_command("create_user", "root", "--administrator", "--email", "root@example.org", stdout=io.StringIO())
    made = User.objects.get()
    assert made.is_superuser
    assert made.check_password(PASSWORD)
    assert last_entry().actor["kind"] == "system"


def test_command_refuses_a_weak_password(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError):
        call_command("create_user", "root")
    assert not User.objects.exists()
