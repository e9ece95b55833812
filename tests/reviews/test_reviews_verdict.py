"""What an approval is worth, from real branches to the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.policies.evaluation import replay
from apps.repositories.services import remove_member, set_member
from apps.reviews import queries, services
from apps.reviews.models import Review
from tests.support.delivery import Delivery, pipeline
from tests.support.git import GitRepo
from tests.support.people import team
from tests.support.repositories import branch_with, pushed

pytestmark = pytest.mark.django_db

OWNED = {"CODEOWNERS": "*  @bob\n/net/  @acme/network\n", "net/lb.yaml": "port: 80\n"}


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


def approve(delivery: Delivery, change: ChangeRequest, who: str = "bob", verdict: str = "approve") -> Review:
    change.refresh_from_db()
    assert change.revision is not None
    user = getattr(delivery.people, who)
    return services.submit_review(user, change=change, revision=change.revision.number, verdict=verdict, body="because")


def allowed(change: ChangeRequest) -> bool:
    return queries.verdict_of(ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)).allowed


def push_to(
    delivery: Delivery, branch: str, files: dict[str, str], *, message: str = "more", author: str = "", at: str = ""
) -> None:
    """``at``: the commit on which the branch is written anew."""
    work: GitRepo = delivery.work
    work.run("checkout", "-q", *(("-B", branch, at) if at else (branch,)))
    work.commit(message, files=files, **({"author": author} if author else {}))
    pushed(delivery.repository, work, f"HEAD:refs/heads/{branch}", force=True)
    from tests.support.delivery import run_jobs

    run_jobs()


def test_an_approval_of_a_reviewer_opens_the_gate(delivery: Delivery) -> None:
    change = delivery.proposed()
    assert not allowed(change)
    approve(delivery, change)
    assert allowed(change)


def test_while_the_next_revision_is_being_made_nobody_is_asked_to_push_one(delivery: Delivery) -> None:
    """What was pushed is known before it is a revision; then it is the portal's turn, for a moment, and nobody's else."""
    from tests.support.delivery import run_jobs

    change = delivery.approved()
    delivery.work.run("checkout", "-q", "one")
    delivery.work.commit("more", files={"app/values.yaml": "replicas: 3\n"})
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/one")
    verdict = queries.verdict_of(ChangeRequest.objects.get(pk=change.pk))
    assert not verdict.allowed
    assert "Shortest way: the next revision is there." in verdict.summary
    assert verdict.can_unblock == ()
    assert "The portal makes the next revision" in next(
        row.text for row in verdict.requirements if row.code == "revision"
    )
    run_jobs()
    assert "bob, carol or kim approves" in queries.verdict_of(ChangeRequest.objects.get(pk=change.pk)).summary
    delivery.work.run("push", "-q", "origin", ":refs/heads/one")
    pushed(delivery.repository, delivery.work, "main:refs/heads/other")
    verdict = queries.verdict_of(ChangeRequest.objects.get(pk=change.pk))
    assert "was deleted" in next(row.text for row in verdict.requirements if row.code == "revision")
    assert "alice pushes a revision" in verdict.summary


def test_author_cannot_approve_own_change(delivery: Delivery) -> None:
    change = delivery.proposed()
    for role in ("author", "reviewer", "maintainer"):
        set_member(delivery.people.carol, repository=delivery.repository, member="alice", role=role)
        with pytest.raises(NotAllowed) as refusal:
            approve(delivery, change, "alice")
        assert refusal.value.code == "contributor"
    assert not Review.objects.exists()


def test_a_person_without_the_role_cannot_approve(delivery: Delivery) -> None:
    change = delivery.proposed()
    for who in ("dave", "mallory", "erin"):
        with pytest.raises(NotAllowed):
            approve(delivery, change, who)


def test_who_contributed_one_commit_cannot_approve_any_more(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    push_to(delivery, "one", {"app/values.yaml": "replicas: 9\n"}, author="Bob <bob@example.org>")
    assert not allowed(change)
    with pytest.raises(NotAllowed) as refusal:
        approve(delivery, change)
    assert refusal.value.code == "contributor"


def test_co_author_of_a_squashed_away_revision_stays_a_contributor(delivery: Delivery) -> None:
    change = delivery.proposed()
    push_to(delivery, "one", {"a": "1\n"}, message="more\n\nCo-authored-by: Bob <bob@example.org>")
    delivery.work.run("reset", "-q", "--hard", "origin/main")
    push_to(delivery, "one", {"b": "2\n"}, author="Alice <alice@example.org>")
    with pytest.raises(NotAllowed):
        approve(delivery, change)


def test_a_push_after_the_approval_closes_the_gate(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    push_to(delivery, "one", {"app/values.yaml": "replicas: 99\n"})
    assert not allowed(change)
    standing = queries.verdict_of(ChangeRequest.objects.get(pk=change.pk)).standings[0]
    assert (standing.counts, standing.code) == (False, "source_changed")


def test_an_approval_survives_a_target_that_moved_elsewhere(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    push_to(delivery, "main", {"docs/other.md": "unrelated\n"})
    change.refresh_from_db()
    assert change.revision is not None
    assert change.revision.number == 2
    assert allowed(change)


LONG = "".join(f"line {number}\n" for number in range(40))


def test_an_approval_carries_over_when_the_same_change_lands_exactly_on_the_moved_target(delivery: Delivery) -> None:
    push_to(delivery, "main", {"app/long.txt": LONG})
    delivery.work.run("fetch", "-q")
    change = delivery.proposed("two", {"app/long.txt": LONG + "mine\n"})
    approve(delivery, change)
    push_to(delivery, "main", {"app/long.txt": "theirs\n" + LONG})
    change.refresh_from_db()
    assert change.revision is not None
    assert change.revision.number == 2
    verdict = queries.verdict_of(ChangeRequest.objects.get(pk=change.pk))
    assert verdict.allowed
    assert "put on the target branch as it is now, it is exactly r2" in verdict.standings[0].text
    assert any("carried over to r2" in line for row in verdict.requirements for line in row.evidence)


def test_a_rebase_by_the_author_carries_the_approval_and_a_word_more_does_not(delivery: Delivery) -> None:
    push_to(delivery, "main", {"app/long.txt": LONG})
    delivery.work.run("fetch", "-q")
    change = delivery.proposed("two", {"app/long.txt": LONG + "mine\n"})
    approve(delivery, change)
    push_to(delivery, "main", {"app/long.txt": "theirs\n" + LONG})
    delivery.work.run("fetch", "-q")
    rebased = {"app/long.txt": "theirs\n" + LONG + "mine\n"}
    push_to(delivery, "two", rebased, at="origin/main", author="Alice <alice@example.org>")
    assert allowed(ChangeRequest.objects.get(pk=change.pk))
    push_to(delivery, "two", {"app/long.txt": "theirs\n" + LONG + "mine!\n"}, at="origin/main")
    assert not allowed(ChangeRequest.objects.get(pk=change.pk))


BLOCKS = "staging:\n  a: 1\n  b: 2\n  c: 3\n  debug: false\n  d: 4\n  e: 5\n  f: 6\nprod:\n  a: 1\n  b: 2\n  c: 3\n  debug: false\n  d: 4\n  e: 5\n  f: 6\n"
NARROW = "spec:\n  ingress:\n    - from:\n        - namespaceSelector: {}\n      podSelector: {}\n"
WIDE = "spec:\n  ingress:\n    - from:\n        - namespaceSelector: {}\n          podSelector: {}\n"


@pytest.mark.parametrize(
    ("base", "approved", "pushed"),
    [
        (BLOCKS, BLOCKS.replace("false", "true", 1), BLOCKS[:50] + BLOCKS[50:].replace("false", "true")),
        ("spec: {}\n", NARROW, WIDE),
    ],
    ids=["the same hunk in another block", "another indentation"],
)
def test_what_patch_id_calls_equal_does_not_carry_an_approval(
    delivery: Delivery, base: str, approved: str, pushed: str
) -> None:
    """The two counter-examples: equal patch-ids, another meaning."""
    push_to(delivery, "main", {"app/policy.yaml": base})
    delivery.work.run("fetch", "-q")
    change = delivery.proposed("two", {"app/policy.yaml": approved})
    approve(delivery, change)
    assert allowed(change)
    assert approved != pushed
    push_to(delivery, "two", {"app/policy.yaml": pushed}, at="origin/main")
    assert not allowed(ChangeRequest.objects.get(pk=change.pk))


def test_an_approval_of_somebody_who_lost_the_role_no_longer_counts(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    remove_member(delivery.people.carol, repository=delivery.repository, member="bob")
    verdict = queries.verdict_of(ChangeRequest.objects.get(pk=change.pk))
    assert not verdict.allowed
    assert verdict.standings[0].code == "role_removed"


def test_an_approval_of_a_disabled_account_no_longer_counts(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    type(delivery.people.bob).objects.filter(pk=delivery.people.bob.pk).update(is_active=False)
    assert not allowed(change)


def test_requested_changes_hold_until_the_same_person_approves(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    approve(delivery, change, "kim", "request_changes")
    assert not allowed(change)
    approve(delivery, change, "kim")
    assert allowed(change)


def test_a_stale_revision_is_refused_and_named(delivery: Delivery) -> None:
    change = delivery.proposed()
    push_to(delivery, "one", {"app/values.yaml": "replicas: 5\n"})
    with pytest.raises(Conflict) as refusal:
        services.submit_review(delivery.people.bob, change=change, revision=1, verdict="approve")
    assert (refusal.value.code, refusal.value.details["current"]) == ("stale_revision", 2)


def test_the_same_approval_twice_is_one_review(delivery: Delivery) -> None:
    change = delivery.proposed()
    approve(delivery, change)
    with pytest.raises(Conflict) as refusal:
        approve(delivery, change)
    assert refusal.value.code == "already_reviewed"
    assert Review.objects.count() == 1


def test_an_open_blocking_thread_holds_the_change(delivery: Delivery) -> None:
    change = delivery.approved()
    thread = services.open_thread(delivery.people.kim, change=change, body="Stop.", kind="blocking")
    assert not allowed(change)
    with pytest.raises(NotAllowed):
        services.resolve_thread(delivery.people.alice, thread=thread)
    services.resolve_thread(delivery.people.kim, thread=thread)
    assert allowed(change)
    with pytest.raises(Conflict):
        services.resolve_thread(delivery.people.kim, thread=thread)


def test_owners_come_from_the_target_not_from_the_change(tmp_path: Path) -> None:
    portal = pipeline().replace("[role/reviewer]", "[code-owners]")
    delivery = Delivery.start(tmp_path, portal, OWNED)
    team("network", delivery.people.kim)
    change = delivery.proposed("one", {"CODEOWNERS": "*  @alice @kim\n", "net/lb.yaml": "port: 81\n"})
    approve(delivery, change)
    assert not allowed(change), "the network team owns net/ on the target branch"
    approve(delivery, change, "kim")
    assert allowed(change)


def test_a_weaker_policy_in_the_change_does_not_judge_itself(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline().replace("approvals: 1", "approvals: 2"))
    change = delivery.proposed("one", {".gitops/portal.yaml": pipeline()})
    approve(delivery, change)
    assert not allowed(change)
    approve(delivery, change, "kim")
    assert allowed(change)


def test_a_broken_policy_on_the_target_leaves_the_last_valid_one_in_force(delivery: Delivery) -> None:
    push_to(delivery, "main", {".gitops/portal.yaml": "rules: {broken\n"})
    delivery.work.run("fetch", "-q")
    change = delivery.proposed("two", {".gitops/portal.yaml": pipeline()})
    change.refresh_from_db()
    assert not allowed(change)
    approve(delivery, change)
    verdict = queries.verdict_of(ChangeRequest.objects.get(pk=change.pk))
    assert verdict.allowed
    assert any(row.code == "policy" for row in verdict.requirements)


def test_every_judgement_can_be_replayed_from_its_record(delivery: Delivery) -> None:
    change = delivery.approved()
    judgement = queries.judge(ChangeRequest.objects.get(pk=change.pk))
    assert replay(judgement.record).to_dict() == judgement.verdict.to_dict()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"verdict": "maybe"}, "bad_verdict"),
        ({"verdict": "approve", "stage": "later"}, "bad_stage"),
        ({"verdict": "approve", "stage": "deploy"}, "bad_environment"),
        ({"verdict": "approve", "stage": "deploy", "environment": "nonsense"}, "unknown_environment"),
        ({"verdict": "comment", "stage": "deploy", "environment": "nonsense", "body": "hm"}, "unknown_environment"),
        ({"verdict": "approve", "environment": "staging"}, "bad_environment"),
        ({"verdict": "request_changes"}, "body_required"),
        ({"verdict": "comment", "body": "x" * 20_001}, "body_too_long"),
    ],
)
def test_a_review_that_is_none_is_refused_by_field(delivery: Delivery, fields: dict[str, str], code: str) -> None:
    change = delivery.proposed()
    with pytest.raises(InvalidInput) as refusal:
        services.submit_review(delivery.people.bob, change=change, revision=1, **fields)  # type: ignore[arg-type]
    assert refusal.value.code == code


def test_a_branch_named_like_a_code_owner_file_changes_nothing(delivery: Delivery) -> None:
    branch_with(delivery.work, "--output=x", {"a": "1\n"}, at="origin/main", author="Alice <alice@example.org>")
    pushed(
        delivery.repository,
        delivery.work,
        "--output=x:refs/heads/--output=x".replace("--output=x:", "HEAD:"),
        force=True,
    )
    from apps.changes.services import create_change

    change = create_change(
        delivery.people.alice, repository=delivery.repository, title="odd", source_branch="--output=x"
    )
    approve(delivery, change)
    assert allowed(change)
