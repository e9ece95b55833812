"""Answers that are older than what is known, or about another attempt, as each dispatcher gets them: they end nothing.

What a worker does with an answer that it got too late stands in ``test_dispatchers_order.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.deployments.dispatchers import NotSent, RunState
from apps.deployments.dispatchers.argocd import ArgoCDDispatcher
from apps.deployments.dispatchers.cloudformation import CloudFormationDispatcher
from apps.deployments.dispatchers.flux import FluxDispatcher, token_of
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.dispatchers.kube_job import name_of_job
from apps.deployments.dispatchers.kubernetes import KubernetesDispatcher
from apps.deployments.dispatchers.webhook import WebhookDispatcher
from tests.dispatchers.test_dispatchers_cloudformation import STACK, executing, run_at
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support.argo import Argo, argo
from tests.support.dispatching import COMMIT, look, older, run_for, sent
from tests.support.kube import Kube, kube
from tests.support.remote_runs import dispatched, later, run_of
from tests.support.stub_server import OTHER_COMMIT, serving
from tests.support.stubs_aws import Cloud, cloud
from tests.support.stubs_github import REPOSITORY, GitHub
from tests.support.stubs_github import TOKEN as GITHUB_TOKEN
from tests.support.stubs_gitlab import PROJECT, GitLab
from tests.support.stubs_gitlab import TOKEN as GITLAB_TOKEN

ARGO, AWS, FLUX, K8S = ArgoCDDispatcher(), CloudFormationDispatcher(), FluxDispatcher(), KubernetesDispatcher()
BEFORE, NOW = "e" * 64, "f" * 64
"""The keys of an attempt and of the next one."""


@pytest.fixture
def cd() -> Iterator[Argo]:
    with argo() as found:
        yield found


@pytest.fixture
def cluster() -> Iterator[Kube]:
    with kube() as found:
        yield found


@pytest.fixture
def account() -> Iterator[Cloud]:
    with cloud() as found:
        yield found


def argo_run(cd: Argo, key: str) -> Any:
    return run_for("argocd", cd.url, {"application": "web"}, key=key)


def test_argo_a_failure_of_the_attempt_before_is_not_taken_for_this_one_where_clocks_differ(cd: Argo) -> None:
    """Argo CD's clock is a minute ahead: what ended before we asked seems to have begun after it."""
    cd.operate(COMMIT, "Failed", [{"name": "gitops-portal", "value": BEFORE}])
    ahead = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    cd.status["operationState"]["startedAt"] = ahead
    run, progress = look(ARGO, argo_run(cd, NOW))
    assert progress.state == RunState.RUNNING
    assert [one["infos"] for one in cd.synced] == [[{"name": "gitops-portal", "value": NOW}]]
    cd.begin()
    cd.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


def test_argo_an_operation_of_the_attempt_before_that_still_runs_is_waited_for_and_not_joined(cd: Argo) -> None:
    cd.operate(COMMIT, "Running", [{"name": "gitops-portal", "value": BEFORE}])
    with pytest.raises(NotSent):
        look(ARGO, argo_run(cd, NOW))
    cd.end("Failed")
    run, _ = look(ARGO, argo_run(cd, NOW))
    assert len(cd.synced) == 1
    cd.begin()
    cd.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


@pytest.mark.parametrize(("seconds", "synced"), [(1790, 1), (1801, 0)])
def test_argo_a_request_that_left_nothing_behind_is_not_repeated_for_ever(
    cd: Argo, seconds: float, synced: int
) -> None:
    run = sent(argo_run(cd, NOW), seconds)
    _, progress = look(ARGO, run)
    assert (progress.state == RunState.LOST) is not bool(synced)
    assert len(cd.synced) == synced


def test_argo_an_application_as_it_was_before_the_request_ends_nothing(cd: Argo) -> None:
    """Its API answers from a cache."""
    cd.operate(COMMIT, "Failed")
    cd.status["operationState"] |= {"startedAt": "2020-01-01T00:00:00Z", "finishedAt": "2020-01-01T00:00:01Z"}
    before = copy.deepcopy(cd.app)
    run, _ = look(ARGO, argo_run(cd, NOW))
    cd.begin()
    newer, cd.app = cd.app, before
    run, progress = look(ARGO, run)
    assert progress.state == RunState.RUNNING
    cd.app = newer
    cd.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


def test_flux_what_it_said_after_the_request_of_the_attempt_before_ends_nothing(cluster: Kube) -> None:
    there = Flux(cluster)
    first = run_for("flux", there.url, {"kustomization": "all-apps"}, key=BEFORE)
    look(FLUX, first)
    there.fetch(COMMIT)
    there.reconcile(COMMIT, COMMIT, "False", reason="HealthCheckFailed")
    assert look(FLUX, first)[1].outcome == "failed"
    run, progress = look(FLUX, run_for("flux", there.url, {"kustomization": "all-apps"}, key=NOW))
    assert progress.state == RunState.RUNNING
    there.reconcile(COMMIT, lastHandledReconcileAt=token_of(first))
    run, progress = look(FLUX, run)
    assert progress.state == RunState.RUNNING
    there.reconcile(COMMIT)
    assert look(FLUX, run)[1].outcome == "succeeded"


def test_flux_that_stalled_at_an_older_revision_may_still_come_to_ours(cluster: Kube) -> None:
    """The object acts on the request before its source has fetched the commit."""
    there = Flux(cluster)
    run, _ = look(FLUX, run_for("flux", there.url, {"kustomization": "all-apps"}, key=NOW))
    there.reconcile(ready="False")
    there.kustomization["status"]["conditions"].append({"type": "Stalled", "status": "True", "message": "retries"})
    run, progress = look(FLUX, run)
    assert progress.state == RunState.RUNNING
    there.fetch(COMMIT)
    stalled = there.kustomization["status"]["conditions"][-1:]
    there.reconcile(attempted=COMMIT, ready="False")
    there.kustomization["status"]["conditions"] += stalled
    assert look(FLUX, run)[1].problem == "Kustomization flux-system/all-apps cannot go on: retries"


def test_kubernetes_the_job_of_the_attempt_before_is_not_that_of_this_one(cluster: Kube) -> None:
    options = {"namespace": "web", "job": {"image": "tool:1"}}
    first, run = (run_for("kubernetes", cluster.url, options, key=key) for key in (BEFORE, NOW))
    first, _ = look(K8S, first)
    cluster.status("jobs", name_of_job(first), {"conditions": [{"type": "Failed", "status": "True"}]})
    run, progress = look(K8S, run)
    assert progress.state == RunState.RUNNING
    cluster.status("jobs", name_of_job(first), {"conditions": [{"type": "Complete", "status": "True"}]})
    assert look(K8S, run)[1].state == RunState.RUNNING
    cluster.status("jobs", name_of_job(run), {"conditions": [{"type": "Failed", "status": "True"}]})
    assert look(K8S, run)[1].outcome == "failed"


def test_cloudformation_events_of_the_attempt_before_are_not_those_of_this_one(account: Cloud) -> None:
    first = executing(account)
    account.event("Q", "UPDATE_FAILED", "No rights")
    account.event("shop", "UPDATE_ROLLBACK_COMPLETE", kind=STACK)
    account.change_sets.clear()
    assert look(AWS, first)[1].outcome == "failed"
    run = replace(run_at(account), key=NOW)
    while len(account.calls("ExecuteChangeSet")) < 2:
        run, progress = look(AWS, run)
    assert progress.state == RunState.RUNNING
    account.event("shop", "UPDATE_COMPLETE", kind=STACK)
    assert look(AWS, run)[1].outcome == "succeeded"
    assert look(AWS, first)[1].outcome == "failed"


def test_cloudformation_a_cancelled_execution_that_the_account_took_is_not_over_before_it_shows_it(
    account: Cloud,
) -> None:
    run = executing(account)
    found = next(iter(account.change_sets.values()))
    older_answer = {**found, "ExecutionStatus": "AVAILABLE"}
    account.answers["DescribeChangeSet"] = [older_answer, older_answer]
    account.answers["DescribeStackEvents"] = [{"StackEvents": []}, {"StackEvents": []}]
    run, progress = look(AWS, replace(run, is_cancelled=True))
    assert progress.state == RunState.RUNNING
    account.event("shop", "UPDATE_COMPLETE", kind=STACK)
    assert look(AWS, run)[1].outcome == "succeeded"


def test_cloudformation_a_change_set_that_is_not_shown_yet_is_waited_for_and_one_that_is_gone_ends_it(
    account: Cloud,
) -> None:
    run, _ = look(AWS, run_at(account))
    kept = dict(account.change_sets)
    account.change_sets.clear()
    run, progress = look(AWS, run)
    assert progress.state == RunState.NOT_STARTED
    gone = look(AWS, older(run, 61))[1]
    assert (gone.outcome, gone.problem) == (
        "failed",
        "The change set is gone: somebody deleted it. Nothing was executed.",
    )
    account.change_sets |= kept
    executing(account, run)
    assert len(account.calls("CreateChangeSet")) == 1


def test_cloudformation_an_execution_of_which_nothing_is_ever_shown_is_unknown(account: Cloud) -> None:
    run = executing(account)
    account.events.clear()
    next(iter(account.change_sets.values()))["ExecutionStatus"] = "AVAILABLE"
    progress = look(AWS, older(run, 1801))[1]
    assert progress.state == RunState.LOST
    assert "shows nothing of it" in progress.problem


def test_cloudformation_a_state_that_nobody_knows_ends_nothing(account: Cloud) -> None:
    run = executing(account)
    account.event("shop", "UPDATE_PONDERED", kind=STACK)
    progress = look(AWS, run)[1]
    assert (progress.state, progress.text) == (RunState.RUNNING, "The stack is UPDATE_PONDERED.")


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_run_of_another_commit_that_does_not_stop_is_unknown_in_time(kind: str) -> None:
    """It was told to stop, and the other system goes on saying that it runs."""
    stub: Any = GitHub() if kind == "github" else GitLab()
    dispatcher: Any = GitHubDispatcher() if kind == "github" else GitLabDispatcher()
    options = {"repository": REPOSITORY, "workflow": "deploy.yml"} if kind == "github" else {"project": PROJECT}
    token = GITHUB_TOKEN if kind == "github" else GITLAB_TOKEN
    stub.raced = OTHER_COMMIT
    stub.faults["POST /cancel$"] = 202
    with serving(stub):
        run = dispatched(dispatcher, run_of(kind, stub.url, {"token": token}, {**options, "timeout": 60}))
        assert dispatcher.observe(run).state == RunState.RUNNING
        progress = dispatcher.observe(later(run, 61))
    assert progress.state == RunState.LOST
    assert "not at the approved" in progress.problem
    assert "It was told to stop" in progress.problem
    assert "within 60 s" in progress.problem


def test_webhook_reports_that_come_late_neither_reopen_a_step_nor_move_the_end() -> None:
    told = [
        {"status": "running", "text": "", "steps": [{"name": "a", "status": "succeeded", "log": "1\n"}]},
        {"status": "running", "text": "", "steps": [{"name": "a", "status": "running"}]},
        {"status": "failed", "text": "no", "steps": []},
        {"status": "running", "text": "", "steps": [{"name": "a", "status": "failed"}]},
        {"status": "succeeded", "text": "yes", "steps": []},
    ]
    run = replace(run_for("webhook", "https://x.example", {}), reports=tuple(told))
    run = replace(run, external={"sent": datetime.now(UTC).isoformat(), "accepted": "x"})
    progress = WebhookDispatcher().observe(run)
    assert (progress.state, progress.outcome, progress.problem) == (RunState.ENDED, "failed", "no")
    assert [step.is_success for step in progress.steps] == [True]


def test_webhook_logs_are_bounded_as_those_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.deployments.dispatchers.remote.LOG_MOST", 10)
    reports = tuple(
        {"status": "running", "steps": [{"name": "a", "status": "running", "log": "12345\n"}]} for _ in "123"
    )
    run = replace(run_for("webhook", "https://x.example", {}), reports=reports)
    read = WebhookDispatcher().read_log(run, "a", 0, 1000)
    assert read.startswith(b"12345\n1234\n[The log goes on.")
    assert read.count(b"12345") == 1
