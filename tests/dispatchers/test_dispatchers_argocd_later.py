"""Argo CD that syncs by itself goes on to whatever lands on the branch next, also for another environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import Run, RunState
from apps.deployments.dispatchers.argocd import ArgoCDDispatcher
from tests.support.argo import Argo, argo
from tests.support.dispatching import look, older, run_for
from tests.support.git import GitRepo

ARGO = ArgoCDDispatcher()
ELSEWHERE = "d" * 40


@pytest.fixture
def work(tmp_path: Path) -> GitRepo:
    return GitRepo.create(tmp_path / "work")


@pytest.fixture
def there(settings: Any) -> Iterator[Argo]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 5
    with argo() as found:
        found.app["spec"]["syncPolicy"] = {"automated": {"prune": True}}
        yield found


@pytest.fixture
def ours(work: GitRepo) -> str:
    return work.commit(files={"a": "1"})


@pytest.fixture
def later(ours: str, work: GitRepo) -> str:
    return work.commit(files={"b": "1"})


def run_at(there: Argo, work: GitRepo, commit: str, **options: Any) -> Run:
    run = run_for("argocd", there.url, {"application": "web", **options})
    return replace(run, git_dir=work.git_dir, commit=commit)


def test_where_it_is_at_a_later_commit_already_nothing_is_waited_for(
    there: Argo, work: GitRepo, ours: str, later: str
) -> None:
    there.operate(later)
    _, progress = look(ARGO, run_at(there, work, ours))
    assert progress.outcome == "succeeded"
    assert progress.text.startswith(f"web was already at {later[:10]}, a later commit that contains {ours[:10]}")


def test_a_later_commit_that_lands_while_ours_becomes_healthy_is_followed(
    there: Argo, work: GitRepo, ours: str, later: str
) -> None:
    run, _ = look(ARGO, run_at(there, work, ours))
    there.operate(ours, health="Progressing")
    run, progress = look(ARGO, run)
    assert progress.state == RunState.RUNNING
    there.operate(later, "Running")
    run, progress = look(ARGO, run)
    assert progress.state == RunState.RUNNING
    there.end(health="Progressing")
    assert look(ARGO, run)[1].state == RunState.RUNNING
    there.status["health"] = {"status": "Healthy"}
    there.status["reconciledAt"] = "2020-01-01T00:00:00Z"
    assert look(ARGO, run)[1].state == RunState.RUNNING, "that health is from before the end of the sync"
    there.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


def test_a_later_commit_for_which_nothing_was_to_be_done_counts(
    there: Argo, work: GitRepo, ours: str, later: str
) -> None:
    run, _ = look(ARGO, run_at(there, work, ours))
    there.operate(ours, health="Progressing")
    there.status["sync"] = {"status": "Synced", "revision": later}
    there.status["health"] = {"status": "Healthy"}
    assert look(ARGO, run)[1].outcome == "succeeded"


def test_a_commit_that_does_not_contain_ours_leaves_nobody_knowing(
    there: Argo, work: GitRepo, ours: str, later: str
) -> None:
    run, _ = look(ARGO, run_at(there, work, later))
    there.operate(ours)
    _, progress = look(ARGO, run)
    assert progress.state == RunState.LOST
    assert f"went on to {ours[:10]}" in progress.problem


def test_a_commit_that_the_portal_has_not_fetched_yet_is_waited_for(there: Argo, work: GitRepo, ours: str) -> None:
    run, _ = look(ARGO, run_at(there, work, ours, timeout=300))
    there.operate(ELSEWHERE)
    run, progress = look(ARGO, run)
    assert progress.state == RunState.RUNNING
    _, progress = look(ARGO, older(run, 301))
    assert progress.state == RunState.LOST


def test_without_automated_sync_only_the_exact_commit_counts(there: Argo, work: GitRepo, ours: str, later: str) -> None:
    del there.app["spec"]["syncPolicy"]
    there.operate(later)
    run, _ = look(ARGO, run_at(there, work, ours))
    assert [one["revision"] for one in there.synced] == [ours]
    there.begin()
    there.end(health="Progressing")
    there.operate(later)
    assert look(ARGO, run)[1].state == RunState.LOST
