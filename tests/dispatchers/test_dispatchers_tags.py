"""Runs at a tag of their own: any approved commit, a tag that is created and never moved, one run a key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.deployments.dispatchers import Dispatcher, NotSent, Refused, Run, RunState
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.keys import public_name
from tests.support import stubs_github, stubs_gitlab
from tests.support.remote_runs import KEY, dispatched, later, look, run_of
from tests.support.stub_server import COMMIT, OTHER_COMMIT, serving
from tests.support.stubs_github import GitHub
from tests.support.stubs_gitlab import GitLab

TAG = f"portal/staging/{public_name(KEY)}"
MAKE, DROP = "POST /git/refs$|/repository/tags$", "DELETE /"
START = "POST /dispatches$|/pipeline$"
GITHUB = {"repository": stubs_github.REPOSITORY, "workflow": "deploy.yml", "tag": True, "environment": "production"}
GITLAB = {"project": stubs_gitlab.PROJECT, "tag": True}


class World:
    """One of the two systems, whose main went on after the commit that was approved."""

    def __init__(self, name: str) -> None:
        self.is_github = name == "github"
        self.stub: GitHub | GitLab = GitHub() if self.is_github else GitLab()
        self.stub.head = OTHER_COMMIT
        self.dispatcher: Dispatcher = GitHubDispatcher() if self.is_github else GitLabDispatcher()

    def run(self, **more: Any) -> Run:
        token = stubs_github.TOKEN if self.is_github else stubs_gitlab.TOKEN
        name = "github" if self.is_github else "gitlab"
        options = GITHUB if self.is_github else GITLAB
        run = run_of(name, self.stub.url, {"token": token}, options, **more)
        return replace(run, external=self.dispatcher.prepare(run))

    @property
    def started(self) -> list[tuple[str, str]]:
        """Ref and commit of everything that runs there."""
        if isinstance(self.stub, GitHub):
            return [(run["head_branch"], run["head_sha"]) for run in self.stub.runs]
        return [(run["ref"], run["sha"]) for run in self.stub.pipelines]

    def end(self) -> None:
        if isinstance(self.stub, GitHub):
            self.stub.end("success")
        else:
            self.stub.pipelines[0]["status"] = "success"


@pytest.fixture(params=["github", "gitlab"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    found = World(request.param)
    with serving(found.stub):
        yield found


def test_a_commit_that_is_no_head_runs_and_its_tag_goes_when_the_run_is_over(world: World) -> None:
    run = dispatched(world.dispatcher, world.run())
    assert world.started == [(TAG, COMMIT)]
    assert (run.external["tag"], world.stub.tags) == (TAG, {TAG: COMMIT})
    world.end()
    run, progress = look(world.dispatcher, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "succeeded")
    world.dispatcher.discard(run)
    world.dispatcher.discard(run)
    assert world.stub.tags == {}
    assert world.stub.count(DROP) == 1


def test_a_tag_that_was_made_before_a_crash_is_found_by_its_key(world: World) -> None:
    world.stub.tags[TAG] = COMMIT
    dispatched(world.dispatcher, world.run())
    assert world.started == [(TAG, COMMIT)]
    assert world.stub.count(MAKE) == 0


@pytest.mark.parametrize("is_annotated", [False, True])
def test_a_tag_that_is_elsewhere_is_refused_and_neither_moved_nor_deleted(world: World, is_annotated: bool) -> None:
    world.stub.tags[TAG] = COMMIT if is_annotated else OTHER_COMMIT
    world.stub.annotated = {TAG} if is_annotated else set()
    before = dict(world.stub.tags)
    run = world.run()
    with pytest.raises(Refused, match=rf"{TAG} in .* not at the approved a1b2c3d4e5.*moves no tag"):
        world.dispatcher.dispatch(run)
    world.dispatcher.discard(replace(run, external={**run.external, "sent": "2026-01-02T03:04:05+00:00"}))
    assert (world.started, world.stub.tags) == ([], before)
    assert world.stub.count(MAKE) + world.stub.count(DROP) == 0


@pytest.mark.parametrize("fault", ["drop", "text", "cut", 500, 429])
def test_a_tag_whose_creation_was_not_answered_starts_nothing_and_the_next_try_goes_on(
    world: World, fault: Any
) -> None:
    world.stub.faults[MAKE] = fault
    run = world.run()
    if fault == "text":  # it was made: what is there counts, not the answer
        world.dispatcher.dispatch(run)
    else:
        with pytest.raises(NotSent):
            world.dispatcher.dispatch(run)
        assert world.started == []
        world.stub.faults.clear()
        world.dispatcher.dispatch(run)
    assert world.started == [(TAG, COMMIT)]


@pytest.mark.parametrize("fault", [401, 403, 422])
def test_a_connection_that_may_make_no_tag_starts_nothing_and_says_what_it_needs(world: World, fault: int) -> None:
    world.stub.faults[MAKE] = fault
    with pytest.raises(Refused, match="needs the right to create tags"):
        world.dispatcher.dispatch(world.run())
    assert world.started == []


def test_another_worker_that_made_the_tag_just_now_is_no_refusal(world: World) -> None:
    make = world.stub.answer

    def beaten(asked: Any) -> Any:
        if asked.method == "POST" and asked.path.endswith(("/git/refs", "/repository/tags")):
            world.stub.tags[TAG] = COMMIT
        return make(asked)

    world.stub.answer = beaten  # type: ignore[method-assign]
    world.dispatcher.dispatch(world.run())
    assert world.started == [(TAG, COMMIT)]


def test_a_commit_that_has_not_arrived_there_is_waited_for(world: World) -> None:
    world.stub.lacks = COMMIT
    with pytest.raises(NotSent, match="does not have the approved a1b2c3d4e5"):
        world.dispatcher.dispatch(world.run())
    assert world.stub.tags == {}


def test_a_tag_that_is_moved_before_the_run_starts_is_noticed_and_the_run_is_stopped(world: World) -> None:
    world.stub.raced = OTHER_COMMIT
    run = dispatched(world.dispatcher, world.run())
    run, _ = look(world.dispatcher, run)
    assert world.stub.count("POST /cancel$") == 1
    _, progress = look(world.dispatcher, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert "What was approved is what runs" in progress.problem


@pytest.mark.parametrize("fault", ["drop", "text"])
def test_a_run_whose_answer_was_lost_is_found_by_its_tag(world: World, fault: str) -> None:
    if isinstance(world.stub, GitHub):
        world.stub.shows_key = False
        world.stub.add("at another tag", ref=f"{TAG[:-1]}x")
    world.stub.faults[START] = fault
    run = dispatched(world.dispatcher, world.run())
    run, progress = look(world.dispatcher, run)
    assert progress.state == RunState.RUNNING
    assert run.external.get("run", run.external.get("pipeline")) in {30433643, 61}
    assert world.stub.count(START) == 1


def test_a_start_of_which_nobody_knows_keeps_its_tag_and_is_unknown(world: World) -> None:
    world.stub.faults[START] = "cut"
    run = dispatched(world.dispatcher, world.run())
    _, progress = look(world.dispatcher, later(run, 61))
    assert (progress.state, world.stub.tags) == (RunState.LOST, {TAG: COMMIT})
    assert (TAG if world.is_github else KEY) in progress.problem


def test_a_refused_start_leaves_no_tag(world: World) -> None:
    world.stub.faults[START] = 422
    with pytest.raises(Refused):
        world.dispatcher.dispatch(world.run())
    assert world.stub.tags == {}


def test_a_tag_that_cannot_be_deleted_stays_and_ends_nothing(world: World) -> None:
    run = dispatched(world.dispatcher, world.run())
    world.end()
    world.stub.faults[DROP] = 403
    world.dispatcher.discard(run)
    assert world.stub.tags == {TAG: COMMIT}


def test_dots_of_an_environment_become_dashes_because_git_takes_some_of_them_not(world: World) -> None:
    run = world.run()
    odd = replace(run, environment={**run.environment, "PORTAL_ENVIRONMENT": "eu..west.lock"}, external={})
    assert world.dispatcher.prepare(odd) == {"tag": f"portal/eu--west-lock/{public_name(KEY)}"}


def test_without_the_option_no_tag_is_made(world: World) -> None:
    run = world.run()
    options = {name: value for name, value in run.options.items() if name != "tag"}
    with pytest.raises(Refused, match=r"with `tag: true` in `deploy` of portal.yaml any commit can run"):
        world.dispatcher.dispatch(replace(run, options=options, external={}))
    assert (world.started, world.stub.tags) == ([], {})


def test_the_tag_of_a_start_that_was_put_off_and_never_came_is_deleted(world: World) -> None:
    world.stub.faults[START] = 429
    run = world.run()
    with pytest.raises(NotSent):
        world.dispatcher.dispatch(run)
    assert world.stub.tags == {TAG: COMMIT}
    assert world.dispatcher.cancel(run) is False
    world.dispatcher.discard(run)
    assert (world.stub.tags, world.started) == ({}, [])
