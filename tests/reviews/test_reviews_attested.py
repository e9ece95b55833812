"""What an approval attests, rules that ask for what was seen, and withdrawing a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.accounts.services import create_user
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from apps.policies.evaluation import PolicyVerdict
from apps.repositories.services import set_member
from apps.reviews import queries, services
from apps.reviews.attestation import Displayed, FileDisplay
from apps.reviews.models import Review
from tests.reviews.test_reviews_viewed import fresh, ids, mark, push
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db
ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: admin}\n"
WEB = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
DB = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: db}\n"
SEES = "  - {name: careful, needs: {approvals: 1, from: [role/reviewer], seen: [destroys, rbac]}}\n"
BEFORE = {"web.yaml": WEB + DB, "notes.md": "a\n"}
AFTER = {"web.yaml": WEB, "role.yaml": ROLE, "notes.md": "b\n"}


@pytest.fixture
def careful(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline(rules=SEES), files=BEFORE)


def approve(delivery: Delivery, change: ChangeRequest, who: str = "bob", **options: object) -> Review:
    revision = fresh(change).revision
    assert revision is not None
    user = getattr(delivery.people, who)
    return services.submit_review(user, change=change, revision=revision.number, verdict="approve", **options)  # type: ignore[arg-type]


def verdict(change: ChangeRequest) -> PolicyVerdict:
    return queries.verdict_of(fresh(change))


def test_acceptance_30_an_approval_is_refused_until_destroys_and_rights_were_viewed(careful: Delivery) -> None:
    change = fresh(careful.proposed(files=AFTER))
    with pytest.raises(InvalidInput) as refusal:
        approve(careful, change)
    assert refusal.value.code == "not_all_seen"
    assert set(refusal.value.details["unseen"]) == {"web.yaml: PersistentVolumeClaim db", "role.yaml: Role admin"}
    assert "1 of 1 destroy not seen" in refusal.value.message
    mark(careful, change, "web.yaml")
    with pytest.raises(InvalidInput):
        approve(careful, change)
    assert not Review.objects.exists()
    mark(careful, change, "role.yaml")
    approve(careful, change)
    assert verdict(change).allowed


def test_what_a_page_claims_to_have_displayed_satisfies_no_rule(careful: Delivery) -> None:
    change = fresh(careful.proposed(files=AFTER))
    forged = Displayed({file: FileDisplay("open") for file in ids(change).values()}, reported=True)
    with pytest.raises(InvalidInput):
        approve(careful, change, displayed=forged)


def test_marks_of_another_person_or_another_content_satisfy_no_rule(careful: Delivery) -> None:
    change = fresh(careful.proposed(files=AFTER))
    mark(careful, change, "web.yaml", "role.yaml", who="kim")
    with pytest.raises(InvalidInput):
        approve(careful, change)
    mark(careful, change, "web.yaml", "role.yaml")
    push(careful, {"role.yaml": ROLE + "rules: []\n"})
    with pytest.raises(InvalidInput) as refusal:
        approve(careful, change)
    assert refusal.value.details["unseen"] == ["role.yaml: Role admin"]


def test_requesting_changes_and_commenting_need_nothing_viewed(careful: Delivery) -> None:
    change = fresh(careful.proposed(files=AFTER))
    for given in ("comment", "request_changes"):
        services.submit_review(careful.people.bob, change=change, revision=1, verdict=given, body="why?")
    assert Review.objects.count() == 2


def test_an_approval_that_lacks_what_a_later_rule_asks_for_does_not_count_and_can_be_given_again(
    tmp_path: Path,
) -> None:
    delivery = Delivery.start(tmp_path, pipeline(), files=BEFORE)
    change = fresh(delivery.proposed(files=AFTER))
    approve(delivery, change)
    push(delivery, {".gitops/portal.yaml": pipeline(rules=SEES)}, onto="main")
    change = fresh(change)
    careful = next(row for row in verdict(change).requirements if row.name == "careful")
    assert careful.state == "waiting"
    assert [row.code for row in careful.not_counted] == ["not_all_seen"]
    assert "1 of 1 destroy not seen (web.yaml: PersistentVolumeClaim db)" in careful.not_counted[0].text
    mark(delivery, change, "web.yaml", "role.yaml")
    assert not verdict(change).allowed, "what is viewed after the approval was no part of it"
    approve(delivery, change)
    assert verdict(change).allowed
    with pytest.raises(Conflict):
        approve(delivery, change)


def test_seen_all_means_every_file(tmp_path: Path) -> None:
    every = "  - {name: all of it, needs: {approvals: 1, seen: all}}\n"
    delivery = Delivery.start(tmp_path, pipeline(rules=every), files=BEFORE)
    change = fresh(delivery.proposed(files=AFTER))
    mark(delivery, change, "web.yaml", "role.yaml")
    with pytest.raises(InvalidInput) as refusal:
        approve(delivery, change)
    assert refusal.value.details["unseen"] == ["notes.md"]
    mark(delivery, change, "notes.md")
    approve(delivery, change)


def test_acceptance_25_the_stored_approval_names_what_was_not_displayed(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline(), files=BEFORE)
    change = fresh(delivery.proposed(files=AFTER))
    mark(delivery, change, "web.yaml")
    displayed = Displayed(
        {
            ids(change)["role.yaml"]: FileDisplay("partly", "only its first rows were loaded", "2 long lines cut"),
            ids(change)["web.yaml"]: FileDisplay("closed", "Large: 9,000 changed lines"),
        }
    )
    shown = approve(delivery, change, displayed=displayed).shown
    assert shown["version"] == 1
    assert (shown["files"], len(shown["viewed"]), shown["via"]) == (3, 1, "page")
    assert [row["path"] for row in shown["not_displayed"]] == ["notes.md"]
    assert [(row["path"], row["reason"]) for row in shown["partly"]] == [
        ("role.yaml", "only its first rows were loaded")
    ]
    assert [(row["path"], row["reason"]) for row in shown["notes"]] == [("role.yaml", "2 long lines cut")]


def test_over_the_api_nothing_counts_as_displayed(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline(), files=BEFORE)
    change = fresh(delivery.proposed(files=AFTER))
    mark(delivery, change, "web.yaml")
    shown = approve(delivery, change, via="token").shown
    assert [row["path"] for row in shown["not_displayed"]] == ["notes.md", "role.yaml"]


def test_a_withdrawn_approval_does_not_count_and_says_so(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = fresh(delivery.proposed())
    row = approve(delivery, change)
    assert verdict(change).allowed
    services.withdraw_review(delivery.people.bob, change=change, review=row.pk)
    after = verdict(change)
    assert not after.allowed
    assert [(found.code, found.text) for found in after.standings] == [
        ("withdrawn", "bob withdrew the approval of r1.")
    ]
    assert AuditEntry.objects.filter(action="review.withdrawn", change_number=change.number).count() == 1
    with pytest.raises(Conflict):
        services.withdraw_review(delivery.people.bob, change=change, review=row.pk)
    approve(delivery, change)
    assert verdict(change).allowed


def test_a_withdrawn_request_for_changes_holds_nothing(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = fresh(delivery.proposed())
    approve(delivery, change, "kim")
    row = services.submit_review(delivery.people.bob, change=change, revision=1, verdict="request_changes", body="no")
    assert not verdict(change).allowed
    services.withdraw_review(delivery.people.bob, change=change, review=row.pk)
    assert verdict(change).allowed


def test_a_withdrawn_approval_does_not_bring_an_earlier_one_back(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = fresh(delivery.proposed())
    approve(delivery, change)
    push(delivery, {"docs/x.md": "x\n"}, onto="main")
    second = approve(delivery, change)
    services.withdraw_review(delivery.people.bob, change=change, review=second.pk)
    found = verdict(change)
    assert not found.allowed
    assert [row.code for row in found.standings] == ["superseded", "withdrawn"]


def test_nobody_else_withdraws_a_verdict_and_nobody_after_merging(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = fresh(delivery.proposed())
    row = approve(delivery, change)
    for who in ("alice", "kim", "carol", "erin"):
        with pytest.raises(NotAllowed) as refusal:
            services.withdraw_review(getattr(delivery.people, who), change=change, review=row.pk)
        assert refusal.value.code == "not_yours"
    other = fresh(delivery.proposed("two", {"two.yaml": "a: 1\n"}))
    with pytest.raises(NotVisible):
        services.withdraw_review(delivery.people.bob, change=other, review=row.pk)
    merged = delivery.merged("three", {"three.yaml": "a: 1\n"})
    with pytest.raises(Conflict) as late:
        services.withdraw_review(delivery.people.bob, change=merged, review=merged.reviews.get().pk)
    assert late.value.code == "too_late"


def test_service_accounts_contributors_and_old_revisions_approve_nothing(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = fresh(delivery.proposed())
    robot = create_user(None, username="robot", kind="service", password="correct-horse-battery")
    set_member(delivery.people.carol, repository=delivery.repository, member="robot", role="reviewer")
    with pytest.raises(NotAllowed):
        services.submit_review(robot, change=change, revision=1, verdict="approve")
    with pytest.raises(NotAllowed):
        approve(delivery, change, "alice")
    stale = ChangeRequest.objects.get(pk=change.pk)
    push(delivery, {"app/values.yaml": "replicas: 7\n"})
    with pytest.raises(Conflict) as refusal:
        services.submit_review(delivery.people.bob, change=stale, revision=1, verdict="approve")
    assert refusal.value.code == "stale_revision"
    assert not Review.objects.exists()
