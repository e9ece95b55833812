"""What is pushed to a target branch past the portal is seen, shown, and adopted or reverted through the gate it went around."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.services import reopen, retarget, withdraw
from apps.core.errors import Conflict, NotAllowed, NotVisible
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.repositories.services import synchronise
from apps.reviews.queries import verdict_of
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
HOLD = "outsideChanges: hold\n"


def begun(tmp_path: Path, more: str = "") -> Delivery:
    return Delivery.start(tmp_path, pipeline("cat app/values.yaml", "true") + more)


def push_past(delivery: Delivery, text: str = "replicas: 9\n", *, author: str = "Kim <kim@example.org>") -> str:
    """A commit on main that no change proposed; its oid."""
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    oid = delivery.work.commit("Straight to main", files={"app/values.yaml": text}, author=author)
    delivery.work.push("main")
    look(delivery)
    return oid


def look(delivery: Delivery) -> None:
    assert synchronise(delivery.repository.pk)
    run_jobs("changes.take_ref_updates")


def only() -> OutsideChange:
    return OutsideChange.objects.get()


def test_a_push_past_the_portal_is_seen_once_and_audited(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    oid = push_past(delivery)
    look(delivery)
    row = only()
    assert (row.branch, row.new_oid, row.kind, row.settled_at) == ("main", oid, "advanced", None)
    assert AuditEntry.objects.filter(action="repository.outside_change").count() == 1


def test_a_push_past_the_portal_to_another_branch_into_which_was_merged_is_told_of_as_well(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.work.push("origin/main:refs/heads/release")
    look(delivery)
    change = delivery.proposed()
    retarget(delivery.people.alice, change=change, target_branch="release")
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    waiting = delivery.proposed("two", {"b": "1\n"})
    retarget(delivery.people.alice, change=waiting, target_branch="release")
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "release", "origin/release")
    old, new = (
        delivery.work.rev_parse("HEAD"),
        delivery.work.commit("Straight to it", files={"app/values.yaml": "replicas: 9\n"}),
    )
    delivery.work.push()
    look(delivery)
    assert (only().branch, only().old_oid, only().new_oid) == ("release", old, new)
    entry = AuditEntry.objects.get(action="repository.outside_change")
    assert (entry.target, entry.repository) == ("release", delivery.repository.name)
    assert (entry.data["kind"], entry.data["old"], entry.data["new"]) == ("advanced", old, new)
    waiting.refresh_from_db()
    assert waiting.revision is not None
    assert (waiting.revision.cause, waiting.revision.target_oid) == ("target_moved", new)


def test_what_the_portal_merged_and_other_branches_are_no_outside_changes(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.merged()
    delivery.proposed("two")
    look(delivery)
    assert not OutsideChange.objects.exists()


def test_an_adopted_push_goes_through_the_gate_and_is_deployed(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    oid = push_past(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    assert (change.kind, change.status, change.revision and change.revision.head_oid) == ("adoption", "in_review", oid)
    assert change.revision is not None
    assert change.revision.paths == ["app/values.yaml"]
    with pytest.raises(Conflict, match=r"[Nn]eeds|approv"):
        services.merge_change(delivery.people.alice, change=change)
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert (change.status, change.merge_commit) == ("done", oid)
    assert delivery.deployment(change, "production").commit == oid
    row = only()
    assert (row.outcome, row.change) == ("adopted", change)
    assert AuditEntry.objects.filter(action="change.adopted", change_number=change.number).count() == 1
    assert AuditEntry.objects.filter(action="outside_change.adoption_proposed").count() == 1
    delivery.work.run("fetch", "-q", "origin")
    assert delivery.work.rev_parse("origin/main") == oid  # nothing was pushed
    look(delivery)
    assert OutsideChange.objects.count() == 1


def test_who_wrote_the_push_cannot_approve_its_adoption(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery, author="Bob <bob@example.org>")
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    with pytest.raises(NotAllowed) as refused:
        submit_review(delivery.people.bob, change=change, revision=1, verdict="approve")
    assert refused.value.code == "contributor"
    with pytest.raises(NotAllowed):
        submit_review(delivery.people.alice, change=change, revision=1, verdict="approve")


def test_an_adoption_is_judged_by_the_policy_from_before_the_push(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    lax = pipeline().replace("approvals: 1, from: [role/reviewer]", "approvals: 1, from: [role/author]")
    delivery.work.commit("Weaker rules", files={".gitops/portal.yaml": lax}, author="Kim <kim@example.org>")
    delivery.work.push("main")
    look(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    assert "role/reviewer" in str(verdict_of(change).to_dict())


def test_later_pushes_leave_an_adoption_as_it_is(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = push_past(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    delivery.approve(change)
    second = push_past(delivery, "replicas: 10\n")
    run_jobs()
    change.refresh_from_db()
    assert change.revision is not None
    assert (change.revision.number, change.revision.head_oid) == (1, first)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    assert [row.outcome for row in OutsideChange.objects.order_by("pk")] == ["adopted", ""]
    assert OutsideChange.objects.latest("pk").new_oid == second


def test_a_reverted_push_is_taken_out_and_what_came_later_stays(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    later = delivery.merged("two", {"app/other.yaml": "a: 1\n"})
    change = services.revert_outside_change(delivery.people.alice, outside=only())
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    delivery.work.run("fetch", "-q", "origin")
    assert delivery.work.run("show", "origin/main:app/values.yaml") == "replicas: 1"
    assert delivery.work.run("show", "origin/main:app/other.yaml") == "a: 1"
    assert later.merge_commit != change.merge_commit
    assert only().outcome == "reverted"
    kim = delivery.people.kim  # kim's commit is what is taken back; kim did not write the inverse
    assert not change.contributions.filter(user=kim).exists()


def test_a_revert_with_later_changes_in_the_way_names_the_files(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    delivery.merged("two", {"app/values.yaml": "replicas: 11\n"})
    with pytest.raises(Conflict, match=r"app/values\.yaml") as refused:
        services.revert_outside_change(delivery.people.alice, outside=only())
    assert refused.value.code == "revert_conflict"
    assert not ChangeRequest.objects.filter(title__startswith="Revert").exists()


def test_an_outside_change_is_proposed_for_once_and_again_after_a_withdrawal(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    with pytest.raises(Conflict, match=change.label):
        services.revert_outside_change(delivery.people.alice, outside=only())
    withdraw(delivery.people.alice, change=change)
    with pytest.raises(Conflict, match="outside changes"):
        reopen(delivery.people.alice, change=change)
    again = services.revert_outside_change(delivery.people.alice, outside=only())
    assert again.number != change.number


def test_an_adoption_is_not_retargeted(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    delivery.work.run("push", "-q", "origin", "main:refs/heads/other")
    look(delivery)
    with pytest.raises(Conflict, match="outside changes"):
        retarget(delivery.people.alice, change=change, target_branch="other")


def test_strangers_and_reviewers_do_not_propose_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    for act in (services.adopt_outside_change, services.revert_outside_change):
        with pytest.raises(NotVisible):
            act(delivery.people.mallory, outside=only())
        with pytest.raises(NotAllowed):
            act(delivery.people.dave, outside=only())
    assert not ChangeRequest.objects.exists()


def test_a_push_that_was_forced_away_again_settles_itself(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    before = delivery.work.rev_parse("origin/main")
    push_past(delivery)
    push_past(delivery, "replicas: 10\n")
    change = services.adopt_outside_change(delivery.people.alice, outside=OutsideChange.objects.earliest("pk"))
    delivery.approve(change)
    delivery.work.push(f"{before}:refs/heads/main", force=True)
    look(delivery)
    assert [row.outcome for row in OutsideChange.objects.order_by("pk")] == ["gone", "gone"]
    with pytest.raises(Conflict):
        services.merge_change(delivery.people.alice, change=change)


def test_a_force_push_that_drops_a_merge_is_an_outside_change_that_can_be_reverted(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    before = delivery.work.rev_parse("origin/main")
    merged = delivery.merged()
    delivery.work.push(f"{before}:refs/heads/main", force=True)
    look(delivery)
    row = only()
    assert (row.kind, row.old_oid, row.new_oid) == ("forced", merged.merge_commit, before)
    change = services.revert_outside_change(delivery.people.alice, outside=row)
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    delivery.work.run("fetch", "-q", "origin")
    assert "name: one" in delivery.work.run("show", "origin/main:app/values.yaml")


def test_a_deleted_target_branch_cannot_be_adopted(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.work.run("push", "-q", "origin", "main:refs/heads/other")
    look(delivery)
    change = delivery.proposed()
    retarget(delivery.people.alice, change=change, target_branch="other")
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    delivery.work.run("push", "-q", "origin", ":other")
    look(delivery)
    with pytest.raises(Conflict, match="deleted"):
        services.adopt_outside_change(delivery.people.alice, outside=only())


def test_nothing_that_contains_it_is_deployed_where_the_policy_holds_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path, HOLD)
    push_past(delivery)
    change = delivery.merged("two", {"app/other.yaml": "a: 1\n"})
    run_until_idle()
    held = delivery.deployment(change)
    assert (held.status, [wait["code"] for wait in held.waits]) == ("pending", ["outside"])
    adoption = services.adopt_outside_change(delivery.people.alice, outside=only())
    delivery.approve(adoption)
    services.merge_change(delivery.people.alice, change=adoption)
    run_until_idle()
    assert delivery.deployment(change).status == "succeeded"


def test_without_that_option_it_is_shown_and_holds_nothing(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    push_past(delivery)
    change = delivery.merged("two", {"app/other.yaml": "a: 1\n"})
    run_until_idle()
    assert delivery.deployment(change).status == "succeeded"


def test_an_adopted_push_of_several_commits_rolls_back_to_what_was_before_all_of_them(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    for number in (2, 3):
        delivery.work.commit("More", files={"app/values.yaml": f"replicas: {number}\n"}, author="Kim <kim@example.org>")
    delivery.work.push("main")
    look(delivery)
    change = services.adopt_outside_change(delivery.people.alice, outside=only())
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    inverse = services.roll_back(
        delivery.people.carol, deployment=Deployment.objects.filter(change=change).earliest("pk")
    )
    delivery.approve(inverse)
    run_until_idle()
    delivery.work.run("fetch", "-q", "origin")
    assert delivery.work.run("show", "origin/main:app/values.yaml") == "replicas: 1"
