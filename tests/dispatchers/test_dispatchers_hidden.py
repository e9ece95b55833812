"""A run that is not shown any more: it is gone, or the account of the connection sees nothing there; only the first is an end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Dispatcher, Run, RunState
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.dispatchers.jenkins import JenkinsDispatcher
from tests.support import stubs_github, stubs_gitlab, stubs_jenkins
from tests.support.remote_runs import dispatched, later, look, run_of
from tests.support.stub_server import Stub, serving

SYSTEMS: dict[str, tuple[Dispatcher, type[Stub], str, dict[str, Any], dict[str, str], str]] = {
    "github": (
        GitHubDispatcher(),
        stubs_github.GitHub,
        stubs_github.TOKEN,
        {"repository": stubs_github.REPOSITORY, "workflow": "deploy.yml"},
        {},
        "GET /actions/runs/",
    ),
    "gitlab": (
        GitLabDispatcher(),
        stubs_gitlab.GitLab,
        stubs_gitlab.TOKEN,
        {"project": stubs_gitlab.PROJECT},
        {},
        "GET /pipelines/",
    ),
    "jenkins": (
        JenkinsDispatcher(),
        stubs_jenkins.Jenkins,
        stubs_jenkins.TOKEN,
        {"job": stubs_jenkins.JOB},
        {"user": stubs_jenkins.USER},
        r"GET /deploy/\d+/api/json",
    ),
}


@pytest.fixture(params=SYSTEMS)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Dispatcher, Stub, Run, str]]:
    """A run that was seen, and how the look at it is asked."""
    dispatcher, kind, token, options, settings, rule = SYSTEMS[request.param]
    with serving(kind()) as there:
        run = dispatched(dispatcher, run_of(request.param, there.url, {"token": token}, options, settings=settings))
        if isinstance(there, stubs_jenkins.Jenkins):
            there.begin()
        run = look(dispatcher, run)[0]
        yield dispatcher, there, later(run, 61), rule


def test_a_run_that_is_gone_is_unknown(running: tuple[Dispatcher, Stub, Run, str]) -> None:
    dispatcher, there, run, rule = running
    there.faults[rule] = 404
    assert look(dispatcher, run)[1].state == RunState.LOST


def test_where_nothing_is_shown_any_more_the_run_is_asked_for_again(running: tuple[Dispatcher, Stub, Run, str]) -> None:
    dispatcher, there, run, _ = running
    there.faults["GET .*"] = 404
    with pytest.raises(Unavailable, match=r"corp \(127\.0\.0\.1\) shows the connection the \w+ no more") as raised:
        look(dispatcher, run)
    assert re.search("gives its account the rights again", raised.value.message)
    there.faults = {}
    assert look(dispatcher, run)[1].state == RunState.RUNNING
