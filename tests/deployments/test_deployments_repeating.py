"""A new attempt from a later step relies on what the steps before it left in the environment: only while it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.errors import Conflict
from apps.deployments import queries, services
from apps.deployments.models import Deployment
from apps.deployments.queries.repeating import steps_to_begin_at
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.outside import until

pytestmark = pytest.mark.django_db
THREE = "[{name: first, run: 'test -e FLAG', timeout: 60s}, {name: apply, run: 'test ! -e BROKEN', timeout: 60s}, {name: last, run: 'true'"
SINCE = "something else ran in staging since. Retry it as a whole."


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """While it is there, the first step succeeds."""
    path = tmp_path / "flag"
    path.touch()
    return path


@pytest.fixture
def failed(tmp_path: Path, flag: Path, settings: Any) -> tuple[Delivery, Deployment]:
    """A deployment of three steps whose second failed, and would succeed now."""
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3
    broken = tmp_path / "broken"
    broken.touch()
    steps = THREE.replace("FLAG", str(flag)).replace("BROKEN", str(broken))
    delivery = Delivery.start(tmp_path, pipeline().replace("[{name: apply, run: 'cat app/values.yaml'", steps))
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, row.problem) == ("failed", "Step apply exited with 1.")
    broken.unlink()
    return delivery, row


def statuses(row: Deployment) -> list[str]:
    return [step.status for step in queries.steps_of(row)]


def retry(delivery: Delivery, row: Deployment, step: int = 0) -> None:
    services.retry(delivery.people.alice, deployment=row, from_step=step)


def refused(delivery: Delivery, row: Deployment, step: int) -> str:
    with pytest.raises(Conflict) as refusal:
        retry(delivery, row, step)
    assert refusal.value.code == "nothing_to_repeat"
    row.refresh_from_db()
    assert row.status in {"failed", "cancelled"}
    return refusal.value.message


def something_else_runs(delivery: Delivery, flag: Path) -> Deployment:
    """Another deployment of the environment, which fails at its first step."""
    flag.unlink()
    second = until(delivery.deployment(delivery.merged("two", {"b.txt": "b"})), "failed")
    flag.touch()
    return second


def test_an_attempt_begins_behind_what_ran_and_nowhere_else(failed: tuple[Delivery, Deployment]) -> None:
    delivery, row = failed
    assert steps_to_begin_at(row) == {0, 1, 2}
    retry(delivery, row, 1)
    row = until(row, "succeeded")
    assert statuses(row) == ["skipped", "succeeded", "succeeded"]


def test_page_and_api_offer_only_the_whole_after_something_else_ran_there(
    failed: tuple[Delivery, Deployment], flag: Path
) -> None:
    delivery, row = failed
    client = Client()
    client.force_login(delivery.people.alice)
    page, api = f"/deployments/{row.number}/", f"/api/v1/deployments/{row.number}/"
    assert "from apply, not again first" in client.get(f"{page}retry/").content.decode()
    assert client.get(api).json()["can_retry_from_step"] is True
    something_else_runs(delivery, flag)
    assert "from apply, not again first" not in client.get(f"{page}retry/").content.decode()
    assert client.get(api).json()["can_retry_from_step"] is False
    asked = client.post(f"{api}retry/", json.dumps({"from_step": 1}), content_type="application/json")
    assert (asked.status_code, asked.json()["code"]) == (409, "nothing_to_repeat")
    assert client.post(f"{page}retry/", {"from_step": "1"}).status_code == 409
    assert client.post(f"{page}retry/", {"from_step": "0"}).status_code == 303


def test_what_runs_between_asking_and_starting_counts_too(failed: tuple[Delivery, Deployment], flag: Path) -> None:
    delivery, row = failed
    retry(delivery, row, 1)
    Deployment.objects.filter(pk=row.pk).update(manual_start=True)
    something_else_runs(delivery, flag)
    Deployment.objects.filter(pk=row.pk).update(manual_start=False)
    row = until(row, "failed")
    assert (
        row.problem == f"{row.label} cannot begin at step apply: local kept nothing of the step before it, or {SINCE}"
    )
    assert statuses(row) == ["skipped", "skipped", "skipped"]
    assert SINCE in refused(delivery, row, 1)  # the attempt that ran nothing is nothing to go on from
    retry(delivery, row)
    assert until(row, "succeeded").attempts == 3


def test_each_step_counts_from_the_attempt_in_which_it_ran_last(
    failed: tuple[Delivery, Deployment], flag: Path
) -> None:
    delivery, row = failed
    something_else_runs(delivery, flag)
    flag.unlink()
    retry(delivery, row)
    row = until(row, "failed")  # at its first step: of the second one, only what ran before the other is known
    flag.touch()
    assert steps_to_begin_at(row) == {0, 1}
    assert SINCE in refused(delivery, row, 2)
    retry(delivery, row, 1)
    assert until(row, "succeeded").attempts == 3


def test_what_never_ran_is_not_left_out(failed: tuple[Delivery, Deployment], flag: Path) -> None:
    delivery, _ = failed
    flag.unlink()
    row = until(delivery.deployment(delivery.merged("two", {"b.txt": "b"})), "failed")
    assert steps_to_begin_at(row) == {0, 1}
    assert "local kept nothing of the step before it" in refused(delivery, row, 2)
    third = delivery.deployment(delivery.merged("three", {"c.txt": "c"}))
    services.cancel(delivery.people.alice, deployment=third)
    assert steps_to_begin_at(third) == {0}
    refused(delivery, third, 1)


def test_steps_of_a_dispatcher_that_cannot_begin_later_are_all_done_again(failed: tuple[Delivery, Deployment]) -> None:
    """Terraform's last step applies the plan that those before it made and compared."""
    delivery, row = failed
    Deployment.objects.filter(pk=row.pk).update(plan={**row.plan, "via": "terraform"})
    row.refresh_from_db()
    assert steps_to_begin_at(row) == {0}
    assert "terraform kept nothing" in refused(delivery, row, 1)
