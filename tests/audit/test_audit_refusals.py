"""Refusals at a gate that auditors read: after their own transaction, once a minute, and no others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments.services import merge_change
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db


def refused() -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(action__endswith=".refused").order_by("seq")
    return [(row.action, row.actor_name, row.data["code"]) for row in rows]


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


def test_a_merge_that_the_verdict_or_the_role_does_not_allow_is_on_record(delivery: Delivery) -> None:
    change = delivery.proposed()
    for who, kind in ((delivery.people.alice, Conflict), (delivery.people.bob, NotAllowed)):
        with pytest.raises(kind):
            merge_change(who, change=change)
    assert refused() == [("merge.refused", "alice", "verdict"), ("merge.refused", "bob", "not_deployer")]
    entry = AuditEntry.objects.filter(action="merge.refused").earliest("seq")
    assert (entry.change_number, entry.repository, entry.target) == (change.number, "infra", change.label)
    assert "Waiting for" in entry.summary or "approval" in entry.summary


def test_an_approval_of_a_contributor_is_refused_on_record_and_no_review(delivery: Delivery) -> None:
    change = delivery.proposed()
    with pytest.raises(NotAllowed):
        submit_review(delivery.people.alice, change=change, revision=1, verdict="approve")
    assert refused() == [("review.refused", "alice", "contributor")]
    assert not change.reviews.exists()


def test_the_same_refusal_is_one_entry_a_minute(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    change = delivery.proposed()
    for later in (0, 1, 61):
        moment = AuditEntry.objects.latest("seq").at + timedelta(seconds=later)
        monkeypatch.setattr("apps.audit.services.now", lambda moment=moment: moment)
        with pytest.raises(Conflict):
            merge_change(delivery.people.alice, change=change)
    assert len(refused()) == 2


def test_what_says_nothing_about_a_gate_writes_nothing(delivery: Delivery) -> None:
    change = delivery.approved()
    before = AuditEntry.objects.count()
    with pytest.raises(NotAllowed):
        merge_change(delivery.people.mallory, change=change)
    with pytest.raises(Conflict):
        submit_review(delivery.people.kim, change=change, revision=7, verdict="approve")
    with pytest.raises(InvalidInput):
        submit_review(delivery.people.kim, change=change, revision=1, verdict="maybe")
    assert AuditEntry.objects.count() == before
