"""Stories that must not end well: each tells whether the bad thing happened (see ``test_deployments_guards``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import TeamMembership
from apps.changes.models import ChangeRequest
from apps.changes.services import edit_change, mark_ready, reopen, retarget, withdraw
from apps.changes.transitions import begin_merge
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.deployments.jobs import landing, starting
from apps.deployments.lifecycle import Event
from apps.deployments.models import Deployment, MergeIntent
from apps.deployments.services import merge_change
from apps.deployments.transitions import LeaseLost, end_deployment, freeze_target, moving
from apps.repositories.models import RepositoryRole
from apps.reviews.models import Review
from apps.reviews.services import open_thread, submit_review, withdraw_review
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.git import GitRepo
from tests.support.repositories import pushed

Patch = pytest.MonkeyPatch
VERDICTS = pipeline().replace("from: [role/reviewer]", "from: [team/experts]")


# --- telling stories -----------------------------------------------------------------------


def fresh(change: ChangeRequest) -> ChangeRequest:
    return ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)


def happens(act: Callable[[], object]) -> bool:
    """Whether ``act`` is done, and not refused."""
    try:
        act()
    except (PortalError, LeaseLost):
        return False
    return True


def merges(delivery: Delivery, change: ChangeRequest, who: str = "alice") -> bool:
    return happens(lambda: merge_change(getattr(delivery.people, who), change=fresh(change)))


def source_pushed(delivery: Delivery, files: dict[str, str], *, author: str = "Alice <alice@example.org>") -> None:
    """One more commit on the branch of the change, seen and taken by the portal."""
    delivery.work.checkout("one")
    delivery.work.commit("more", files=files, author=author)
    pushed(delivery.repository, delivery.work, "one:refs/heads/one", force=True)
    run_jobs("changes.take_ref_updates")


def target_pushed(delivery: Delivery, files: dict[str, str]) -> str:
    delivery.work.run("checkout", "-q", "--detach", "origin/main")
    oid = delivery.work.commit("others", files=files, author="Carol <carol@example.org>")
    delivery.work.push(f"{oid}:refs/heads/main")
    return oid


def tip(delivery: Delivery) -> str:
    delivery.work.run("fetch", "-q", "origin")
    return delivery.work.rev_parse("origin/main")


def contains(delivery: Delivery, commit: str) -> bool:
    return commit in delivery.work.run("rev-list", tip(delivery)).split()


# --- what an approval is worth -------------------------------------------------------------


def another_content_is_merged_on_the_approval_of_the_first(delivery: Delivery) -> bool:
    change = delivery.approved()
    source_pushed(delivery, {"app/values.yaml": "replicas: 99\n"})
    return merges(delivery, change)


def an_approval_is_carried_to_a_result_that_differs(delivery: Delivery) -> bool:
    change = delivery.approved()
    source_pushed(delivery, {"app/other.yaml": "more: 1\n"})
    return merges(delivery, change)


def an_approval_counts_for_another_branch(delivery: Delivery) -> bool:
    change = delivery.approved()
    pushed(delivery.repository, delivery.work, "origin/main:refs/heads/production")
    retarget(delivery.people.alice, change=fresh(change), target_branch="production")
    return merges(delivery, change)


def an_approval_counts_that_was_taken_back(delivery: Delivery) -> bool:
    change = delivery.approved()
    withdraw_review(delivery.people.bob, change=fresh(change), review=change.reviews.get().pk)
    return merges(delivery, change)


def an_approval_survives_that_the_change_was_given_up(delivery: Delivery) -> bool:
    change = delivery.approved()
    alice = delivery.people.alice
    withdraw(alice, change=fresh(change))
    reopen(alice, change=fresh(change))
    mark_ready(alice, change=fresh(change))
    return merges(delivery, change)


def the_approval_counts_of_one_whose_role_is_gone(delivery: Delivery) -> bool:
    change = delivery.approved()
    RepositoryRole.objects.filter(user=delivery.people.bob).update(role="viewer")
    return merges(delivery, change)


def the_approval_counts_of_one_who_left_the_team(delivery: Delivery) -> bool:
    change = delivery.approved()
    TeamMembership.objects.filter(user=delivery.people.bob).delete()
    return merges(delivery, change)


def the_approval_counts_of_a_disabled_account(delivery: Delivery) -> bool:
    change = delivery.approved()
    delivery.people.bob.is_active = False
    delivery.people.bob.save()
    return merges(delivery, change)


def the_approval_counts_of_a_contributor(delivery: Delivery) -> bool:
    change = delivery.approved()
    delivery.work.checkout("one")
    delivery.work.run("reset", "-q", "--soft", "origin/main")
    delivery.work.commit("the same, by bob", author="Bob <bob@example.org>")
    pushed(delivery.repository, delivery.work, "one:refs/heads/one", force=True)
    run_jobs("changes.take_ref_updates")
    return merges(delivery, change)


def an_approval_counts_for_ever(delivery: Delivery) -> bool:
    change = delivery.approved()
    Review.objects.update(created_at=now() - timedelta(days=2))
    return merges(delivery, change)


def an_approval_counts_without_signing_in_again(delivery: Delivery) -> bool:
    change = delivery.proposed()
    submit_review(delivery.people.bob, change=change, revision=1, verdict="approve", reauthenticated=True)
    Review.objects.update(reauthenticated=False)
    return merges(delivery, change)


def somebody_approves_what_was_pushed_after_they_looked(delivery: Delivery) -> bool:
    change = delivery.proposed()
    source_pushed(delivery, {"app/values.yaml": "replicas: 99\n"})
    return happens(lambda: submit_review(delivery.people.bob, change=fresh(change), revision=1, verdict="approve"))


def the_author_approves(delivery: Delivery) -> bool:
    change = delivery.proposed()
    RepositoryRole.objects.filter(user=delivery.people.alice).update(role="maintainer")
    team_of = TeamMembership.objects.get(user=delivery.people.bob).team
    TeamMembership.objects.create(team=team_of, user=delivery.people.alice)
    return happens(lambda: submit_review(delivery.people.alice, change=change, revision=1, verdict="approve"))


def an_approval_is_taken_back_when_the_merge_is_decided(delivery: Delivery) -> bool:
    change = delivery.approved()
    merges(delivery, change)
    return happens(lambda: withdraw_review(delivery.people.bob, change=fresh(change), review=change.reviews.get().pk))


# --- what else the gate of a merge asks ----------------------------------------------------


def something_is_merged_that_nobody_approved(delivery: Delivery) -> bool:
    return merges(delivery, delivery.proposed())


def a_change_is_judged_by_its_own_policy(delivery: Delivery) -> bool:
    free = VERDICTS.replace("approvals: 1, from: [team/experts]", "approvals: 1, from: [user/bob]")
    change = delivery.approved(files={".gitops/portal.yaml": free})
    return merges(delivery, change)


def something_is_merged_although_a_reviewer_objects(delivery: Delivery) -> bool:
    change = delivery.approved()
    submit_review(delivery.people.kim, change=fresh(change), revision=1, verdict="request_changes", body="No.")
    return merges(delivery, change)


def something_is_merged_with_an_open_question_that_blocks(delivery: Delivery) -> bool:
    change = delivery.approved()
    open_thread(delivery.people.kim, change=fresh(change), body="Why?", kind="blocking")
    return merges(delivery, change)


def something_is_merged_in_a_freeze(delivery: Delivery) -> bool:
    return merges(delivery, delivery.approved())


def an_older_head_is_merged_than_the_branch_has(delivery: Delivery) -> bool:
    change = delivery.approved()
    delivery.work.checkout("one")
    delivery.work.commit("more", files={"app/values.yaml": "replicas: 99\n"})
    pushed(delivery.repository, delivery.work, "one:refs/heads/one")  # recorded, and not yet made a revision
    return merges(delivery, change)


def something_is_merged_whose_branch_was_deleted(delivery: Delivery) -> bool:
    change = delivery.approved()
    pushed(delivery.repository, delivery.work, ":refs/heads/one")
    run_jobs("changes.take_ref_updates")
    return merges(delivery, change)


def a_reviewer_merges_what_belongs_to_somebody_else(delivery: Delivery) -> bool:
    return merges(delivery, delivery.approved(), "bob")


def a_merge_is_decided_by_one_who_saw_an_older_version(delivery: Delivery) -> bool:
    change = delivery.approved()
    stale = fresh(change)
    edit_change(delivery.people.alice, change=fresh(change), title="Something else")
    return happens(lambda: begin_merge(stale, version=stale.version, actor=delivery.people.alice))


# --- carrying it out -----------------------------------------------------------------------


def decided(delivery: Delivery) -> MergeIntent:
    change = delivery.approved()
    return merge_change(delivery.people.alice, change=fresh(change))


def what_others_pushed_meanwhile_is_overwritten(delivery: Delivery) -> bool:
    intent = decided(delivery)
    others = ""
    push = landing.remotes.push_with_lease

    def late(*args: Any, **named: Any) -> Any:
        nonlocal others
        others = others or target_pushed(delivery, {"others.txt": "1\n"})
        return push(*args, **named)

    with Patch.context() as patch:
        patch.setattr(landing.remotes, "push_with_lease", late)
        landing.carry_out_merge(intent.pk)
    return not contains(delivery, others)


def a_merge_is_done_that_another_portal_claimed(delivery: Delivery) -> bool:
    """A copy of the database that was restored beside this one had the same intent, and was faster."""
    intent = decided(delivery)
    bare = GitRepo(Path(delivery.repository.url))
    other = bare.run("hash-object", "-w", "--stdin", stdin=b"the other one\n")
    bare.run("update-ref", f"refs/portal/dispatched/{intent.key}", other)
    before = tip(delivery)
    landing.carry_out_merge(intent.pk)
    return tip(delivery) != before


def a_merge_that_arrived_is_given_back(delivery: Delivery) -> bool:
    """Killed after the push; others push on top; the next worker."""
    intent = decided(delivery)

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with Patch.context() as patch:
        patch.setattr(landing, "_land", die)
        with pytest.raises(Killed):
            landing.carry_out_merge(intent.pk)
    tip(delivery)
    target_pushed(delivery, {"others.txt": "1\n"})
    MergeIntent.objects.update(lease_until=None)
    landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    return intent.state == MergeIntent.State.RETURNED


def taken_over(delivery: Delivery) -> tuple[MergeIntent, int]:
    """An intent that another worker holds now, and the token of the one before."""
    intent = decided(delivery)
    old = MergeIntent.objects.claim(intent.pk, seconds=60)
    MergeIntent.objects.update(lease_until=None)
    MergeIntent.objects.claim(intent.pk, seconds=60)
    assert old is not None
    return MergeIntent.objects.select_related("change__repository", "revision", "requested_by").get(pk=intent.pk), old


def a_worker_that_was_taken_over_from_writes(delivery: Delivery) -> bool:
    intent, old = taken_over(delivery)
    return happens(lambda: landing._return(intent, old, "late", "A worker that came too late."))


def a_worker_that_was_taken_over_from_pushes(delivery: Delivery) -> bool:
    intent, old = taken_over(delivery)
    before = tip(delivery)
    source = landing.mirrors.source_of(intent.change.repository)
    happens(lambda: landing._push(intent, old, source, "refs/heads/main", intent.revision.head_oid))
    return tip(delivery) != before


# --- starting ------------------------------------------------------------------------------


def pending(delivery: Delivery, environment: str = "staging") -> Deployment:
    return delivery.deployment(delivery.merged(), environment)


def starts(row: Deployment) -> bool:
    starting.start(row.pk)
    row.refresh_from_db()
    return row.status != "pending"


def something_starts_in_production_that_nobody_released(delivery: Delivery) -> bool:
    return starts(pending(delivery, "production"))


def something_starts_before_its_turn(delivery: Delivery) -> bool:
    return starts(pending(delivery, "production"))


def something_starts_before_what_landed_was_compared(delivery: Delivery) -> bool:
    intent = decided(delivery)
    landing.carry_out_merge(intent.pk)
    return starts(delivery.deployment(intent.change))


def something_starts_from_a_frozen_branch(delivery: Delivery) -> bool:
    row = pending(delivery)
    freeze_target(delivery.repository, "main", reason="Something else landed there.")
    return starts(row)


def something_starts_in_a_freeze(delivery: Delivery) -> bool:
    return starts(pending(delivery))


def a_deployment_starts_twice(delivery: Delivery) -> bool:
    row = pending(delivery)
    stale = Deployment.objects.select_related("change", "environment__repository").get(pk=row.pk)
    assert starts(row)
    return happens(lambda: moving.move(stale, Event.CLAIM, text="Again."))


def a_worker_that_lost_its_run_ends_it(delivery: Delivery) -> bool:
    row = pending(delivery)
    starts(row)
    old = Deployment.objects.claim(row.pk, seconds=60)
    Deployment.objects.update(lease_until=None)
    Deployment.objects.claim(row.pk, seconds=60)
    row.refresh_from_db()
    return happens(lambda: end_deployment(row, Event.FAIL, text="Late.", fence=old))
