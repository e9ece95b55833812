"""The audit page of somebody who may not read everything: how many entries are left out, and no more than that."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.audit.models import AuditEntry
from tests.support.people import Cast, cast
from tests.support.repositories import connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(tmp_path: Path) -> Cast:
    made = cast()
    connected(tmp_path, made.carol, members={"dave": "auditor"})
    return made


def noted(people: Cast, repository: str, count: int = 1) -> None:
    for _ in range(count):
        audit.record(Actor.of(people.erin), "drift.accepted", target="x", summary="accepted", repository=repository)


def page_of(client: Client, address: str = "/audit/") -> str:
    return client.get(address).content.decode()


def test_what_is_left_out_is_counted(people: Cast, client: Client) -> None:
    noted(people, "infra")
    noted(people, "vault-of-others", 2)
    client.force_login(people.dave)
    hidden = AuditEntry.objects.exclude(repository="infra").count()
    page = page_of(client)
    assert f"{hidden} entries are left out here: of repositories that you do not audit" in page
    assert "vault-of-others" not in page


def test_each_page_counts_its_own(people: Cast, client: Client) -> None:
    noted(people, "vault-of-others", 3)
    noted(people, "infra", 40)
    noted(people, "vault-of-others")
    noted(people, "infra", 10)
    client.force_login(people.dave)
    assert "1 entry is left out here" in page_of(client)
    last = AuditEntry.objects.count() - 50  # fifty of infra and one of elsewhere are on the first page
    before = AuditEntry.objects.filter(seq__lt=last).exclude(repository="infra").count()
    assert f"{before} entries are left out here" in page_of(client, f"/audit/?after={last}")


def test_with_filters_no_number_is_told(people: Cast, client: Client) -> None:
    noted(people, "vault-of-others", 2)
    client.force_login(people.dave)
    for query in ("?q=accepted", "?repository=vault-of-others", "?actor=erin&action=drift"):
        page = page_of(client, f"/audit/{query}")
        assert "left out" not in page
        assert "Looked for among the entries that you may read" in page


def test_who_reads_all_is_told_nothing(people: Cast, client: Client) -> None:
    noted(people, "vault-of-others", 2)
    client.force_login(people.erin)
    assert "left out" not in page_of(client)
    assert "Looked for among" not in page_of(client, "/audit/?q=accepted")


def test_an_odd_address_gives_no_odd_number(people: Cast, client: Client) -> None:
    client.force_login(people.dave)
    hidden = AuditEntry.objects.exclude(repository="infra").count()
    assert f"{hidden} entries are left out" in page_of(client, "/audit/?after=999999999")
    assert "left out" not in page_of(client, "/audit/?after=1")
