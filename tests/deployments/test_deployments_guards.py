"""Every guard between an approval and what runs, taken out one by one: then, and only then, the bad thing happens.

A row is a story that must not end well, and the guard that sees to it. The story runs twice: as the code is, and with that one
guard replaced by one that looks away. Whoever removes a guard, or writes a story that its guard does not decide, fails here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from apps.changes import querysets
from apps.changes.models import ChangeRequest
from apps.deployments.jobs import landing
from apps.deployments.models import Deployment, MergeIntent
from apps.deployments.queries import waits
from apps.deployments.services import merging
from apps.deployments.transitions import moving
from apps.policies.queries import policy_at
from apps.reviews import access, facts, queries
from apps.reviews.models import Review
from apps.reviews.services import reviewing, withdrawing
from tests.support import guard_stories as stories
from tests.support.delivery import Delivery, pipeline
from tests.support.guard_stories import VERDICTS
from tests.support.people import team

pytestmark = pytest.mark.django_db
Patch = pytest.MonkeyPatch
GATE = "  - {name: release, stage: deploy, when: {environments: [staging, production]}, needs: {approvals: 1, from: [team/experts]}}\n"
GATED = pipeline("true", "true", rules=GATE)
FREEZE = "windows: [{{name: all, kind: freeze, holds: [{stage}], from: 2020-01-01T00:00+00:00, to: 2099-01-01T00:00+00:00}}]\n"


@dataclass(frozen=True)
class Guard:
    """``story`` tells whether the bad thing happened; ``look_away`` takes the guard out; ``policy`` is that of the target."""

    story: Callable[[Delivery], bool]
    look_away: Callable[[Patch], None]
    policy: str = VERDICTS

    @property
    def name(self) -> str:
        return self.story.__name__


# --- looking away --------------------------------------------------------------------------


def every_review(**columns: Any) -> Callable[[Patch], None]:
    """What a review is worth is told otherwise."""
    real = facts._review

    def told(row: Review, *args: Any) -> Any:
        return replace(real(row, *args), **columns)

    return lambda patch: patch.setattr(facts, "_review", told)


def every_person(**columns: Any) -> Callable[[Patch], None]:
    real = facts._people
    return lambda patch: patch.setattr(
        facts, "_people", lambda people: tuple(replace(person, **columns) for person in real(people))
    )


def revision_facts(**columns: Any) -> Callable[[Patch], None]:
    real = facts._with_revision
    return lambda patch: patch.setattr(facts, "_with_revision", lambda *args: replace(real(*args), **columns))


def nothing(module: Any, name: str, value: Any = ()) -> Callable[[Patch], None]:
    """``module.name`` answers ``value``, whatever it is asked."""
    return lambda patch: patch.setattr(module, name, lambda *_, **__: value)


def all_belong_to_every_team(patch: Patch) -> None:
    real = facts.principals

    def everybody(names: Any, people: Any) -> Any:
        return {name: tuple(sorted(people.by_id)) for name in {*names, *real(names, people)}}

    patch.setattr(facts, "principals", everybody)


def both(*ways: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """A guard that stands in two places."""

    def look_away(patch: Patch) -> None:
        for way in ways:
            way(patch)

    return look_away


def by_its_own_policy(patch: Patch) -> None:
    patch.setattr(
        queries,
        "policy_of",
        lambda change: policy_at(change.repository, change.target_branch, change.revision.head_oid),
    )


def whatever_was_decided(patch: Patch) -> None:
    real = merging.judge

    def allowed(change: ChangeRequest) -> Any:
        judged = real(change)
        return replace(judged, verdict=replace(judged.verdict, allowed=True))

    patch.setattr(merging, "judge", allowed)


def whatever_is_now(patch: Patch) -> None:
    patch.setattr(reviewing, "require_current", lambda change, _number: change.revision)


def whoever(module: Any, name: str) -> Callable[[Patch], None]:
    from apps.core.verdict import ALLOWED

    return nothing(module, name, ALLOWED)


def without_conditions(patch: Patch) -> None:
    patch.setattr(
        querysets.ChangeQuerySet,
        "compare_and_swap",
        lambda self, pk, *, expected, changes: self.filter(pk=pk).update(**changes) == 1,
    )


def with_force(patch: Patch) -> None:
    push, look = landing.remotes.push_with_lease, landing.remotes.remote_tip

    def forced(source: Any, git_dir: Path, *, ref: str, new: str, old: str | None, limits: Any) -> Any:
        return push(source, git_dir, ref=ref, new=new, old=look(source, ref, limits=limits), limits=limits)

    patch.setattr(landing.remotes, "push_with_lease", forced)


def writes_of_anybody(patch: Patch) -> None:
    patch.setattr(
        landing, "_write", lambda intent, _fence, **columns: MergeIntent.objects.filter(pk=intent.pk).update(**columns)
    )


def leases_for_ever(patch: Patch) -> None:
    patch.setattr(type(MergeIntent.objects.all()), "renew", lambda *_, **__: True)


def rows_without(*conditions: str) -> Callable[[Patch], None]:
    """``move`` finds its row whatever became of these columns."""

    class Rows:
        def __init__(self) -> None:
            self.chosen = Deployment.objects.all()

        def filter(self, **wanted: Any) -> Rows:
            kept = {name: value for name, value in wanted.items() if name not in conditions}
            self.chosen = self.chosen.filter(**kept)
            return self

        def __getattr__(self, name: str) -> Any:
            return getattr(self.chosen, name)

    class Loose:
        @property
        def objects(self) -> Rows:
            return Rows()

    return lambda patch: patch.setattr(moving, "Deployment", Loose())


EXPIRING = VERDICTS.replace("from: [team/experts]", "from: [team/experts], expires: 1d")
SURE = VERDICTS.replace("from: [team/experts]", "from: [team/experts], reauthenticate: true")
GUARDS = (
    Guard(stories.another_content_is_merged_on_the_approval_of_the_first, every_review(subject_equal=True, why_not="")),
    Guard(stories.an_approval_is_carried_to_a_result_that_differs, nothing(facts, "carries_over", value=True)),
    Guard(stories.an_approval_counts_for_another_branch, every_review(counts=True, why_not="")),
    Guard(stories.an_approval_counts_that_was_taken_back, every_review(counts=True, why_not="")),
    Guard(stories.an_approval_survives_that_the_change_was_given_up, nothing(facts, "last_reopening", value=0)),
    Guard(stories.the_approval_counts_of_one_whose_role_is_gone, every_person(may_approve=True)),
    Guard(stories.the_approval_counts_of_one_who_left_the_team, all_belong_to_every_team),
    Guard(stories.the_approval_counts_of_a_disabled_account, both(every_person(active=True, may_approve=True), all_belong_to_every_team)),
    Guard(stories.the_approval_counts_of_a_contributor, nothing(facts, "_contributors")),
    Guard(stories.an_approval_counts_for_ever, every_review(at=10**10), EXPIRING),
    Guard(stories.an_approval_counts_without_signing_in_again, every_review(reauthenticated=True), SURE),
    Guard(stories.somebody_approves_what_was_pushed_after_they_looked, whatever_is_now),
    Guard(stories.the_author_approves, whoever(access, "can_review")),
    Guard(stories.an_approval_is_taken_back_when_the_merge_is_decided, whoever(withdrawing.access, "can_withdraw_review")),
    Guard(stories.something_is_merged_that_nobody_approved, whatever_was_decided),
    Guard(stories.a_change_is_judged_by_its_own_policy, by_its_own_policy, VERDICTS.replace("approvals: 1", "approvals: 2")),
    Guard(stories.something_is_merged_although_a_reviewer_objects, nothing(facts, "_change_requests")),
    Guard(stories.something_is_merged_with_an_open_question_that_blocks, nothing(facts, "_open_threads")),
    Guard(stories.something_is_merged_in_a_freeze, nothing(facts, "hold_facts"), VERDICTS + FREEZE.format(stage="merge")),
    Guard(stories.an_older_head_is_merged_than_the_branch_has, revision_facts(is_current=True, is_coming=False)),
    Guard(stories.something_is_merged_whose_branch_was_deleted, revision_facts(has_source=True, is_current=True)),
    Guard(stories.a_reviewer_merges_what_belongs_to_somebody_else, nothing(merging.access, "require_merge", value=None)),
    Guard(stories.a_merge_is_decided_by_one_who_saw_an_older_version, without_conditions),
    Guard(stories.what_others_pushed_meanwhile_is_overwritten, with_force),
    Guard(stories.a_merge_is_done_that_another_portal_claimed, nothing(landing, "claim", value=None)),
    Guard(stories.a_merge_that_arrived_is_given_back, nothing(landing, "_has_arrived", value=False)),
    Guard(stories.a_worker_that_was_taken_over_from_writes, writes_of_anybody),
    Guard(stories.a_worker_that_was_taken_over_from_pushes, leases_for_ever),
    Guard(stories.something_starts_in_production_that_nobody_released, nothing(waits, "words_by_code"), GATED.replace("    after: [staging]\n", "")),
    Guard(stories.something_starts_before_its_turn, nothing(waits, "_promotion", [])),
    Guard(stories.something_starts_before_what_landed_was_compared, nothing(waits, "_verification", [])),
    Guard(stories.something_starts_from_a_frozen_branch, nothing(waits, "_frozen", [])),
    Guard(stories.something_starts_in_a_freeze, nothing(waits, "words_by_code"), VERDICTS + FREEZE.format(stage="deploy")),
    Guard(stories.a_deployment_starts_twice, rows_without("status")),
    Guard(stories.a_worker_that_lost_its_run_ends_it, rows_without("fence")),
)  # fmt: skip
EACH = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


@pytest.fixture
def delivery(tmp_path: Path, guard: Guard) -> Delivery:
    started = Delivery.start(tmp_path, guard.policy)
    team("experts", started.people.bob, started.people.kim)
    return started


@EACH
def test_the_guard_holds(delivery: Delivery, guard: Guard) -> None:
    assert not guard.story(delivery)


@EACH
def test_nothing_else_would_hold_it(delivery: Delivery, guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.look_away(monkeypatch)
    assert guard.story(delivery), f"without its guard, {guard.name.replace('_', ' ')}: and nothing happened"
