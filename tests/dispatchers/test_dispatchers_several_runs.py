"""Runs of others that have our key, when the answer to our start was lost: none of them is followed or stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from apps.deployments.dispatchers import Dispatcher, Run, RunState
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.dispatchers.jenkins import JenkinsDispatcher
from apps.deployments.dispatchers.remote import told_variables
from tests.support import stubs_github, stubs_gitlab, stubs_jenkins
from tests.support.remote_runs import KEY, dispatched, later, look, run_of
from tests.support.stub_server import serving

GITHUB = GitHubDispatcher()
Case = tuple[Dispatcher, Any, Run, str, Callable[[], Any]]


def github(there: stubs_github.GitHub) -> Case:
    options = {"repository": stubs_github.REPOSITORY, "workflow": "deploy.yml"}
    run = run_of("github", there.url, {"token": stubs_github.TOKEN}, options)
    return GITHUB, there, run, "POST /dispatches$", lambda: there.add(f"run by hand {KEY}")


def gitlab(there: stubs_gitlab.GitLab) -> Case:
    run = run_of("gitlab", there.url, {"token": stubs_gitlab.TOKEN}, {"project": stubs_gitlab.PROJECT})
    return GitLabDispatcher(), there, run, "POST /pipeline$", lambda: there.add(told_variables(run))


def jenkins(there: stubs_jenkins.Jenkins) -> Case:
    settings = {"user": stubs_jenkins.USER}
    credentials = {"token": stubs_jenkins.TOKEN}
    run = run_of("jenkins", there.url, credentials, {"job": stubs_jenkins.JOB}, settings=settings)
    start = "POST /buildWithParameters$"
    return JenkinsDispatcher(), there, run, start, lambda: there.begin(there.add({"PORTAL_KEY": KEY}))


@pytest.fixture(params=["github", "gitlab", "jenkins"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    with ExitStack() as stack:
        if request.param == "github":
            yield github(stack.enter_context(serving(stubs_github.GitHub())))
        elif request.param == "gitlab":
            yield gitlab(stack.enter_context(serving(stubs_gitlab.GitLab())))
        else:
            yield jenkins(stack.enter_context(serving(stubs_jenkins.Jenkins())))


@pytest.mark.parametrize("is_first", [True, False])
def test_where_two_runs_have_the_key_nobody_can_say_which_is_ours(case: Case, is_first: bool) -> None:
    dispatcher, there, run, start, add = case
    if is_first:
        add()
    there.faults[start] = "drop"
    run = dispatched(dispatcher, run)
    if not is_first:
        add()
    run, progress = look(dispatcher, run)
    assert progress.state == RunState.LOST
    assert progress.problem.startswith("2 ")
    assert "have the key of this attempt" in progress.problem
    changes = len([one for one in there.asked if one.method == "POST"])
    assert dispatcher.cancel(run) is True
    assert len([one for one in there.asked if one.method == "POST"]) == changes


@pytest.fixture
def octo() -> Iterator[Case]:
    with serving(stubs_github.GitHub()) as there:
        yield github(there)


def test_github_a_run_that_somebody_else_started_is_not_ours(octo: Case) -> None:
    _, there, run, start, _ = octo
    there.add(f"run by hand {KEY}", by="mallory")
    there.faults[start] = "cut"
    run = dispatched(GITHUB, run)
    run, progress = look(GITHUB, run)
    assert (progress.state, run.external.get("run")) == (RunState.RUNNING, None)
    _, progress = look(GITHUB, later(run, 61))
    assert progress.state == RunState.LOST
    assert "Somebody else started the run that has it: mallory." in progress.problem


def test_github_a_token_that_is_of_no_user_finds_its_run_all_the_same(octo: Case) -> None:
    _, there, run, start, _ = octo
    there.faults |= {start: "drop", "GET /user$": 403}
    assert look(GITHUB, dispatched(GITHUB, run))[0].external["run"] == 30433642


@pytest.mark.parametrize("by", ["mallory", None])
@pytest.mark.parametrize("has_begun", [False, True])
def test_jenkins_what_somebody_else_asked_for_is_not_ours(by: str | None, has_begun: bool) -> None:
    with serving(stubs_jenkins.Jenkins()) as there:
        dispatcher, _, run, start, _ = jenkins(there)
        item = there.add({"PORTAL_KEY": KEY}, by=by)
        if has_begun:
            there.begin(item)
        there.faults[start] = "cut"
        run, progress = look(dispatcher, dispatched(dispatcher, run))
        assert (progress.state, run.external.get("item")) == (RunState.RUNNING, None)
        assert dispatcher.cancel(run) is True
        assert not there.items[item]["cancelled"]
        assert look(dispatcher, later(run, 61))[1].state == RunState.LOST


def test_jenkins_a_build_that_was_never_at_our_place_in_the_queue_is_not_ours() -> None:
    with serving(stubs_jenkins.Jenkins()) as there:
        dispatcher, _, run, _, add = jenkins(there)
        add()
        run = dispatched(dispatcher, run)
        assert run.external["item"] == 102
        there.begin(102)
        del there.items[102]
        run, _ = look(dispatcher, run)
        assert run.external["build"] == 6
