"""A worker whose answer comes too late, and each other system as far as a test says of it how an attempt stands there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.deployments.dispatchers import Judged, Progress, Run, ToPlan
from apps.deployments.dispatchers.registry import DISPATCHERS
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support.argo import Argo
from tests.support.delivery import Delivery
from tests.support.kube import Kube
from tests.support.outside import step_engine
from tests.support.reporting import report
from tests.support.stubs_aws import Cloud
from tests.support.stubs_github import GitHub
from tests.support.stubs_gitlab import GitLab
from tests.support.stubs_jenkins import Jenkins

CONFLICT = "d" * 40
"""Another commit than the approved one."""


@dataclass
class Scene:
    """One deployment through one system. ``play`` has that system say of an attempt: running | succeeded | failed.

    ``ready`` brings the system to the merged commit, before the deployment is begun.
    """

    via: str
    delivery: Delivery
    play: Callable[[Attempt, str], None]
    ready: Callable[[Deployment], None] = lambda _row: None

    def merged(self) -> Deployment:
        row = self.delivery.deployment(self.delivery.merged())
        self.ready(row)
        return row


def newest(row: Deployment) -> Attempt:
    return Attempt.objects.filter(deployment=row).latest("number")


def overtaken(patch: pytest.MonkeyPatch, via: str, meanwhile: Callable[[], None]) -> None:
    """The next look at a run of ``via`` gets its answer, and goes on with it after ``meanwhile``: its lease ran out then."""
    kind = type(DISPATCHERS[via])
    real, waiting = kind.observe, [meanwhile]

    def observe(self: Any, run: Run) -> Progress:
        progress: Progress = real(self, run)
        if waiting:
            then = waiting.pop()
            Deployment.objects.update(lease_until=None)
            then()
        return progress

    patch.setattr(kind, "observe", observe)


def picture(row: Deployment) -> list[Any]:
    """All that is known of a deployment, its attempts and its environment, and how much stands in the log."""
    columns = (
        "status",
        "problem",
        "attempts",
        "ended_at",
        "last_event",
        "environment__live_commit",
        "environment__live_deployment",
    )
    return [
        *Deployment.objects.filter(pk=row.pk).values_list(*columns),
        *Attempt.objects.filter(deployment=row).values_list("number", "outcome", "ended_at", "external_run", "resources"),
        *Step.objects.filter(attempt__deployment=row).order_by("pk").values_list(),
        *DeploymentEvent.objects.filter(deployment=row).values_list("seq", "text"),
        AuditEntry.objects.count(),
    ]  # fmt: skip


def settled(row: Deployment) -> None:
    """Two more looks of the engine at whatever is due."""
    step_engine()
    step_engine()
    row.refresh_from_db()


# --- what each system says -----------------------------------------------------------------


def gitlab(there: GitLab) -> Callable[[Attempt, str], None]:
    words = {"running": "running", "succeeded": "success", "failed": "failed"}

    def play(attempt: Attempt, state: str) -> None:
        at, number = attempt.number - 1, 60 + attempt.number
        there.pipelines[at]["status"] = words[state]
        there.jobs = [job for job in there.jobs if job["pipeline"]["id"] != number]
        there.job(700 + number, "apply", words[state], pipeline=number)

    return play


def github(there: GitHub) -> Callable[[Attempt, str], None]:
    ends = {"succeeded": "success", "failed": "failure"}

    def play(attempt: Attempt, state: str) -> None:
        run = there.runs[attempt.number - 1]
        run.update(status="completed" if state in ends else "in_progress", conclusion=ends.get(state))
        there.jobs = []
        there.job(7, "apply", run["status"], run["conclusion"], run_id=run["id"])

    return play


def jenkins(there: Jenkins) -> Callable[[Attempt, str], None]:
    def play(attempt: Attempt, state: str) -> None:
        item, number = 100 + attempt.number, 4 + attempt.number
        if not there.items[item]["executable"]:
            there.begin(item)
        there.builds[number].update(building=True, result=None)
        if state != "running":
            there.end("SUCCESS" if state == "succeeded" else "FAILURE", number, revisions=(attempt.deployment.commit,))

    return play


def argocd(there: Argo) -> Callable[[Attempt, str], None]:
    """The last operation is that of the attempt, whichever was there before."""

    def play(attempt: Attempt, state: str) -> None:
        there.app["operation"] = {
            "sync": {"revision": attempt.deployment.commit},
            "info": [{"name": "gitops-portal", "value": attempt.key}],
        }
        there.begin()
        if state != "running":
            there.end("Succeeded" if state == "succeeded" else "Failed", "said so")

    return play


def flux(there: Flux) -> Callable[[Attempt, str], None]:
    """What the controller wrote after the request of the attempt."""

    def play(attempt: Attempt, state: str) -> None:
        commit = attempt.deployment.commit
        there.fetch(commit)
        handled = {"lastHandledReconcileAt": f"gitops-portal-{attempt.key[:40]}"}
        if state == "succeeded":
            there.reconcile(commit, **handled)
        elif state == "failed":
            there.reconcile(CONFLICT, commit, "False", reason="BuildFailed", **handled)
        else:
            there.reconcile(CONFLICT, commit, "Unknown", **handled)

    return play


def kubernetes(there: Kube) -> Callable[[Attempt, str], None]:
    ends = {"succeeded": "Complete", "failed": "Failed"}

    def play(attempt: Attempt, state: str) -> None:
        conditions = [{"type": ends[state], "status": "True"}] if state in ends else []
        there.status("jobs", f"gitops-portal-{attempt.key[:40]}".lower(), {"active": 1, "conditions": conditions})

    return play


def cloudformation(there: Cloud) -> Callable[[Attempt, str], None]:
    """The events of the attempt's own operation, the newest first; what it said before is taken back."""
    words = {"running": "UPDATE_IN_PROGRESS", "succeeded": "UPDATE_COMPLETE", "failed": "UPDATE_ROLLBACK_COMPLETE"}

    def play(attempt: Attempt, state: str) -> None:
        token = there.calls("ExecuteChangeSet")[attempt.number - 1]["ClientRequestToken"]
        there.events = [event for event in there.events if event["ClientRequestToken"] != token]
        there.event("shop", words[state], kind="AWS::CloudFormation::Stack", token=token)
        there.status = words[state]

    return play


def approved_stack(patch: pytest.MonkeyPatch) -> None:
    """What the runner would have planned, and people approved: whatever the account shows."""
    content: dict[str, Any] = {"stack": "shop", "template": "{}", "parameters": []}
    to_plan = ToPlan("shop", {"stack": "shop"}, lambda changes: Judged("", changes is None), content)
    patch.setattr("apps.deployments.jobs.following.sealed_plan", lambda _deployment: "")
    patch.setattr("apps.deployments.jobs.runs.to_plan", lambda _deployment, _attempt: to_plan)


def webhook(attempt: Attempt, state: str) -> None:
    """A signed report about the attempt, under an id of its own."""
    step = {"name": "apply", "status": state}
    number = attempt.reports.count()
    report(attempt.deployment, f"{attempt.pk}-{number}", key=attempt.key, status=state, text="said so", steps=[step])
