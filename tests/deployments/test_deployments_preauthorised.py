"""A roll-back that was approved together with the change needs no further approval, and nothing else goes by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest, Inverse
from apps.core.errors import Conflict, InvalidInput
from apps.deployments import services as deployments
from apps.policies.evaluation import PolicyVerdict, replay, to_record
from apps.repositories.models import RepositoryRole
from apps.reviews.models import Review
from apps.reviews.queries import gate_of, verdict_of
from apps.reviews.services import submit_review, withdraw_review
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {protected: true, targets: {raw: {kind: manifests, path: raw}}}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
rollback: {protected: 1, preauthorised: 24h}
"""
WEB = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: %d\n  a: 1\n  b: 1\n  c: 1\n  paused: %s\n"
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: cache}\nspec: {accessModes: [ReadWriteOnce]}\n"


def begun(tmp_path: Path, yaml: str = YAML) -> Delivery:
    return Delivery.start(tmp_path, yaml, {"raw/web.yaml": WEB % (1, "false"), "raw/other.txt": "1\n"})


def work() -> None:
    for _ in range(3):
        run_jobs(
            "changes.take_ref_updates", "changes.follow_branches", "changes.plan_renderings", "changes.render",
            "changes.compute_inverse",
        )  # fmt: skip


def proposed(delivery: Delivery, name: str = "one", files: dict[str, str | bytes] | None = None) -> ChangeRequest:
    change = delivery.proposed(name, files or {"raw/web.yaml": WEB % (2, "false")})
    work()
    change.refresh_from_db()
    return change


def approve(delivery: Delivery, change: ChangeRequest, who: str = "bob", *, back: bool = True) -> Review:
    change.refresh_from_db()
    assert change.revision is not None
    digest = Inverse.objects.get(revision=change.revision).digest if back else ""
    number = change.revision.number
    person = getattr(delivery.people, who)
    return submit_review(person, change=change, revision=number, verdict="approve", rollback=digest)


def merge(delivery: Delivery, change: ChangeRequest) -> ChangeRequest:
    change.refresh_from_db()
    deployments.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert change.merge_commit
    return change


def merged(delivery: Delivery, **more: object) -> ChangeRequest:
    change = proposed(delivery)
    approve(delivery, change, **more)  # type: ignore[arg-type]
    return merge(delivery, change)


def back_of(delivery: Delivery, change: ChangeRequest, who: str = "carol") -> tuple[ChangeRequest, PolicyVerdict]:
    """The roll-back as it is judged when its effect is known, before the engine merges it."""
    row = delivery.deployment(change)
    back = deployments.roll_back(getattr(delivery.people, who), deployment=row)
    work()
    back.refresh_from_db()
    return back, verdict_of(back)


def reasons(verdict: PolicyVerdict) -> str:
    return " ".join(row.text for row in verdict.standings)


def test_exactly_what_was_approved_with_the_change_goes_back_at_once(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    back, verdict = back_of(delivery, change)
    assert verdict.allowed, verdict.text
    [row] = [row for row in verdict.requirements if row.code == "rollback"]
    assert row.state == "met"
    assert row.evidence[0].startswith("pre-authorised by bob at ")
    assert change.label in row.evidence[0]
    assert reasons(verdict).startswith("Pre-authorised by bob at ")
    run_until_idle()
    back.refresh_from_db()
    assert back.status == "done"
    assert delivery.deployment(back).status == "succeeded"
    assert not back.reviews.exists()


def test_its_verdict_is_replayed_from_its_record(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    back, verdict = back_of(delivery, merged(delivery))
    assert replay(to_record(*gate_of(back))) == verdict


def test_the_record_says_what_was_approved_beforehand(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery)
    row = approve(delivery, change)
    said = AuditEntry.objects.filter(action="review.submitted").latest("pk").data
    assert said["with_rollback"] is True
    assert said["inverse"]["digest"] == row.inverse["digest"] == Inverse.objects.get().digest


def test_an_approval_without_it_is_none_of_the_roll_back(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    _, verdict = back_of(delivery, merged(delivery, back=False))
    assert not verdict.allowed
    assert verdict.standings == ()


def test_without_the_key_of_the_policy_it_cannot_be_given_and_does_not_count(tmp_path: Path) -> None:
    delivery = begun(tmp_path, YAML.replace(", preauthorised: 24h", ""))
    change = proposed(delivery)
    with pytest.raises(InvalidInput, match="lets no roll-back be approved beforehand"):
        approve(delivery, change)
    assert not change.reviews.exists()
    approve(delivery, change, back=False)
    Review.objects.update(with_rollback=True)
    _, verdict = back_of(delivery, merge(delivery, change))
    assert not verdict.allowed


def test_a_policy_that_was_changed_since_decides(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    stricter = proposed(delivery, "two", {".gitops/portal.yaml": YAML.replace(", preauthorised: 24h", "")})
    approve(delivery, stricter, back=False)
    merge(delivery, stricter)
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed


def test_another_inverse_than_the_one_that_was_shown_does_not_go_by_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    row = Review.objects.get()
    Review.objects.update(inverse={**row.inverse, "subject": "0" * 64, "to": row.inverse["from"]})
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed
    assert "bob approved another roll-back beforehand than this one" in reasons(verdict)


def test_another_effect_than_the_one_that_was_shown_does_not_go_by_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    row = Review.objects.get()
    Review.objects.update(inverse={**row.inverse, "effects": {"staging/raw": "0" * 64}})
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed
    assert "another roll-back" in reasons(verdict)


def test_it_carries_over_where_the_branch_moved_elsewhere(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    later = proposed(delivery, "two", {"raw/other.txt": "2\n"})
    approve(delivery, later, back=False)
    merge(delivery, later)
    back, verdict = back_of(delivery, change)
    assert verdict.allowed, (
        verdict.text
    )  # a new state, so the ordinary rules; bob's word beforehand is what they ask for
    assert "pre-authorised by bob" in str([row.evidence for row in verdict.requirements])
    assert back.revision is not None


def test_it_does_not_carry_over_where_the_same_resource_was_changed_since(tmp_path: Path) -> None:
    """The source merges cleanly, and the effect on the resource is another one than bob saw."""
    delivery = begun(tmp_path)
    change = merged(delivery)
    later = proposed(delivery, "two", {"raw/web.yaml": WEB % (2, "true")})
    approve(delivery, later, back=False)
    merge(delivery, later)
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed
    assert "another roll-back" in reasons(verdict)


def test_it_ends_with_its_time(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    ChangeRequest.objects.filter(pk=change.pk).update(merged_at=change.merged_at - timedelta(hours=25))  # type: ignore[operator]
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed
    assert "the time for that is over" in reasons(verdict)


def test_it_ends_with_the_expiry_of_the_approval(tmp_path: Path) -> None:
    delivery = begun(tmp_path, YAML.replace("from: [role/reviewer]", "from: [role/reviewer], expires: 1h"))
    change = merged(delivery)
    Review.objects.update(created_at=Review.objects.get().created_at - timedelta(hours=2))
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed
    assert "does not count any more, so neither does the roll-back" in reasons(verdict)


def test_a_withdrawn_approval_takes_it_with_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery)
    row = approve(delivery, change)
    approve(delivery, change, "kim", back=False)
    withdraw_review(delivery.people.bob, change=change, review=row.pk)
    _, verdict = back_of(delivery, merge(delivery, change))
    assert not verdict.allowed
    assert "withdrew the approval with which this roll-back was pre-authorised" in reasons(verdict)


def test_an_approval_given_again_without_it_takes_it_back(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery)
    approve(delivery, change)
    approve(delivery, change, back=False)
    _, verdict = back_of(delivery, merge(delivery, change))
    assert not verdict.allowed


def test_who_lost_the_role_since_does_not_count(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = merged(delivery)
    RepositoryRole.objects.filter(user=delivery.people.bob).delete()
    _, verdict = back_of(delivery, change)
    assert not verdict.allowed


def test_who_asks_for_the_roll_back_does_not_count_for_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    RepositoryRole.objects.filter(user=delivery.people.bob).delete()
    RepositoryRole.objects.create(repository=delivery.repository, user=delivery.people.bob, role="maintainer")
    _, verdict = back_of(delivery, merged(delivery), "bob")
    assert not verdict.allowed


def test_who_contributed_cannot_give_it(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery)
    with pytest.raises(Exception, match=r"contribut|own change"):
        approve(delivery, change, "alice")
    assert not change.reviews.exists()


def test_who_became_a_contributor_later_does_not_count(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery)
    approve(delivery, change)
    approve(delivery, change, "kim", back=False)
    change.contributions.create(user=delivery.people.bob, how="suggested", revision_number=1)
    _, verdict = back_of(delivery, merge(delivery, change))
    assert not verdict.allowed
    assert "neither does the roll-back" in reasons(verdict)


def test_what_does_not_come_back_has_to_be_named(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery, files={"raw/claim.yaml": CLAIM})
    row = approve(delivery, change)
    assert row.inverse["parts"] == [["staging/raw", "PersistentVolumeClaim cache"]]
    Review.objects.update(inverse={**row.inverse, "parts": []})
    merge(delivery, change)
    back, verdict = back_of(delivery, change)
    assert not verdict.allowed
    assert "was not named to bob" in reasons(verdict)
    Review.objects.update(inverse=row.inverse)
    assert verdict_of(back).allowed


def test_an_inverse_that_is_another_one_now_is_not_approved(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = proposed(delivery)
    bob = delivery.people.bob
    with pytest.raises(Conflict, match="not the one that you were shown"):
        submit_review(bob, change=change, revision=1, verdict="approve", rollback="0" * 64)
    with pytest.raises(InvalidInput, match="Only an approval"):
        submit_review(bob, change=change, revision=1, verdict="comment", body="x", rollback="0" * 64)
    Inverse.objects.all().delete()
    with pytest.raises(Conflict, match="not computed yet"):
        submit_review(bob, change=change, revision=1, verdict="approve", rollback="0" * 64)
    assert not change.reviews.exists()
