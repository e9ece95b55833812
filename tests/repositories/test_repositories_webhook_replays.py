"""Notices that come again: under another id, another provider, another event, or an id that is too long."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.repositories.models import Repository, WebhookDelivery
from apps.repositories.services import synchronise
from tests.repositories.test_repositories_webhooks import deliver, headers_of, push_body
from tests.support.people import cast
from tests.support.repositories import connected

pytestmark = pytest.mark.django_db
BODY = push_body()


@pytest.fixture
def infra(tmp_path: Path) -> Repository:
    repository, _ = connected(tmp_path, cast().carol)
    return repository


def notify(repository: Repository, provider: str, ident: str, body: bytes = BODY, **more: str) -> WebhookDelivery:
    return deliver(repository, provider, {**headers_of(provider, repository, body, ident), **more}, body)


def test_a_notice_whose_body_alone_is_signed_counts_once_under_whatever_id(infra: Repository) -> None:
    """Who had one made a row, an entry of the log and a look at Git with each repetition, for ever."""
    first = notify(infra, "github", "id-1")
    entries = AuditEntry.objects.count()
    again = [notify(infra, "github", f"id-{number}") for number in (2, 3)]
    again.append(notify(infra, "gitea", "id-4"))
    again.append(notify(infra, "github", "id-5", **{"X-GitHub-Event": "ping", "webhook-signature": "v1,AAAA"}))
    assert {row.pk for row in again} == {first.pk}
    assert WebhookDelivery.objects.count() == 1
    assert AuditEntry.objects.count() == entries


def test_after_some_days_and_with_other_bytes_it_is_another_one(infra: Repository) -> None:
    first = notify(infra, "github", "id-1")
    assert notify(infra, "github", "id-2", push_body(number=2)).pk != first.pk
    WebhookDelivery.objects.filter(pk=first.pk).update(received_at=now() - timedelta(days=8))
    assert notify(infra, "github", "id-3").pk != first.pk


def test_where_the_id_is_signed_the_same_bytes_are_another_notice(infra: Repository) -> None:
    rows = {notify(infra, "generic", f"id-{number}").pk for number in range(3)}
    assert len(rows) == 3


def test_a_script_that_says_the_same_of_each_push_is_still_heard(infra: Repository) -> None:
    """The example in docs/connecting.md has neither an id nor a commit."""
    first = notify(infra, "gitea", "")
    synchronise(infra.pk)
    asked: list[Any] = []
    for seconds in (0, 11):
        WebhookDelivery.objects.filter(pk=first.pk).update(received_at=now() - timedelta(seconds=seconds))
        Repository.objects.filter(pk=infra.pk).update(next_poll_at=now() + timedelta(hours=1))
        notify(infra, "gitea", "")
        infra.refresh_from_db()
        asked.append(infra.sync_requested_at)
        assert infra.next_poll_at < now() + timedelta(seconds=11) or seconds, "it is looked soon"
    assert asked[0] is None, "it was looked at this moment"
    assert asked[1] is not None
    first.refresh_from_db()
    assert first.status == "accepted", "whoever it names pushed"


def test_a_repetition_in_the_middle_of_a_look_has_another_one_made(infra: Repository) -> None:
    first = notify(infra, "gitea", "")
    long_ago = now() - timedelta(minutes=1)
    Repository.objects.filter(pk=infra.pk).update(sync_requested_at=long_ago)
    WebhookDelivery.objects.filter(pk=first.pk).update(received_at=long_ago)
    notify(infra, "gitea", "")
    infra.refresh_from_db()
    assert infra.sync_requested_at is not None
    assert infra.sync_requested_at > long_ago, "the look that goes on does not take this one for done"


@pytest.mark.parametrize(("one", "other"), [("x" * 120 + "1", "x" * 120 + "2"), ("a\0b", "ab")])
def test_ids_that_no_column_holds_stay_two(infra: Repository, one: str, other: str) -> None:
    first, second = notify(infra, "generic", one), notify(infra, "generic", other)
    assert first.pk != second.pk
    assert notify(infra, "generic", one).pk == first.pk
    assert len(first.delivery_id) <= 120
