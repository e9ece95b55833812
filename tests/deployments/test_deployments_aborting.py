"""A merge is stopped until it is pushed; what takes something away after the decision is told that it is too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, NotAllowed
from apps.deployments import services
from apps.deployments.jobs import landing
from apps.deployments.models import MergeIntent
from apps.reviews.services import withdraw_review
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def tip(delivery: Delivery) -> str:
    delivery.work.run("fetch", "-q", "origin")
    return delivery.work.rev_parse("origin/main")


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_an_aborted_merge_pushes_nothing_and_the_change_is_in_review_again(delivery: Delivery, who: str) -> None:
    before = tip(delivery)
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    intent = services.abort_merge(getattr(delivery.people, who), change=change)
    assert (intent.state, intent.outcome["code"]) == ("returned", "aborted")
    run_until_idle()
    change.refresh_from_db()
    assert (change.status, tip(delivery)) == ("in_review", before)
    assert AuditEntry.objects.filter(action="merge.cancelled", change_number=change.number).count() == 1
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"


def test_an_abort_between_the_look_of_the_worker_and_its_push_wins(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tip(delivery)
    change = delivery.approved()
    intent = services.merge_change(delivery.people.alice, change=change)
    written = landing._written

    def meanwhile(row: MergeIntent) -> str:
        services.abort_merge(delivery.people.bob, change=change)
        return written(row)

    monkeypatch.setattr(landing, "_written", meanwhile)
    landing.carry_out_merge(intent.pk)
    change.refresh_from_db()
    assert (change.status, tip(delivery)) == ("in_review", before)


def test_once_it_may_have_been_pushed_it_is_too_late(delivery: Delivery) -> None:
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    MergeIntent.objects.update(merge_commit="1" * 40)
    with pytest.raises(Conflict, match="Too late") as refused:
        services.abort_merge(delivery.people.alice, change=change)
    assert refused.value.code == "too_late"
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"
    with pytest.raises(Conflict, match="no merge to abort"):
        services.abort_merge(delivery.people.alice, change=change)


def test_strangers_and_auditors_abort_nothing(delivery: Delivery) -> None:
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    for who in (delivery.people.mallory, delivery.people.dave):
        with pytest.raises(NotAllowed):
            services.abort_merge(who, change=change)
    assert MergeIntent.objects.get().state == "pending"


def test_an_approval_that_is_taken_back_after_the_decision_is_told_what_can_still_be_done(delivery: Delivery) -> None:
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    review = change.reviews.get().pk
    with pytest.raises(Conflict, match="Until it is pushed, you can abort the merge") as refused:
        withdraw_review(delivery.people.bob, change=change, review=review)
    assert refused.value.code == "too_late"
    services.abort_merge(delivery.people.bob, change=change)
    withdraw_review(delivery.people.bob, change=change, review=review)
    with pytest.raises(Conflict):
        services.merge_change(delivery.people.alice, change=change)
