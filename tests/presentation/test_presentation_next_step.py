"""State → word, stepper and the one button for this person (UX §2.13)."""

from __future__ import annotations

import pytest

from apps.changes.lifecycle import Status
from apps.presentation import words
from apps.presentation.change_state import ChangeFacts, DeploymentFact, standing_of
from apps.presentation.next_step import Viewer, next_step
from apps.presentation.stepper import steps_of

AUTHOR = Viewer(writes=True, owns=True, contributed=True, merges=True, deploys=True)
REVIEWER = Viewer(writes=True, reviews=True)
MANAGER = Viewer(writes=True, reviews=True, merges=True, deploys=True, contributed=False, reviewed_this=True)
READER = Viewer()


def at(environment: str, status: str, number: int = 7) -> DeploymentFact:
    return DeploymentFact(number, environment, status)


STATES = {
    "requested": ChangeFacts("requested"),
    "draft": ChangeFacts("draft"),
    "in_review": ChangeFacts("in_review", met=1, needed=3),
    "conflict": ChangeFacts("in_review", conflict=True, objections=1),
    "changes_requested": ChangeFacts("in_review", objections=1, open_threads=2),
    "ready": ChangeFacts("in_review", allowed=True),
    "merging": ChangeFacts("merging"),
    "merged": ChangeFacts("merged"),
    "queued": ChangeFacts("merged", deployments=(at("staging", "succeeded"), at("production", "pending", 8))),
    "to_start": ChangeFacts("merged", deployments=(DeploymentFact(8, "production", "pending", only_start=True),)),
    "deploying": ChangeFacts("merged", deployments=(at("staging", "running"), at("production", "pending", 8))),
    "deploy_failed": ChangeFacts("merged", deployments=(at("staging", "succeeded"), at("production", "failed", 8))),
    "unknown": ChangeFacts("merged", deployments=(at("staging", "unknown"),)),
    "cancelled": ChangeFacts("merged", deployments=(at("staging", "cancelled"),)),
    "deployed": ChangeFacts("done", deployments=(at("staging", "succeeded"),)),
    "closed": ChangeFacts("done", closed_reason="Not wanted any more"),
    "rolled_back": ChangeFacts("done", rolled_back=True, deployments=(at("staging", "succeeded"),)),
    "done": ChangeFacts("done"),
    "withdrawn": ChangeFacts("withdrawn"),
}


@pytest.mark.parametrize("state", STATES)
def test_facts_have_one_word(state: str) -> None:
    standing = standing_of(STATES[state])
    assert standing.state == state
    assert state in words.WORDS
    assert steps_of(standing.state, note=standing.note)


def test_every_status_of_the_life_cycle_has_a_word() -> None:
    for status in Status:
        assert standing_of(ChangeFacts(str(status))).state in words.WORDS


BUTTONS = [
    ("requested", AUTHOR, "Attach a branch"),
    ("requested", READER, None),
    ("draft", AUTHOR, "Mark ready"),
    ("draft", READER, None),
    ("in_review", REVIEWER, "Review"),
    ("in_review", READER, None),
    ("conflict", AUTHOR, "Resolve the conflict"),
    ("conflict", REVIEWER, None),
    ("changes_requested", AUTHOR, "Answer 2 threads"),
    ("changes_requested", REVIEWER, "Review"),
    ("ready", AUTHOR, "Merge and deploy"),
    ("ready", MANAGER, "Merge and deploy"),
    ("ready", REVIEWER, "Review"),
    ("merging", MANAGER, "Abort the merge"),
    ("merging", READER, None),
    ("queued", READER, "See what production waits for"),
    ("to_start", MANAGER, "Start in production…"),
    ("to_start", AUTHOR, "Start in production…"),
    ("to_start", READER, "See what production waits for"),
    ("deploying", READER, "Watch staging"),
    ("deploy_failed", MANAGER, "Open error, retry or roll back"),
    ("deploy_failed", READER, "Open error"),
    ("unknown", MANAGER, "Decide what happened in staging"),
    ("unknown", READER, None),
    ("cancelled", MANAGER, "Retry staging"),
    ("deployed", MANAGER, "Deployments and roll-back"),
    ("withdrawn", AUTHOR, "Reopen"),
    ("withdrawn", READER, None),
    ("done", MANAGER, None),
]


@pytest.mark.parametrize(("state", "viewer", "label"), BUTTONS)
def test_the_button_names_the_next_step_for_this_person(state: str, viewer: Viewer, label: str | None) -> None:
    facts = STATES[state]
    action = next_step(standing_of(facts), facts, viewer)
    assert (action.label if action else None) == label


def test_merging_before_it_is_allowed_is_shown_and_leads_to_the_reason() -> None:
    facts = STATES["in_review"]
    action = next_step(standing_of(facts), facts, MANAGER)
    assert action is not None
    assert (action.label, action.where) == ("Merge and deploy", "blocked")


def test_without_environments_the_button_only_merges() -> None:
    facts = ChangeFacts("in_review", allowed=True, deploys=False)
    action = next_step(standing_of(facts), facts, MANAGER)
    assert action is not None
    assert action.label == "Merge"
