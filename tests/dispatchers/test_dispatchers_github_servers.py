"""What servers of GitHub tell and refuse differently, and runs that only look like ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.deployments.dispatchers import Refused, Run
from apps.deployments.dispatchers.github import GitHubDispatcher
from tests.support.remote_runs import dispatched, look, run_of
from tests.support.stub_server import serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

START = "POST /dispatches$"
github = GitHubDispatcher()


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def run(there: GitHub) -> Run:
    return run_of("github", there.url, {"token": TOKEN}, {"repository": REPOSITORY, "workflow": "deploy.yml"})


def test_a_server_that_refuses_to_be_asked_for_the_run_is_asked_once_more_without(there: GitHub, run: Run) -> None:
    there.is_strict, there.tells_run = True, False
    run = dispatched(github, run)
    assert run.external["accepted"]
    assert there.count(START) == 2
    assert len(there.runs) == 1
    assert look(github, run)[0].external["run"] == 30433642


def test_another_refusal_is_not_asked_again(there: GitHub, run: Run) -> None:
    there.faults[START] = 422
    with pytest.raises(Refused):
        github.dispatch(run)
    assert there.count(START) == 1
