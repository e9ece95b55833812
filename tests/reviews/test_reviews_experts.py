"""Who is asked, why, and whose turn it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.reviews import jobs, queue, services
from apps.reviews.models import Assignment, Attention, VerdictSnapshot
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.people import team


@pytest.fixture
def delivery(tmp_path: Path, db: None) -> Delivery:
    portal = pipeline().replace("[role/reviewer]", "[code-owners]")
    files = {"CODEOWNERS": "*  @bob @kim\n/net/  @acme/network\n", "net/lb.yaml": "port: 80\n"}
    started = Delivery.start(tmp_path, portal, files)
    team("network", started.people.kim)
    return started


def test_experts_are_asked_with_the_line_that_names_them(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"net/lb.yaml": "port: 81\n"})
    run_jobs()
    row = Assignment.objects.get(change=change)
    assert (row.user.username, row.origin) == ("kim", "codeowners")
    assert "CODEOWNERS:2" in row.reason
    turn = Attention.objects.get(change=change)
    assert turn.user.username == "kim"


def test_asking_again_changes_nothing(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"net/lb.yaml": "port: 81\n"})
    for _ in range(3):
        jobs.refresh(change.pk)
    assert Assignment.objects.filter(change=change).count() == 1


def test_a_review_passes_the_turn_and_readiness_is_the_owners_turn(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"net/lb.yaml": "port: 81\n"})
    run_jobs()
    services.submit_review(delivery.people.kim, change=change, revision=1, verdict="approve")
    run_jobs()
    assert [row.user.username for row in Attention.objects.filter(change=change)] == ["alice"]
    snapshot = VerdictSnapshot.objects.get(change=change)
    assert (snapshot.allowed, snapshot.stale) == (True, False)


def test_a_backlog_request_is_triaged_assigned_and_written(delivery: Delivery) -> None:
    change = create_change(delivery.people.bob, repository=delivery.repository, title="A second balancer")
    run_jobs()
    assert Attention.objects.get(change=change).user.username == "carol", "a maintainer triages"
    services.assign(delivery.people.carol, change=change, user=delivery.people.alice, reason="knows it")
    run_jobs()
    change.refresh_from_db()
    assert change.owner == delivery.people.alice
    assert Attention.objects.get(change=change).user.username == "alice"
    with pytest.raises(Conflict):
        services.assign(delivery.people.carol, change=change, user=delivery.people.alice)
    services.unassign(delivery.people.alice, change=change, user=delivery.people.alice)
    change.refresh_from_db()
    assert change.owner is None


def test_only_people_who_can_do_it_are_asked(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"net/lb.yaml": "port: 81\n"})
    for name, code in (("mallory", "unknown_user"), ("dave", "not_able"), ("alice", "not_able")):
        with pytest.raises(InvalidInput) as refusal:
            services.assign(delivery.people.carol, change=change, user=getattr(delivery.people, name))
        assert refusal.value.code == code
    with pytest.raises(NotAllowed):
        services.assign(delivery.people.dave, change=change, user=delivery.people.bob)


def test_the_queue_costs_the_same_for_any_length(delivery: Delivery, django_assert_max_num_queries: object) -> None:
    for number in range(3):
        create_change(delivery.people.bob, repository=delivery.repository, title=f"Request {number}")
    run_jobs()
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        sections = [queue.section(delivery.people.carol, key) for key in queue.SECTIONS]
        shown = [row.change.repository.name for section in sections for row in section.rows]
    assert len(shown) >= 3
    assert ChangeRequest.objects.count() == 3
