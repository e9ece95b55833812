"""``manage.py encrypt_again``: what is stored comes under the present key, whatever the key was before."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.audit.verification import verify
from apps.core import secrets
from apps.core.errors import Unavailable
from apps.deployments.models import Attempt, Connection
from apps.operations import sealing
from apps.repositories.models import Repository
from apps.repositories.queries import webhook_secret
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
FIRST, SECOND, THIRD = ("first-key-" + "a" * 40, "second-key-" + "b" * 40, "third-key-" + "c" * 40)


@pytest.fixture
def delivery(tmp_path: Any, settings: Any) -> Delivery:
    settings.PORTAL_ENCRYPTION_KEY = FIRST
    return Delivery.start(tmp_path, pipeline("true", "true"))


def said(*options: str) -> str:
    out = io.StringIO()
    call_command("encrypt_again", *options, stdout=out)
    return out.getvalue()


def test_every_column_that_is_encrypted_is_found() -> None:
    assert {sealing.name_of(column) for column in sealing.columns()} == {
        "repositories.repository.credential_secret",
        "repositories.repository.ssh_key",
        "repositories.repository.webhook_secret",
        "deployments.attempt.sealed_rendering",
        "deployments.attempt.sealed_secrets",
        "deployments.connection.sealed_credentials",
        "deployments.environmentsecret.value",
    }


def test_a_key_before_reads_and_the_present_one_writes(settings: Any) -> None:
    settings.PORTAL_ENCRYPTION_KEY = FIRST
    stored = secrets.encrypt("hunter2")
    settings.PORTAL_ENCRYPTION_KEY = SECOND
    with pytest.raises(Unavailable, match="PORTAL_OLD_ENCRYPTION_KEYS"):
        secrets.decrypt(stored)
    settings.PORTAL_OLD_ENCRYPTION_KEYS = [THIRD, FIRST]
    assert secrets.decrypt(stored) == "hunter2"
    assert not secrets.is_of_present_key(stored)
    assert secrets.is_of_present_key(secrets.encrypt("hunter2"))
    assert secrets.is_of_present_key("")


def test_all_comes_under_the_present_key_and_the_ones_before_can_go(delivery: Delivery, settings: Any) -> None:
    secret = webhook_secret(delivery.repository)
    delivery.merged()
    run_until_idle()
    Attempt.objects.update(sealed_secrets=secrets.encrypt('{"TOKEN": "x"}'))
    settings.PORTAL_ENCRYPTION_KEY, settings.PORTAL_OLD_ENCRYPTION_KEYS = SECOND, [FIRST]
    entries = AuditEntry.objects.count()
    assert "repositories.repository.webhook_secret: 0 under the present key, 1 under one before" in said("--look")
    assert AuditEntry.objects.count() == entries, "a look changes nothing"
    assert f"{1 + Attempt.objects.count()} were encrypted again" in said()
    assert "PORTAL_OLD_ENCRYPTION_KEYS can be left out" in said(), "a second time there is nothing to do"
    entry = AuditEntry.objects.order_by("seq").last()
    assert entry is not None
    assert (entry.action, AuditEntry.objects.count()) == ("secrets.encrypted_again", entries + 1)
    assert verify().ok
    settings.PORTAL_OLD_ENCRYPTION_KEYS = []
    assert webhook_secret(Repository.objects.get()) == secret
    assert {secrets.decrypt(text) for text in Attempt.objects.values_list("sealed_secrets", flat=True)} == {
        '{"TOKEN": "x"}'
    }


def test_what_no_key_can_read_is_named_and_left(delivery: Delivery, settings: Any) -> None:
    settings.PORTAL_ENCRYPTION_KEY = THIRD
    lost = Repository.objects.get()
    with pytest.raises(CommandError, match="No key that is set"):
        said()
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("encrypt_again", stdout=out)
    assert (
        f"webhook_secret: 0 under the present key, 0 under one before, 1 unreadable (rows {lost.pk})" in out.getvalue()
    )
    assert Repository.objects.get().webhook_secret == lost.webhook_secret
    assert not AuditEntry.objects.filter(action="secrets.encrypted_again").exists()


def test_more_rows_than_are_read_at_once_and_what_is_written_meanwhile(
    delivery: Delivery, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 2 * sealing.AT_ONCE + 3
    at, carol = delivery.repository.created_at, delivery.people.carol
    facts: dict[str, Any] = {
        "kind": "webhook", "url": "https://example.org", "created_by": carol, "created_at": at, "updated_at": at,
    }  # fmt: skip
    for number in range(many):
        Connection.objects.create(name=f"c{number}", sealed_credentials=secrets.encrypt("{}"), **facts)
    settings.PORTAL_ENCRYPTION_KEY, settings.PORTAL_OLD_ENCRYPTION_KEYS = SECOND, [FIRST]
    newer = secrets.encrypt('{"token": "typed meanwhile"}')
    swap = sealing._swap

    def late(column: Any, row: int, *texts: str) -> None:
        if column.name == "sealed_credentials":
            Connection.objects.filter(pk=row, name="c7").update(sealed_credentials=newer)
        swap(column, row, *texts)

    monkeypatch.setattr(sealing, "_swap", late)
    assert sealing.encrypt_again().old["deployments.connection.sealed_credentials"] == many
    assert Connection.objects.get(name="c7").sealed_credentials == newer
    assert sealing.look().present["deployments.connection.sealed_credentials"] == many
