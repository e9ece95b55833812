"""GitLab, when the answer to a start was lost: what has the key is followed only if it is what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.deployments.dispatchers import Run, RunState
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.dispatchers.remote import told_variables
from tests.support.remote_runs import dispatched, later, look, run_of
from tests.support.stub_server import OTHER_COMMIT, serving
from tests.support.stubs_gitlab import MALLORY, PROJECT, TOKEN, TRIGGER, GitLab

gitlab = GitLabDispatcher()
CREDENTIALS = {"token": TOKEN}
WITH_TRIGGER = {"token": TOKEN, "trigger_token": TRIGGER}
OPTIONS = {"project": PROJECT, "variables": {"REGION": "eu"}}


@pytest.fixture
def there() -> Iterator[GitLab]:
    with serving(GitLab()) as stub:
        yield stub


def never_arrived(there: GitLab, credentials: dict[str, str] = CREDENTIALS) -> Run:
    """The request was cut before GitLab had it."""
    there.faults["POST /pipeline$"] = "cut"
    return dispatched(gitlab, run_of("gitlab", there.url, credentials, OPTIONS))


def given(run: Run, **other: str) -> dict[str, str]:
    """What the pipeline of ``run`` is given."""
    return {**told_variables(run), "REGION": "eu", **other}


def requires_a_person(there: GitLab, run: Run) -> str:
    """Looked for a minute, then unknown, and left alone; the reason."""
    run, progress = look(gitlab, run)
    assert (progress.state, run.external.get("pipeline")) == (RunState.RUNNING, None)
    assert gitlab.cancel(run) is True
    _, progress = look(gitlab, later(run, 61))
    assert progress.state == RunState.LOST
    assert there.count("POST /cancel$") == 0
    return progress.problem


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"by": MALLORY}, "Pipeline 61 has it and is not taken for ours: mallory started it."),
        ({"variables": {"REGION": "us"}}, "its variable REGION is not the one that was sent."),
        ({"variables": {"PORTAL_COMMIT": OTHER_COMMIT}}, "its variable PORTAL_COMMIT is not the one that was sent."),
    ],
)
def test_a_single_pipeline_with_our_key_that_is_not_what_was_asked_for_is_put_to_a_person(
    there: GitLab, other: dict[str, Any], words: str
) -> None:
    run = never_arrived(there)
    there.add(given(run, **other.pop("variables", {})), **other)
    assert words in requires_a_person(there, run)


@pytest.mark.parametrize("other", [{"ref": "dev"}, {"source": "push"}])
def test_a_list_that_tells_more_than_was_asked_for_misleads_nobody(
    there: GitLab, monkeypatch: pytest.MonkeyPatch, other: dict[str, str]
) -> None:
    run = never_arrived(there)
    there.add(given(run), **{"by": {"id": 7, "username": "project_3_bot"}, **other})  # type: ignore[arg-type]
    monkeypatch.setattr(there, "_listed", lambda _: there.pipelines)
    assert "and asked for was main by 'api'" in requires_a_person(there, run)


def test_a_pipeline_whose_starter_gitlab_does_not_tell_is_not_ours(there: GitLab) -> None:
    run = never_arrived(there)
    there.add(given(run))["user"] = None
    assert "somebody else started it" in requires_a_person(there, run)


def test_one_of_somebody_else_beside_ours_changes_nothing(there: GitLab) -> None:
    run = run_of("gitlab", there.url, CREDENTIALS, OPTIONS)
    there.add(given(run), by=MALLORY)
    there.faults["POST /pipeline$"] = "drop"
    run, progress = look(gitlab, dispatched(gitlab, run))
    assert (progress.state, run.external["pipeline"]) == (RunState.RUNNING, 62)


def test_our_own_at_another_commit_is_found_and_stopped(there: GitLab) -> None:
    there.raced = OTHER_COMMIT
    there.faults["POST /pipeline$"] = "drop"
    run, _ = look(gitlab, dispatched(gitlab, run_of("gitlab", there.url, CREDENTIALS, OPTIONS)))
    assert run.external["pipeline"] == 61
    assert there.pipelines[0]["status"] == "canceled"
    assert look(gitlab, run)[1].outcome == "failed"


def test_with_a_trigger_token_of_somebody_ours_is_found_by_all_that_was_sent(there: GitLab) -> None:
    there.faults["POST /pipeline$"] = "drop"
    run = dispatched(gitlab, run_of("gitlab", there.url, WITH_TRIGGER, OPTIONS))
    assert look(gitlab, run)[0].external["pipeline"] == 61


def test_with_a_trigger_token_a_pipeline_at_another_commit_is_put_to_a_person(there: GitLab) -> None:
    run = never_arrived(there, WITH_TRIGGER)
    there.add(given(run), source="trigger", sha=OTHER_COMMIT)
    assert "GitLab does not say whose token started it" in requires_a_person(there, run)


def test_a_token_that_is_of_no_user_finds_its_pipeline_all_the_same(there: GitLab) -> None:
    there.faults |= {"POST /pipeline$": "drop", "GET /user$": 403}
    run = dispatched(gitlab, run_of("gitlab", there.url, CREDENTIALS, OPTIONS))
    assert look(gitlab, run)[0].external["pipeline"] == 61
