"""Reports and files of those who mean ill, or lost their mind: whatever stands in them, the environment goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.waiting import beat
from apps.deployments import queries, services
from apps.deployments.dispatchers import Progress, Run
from apps.deployments.dispatchers.remote import moment
from apps.deployments.dispatchers.webhook import WebhookDispatcher
from apps.deployments.jobs import landing
from apps.deployments.models import Deployment, MergeIntent
from apps.policies.models import PolicyVersion
from apps.repositories.models import RefUpdate
from apps.repositories.services import synchronise
from tests.support.delivery import Delivery, run_jobs
from tests.support.outside import step_engine, until
from tests.support.reporting import report, running

pytestmark = pytest.mark.django_db
NEVER = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]


@pytest.mark.parametrize("at", NEVER)
def test_a_moment_that_no_clock_knows_is_none(delivery: Delivery, at: str) -> None:
    """Each look at the run failed for ever by one report with it."""
    row = running(delivery)
    report(row, status="running", steps=[{"name": "apply", "status": "running", "at": at}])
    step_engine()
    report(row, "m2", status="succeeded", steps=[{"name": "apply", "status": "succeeded", "at": at}])
    row = until(row, "succeeded")
    [step] = queries.steps_of(row)
    assert step.launched_at is not None
    assert step.ended_at is not None
    assert step.launched_at.year == step.ended_at.year == now().year


def test_a_look_that_takes_long_keeps_its_lease(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise another worker begins the next look, and what this one found is thrown away: each time."""
    row = running(delivery)
    step_engine()
    observe, was_free = WebhookDispatcher.observe, []

    def slowly(self: WebhookDispatcher, run: Run) -> Progress:
        for _ in range(15):
            time.sleep(0.1)
            beat()
        was_free.append(Deployment.objects.unleased().filter(pk=row.pk).exists())
        return observe(self, run)

    monkeypatch.setattr(WebhookDispatcher, "observe", slowly)
    step_engine()
    assert was_free
    assert not any(was_free)


@pytest.mark.parametrize("told", [*NEVER, "1969-12-31T23:59:59Z", "2026-01-01T00:00:00", "soon", None, 7, ["x"]])
def test_what_is_no_moment_of_another_system_is_none(told: Any) -> None:
    assert moment(told) is None


@pytest.mark.parametrize("run", ["echo \\0", "echo \\x00 && true"])
def test_a_nul_in_the_file_of_the_branch_keeps_nothing_from_landing(delivery: Delivery, run: str) -> None:
    """PostgreSQL refuses it in a plan and in a problem: the merge went out and never landed, the push was never taken."""
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    text = f'apiVersion: portal/v1\nenvironments: {{staging: {{deploy: {{steps: [{{name: a, run: "{run}"}}]}}}}}}\n'
    oid = delivery.work.commit("A NUL", files={".gitops/portal.yaml": text})
    delivery.work.push("main")
    assert synchronise(delivery.repository.pk)
    run_jobs("changes.take_ref_updates")
    assert not RefUpdate.objects.untaken().exists()
    assert not PolicyVersion.objects.get(commit_oid=oid).valid
    change = delivery.merged("two", {"app/values.yaml": "replicas: 2\n"})
    assert change.merge_commit
    assert delivery.deployment(change).plan["via"] == "webhook", "the last valid file governs"


def test_a_merge_that_an_error_of_the_portal_holds_up_says_so_and_lands_when_it_is_gone(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    with monkeypatch.context() as patch:
        patch.setattr(landing, "_create_deployments", lambda *_: {}["of the repository"])
        with pytest.raises(KeyError):
            run_jobs("deployments.carry_out_merges")
    intent = MergeIntent.objects.get(change=change)
    assert (intent.state, intent.tries, intent.lease_until) == (MergeIntent.State.PENDING, 1, None)
    assert intent.outcome["message"] == "The portal itself failed here (KeyError). Its log has more."
    MergeIntent.objects.update(check_at=None)
    run_jobs("deployments.carry_out_merges")
    change.refresh_from_db()
    assert change.merge_commit


@pytest.mark.parametrize("steps", ["", 0, False, {}, "x"])
def test_steps_that_are_no_list_are_refused_whatever_they_are(delivery: Delivery, steps: Any) -> None:
    row = running(delivery)
    with pytest.raises(InvalidInput, match="`steps` is a list"):
        report(row, status="running", steps=steps)
    report(row, status="running", steps=None)
