"""Ways around the gate of what was pushed past the portal, each of which was tried and is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest, OutsideChange
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


def held_on_a_push(delivery: Delivery) -> Deployment:
    """A change that was merged on a push waits for that in staging, which is locked, so that both can be looked at."""
    push_past(delivery)
    row = delivery.deployment(delivery.merged("between", {"app/other.yaml": "a: 1\n"}))
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="to look at both")
    run_until_idle()
    row.refresh_from_db()
    assert codes(row) == ["locked", "outside"]
    return row


def settled(delivery: Delivery, change: ChangeRequest) -> Deployment:
    """``change``, which adopts or reverts, has landed; its deployment in staging."""
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    return delivery.deployment(change)


def codes(row: Deployment) -> list[str]:
    return [wait["code"] for wait in row.waits]


def test_a_revert_does_not_let_run_what_was_merged_on_the_push(tmp_path: Path) -> None:
    delivery = begun(tmp_path, HOLD)
    row = held_on_a_push(delivery)
    revert = settled(delivery, services.revert_outside_change(delivery.people.alice, outside=only()))
    assert codes(revert) == ["locked"], "what takes it out is not held by it"
    row.refresh_from_db()
    assert codes(row) == ["locked", "outside"]
    assert "is rid of it since, and this commit still contains it" in row.waits[1]["text"]
    services.unlock_environment(delivery.people.carol, environment=row.environment)
    run_until_idle()
    row.refresh_from_db()
    revert.refresh_from_db()
    assert (row.status, revert.status) == ("succeeded", "succeeded")
    assert row.events.filter(text__startswith="Nothing to run").exists(), "it never ran"


def test_what_was_forced_away_is_not_deployed_with_what_was_merged_on_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path, HOLD)
    before = delivery.work.rev_parse("origin/main")
    row = held_on_a_push(delivery)
    delivery.work.run("push", "-q", "--force", "origin", f"{before}:main")
    look(delivery)
    forced = OutsideChange.objects.get(kind="forced")
    settled(delivery, services.adopt_outside_change(delivery.people.alice, outside=forced))
    assert not OutsideChange.objects.open().exists()
    row.refresh_from_db()
    assert codes(row) == ["locked", "outside"]
    assert "is rid of it since" in row.waits[1]["text"]


def test_without_hold_a_revert_holds_nothing(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    change = delivery.merged("between", {"app/other.yaml": "a: 1\n"})
    revert = services.revert_outside_change(delivery.people.alice, outside=only())
    delivery.approve(revert)
    services.merge_change(delivery.people.alice, change=revert)
    run_until_idle()
    assert delivery.deployment(change).status == "succeeded"
