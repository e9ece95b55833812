"""An approval is for one effect on one branch; the smaller gate of a rollback is for an earlier state."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.changes.services import create_change, mark_ready, reopen, retarget, withdraw
from apps.core.errors import Conflict
from apps.deployments.models import Deployment, MergeIntent
from apps.deployments.services import roll_back
from apps.repositories.services import remove_member
from apps.reviews import queries
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db

LINES = "".join(f"line {number}\n" for number in range(20))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    free = pipeline() + "rollback: {protected: 0, others: 0}\n"
    return Delivery.start(tmp_path, free, files={"app/values.yaml": LINES})


def fresh(change: ChangeRequest) -> ChangeRequest:
    return ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)


def test_an_approval_does_not_follow_to_another_target_branch_and_counts_again_when_the_change_returns(
    delivery: Delivery,
) -> None:
    change = delivery.approved()
    pushed(delivery.repository, delivery.work, "origin/main:refs/heads/production")
    assert queries.verdict_of(fresh(change)).allowed
    retarget(delivery.people.alice, change=fresh(change), target_branch="production")
    verdict = queries.verdict_of(fresh(change))
    assert not verdict.allowed
    assert [(found.counts, found.code) for found in verdict.standings] == [(False, "retargeted")]
    retarget(delivery.people.alice, change=fresh(change), target_branch="main")
    assert queries.verdict_of(fresh(change)).allowed


def test_no_approval_survives_that_a_change_is_given_up_and_taken_up_again(delivery: Delivery) -> None:
    change = delivery.approved()
    people = delivery.people
    withdraw(people.alice, change=fresh(change), reason="Not now")
    reopen(people.alice, change=fresh(change))
    mark_ready(people.alice, change=fresh(change))
    verdict = queries.verdict_of(fresh(change))
    assert not verdict.allowed
    assert [(found.counts, found.code) for found in verdict.standings] == [(False, "reopened")]
    assert verdict.standings[0].text == "bob approved r1 before the change was withdrawn and reopened."
    delivery.approve(fresh(change))
    assert queries.verdict_of(fresh(change)).allowed


def deployed(delivery: Delivery, name: str, text: str) -> ChangeRequest:
    change = delivery.merged(name, {"app/values.yaml": text})
    run_until_idle()
    return fresh(change)


def undone(delivery: Delivery, change: ChangeRequest) -> ChangeRequest:
    inverse = roll_back(delivery.people.alice, deployment=delivery.deployment(change))
    run_jobs("deployments.merge_when_allowed")
    return fresh(inverse)


def test_a_rollback_to_the_state_before_needs_only_its_own_gate(delivery: Delivery) -> None:
    change = deployed(delivery, "first", LINES + "first\n")
    inverse = undone(delivery, change)
    assert MergeIntent.objects.filter(change=inverse).exists()


def test_a_rollback_beneath_later_changes_makes_a_new_state_and_obeys_the_ordinary_rules(delivery: Delivery) -> None:
    change = deployed(delivery, "first", LINES + "first\n")
    deployed(delivery, "second", "second\n" + LINES + "first\n")
    inverse = undone(delivery, change)
    verdict = queries.verdict_of(inverse)
    assert not verdict.allowed
    assert [found.name for found in verdict.requirements if not found.is_satisfied] == ["a reviewer"]
    assert not MergeIntent.objects.filter(change=inverse).exists()
    delivery.approve(inverse)
    run_until_idle()
    rows = Deployment.objects.filter(change=inverse).values_list("kind", "status")
    assert list(rows) == [("rollback", "succeeded")] * 2


def test_a_rollback_does_not_go_to_another_branch(delivery: Delivery) -> None:
    pushed(delivery.repository, delivery.work, "origin/main:refs/heads/production")
    deployed(delivery, "first", LINES + "first\n")
    second = deployed(delivery, "second", "second\n" + LINES + "first\n")
    deployed(delivery, "third", "second\n" + LINES + "first\nthird\n")
    inverse = undone(delivery, second)
    assert inverse.status == "in_review"
    with pytest.raises(Conflict, match="takes back what is on main"):
        retarget(delivery.people.alice, change=inverse, target_branch="production")
    assert fresh(inverse).target_branch == "main"


def test_nobody_hides_behind_thousands_of_later_commits(delivery: Delivery) -> None:
    work = delivery.work
    base = work.rev_parse("origin/main")
    stream = ["commit refs/heads/long\n"]
    for number in range(5_200):
        who = "Bob <bob@example.org>" if number == 0 else "Alice <alice@example.org>"
        start = f"from {base}\n" if number == 0 else ""
        head = "" if number == 0 else "commit refs/heads/long\n"
        stream.append(
            f"{head}committer {who} {1_767_300_000 + number} +0000\ndata 1\nx\n{start}"
            f"M 100644 inline f\ndata {len(str(number))}\n{number}\n\n"
        )
    work.run_bytes("fast-import", "--quiet", stdin="".join(stream).encode())
    pushed(delivery.repository, work, "long:refs/heads/long")
    change = create_change(delivery.people.alice, repository=delivery.repository, title="Long", source_branch="long")
    assert delivery.people.bob.pk in set(change.contributions.values_list("user", flat=True))


def test_an_owner_named_by_address_is_found_whatever_its_letter_case(tmp_path: Path) -> None:
    delivery = Delivery.start(
        tmp_path,
        "apiVersion: portal/v1\nenvironments: {default: {}}\n",
        files={"CODEOWNERS": "* Bob@Example.ORG\n"},
    )
    change = delivery.proposed()
    assert queries.verdict_of(fresh(change)).can_unblock == ("bob",)
    delivery.approve(change)
    assert queries.verdict_of(fresh(change)).allowed


def object_to(delivery: Delivery, change: ChangeRequest, verdict: str = "request_changes") -> None:
    row = fresh(change)
    assert row.revision is not None
    submit_review(delivery.people.bob, change=row, revision=row.revision.number, verdict=verdict, body="because")


def test_an_objection_ends_with_the_role_of_who_made_it(delivery: Delivery) -> None:
    change = delivery.proposed()
    object_to(delivery, change)
    row = fresh(change)
    assert row.revision is not None
    submit_review(delivery.people.kim, change=row, revision=row.revision.number, verdict="approve")
    assert not queries.verdict_of(fresh(change)).allowed
    remove_member(delivery.people.carol, repository=delivery.repository, member="bob")
    assert queries.verdict_of(fresh(change)).allowed


def test_an_objector_who_pushed_the_repair_takes_the_objection_back_by_a_comment(delivery: Delivery) -> None:
    change = delivery.proposed("one")
    object_to(delivery, change)
    object_to(delivery, change, "comment")
    reasons = [reason.code for reason in queries.verdict_of(fresh(change)).reasons]
    assert "change_requests" in reasons
    delivery.work.commit("repair", files={"app/values.yaml": "replicas: 3\n"}, author="Bob <bob@example.org>")
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/one")
    run_jobs("changes.take_ref_updates")
    object_to(delivery, change, "comment")
    row = fresh(change)
    assert row.revision is not None and row.revision.number == 2
    submit_review(delivery.people.kim, change=row, revision=2, verdict="approve")
    assert queries.verdict_of(fresh(change)).allowed
