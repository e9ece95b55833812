"""Ways around the gate of what was pushed past the portal, each of which was tried and is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import OutsideChange
from apps.changes.services import retarget
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.policies.queries import policy_at
from apps.reviews.queries import verdict_of
from tests.deployments.test_deployments_outside_changes import HOLD, begun, look, only, push_past
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
ALICE = "Alice <alice@example.org>"
WEAK = pipeline("true", "true").replace("approvals: 1, from: [role/reviewer]", "approvals: 1, from: [role/author]")


def pushed(delivery: Delivery, path: str, text: str) -> None:
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    delivery.work.commit("Straight to main", files={path: text}, author=ALICE)
    delivery.work.push("main")
    look(delivery)


def test_a_revert_into_another_branch_settles_nothing_here(tmp_path: Path) -> None:
    delivery = begun(tmp_path, HOLD)
    delivery.work.run("push", "-q", "origin", "main:refs/heads/other")
    push_past(delivery, author=ALICE)
    change = services.revert_outside_change(delivery.people.alice, outside=only())
    delivery.work.run("checkout", "-q", "-B", "other", "origin/main")
    delivery.work.push("other:other")
    look(delivery)
    retarget(delivery.people.alice, change=change, target_branch="other")
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    assert OutsideChange.objects.get(branch="main").settled_at is None


def test_an_adoption_does_not_stand_on_a_push_that_nobody_adopted(tmp_path: Path) -> None:
    """The first push weakens the rules by which the second one would be judged."""
    delivery = begun(tmp_path, HOLD)
    pushed(delivery, ".gitops/portal.yaml", WEAK)
    push_past(delivery, author=ALICE)
    with pytest.raises(Conflict, match="settle that one first") as refused:
        services.adopt_outside_change(delivery.people.alice, outside=OutsideChange.objects.latest("pk"))
    assert refused.value.code == "older_first"


def test_a_push_cannot_switch_off_what_holds_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path, HOLD)
    pushed(delivery, ".gitops/portal.yaml", pipeline("true", "true"))
    change = delivery.merged("two", {"app/other.yaml": "a: 1\n"})
    run_until_idle()
    assert [wait["code"] for wait in delivery.deployment(change).waits] == ["outside"]


def test_what_was_pushed_later_does_not_govern_what_was_broken_before(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, "apiVersion: portal/v1\nrules: [{name: x}]\n")
    broken = delivery.work.rev_parse("origin/main")
    assert policy_at(delivery.repository, "main", broken).governs == "broken"
    pushed(delivery, ".gitops/portal.yaml", WEAK)
    assert policy_at(delivery.repository, "main", broken).governs == "broken"
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    assert "2 maintainers must approve" in str(verdict_of(change).to_dict())


def test_no_rollback_goes_back_to_what_was_pushed_past_the_portal(tmp_path: Path) -> None:
    """The push is undone by another one, which is adopted: rolling that back would bring the first one back."""
    delivery = begun(tmp_path)
    push_past(delivery, "evil: 1\n", author=ALICE)
    push_past(delivery, "replicas: 1\n")
    first, second = OutsideChange.objects.order_by("pk")
    OutsideChange.objects.filter(pk=first.pk).update(settled_at="2026-01-01T00:00Z", outcome="reverted")
    change = services.adopt_outside_change(delivery.people.alice, outside=second)
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    inverse = services.roll_back(
        delivery.people.alice, deployment=Deployment.objects.filter(change=change).earliest("pk")
    )
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.status == "in_review"
    assert "a reviewer" in [row.name for row in verdict_of(inverse).requirements if not row.is_satisfied]


def test_a_branch_that_is_deleted_and_made_anew_is_an_outside_change(tmp_path: Path) -> None:
    delivery = begun(tmp_path, HOLD)
    old = delivery.work.rev_parse("origin/main")
    delivery.work.run("push", "-q", "origin", "main:refs/heads/spare")
    delivery.work.run("--git-dir", delivery.repository.url, "config", "receive.denyDeleteCurrent", "ignore")
    delivery.work.run("push", "-q", "origin", ":main")
    look(delivery)
    assert [row.kind for row in OutsideChange.objects.open()] == ["deleted"]
    delivery.work.run("checkout", "-q", "-B", "main", "origin/spare")
    new = delivery.work.commit("New history", files={"app/evil.yaml": "x: 1\n"}, author=ALICE)
    delivery.work.push("main")
    look(delivery)
    [row] = OutsideChange.objects.open()
    assert (row.kind, row.old_oid, row.new_oid) == ("forced", old, new)
    change = delivery.merged("two", {"app/other.yaml": "a: 1\n"})
    run_until_idle()
    assert [wait["code"] for wait in delivery.deployment(change).waits] == ["outside"]


def test_a_deleted_branch_that_is_pushed_again_as_it_was_is_settled(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.work.run("push", "-q", "origin", "main:refs/heads/spare")
    delivery.work.run("--git-dir", delivery.repository.url, "config", "receive.denyDeleteCurrent", "ignore")
    delivery.work.run("push", "-q", "origin", ":main")
    look(delivery)
    delivery.work.run("push", "-q", "origin", "main:refs/heads/main")
    look(delivery)
    assert [row.outcome for row in OutsideChange.objects.all()] == ["gone"]


def test_adopting_a_push_that_went_back_deploys_the_earlier_state(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    before = delivery.work.rev_parse("origin/main")
    delivery.merged()
    run_until_idle()
    delivery.work.push(f"{before}:refs/heads/main", force=True)
    look(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    environment = delivery.deployment(change).environment
    environment.refresh_from_db()
    assert environment.live_commit == before
