"""API tokens: shown once, limited, ended at once."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import queries, services
from apps.accounts.errors import TokenRefused
from apps.accounts.models import ApiToken
from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from tests.support.people import Cast, cast, person

pytestmark = pytest.mark.django_db
EVERYTHING = {"read", "propose", "review", "deploy", "manage"}


@pytest.fixture
def people() -> Cast:
    return cast()


def refused(raw: str, at=None) -> str:
    with pytest.raises(TokenRefused) as refusal:
        services.authenticate_token(raw, now=at or now())
    return refusal.value.code


def test_token_signs_its_owner_in_and_its_secret_is_stored_nowhere(people):
    token, secret = services.create_token(people.alice, user=people.alice, name="laptop")
    session = services.authenticate_token(secret, now=now())
    assert (session.user, session.scopes, session.token_id) == (people.alice, EVERYTHING, token.pk)
    assert secret.startswith("gop_")
    assert len(secret) == 47
    stored = str(ApiToken.objects.values().get()) + str(list(AuditEntry.objects.values("data", "summary")))
    assert secret not in stored
    assert secret[10:] not in stored


@pytest.mark.parametrize("raw", ["", "gop_", "gop_" + "x" * 43, "x" * 47, "gop_\udcff", "gop_" + "é" * 43])
def test_unknown_tokens_are_refused(people, raw):
    services.create_token(people.alice, user=people.alice, name="laptop")
    assert refused(raw) == "token_unknown"


def test_expired_revoked_and_ownerless_tokens_are_refused(people):
    _, short = services.create_token(people.alice, user=people.alice, name="short", days=1)
    assert services.authenticate_token(short, now=now() + timedelta(hours=23))
    assert refused(short, now() + timedelta(days=1, seconds=1)) == "token_expired"
    token, secret = services.create_token(people.alice, user=people.alice, name="lost")
    services.revoke_token(people.alice, token=token)
    assert refused(secret) == "token_revoked"
    with pytest.raises(Conflict):
        services.revoke_token(people.alice, token=token)
    services.deactivate_user(people.erin, user=people.alice)
    assert refused(short) == "inactive"


def test_scopes_are_limited_to_what_is_asked_and_possible(people):
    _, secret = services.create_token(people.alice, user=people.alice, name="ci", scopes=["propose", "read"])
    assert services.authenticate_token(secret, now=now()).scopes == {"read", "propose"}
    for wrong in (["admin"], ["root"], [], ["read", "Read"]):
        with pytest.raises(InvalidInput) as refusal:
            services.create_token(people.alice, user=people.alice, name="ci", scopes=wrong)
        assert refusal.value.code == "bad_scope"


def test_administrator_who_is_none_any_more_loses_the_scope(people):
    _, secret = services.create_token(people.erin, user=people.erin, name="ops")
    assert services.authenticate_token(secret, now=now()).scopes == EVERYTHING | {"admin"}
    people.erin.is_superuser = False
    people.erin.save()
    assert services.authenticate_token(secret, now=now()).scopes == EVERYTHING


def test_service_account_token_never_reviews(people):
    robot = person("robot", kind="service")
    with pytest.raises(InvalidInput):
        services.create_token(people.erin, user=robot, name="ci", scopes=["review"])
    _, secret = services.create_token(people.erin, user=robot, name="ci")
    assert "review" not in services.authenticate_token(secret, now=now()).scopes


def test_tokens_are_made_by_their_owner_only(people):
    for actor in (people.bob, people.erin):
        with pytest.raises(NotAllowed):
            services.create_token(actor, user=people.alice, name="stolen")
    with pytest.raises(NotAllowed):
        services.create_token(people.bob, user=person("robot", kind="service"), name="stolen")


def test_tokens_are_revoked_by_owner_or_administrator(people):
    token, secret = services.create_token(people.alice, user=people.alice, name="laptop")
    with pytest.raises(NotAllowed):
        services.revoke_token(people.bob, token=token)
    services.revoke_token(people.erin, token=token)
    assert refused(secret) == "token_revoked"
    assert AuditEntry.objects.latest("seq").action == "token.revoked"
    with pytest.raises(NotVisible):
        queries.token_of(people.bob, token.pk)


@pytest.mark.parametrize(
    ("field", "value", "code"), [("name", " ", "bad_name"), ("days", 0, "bad_days"), ("days", 9999, "bad_days")]
)
def test_bad_input_names_its_field(people, field, value, code):
    with pytest.raises(InvalidInput) as refusal:
        services.create_token(people.alice, **{"user": people.alice, "name": "x", field: value})
    assert refusal.value.code == code
    assert field in refusal.value.details["fields"]


def test_last_use_is_written_at_most_once_a_minute(people, django_assert_num_queries):
    token, secret = services.create_token(people.alice, user=people.alice, name="laptop")
    start = now()
    services.authenticate_token(secret, now=start)
    with django_assert_num_queries(1):
        services.authenticate_token(secret, now=start + timedelta(seconds=59))
    token.refresh_from_db()
    assert token.last_used_at == start
    services.authenticate_token(secret, now=start + timedelta(seconds=60))
    token.refresh_from_db()
    assert token.last_used_at == start + timedelta(seconds=60)


def test_tokens_are_listed_with_their_state(people):
    first, _ = services.create_token(people.alice, user=people.alice, name="old", days=1)
    second, _ = services.create_token(people.alice, user=people.alice, name="lost", days=9)
    services.create_token(people.alice, user=people.alice, name="new", days=9)
    services.revoke_token(people.alice, token=second)
    rows = queries.tokens_of(people.alice, at=now() + timedelta(days=2))
    assert [(row.name, row.state) for row in rows] == [("new", "active"), ("lost", "revoked"), ("old", "expired")]
    assert first.prefix == rows[2].prefix


def test_command_prints_just_the_token(people):
    out = io.StringIO()
    call_command("create_token", "alice", "--scope", "read", "--name", "ci", "--days", "7", stdout=out)
    session = services.authenticate_token(out.getvalue().removesuffix("\n"), now=now())
    assert (session.user, session.scopes) == (people.alice, {"read"})
    with pytest.raises(CommandError):
        call_command("create_token", "nobody")
